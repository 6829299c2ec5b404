// A product by repeated addition, and by one multiplication.
// arguments: i32 length
// cflags: -O1 -fno-tree-scev-cprop
#include <stddef.h>
#include <stdint.h>

uint32_t times(uint32_t x, uint32_t n) {
    uint32_t s = 0;
    for (; n; n--)
        s += x;
    return s;
}
