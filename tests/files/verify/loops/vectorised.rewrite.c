// Sum of an array, by gcc -O1 and by gcc -O3 with its vectoriser.
// arguments: pointer length/4
// cflags: -O3
#include <stddef.h>
#include <stdint.h>

uint32_t total(const uint32_t *a, uint32_t n) {
    uint32_t s = 0;
    for (uint32_t i = 0; i < n; i++)
        s += a[i];
    return s;
}
