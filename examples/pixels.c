/* A small image pipeline, of the kind that -O2 leaves scalar: its loops have counts and distances that the compiler does
 * not know. All arithmetic is on integers, so the result is the same on every machine.
 *
 *     gcc -O2 -o pixels pixels.c && ./pixels 40
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static void fill(uint8_t *image, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        image[i] = (uint8_t)(seed >> 24);
    }
}

/* Each pixel becomes the rounded mean of itself and its right neighbour. */
__attribute__((noinline)) static void blur(uint8_t *out, const uint8_t *in, size_t count) {
    for (size_t i = 0; i + 1 < count; i++)
        out[i] = (uint8_t)((in[i] + in[i + 1] + 1) >> 1);
}

/* out = |a - b|, weighted and clamped to a byte. */
__attribute__((noinline)) static void difference(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t count,
                                                 int gain) {
    for (size_t i = 0; i < count; i++) {
        int d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        d = d * gain >> 4;
        out[i] = (uint8_t)(d > 255 ? 255 : d);
    }
}

/* How many bits are set in all words. */
__attribute__((noinline)) static uint64_t population(const uint64_t *words, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t x = words[i];
        x -= x >> 1 & 0x5555555555555555u;
        x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
        x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
        total += x * 0x0101010101010101u >> 56;
    }
    return total;
}

int main(int argc, char **argv) {
    const size_t count = (size_t)1 << 22;
    int rounds = argc > 1 ? atoi(argv[1]) : 10;
    uint8_t *first = aligned_alloc(64, count), *second = aligned_alloc(64, count), *third = aligned_alloc(64, count);
    if (first == NULL || second == NULL || third == NULL) {
        fputs("pixels: out of memory\n", stderr);
        return 1;
    }
    fill(first, count, 1);
    fill(second, count, 2);
    fill(third, count, 3);
    uint64_t total = 0;
    for (int round = 0; round < rounds; round++) {
        blur(second, first, count);
        difference(third, first, second, count, 24 + round % 8);
        total = total * 31 + population((const uint64_t *)third, count / sizeof(uint64_t));
        uint8_t *swap = first;
        first = second;
        second = swap;
    }
    printf("%016llx\n", (unsigned long long)total);
    return 0;
}
