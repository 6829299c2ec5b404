// First place of a byte: by index, and with a pointer up to the end.
// arguments: pointer character length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

void *find(const void *s, int c, size_t n) {
    const unsigned char *p = s;
    for (size_t i = 0; i < n; i++)
        if (p[i] == (unsigned char)c)
            return (void *)(p + i);
    return 0;
}
