/* A tree that is built, summed up and sorted by swapping subtrees: after the kernels of Olden. */
#include <stdlib.h>
struct node {
    struct node *left, *right;
    int value;
};
static struct node pool[1 << 9];
static int used;

__attribute__((noinline)) struct node *grow(int depth, int value) {
    if (depth == 0) return 0;
    struct node *node = &pool[used++];
    node->value = value;
    node->left = grow(depth - 1, value * 3 % 101);
    node->right = grow(depth - 1, value * 5 % 103);
    return node;
}

__attribute__((noinline)) int add(struct node *node) {
    if (!node) return 0;
    return add(node->left) + add(node->right) + node->value;
}

__attribute__((noinline)) int order(struct node *node) {
    if (!node) return -1;
    int left = order(node->left), right = order(node->right);
    if (left > right) {
        struct node *other = node->left;
        node->left = node->right, node->right = other;
    }
    return left > node->value ? left : right > node->value ? right : node->value;
}

int main(void) {
    struct node *root = grow(8, 7);
    int sum = 0;
    for (int round = 0; round < 8; round++) sum += add(root) + order(root);
    return sum == 0;
}
