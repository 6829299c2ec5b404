/* Compresses a text of its own making with libbz2: the block sort of text in which words come again. */
#include <bzlib.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    unsigned size = argc > 1 ? (unsigned)atoi(argv[1]) : 20000, length = size + size / 100 + 600, seed = 1;
    char *text = malloc(size), *out = malloc(length);
    for (unsigned i = 0; i < size; i++) {
        if (i % 7 == 0) seed = seed * 1103515245u + 12345u;
        text[i] = (char)("etaoin shrdlu"[(seed >> 16) % 13 + 0] + (i % 7 > 4));
    }
    return BZ2_bzBuffToBuffCompress(out, &length, text, size, 9, 0, 30) != BZ_OK;
}
