// First place of a byte: by index, and with a pointer up to the end.
// arguments: pointer character length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

void *find(const void *s, int c, size_t n) {
    const unsigned char *p = s, *end = p + n;
    unsigned char wanted = (unsigned char)c;
    while (p != end && *p != wanted)
        p++;
    return p == end ? 0 : (void *)p;
}
