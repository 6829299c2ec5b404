// The sum of 0 … n - 1: counted, and by Gauss.
// arguments: length
// cflags: -O1 -fno-tree-scev-cprop
#include <stddef.h>
#include <stdint.h>

uint64_t triangle(uint32_t n) {
    uint64_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += i;
    return s;
}
