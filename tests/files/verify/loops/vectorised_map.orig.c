// One array from another, by gcc -O1 and by gcc -O3 with its vectoriser, which looks whether they overlap and trusts
// that both are aligned, as C has it.
// arguments: pointer/4 pointer/4 length/4
// options: --assume '(rdi & 3) == 0' --assume '(rsi & 3) == 0'
// cflags: -O1
#include <stddef.h>
#include <stdint.h>

void scaled(uint32_t *to, const uint32_t *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (from[i] << 3) + 7;
}
