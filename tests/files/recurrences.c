// Loops whose recurrences are known. The line before each function says what its loops hand on beside affine values:
// reductions by their operator ("~": floating), "predictable", "recent", "chase", "handed", "serial", or "none"; and
// "counted" where the number of rounds is known beforehand.
#include <stdio.h>
#define N 320
#define F __attribute__((noinline, noclone))
static int a[N], b[N], c[N];
static float f[N];
static double d[N];
static unsigned u[N], seed;
static unsigned char by[N];
static struct node { struct node *next; int v; } nodes[N];
static volatile int sink;
int g;

// none counted
F void up(int n) { for (int i = 0; i < n; i++) c[i] = b[i] + 1; }
// none counted
F void down(int n) { while (n-- > 0) c[n] = b[n] ^ 3; }
// none counted
F void squares(int n) { for (int i = 0; i < n; i++) c[i] = i * i; }
// none counted
F void stepped(int n) { for (g = 0; g < n; g++) c[g] = b[g] + 1; }
// add counted
F int sum(int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }
// add counted
F long widened(int n) { long s = 0; for (int i = 0; i < n; i++) s += by[i]; return s; }
// add~ counted
F double real(int n) { double s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }
// mul~ counted
F float product(int n) { float s = 1; for (int i = 0; i < n; i++) s *= 1 + f[i] * 1e-3f; return s; }
// max counted
F int most(int n) { int m = a[0]; for (int i = 1; i < n; i++) if (a[i] > m) m = a[i]; return m; }
// umin counted
F unsigned least(int n) { unsigned m = u[0]; for (int i = 1; i < n; i++) m = u[i] < m ? u[i] : m; return m; }
// max counted
F double largest(int n) { double m = d[0]; for (int i = 1; i < n; i++) if (d[i] > m) m = d[i]; return m; }
// xor counted
F unsigned parity(int n) { unsigned x = 0; for (int i = 0; i < n; i++) x ^= u[i]; return x; }
// add counted
F int dot(int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * b[i]; return s; }
// add add or mul counted
F int several(int n) {
    int s = 0, t = 0, x = 0, m = 1;
    for (int i = 0; i < n; i++) { s += a[i]; t -= b[i]; x |= a[i]; m *= b[i] + 1; }
    return s ^ t ^ x ^ m;
}
// add counted
F int often(int n) { int k = 0; for (int i = 0; i < n; i++) if (a[i] > 500) k++; return k; }
// last counted
F int where(int n) { int k = -1; for (int i = 0; i < n; i++) if (a[i] == 77) k = i; return k; }
// max argmax counted
F int peak(int n) { int m = a[0], k = 0; for (int i = 1; i < n; i++) if (a[i] > m) { m = a[i]; k = i; } return k ^ m; }
// serial last counted
F int second(int n) { int m = a[0], k = 0; for (int i = 1; i < n; i++) if (a[i] > m) { k = m; m = a[i]; } return k ^ m; }
// serial last counted
F int marked(int n) {
    int m = a[0], k = 0;
    for (int i = 1; i < n; i++) { if (a[i] > m) m = a[i]; if (a[i] > m - 5) k = i; }
    return k ^ m;
}
// add counted
F int nested(int n) { int s = 0; for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) s += a[i] * b[j]; return s; }
// add counted
F void through(int *p, int n) { for (int i = 0; i < n; i++) *p += a[i]; }
// add counted
F void histogram(int n) { for (int i = 0; i < n; i++) c[b[i]] += 1; }
F int work(int x) { sink = x; return x * 3; }
// add counted
F int calls(int n) { int s = 0; for (int i = 0; i < n; i++) s += work(i); return s; }
F int draw(void) { seed = seed * 1103515245u + 12345u; return seed >> 16; }
// serial counted
F void draws(int n) { for (int i = 0; i < n; i++) c[i] = draw(); }
F void bump(int *x, int by) { *x = (*x ^ by) * 5 + by / 3; }
// serial counted
F int taken(int n) { int x = 0; for (int i = 0; i < n; i++) { bump(&x, a[i]); c[i] = x; } return x; }
// chase add
F int list(struct node *p) { int s = 0; while (p) { s += p->v; p = p->next; } return s; }
// chase counted
F unsigned table(int n) {
    unsigned x = ~0u;
    for (int i = 0; i < n; i++) x = u[(x ^ by[i]) & 255] ^ x >> 8;
    return x;
}
// predictable counted
F void quadratic(int n) { int q = 0; for (int i = 0; i < n; i++) { c[i] = q; q += i; } }
// predictable counted
F void congruent(unsigned x, int n) { for (int i = 0; i < n; i++) { x = x * 1103515245u + 12345u; u[i] = x >> 16; } }
// serial counted
F void fibonacci(int n) { int x = 0, y = 1; for (int i = 0; i < n; i++) { c[i] = x; int z = x + y; x = y; y = z; } }
// serial counted
F void prefix(int n) { int s = 0; for (int i = 0; i < n; i++) { s += b[i]; c[i] = s; } }
// serial counted
F int packed(int n) { int k = 0; for (int i = 0; i < n; i++) if (a[i] > 500) c[k++] = a[i]; return k; }
// recent counted
F void differences(int n) { int p = 0; for (int i = 0; i < n; i++) { int v = a[i]; c[i] = v - p; p = v; } }
// recent counted
F void shifted(int n) { unsigned short s = 1; for (int i = 0; i < n; i++) { s = s >> 8 | by[i] << 8; c[i] = s * 3; } }
// serial counted
F void mixed(int n) { unsigned s = 1; for (int i = 0; i < n; i++) { s = s >> 8 ^ by[i] * (s & 255); c[i] = s; } }
// handed counted
F void written(int n) { int p = 0; for (int i = 0; i < n; i++) { c[i] = p; p = a[i] / 3; a[i] = p * 5; } }
// none
F int search(int x) { int i = 0; while (a[i] != x) i++; return i; }

int main(void) {
    for (int i = 0; i < N; i++) {
        a[i] = i * 7919 % 1000;
        b[i] = i * 31 % 17;
        d[i] = i % 13 * .5;
        f[i] = i % 7;
        u[i] = i * 77777u;
        by[i] = i * 7;
        nodes[i].next = i + 1 < N ? nodes + i + 1 : 0;
        nodes[i].v = i;
    }
    up(N); down(N); squares(N); stepped(N);
    double t = sum(N) + widened(N) + real(N) + product(N) + most(N) + least(N) + largest(N) + parity(N) + dot(N);
    t += several(N) + often(N) + where(N) + peak(N) + second(N) + marked(N) + nested(20) + calls(20) + list(nodes) + table(N) + packed(N);
    through(&c[3], N); histogram(N); draws(20); taken(20); quadratic(N); congruent(5, N); fibonacci(40); prefix(N);
    differences(N); shifted(N); mixed(N);
    printf("%f %d\n", t, search(a[200]));
    written(N);
}
