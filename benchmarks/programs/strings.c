/* String functions as a small C library has them: byte by byte, or a word at a time where that is usual. Names carry a
 * prefix so that no compiler takes them for its own. */
#include <stddef.h>
#include <stdint.h>

typedef unsigned char byte;
typedef uint64_t __attribute__((__may_alias__)) word;

#define ONES ((word)0x0101010101010101u)
#define HIGHS (ONES << 7)
#define HAS_ZERO(x) (((x) - ONES) & ~(x) & HIGHS)
#define IS_ALIGNED(p) (((uintptr_t)(p) & 7) == 0)

size_t s_strlen(const char *s)
{
    const char *a = s;
    for (; !IS_ALIGNED(s); s++)
        if (!*s)
            return s - a;
    const word *w = (const void *)s;
    while (!HAS_ZERO(*w))
        w++;
    for (s = (const void *)w; *s; s++)
        ;
    return s - a;
}

size_t s_strlen_bytes(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

void *s_memchr(const void *from, int c, size_t n)
{
    const byte *s = from;
    c = (byte)c;
    for (; n && *s != c; s++, n--)
        ;
    return n ? (void *)s : 0;
}

void *s_memrchr(const void *from, int c, size_t n)
{
    const byte *s = from;
    c = (byte)c;
    while (n--)
        if (s[n] == c)
            return (void *)(s + n);
    return 0;
}

size_t s_strnlen(const char *s, size_t n)
{
    const char *p = s_memchr(s, 0, n);
    return p ? (size_t)(p - s) : n;
}

size_t s_strnlen_bytes(const char *s, size_t n)
{
    size_t i = 0;
    for (; i < n && s[i]; i++)
        ;
    return i;
}

int s_memcmp(const void *left, const void *right, size_t n)
{
    const byte *l = left, *r = right;
    for (; n && *l == *r; n--, l++, r++)
        ;
    return n ? *l - *r : 0;
}

int s_bcmp(const void *left, const void *right, size_t n)
{
    const byte *l = left, *r = right;
    byte different = 0;
    for (size_t i = 0; i < n; i++)
        different |= l[i] ^ r[i];
    return different != 0;
}

int s_strcmp(const char *l, const char *r)
{
    for (; *l == *r && *l; l++, r++)
        ;
    return *(const byte *)l - *(const byte *)r;
}

int s_strncmp(const char *left, const char *right, size_t n)
{
    const byte *l = (const void *)left, *r = (const void *)right;
    if (!n--)
        return 0;
    for (; *l && *r && n && *l == *r; l++, r++, n--)
        ;
    return *l - *r;
}

int s_tolower(int c)
{
    return (unsigned)c - 'A' < 26 ? c | 32 : c;
}

int s_isspace(int c)
{
    return c == ' ' || (unsigned)c - '\t' < 5;
}

int s_isdigit(int c)
{
    return (unsigned)c - '0' < 10;
}

int s_isalnum(int c)
{
    return ((unsigned)c | 32) - 'a' < 26 || (unsigned)c - '0' < 10;
}

int s_isxdigit(int c)
{
    return (unsigned)c - '0' < 10 || ((unsigned)c | 32) - 'a' < 6;
}

int s_strcasecmp(const char *left, const char *right)
{
    const byte *l = (const void *)left, *r = (const void *)right;
    for (; *l && *r && (*l == *r || s_tolower(*l) == s_tolower(*r)); l++, r++)
        ;
    return s_tolower(*l) - s_tolower(*r);
}

char *s_strchrnul(const char *s, int c)
{
    c = (byte)c;
    if (!c)
        return (char *)s + s_strlen_bytes(s);
    for (; *s && *(const byte *)s != c; s++)
        ;
    return (char *)s;
}

char *s_strchr(const char *s, int c)
{
    for (;; s++) {
        if (*(const byte *)s == (byte)c)
            return (char *)s;
        if (!*s)
            return 0;
    }
}

char *s_strrchr(const char *s, int c)
{
    const char *found = 0;
    do
        if (*s == (char)c)
            found = s;
    while (*s++);
    return (char *)found;
}

/* A set of bytes, as 256 bits. */
typedef struct {
    uint64_t bits[4];
} set;

static inline int has(const set *of, byte c)
{
    return of->bits[c / 64] >> (c % 64) & 1;
}

static inline set set_of(const char *text)
{
    set made = {{0}};
    for (const byte *c = (const void *)text; *c; c++)
        made.bits[*c / 64] |= (uint64_t)1 << (*c % 64);
    return made;
}

size_t s_strcspn(const char *s, const char *reject)
{
    set stops = set_of(reject);
    size_t n = 0;
    while (s[n] && !has(&stops, s[n]))
        n++;
    return n;
}

size_t s_strspn(const char *s, const char *accept)
{
    size_t n = 0;
    if (accept[0] && !accept[1]) {
        while (s[n] == accept[0])
            n++;
        return n;
    }
    set goes_on = set_of(accept);
    while (s[n] && has(&goes_on, s[n]))
        n++;
    return n;
}

char *s_strpbrk(const char *s, const char *c)
{
    s += s_strcspn(s, c);
    return *s ? (char *)s : 0;
}

void *s_memcpy(void *restrict to, const void *restrict from, size_t n)
{
    byte *d = to;
    const byte *s = from;
    for (; n; n--)
        *d++ = *s++;
    return to;
}

void *s_memmove(void *to, const void *from, size_t n)
{
    char *d = to;
    const char *s = from;
    if (d == s)
        return d;
    if (d < s)
        for (; n; n--)
            *d++ = *s++;
    else
        while (n)
            n--, d[n] = s[n];
    return to;
}

void *s_memset(void *to, int c, size_t n)
{
    byte *s = to;
    for (; n; n--, s++)
        *s = c;
    return to;
}

void *s_memccpy(void *restrict to, const void *restrict from, int c, size_t n)
{
    byte *d = to;
    const byte *s = from;
    c = (byte)c;
    for (; n && (*d = *s) != c; n--, s++, d++)
        ;
    return n ? d + 1 : 0;
}

char *s_stpcpy(char *restrict d, const char *restrict s)
{
    for (; (*d = *s); d++, s++)
        ;
    return d;
}

char *s_strcpy(char *restrict to, const char *restrict from)
{
    s_stpcpy(to, from);
    return to;
}

char *s_stpncpy(char *restrict d, const char *restrict s, size_t n)
{
    for (; n && (*d = *s); n--, s++, d++)
        ;
    s_memset(d, 0, n);
    return d;
}

char *s_strcat(char *restrict to, const char *restrict from)
{
    s_stpcpy(to + s_strlen_bytes(to), from);
    return to;
}

size_t s_strlcpy(char *d, const char *s, size_t n)
{
    char *start = d;
    if (n--) {
        for (; n && (*d = *s); n--, s++, d++)
            ;
        *d = 0;
    }
    return d - start + s_strlen_bytes(s);
}

size_t s_strlcat(char *d, const char *s, size_t n)
{
    size_t l = s_strnlen_bytes(d, n);
    if (l == n)
        return l + s_strlen_bytes(s);
    return l + s_strlcpy(d + l, s, n - l);
}

char *s_strstr(const char *h, const char *n)
{
    if (!*n)
        return (char *)h;
    for (; *h; h++) {
        size_t i = 0;
        while (n[i] && h[i] == n[i])
            i++;
        if (!n[i])
            return (char *)h;
    }
    return 0;
}

char *s_strsep(char **text, const char *separators)
{
    char *s = *text, *end;
    if (!s)
        return 0;
    end = s + s_strcspn(s, separators);
    if (*end)
        *end++ = 0;
    else
        end = 0;
    *text = end;
    return s;
}

void s_swab(const void *restrict from, void *restrict to, ptrdiff_t n)
{
    const char *s = from;
    char *d = to;
    for (; n > 1; n -= 2) {
        d[0] = s[1];
        d[1] = s[0];
        d += 2;
        s += 2;
    }
}

int s_ffs(int i)
{
    return i ? __builtin_ctz(i) + 1 : 0;
}

int s_atoi(const char *s)
{
    unsigned n = 0;
    int negative = 0;
    while (s_isspace(*s))
        s++;
    switch (*s) {
    case '-':
        negative = 1; /* fall through */
    case '+':
        s++;
    }
    while (s_isdigit(*s))
        n = 10 * n - (unsigned)(*s++ - '0');
    return (int)(negative ? n : -n);
}

uint32_t s_swap_bytes(uint32_t x)
{
    return x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) | x << 24;
}

size_t s_utf8_length(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((byte)*s & 0xc0) != 0x80;
    return n;
}

size_t s_encode_utf8(char *s, uint32_t c)
{
    if (c < 0x80) {
        *s = (char)c;
        return 1;
    }
    if (c < 0x800) {
        *s++ = (char)(0xc0 | c >> 6);
        *s = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0xd800 || c - 0xe000 < 0x2000) {
        *s++ = (char)(0xe0 | c >> 12);
        *s++ = (char)(0x80 | (c >> 6 & 0x3f));
        *s = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    if (c - 0x10000 < 0x100000) {
        *s++ = (char)(0xf0 | c >> 18);
        *s++ = (char)(0x80 | (c >> 12 & 0x3f));
        *s++ = (char)(0x80 | (c >> 6 & 0x3f));
        *s = (char)(0x80 | (c & 0x3f));
        return 4;
    }
    return (size_t)-1;
}

uint32_t s_hash(const char *s)
{
    uint32_t h = 0;
    while (*s) {
        h = 16 * h + (byte)*s++;
        h ^= h >> 24 & 0xf0;
    }
    return h & 0xfffffff;
}
