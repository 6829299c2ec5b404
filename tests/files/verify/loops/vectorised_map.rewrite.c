// One array from another, element by element, by gcc -O1 and by gcc -O3 with its vectoriser, which first looks whether they overlap.
// arguments: pointer pointer length/4
// cflags: -O3
#include <stddef.h>
#include <stdint.h>

void scaled(uint32_t *to, const uint32_t *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (from[i] << 3) + 7;
}
