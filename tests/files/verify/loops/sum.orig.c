// Sum of an array: by index, and by a pointer up to the end.
// arguments: pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t sum(const uint32_t *a, uint32_t n) {
    uint32_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += a[i];
    return s;
}
