// The last two of a series: stored in each round, and when the loop is left, in two places that may be one.
// arguments: i32 pointer/4 pointer/4 length
// cflags: -O1 -fno-tree-loop-im
#include <stddef.h>
#include <stdint.h>

void last(uint32_t x, uint32_t *to, uint32_t *also, size_t n) {
    for (size_t i = 0; i < n; i++) {
        *also = x;
        x = x * 1664525 + 1013904223;
        *to = x;
    }
}
