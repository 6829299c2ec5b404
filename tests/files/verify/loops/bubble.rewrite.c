// A pass of bubble sort: reading both neighbours, and keeping the larger in a register.
// arguments: pointer length/4
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

void pass(int32_t *a, size_t n) {
    if (n < 2)
        return;
    int32_t largest = a[0];
    for (size_t i = 0; i < n - 1; i++) {
        int32_t next = a[i + 1];
        if (largest > next) {
            a[i] = next;
            a[i + 1] = largest;
        } else
            largest = next;
    }
}
