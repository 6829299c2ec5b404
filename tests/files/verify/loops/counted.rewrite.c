// A product by repeated addition, and by one multiplication.
// arguments: i32 length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t times(uint32_t x, uint32_t n) {
    return x * n;
}
