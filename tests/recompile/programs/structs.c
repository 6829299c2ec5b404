// Structs by value: in registers, on the stack, returned through a hidden pointer, bit-fields, unions, 128-bit integers.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KEEP __attribute__((noinline))

struct pair { long a, b; };
struct point { double x, y; };
struct both { double x; long n; };
struct odd { char c[11]; };
struct big { long v[7]; };
struct huge { int v[200]; };
struct bits { unsigned a : 3; int b : 7; unsigned long c : 40; unsigned d : 1; signed char e : 2; };
union word { uint64_t whole; double real; uint16_t part[4]; };

KEEP struct pair swap_pair(struct pair p) { return (struct pair){p.b, p.a}; }
KEEP struct point turn(struct point p) { return (struct point){-p.y, p.x}; }
KEEP struct both mix(struct both p, struct both q) { return (struct both){p.x + q.n, q.n - p.n}; }
KEEP struct odd odd(struct odd o, int k) { for (int i = 0; i < 11; i++) o.c[i] = o.c[i] * k + i; return o; }
KEEP struct big add(struct big p, struct big q, long k) { for (int i = 0; i < 7; i++) p.v[i] += q.v[i] * k; return p; }
KEEP long last(int a, struct big p, int b, struct pair q, struct big r, int c) { return a + p.v[6] + b * q.a - q.b + r.v[0] * c; }
KEEP struct huge fill(int n) { struct huge h; for (int i = 0; i < 200; i++) h.v[i] = i * n; return h; }
KEEP int total(struct huge h) { int s = 0; for (int i = 0; i < 200; i++) s += h.v[i] * (i & 7); return s; }
KEEP void copy(struct huge *to, const struct huge *from) { *to = *from; }
KEEP struct bits pack(unsigned a, int b, unsigned long c) { struct bits s = {a, b, c, a & 1, b}; s.c += s.b; return s; }
KEEP long unpack(struct bits s) { return s.a + s.b * 10l + s.c * 100 + s.d + s.e; }
KEEP union word word(uint64_t w) { union word u = {w}; u.part[1] ^= u.part[3]; return u; }
KEEP __int128 product(long a, long b) { return (__int128)a * b; }
KEEP unsigned __int128 quotient(unsigned __int128 a, unsigned __int128 b) { return a / b + (a >> 67) - (b << 3) % a; }
KEEP int sign(__int128 a, __int128 b) { return a < b ? -1 : a > b; }
KEEP struct big through(struct big (*f)(struct big, struct big, long), struct big *p) { return f(*p, *p, 2); }
KEEP struct big twice(struct big p) { p = add(p, p, 1); return add(p, p, 1); }
KEEP struct pair *inside(struct pair p, struct pair *keep) { *keep = p; keep->a++; return keep; }
KEEP long address_of_argument(struct big p, int i) { long *v = p.v; v[i] += 5; return v[0] + v[i] + v[6]; }

int main(void) {
    struct pair p = swap_pair((struct pair){1, 2});
    struct point t = turn((struct point){1.5, 2.5});
    struct both m = mix((struct both){1.5, 7}, (struct both){2.5, 9});
    struct odd o = {"abcdefghij"};
    o = odd(o, 3);
    struct big b = {{1, 2, 3, 4, 5, 6, 7}}, s = add(b, b, 10);
    printf("%ld %ld %g %g %g %ld\n", p.a, p.b, t.x, t.y, m.x, m.n);
    for (int i = 0; i < 11; i++) printf("%d ", o.c[i]);
    s = twice(through(add, &s));
    for (int i = 0; i < 7; i++) printf("%ld ", s.v[i]);
    printf("%ld\n", last(1, s, 2, p, b, 3));
    struct huge h = fill(3), g;
    copy(&g, &h);
    printf("%d %d\n", total(g), total(fill(-5)));
    printf("%ld\n", unpack(pack(6, -33, 0x123456789)));
    printf("%lx %g\n", word(0x123456789abcdef0).whole, word(0x4000000000000000).real);
    __int128 w = product(0x7fffffffffffffff, -12345);
    unsigned __int128 q = quotient((unsigned __int128)w, 987654321987654321);
    printf("%lx %lx %lx %lx %d %d\n", (long)(w >> 64), (long)w, (long)(q >> 64), (long)q, sign(w, 5), sign(-w, w));
    struct pair kept, *same = inside(p, &kept);
    printf("%ld %ld %ld\n", same->a, kept.b, address_of_argument(b, 3));
    return 0;
}
