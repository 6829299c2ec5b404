// Length of a text: by index, and as a difference of pointers.
// arguments: text
// cflags: -O1 -fno-builtin
#include <stddef.h>
#include <stdint.h>

size_t length(const char *s) {
    const char *p = s;
    while (*p)
        p++;
    return (size_t)(p - s);
}
