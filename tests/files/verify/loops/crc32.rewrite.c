// CRC-32 bit by bit: with a branch for each bit, and with a mask, unrolled.
// arguments: i32 pointer length
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

#define STEP crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n; n--) {
        crc ^= *p++;
        STEP STEP STEP STEP STEP STEP STEP STEP
    }
    return crc;
}
