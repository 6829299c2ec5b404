/* Loops whose parallelism is known. The line before each function is its answer, for its hottest loop (or itself, where it
 * calls itself): the kind, then operator or distance. It holds at every level of optimisation. Divisions by what is not
 * constant keep compilers from vectorising where a distance has to stay what it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N 512
#define KEEP __attribute__((noinline, noclone, noipa))

static int a[N + 64], b[N + 64], c[N + 64], permutation[N], collisions[N], same[N];
static double x[N];
static unsigned char bytes[8 * N + 64];
static int scratch[8];

/* answer: independent */
KEEP void independent(void) {
    for (int i = 0; i < N; i++) a[i] = b[i] * 3 + 1;
}

/* answer: serial 1 */
KEEP void raw_1(void) {
    for (int i = 1; i < N; i++) a[i] = b[i] / (a[i - 1] | 1);
}

/* answer: conflicts 2; -O2: conflicts 2; -O3: serial (two rounds are one there, and the next needs both) */
KEEP void raw_2(void) {
    for (int i = 2; i < N; i++) a[i] = b[i] / (a[i - 2] | 1);
}

/* answer: conflicts 17 */
KEEP void raw_n(void) {
    for (int i = 17; i < N; i++) a[i] = b[i] / (a[i - 17] | 1);
}

/* answer: private */
KEEP void war_1(void) {
    for (int i = 0; i < N; i++) a[i] = b[i] / (a[i + 1] | 1);
}

/* answer: private */
KEEP void war_2(void) {
    for (int i = 0; i < N; i++) a[i] = b[i] / (a[i + 2] | 1);
}

/* answer: private */
KEEP void war_n(void) {
    for (int i = 0; i < N; i++) a[i] = b[i] / (a[i + 17] | 1);
}

/* answer: private */
KEEP void waw_1(void) {
    for (int i = 0; i < N; i++) a[i / 2] = b[i] / (c[i] | 1);
}

/* answer: private */
KEEP void waw_2(void) {
    for (int i = 0; i < N; i++) a[i % 2] = b[i] / (c[i] | 1);
}

/* answer: private */
KEEP void waw_n(void) {
    for (int i = 0; i < N; i++) a[i % 17] = b[i] / (c[i] | 1);
}

/* answer: reduction add */
KEEP int sum(void) {
    int s = 0;
    for (int i = 0; i < N; i++) s += a[i];
    return s;
}

/* answer: reduction add */
KEEP double floating_sum(void) {
    double s = 0;
    for (int i = 0; i < N; i++) s += x[i];
    return s;
}

/* answer: reduction max */
KEEP int maximum(void) {
    int m = a[0];
    for (int i = 0; i < N; i++)
        if (a[i] > m) m = a[i];
    return m;
}

/* answer: reduction xor */
KEEP unsigned xor_all(void) {
    unsigned s = 0;
    for (int i = 0; i < N; i++) s ^= (unsigned)a[i];
    return s;
}

/* answer: independent */
KEEP void indirect_never(void) {
    for (int i = 0; i < N; i++) a[permutation[i]] = b[i] / (a[permutation[i]] | 1);
}

/* answer: conflicts */
KEEP void indirect_sometimes(void) {
    for (int i = 0; i < N; i++) a[collisions[i]] = b[i] / (a[collisions[i]] | 1);
}

/* answer: serial 1 */
KEEP void indirect_always(void) {
    for (int i = 0; i < N; i++) a[same[i]] = b[i] / (a[same[i]] | 1);
}

struct item {
    struct item *next;
    int value, other;
};

/* answer: pipeline */
KEEP void linked_list(struct item *item) {
    while (item) {
        int value = item->value;
        for (int k = 1; k < 40; k++) value = item->other / (value | k) + 3;
        item->value = value;
        item = item->next;
    }
}

struct tree {
    struct tree *left, *right;
    int value;
};

/* answer: fork-join */
KEEP int tree_walk(struct tree *tree) {
    if (!tree) return 0;
    tree->value += 1;
    int left = tree_walk(tree->left);
    int right = tree_walk(tree->right);
    return left + right + tree->value;
}

/* answer: serial */
KEEP void output(void) {
    for (int i = 0; i < 64; i++) {
        char text[2] = {(char)('a' + b[i] % 26), '\n'};
        if (write(1, text, 2) != 2) abort();
    }
}

/* answer: serial 1 */
KEEP void overlapping(void) {
    for (int i = 1; i < N; i++) {
        uint64_t word = (uint64_t)(c[i] / (bytes[4 * i + 3] | 1)) * 0x0101010101010101u;
        memcpy(bytes + 4 * i, &word, 8);
    }
}

/* answer: independent */
KEEP void side_by_side(void) {
    for (int i = 0; i < N; i++) {
        int read;
        memcpy(&read, bytes + 8 * i + 4, 4);
        read = c[i] / (read | 1);
        memcpy(bytes + 8 * i, &read, 4);
    }
}

/* answer: private */
KEEP void temporary(void) {
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 8; k++) scratch[k] = b[i] / (c[k] | 1);
        int s = 0;
        for (int k = 0; k < 8; k++) s += scratch[(k * 3 + b[i]) & 7];
        a[i] = s;
    }
}

/* answer: independent */
KEEP int several_exits(int wanted) {
    for (int i = 0; i < N; i++) {
        if (a[i] == wanted) return i;
        if (b[i] < 0) break;
        if (b[i] / (c[i] | 1) == wanted) return -i;
    }
    return -1;
}

static struct tree *grown(int depth) {
    if (!depth) return 0;
    struct tree *tree = malloc(sizeof *tree);
    tree->left = grown(depth - 1), tree->right = grown(depth - 1), tree->value = depth;
    return tree;
}

int main(void) {
    struct item *items = calloc(N, sizeof *items), *list = 0;
    for (int i = 0; i < N; i++) {
        b[i] = i * 7919 % 1000, c[i] = i % 7 + 1, x[i] = i * 0.5;
        permutation[i] = i * 5 % N, collisions[i] = i % 8 ? i : 0, same[i] = 3;
        items[i].next = list, items[i].other = i, list = &items[i];
    }
    struct tree *tree = grown(7);
    independent(), raw_1(), raw_2(), raw_n(), war_1(), war_2(), war_n(), waw_1(), waw_2(), waw_n();
    volatile double sink = sum() + floating_sum() + maximum() + xor_all();
    for (int i = 0; i < N; i++) a[i] = i + 2;
    sink += several_exits(-7);
    indirect_never(), indirect_sometimes(), indirect_always(), linked_list(list);
    sink += tree_walk(tree);
    output(), overlapping(), side_by_side(), temporary();
    return 0;
}
