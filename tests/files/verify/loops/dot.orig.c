// Dot product of integers: by index, and counting down with two pointers.
// arguments: pointer pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

int32_t dot(const int32_t *a, const int32_t *b, size_t n) {
    uint32_t s = 0;
    for (size_t i = 0; i < n; i++)
        s += (uint32_t)a[i] * (uint32_t)b[i];
    return (int32_t)s;
}
