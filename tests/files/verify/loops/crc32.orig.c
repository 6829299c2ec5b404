// CRC-32 bit by bit: with a branch for each bit, and with a mask, unrolled.
// arguments: i32 pointer length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            if (crc & 1)
                crc = crc >> 1 ^ 0xedb88320u;
            else
                crc >>= 1;
    }
    return crc;
}
