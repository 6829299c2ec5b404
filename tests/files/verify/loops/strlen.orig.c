// Length of a text: by index, and as a difference of pointers.
// arguments: text
// cflags: -O1 -fno-builtin
#include <stddef.h>
#include <stdint.h>

size_t length(const char *s) {
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}
