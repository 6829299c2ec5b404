// Three times a number: counted, and multiplied.
// arguments: length
// cflags: -O1 -fno-tree-scev-cprop
#include <stdint.h>

uint32_t tripled(uint32_t n) {
    uint32_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += 3;
    return s;
}
