// Adler-32: with a division for each byte, and with subtractions, since both sums stay below the modulus.
// arguments: pointer length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t adler32(const uint8_t *p, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}
