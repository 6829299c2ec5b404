// Dot product of integers: by index, and counting down with two pointers.
// arguments: pointer pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

int32_t dot(const int32_t *a, const int32_t *b, size_t n) {
    uint32_t s = 0;
    while (n--)
        s += (uint32_t)*b++ * (uint32_t)*a++;
    return (int32_t)s;
}
