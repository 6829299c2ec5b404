// Memory: strings, copies of every size, thread-local variables, waiting for a thread and for a signal, vector loops.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

static __thread int mine = 5;
static __thread long room[10];
KEEP int bump(int n) { mine += n; room[n & 7] = mine; return mine + (int)room[3]; }

static volatile int ready;
static volatile int *volatile where = &ready;
static int value;
KEEP int wait_for(void) { while (!ready) { } return value; }
KEEP int wait_through(void) { volatile int *p = where; while (*p != 2) { } return value + 1; }
static void *setter(void *arg) {
    usleep(20000);
    value = (int)(intptr_t)arg;
    __sync_synchronize();
    ready = 1;
    usleep(20000);
    ready = 2;
    return NULL;
}
static volatile sig_atomic_t seen;
static void handler(int number) { seen = number; }
KEEP int wait_for_signal(void) { signal(SIGALRM, handler); ualarm(20000, 0); while (!seen) { } return seen; }

static _Atomic int counter;
KEEP int count(int n) { for (int i = 0; i < n; i++) counter++; return counter; }

KEEP size_t length(const char *s) { size_t n = 0; while (s[n]) n++; return n; }
KEEP void reverse(char *s) { for (char *e = s + strlen(s) - 1; s < e; s++, e--) { char c = *s; *s = *e; *e = c; } }
KEEP unsigned crc(const unsigned char *p, size_t n) {
    static unsigned table[256];
    if (!table[1]) for (unsigned i = 0; i < 256; i++) { unsigned c = i; for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1; table[i] = c; }
    unsigned c = ~0u;
    while (n--) c = c >> 8 ^ table[(c ^ *p++) & 255];
    return ~c;
}
KEEP void saxpy(float *restrict y, const float *restrict x, float a, int n) { for (int i = 0; i < n; i++) y[i] += a * x[i]; }
KEEP void overlap(int *a, int n) { for (int i = 1; i < n; i++) a[i] += a[i - 1]; }
KEEP int dot(const short *a, const short *b, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * b[i]; return s; }
KEEP void bytes(uint8_t *d, const uint8_t *s, int n) { for (int i = 0; i < n; i++) d[i] = (uint8_t)((s[i] * 3 + d[i]) >> 1) > 100 ? s[i] : 255 - s[i]; }
KEEP long matrix(int n) {
    static int a[40][40], b[40][40];
    for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) { a[i][j] = i - j; b[i][j] = i * j; }
    unsigned long t = 0;
    for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) { int s = 0; for (int k = 0; k < n; k++) s += a[i][k] * b[k][j]; t = t * 3 + s; }
    return t;
}
KEEP int maximum(const int *v, int n) { int m = v[0]; for (int i = 1; i < n; i++) m = v[i] > m ? v[i] : m; return m; }
KEEP uint64_t sum_bytes(const uint8_t *v, int n) { uint64_t s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
KEEP void spread(int *a, int *b, int *c, int n) { for (int i = 0; i < n; i++) { *a += b[i]; c[i] = *a; } }
struct list { struct list *next; int v; };
KEEP int follow(struct list *l) { int s = 0; for (; l; l = l->next) s = s * 7 + l->v; return s; }
KEEP int local_array(int n) { int v[64]; for (int i = 0; i < 64; i++) v[i] = i * n; int *p = v + (n & 31); return p[3] + *(v + 60 - (n & 7)); }
KEEP int pointer_difference(int *a, int *b) { int here[4] = {1, 2, 3, 4}; int *p = here + (b - a); return *p; }
KEEP void escape(int **to, int *v) { *to = v; }
KEEP int escaped(int n) { int x = n, *p; escape(&p, &x); *p += 5; return x; }

int main(void) {
    pthread_t thread;
    printf("%d %d\n", bump(3), bump(3));
    pthread_create(&thread, NULL, setter, (void *)(intptr_t)77);
    printf("%d %d\n", wait_for(), wait_through());
    pthread_join(thread, NULL);
    printf("%d %d\n", wait_for_signal(), count(10));
    char s[] = "a man, a plan, a canal";
    reverse(s);
    printf("%s %zu %x\n", s, length(s), crc((const unsigned char *)s, sizeof s));
    float x[33], y[33];
    for (int i = 0; i < 33; i++) { x[i] = i; y[i] = 33 - i; }
    saxpy(y, x, 0.3f, 33);
    for (int i = 0; i < 33; i++) printf("%g ", y[i]);
    int a[101]; short p[101]; uint8_t u[101], w[101];
    for (int i = 0; i < 101; i++) { a[i] = i * 7919 % 101; p[i] = i * 77; u[i] = i * 3; w[i] = 255 - i; }
    overlap(a, 101);
    bytes(u, w, 101);
    printf("\n%d %d %ld %d %lu\n", a[100], dot(p, p + 1, 100), matrix(40), maximum(a, 101), sum_bytes(u, 101));
    spread(a + 5, a + 3, a + 1, 20);
    for (int i = 0; i < 25; i++) printf("%d ", a[i]);
    struct list l[3] = {{l + 1, 1}, {l + 2, 2}, {NULL, 3}};
    printf("\n%d %d %d %d\n", follow(l), local_array(9), pointer_difference(a, a + 2), escaped(4));
    char big[4096], other[4096];
    for (int n = 0; n < 4096; n = n * 3 / 2 + 1) { memset(big, n, sizeof big); memcpy(other, big, n); memmove(other + 1, other, n / 2); printf("%x ", crc((unsigned char *)other, n)); }
    puts("");
    return 0;
}
