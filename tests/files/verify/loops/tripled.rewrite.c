// Three times a number: counted, and multiplied.
// arguments: length
// cflags: -O1
#include <stdint.h>

uint32_t tripled(uint32_t n) {
    return 3 * n;
}
