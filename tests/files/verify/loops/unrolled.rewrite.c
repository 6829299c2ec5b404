// Exclusive or of an array: one element a round, and four a round with a rest.
// arguments: pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t fold(const uint32_t *a, uint32_t n) {
    uint32_t s = 0, i = 0;
    for (; n - i >= 4; i += 4)
        s ^= a[i] ^ a[i + 1] ^ a[i + 2] ^ a[i + 3];
    for (; i < n; i++)
        s ^= a[i];
    return s;
}
