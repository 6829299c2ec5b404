// Control flow: recursion, tables, computed jumps, tail calls, objects of variable size, setjmp, traps avoided.
#include <alloca.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline))

KEEP long ackermann(long m, long n) { return m == 0 ? n + 1 : ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1)); }
KEEP int is_odd(long n);
KEEP int is_even(long n) { return n == 0 ? 1 : is_odd(n - 1); }
KEEP int is_odd(long n) { return n == 0 ? 0 : is_even(n - 1); }
KEEP int state(const char *s) {
    int v = 0;
    for (; *s; s++)
        switch (*s) {
        case 'a': v += 1; break;
        case 'b': v *= 3;
        case 'c': v -= 2; break;
        case 'd': v ^= 0x55; break;
        case 'e': v <<= 1; break;
        case 'f': v = -v; break;
        case 'g': return v;
        case 'j': v++; continue;
        case 'z': v = 1000; break;
        default: v += 7;
        }
    return v + 100;
}
void (*hook)(int) = exit;
KEEP int hooked(int x) { hook(x); return x * 3; }
static void note(int x) { printf("note %d\n", x); }
KEEP long interpreter(const unsigned char *code, long x) {
    static void *const next[] = {&&add, &&sub, &&mul, &&jump, &&stop};
    long acc = x, count = 5;
    goto *next[*code];
add: acc += x; code++; goto *next[*code];
sub: acc -= 3; code++; goto *next[*code];
mul: acc *= 2; code++; goto *next[*code];
jump: code += count-- > 0 ? -2 : 1; goto *next[*code];
stop: return acc;
}
KEEP long dynamic(int n) {
    int *v = alloca(n * sizeof *v);
    for (int i = 0; i < n; i++) v[i] = i * i;
    long s = 0;
    for (int i = 0; i < n; i++) s += v[n - 1 - i] * i;
    return s;
}
KEEP long variable(int n, int m) {
    long grid[n][m];
    for (int i = 0; i < n; i++) for (int j = 0; j < m; j++) grid[i][j] = i * j;
    return grid[n - 1][m - 1] + grid[n / 2][m / 2];
}
static jmp_buf place;
KEEP void leave(int n) { if (n == 0) longjmp(place, 42); leave(n - 1); }
KEEP int returns_twice(int n) {
    volatile int count = 0;
    int got = setjmp(place);
    if (got) return got + count;
    count++;
    leave(n);
    return -1;
}
KEEP int divide(int a, int b) { return b == 0 || (a == INT_MIN && b == -1) ? 0 : a / b * 1000 + a % b; }
KEEP long divide_long(long a, long b) { return b == 0 ? -1 : a / b + a % b; }
KEEP unsigned divide_const(unsigned a) { return a / 7 + a % 10 * 3 + a / 641 + (unsigned)((int)a / 9) + (unsigned)((int)a % 16); }
KEEP int many_frames(int n) { char room[5000]; memset(room, n, sizeof room); return n == 0 ? 0 : room[n & 1023] + many_frames(n - 1); }
KEEP int hanoi(int n, char a, char b, char c) { return n == 0 ? 0 : hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a); }
struct node { struct node *left, *right; int key; };
KEEP struct node *insert(struct node *t, int key) {
    if (!t) { t = calloc(1, sizeof *t); t->key = key; return t; }
    if (key < t->key) t->left = insert(t->left, key); else t->right = insert(t->right, key);
    return t;
}
KEEP void walk(struct node *t, void (*visit)(int, void *), void *with) { if (t) { walk(t->left, visit, with); visit(t->key, with); walk(t->right, visit, with); } }
static void collect(int key, void *with) { long *h = with; *h = *h * 31 + key; }

int main(int argc, char **argv) {
    (void)argv;
    static const unsigned char code[] = {0, 1, 2, 3, 1, 4};
    struct node *tree = NULL;
    unsigned r = 1;
    for (int i = 0; i < 1000; i++) tree = insert(tree, (int)((r = r * 1103515245u + 12345u) >> 16 & 0x7fff));
    long hash = 0;
    walk(tree, collect, &hash);
    printf("%ld %d %d %d\n", ackermann(2, 9), is_even(argc > 1 ? 10000001 : 100001), state("abcdefzajjk"), state("zzbg"));
    printf("%ld %ld %ld %d %d\n", interpreter(code, 5), dynamic(100), variable(7, 9), returns_twice(5), many_frames(300));
    printf("%d %d %ld %ld %d %ld\n", divide(17, -5), divide(INT_MIN, -1), divide_long(LONG_MIN, 7), divide_long(5, 0), hanoi(12, 'a', 'b', 'c'), hash);
    for (unsigned i = 0; i < 50; i++) printf("%u ", divide_const(i * 123456789u));
    puts("");
    hook = note;
    printf("%d\n", hooked(3));
    return state("abc") & 0x7f;
}
