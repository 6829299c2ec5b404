// Copy of bytes upwards: by index, and with two pointers, counting down.
// arguments: pointer pointer length
// cflags: -O1 -fno-tree-loop-distribute-patterns
#include <stddef.h>
#include <stdint.h>

void *copy(void *to, const void *from, size_t n) {
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; n; n--)
        *t++ = *f++;
    return to;
}
