// A pass of bubble sort: reading both neighbours, and keeping the larger in a register.
// arguments: pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

void pass(int32_t *a, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if (a[i] > a[i + 1]) {
            int32_t t = a[i];
            a[i] = a[i + 1];
            a[i + 1] = t;
        }
}
