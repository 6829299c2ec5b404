// Exclusive or of an array: one element a round, and four a round with a rest.
// arguments: pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t fold(const uint32_t *a, uint32_t n) {
    uint32_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s ^= a[i];
    return s;
}
