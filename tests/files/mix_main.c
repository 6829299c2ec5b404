#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint32_t mix(const uint32_t *a, size_t n, uint32_t k);

/* In one file with mix, gcc keeps r, s and a in registers that mix does not touch. */
int main(int argc, char **argv) {
  size_t n = 20000;
  long rounds = argc > 1 ? atol(argv[1]) : 5000;
  uint32_t *a = malloc(n * sizeof *a), s = 0;
  for (size_t i = 0; i < n; i++) a[i] = i * i;
  for (long r = 0; r < rounds; r++) s = s * 31 + mix(a, n, r) + r;
  printf("%u\n", s);
  return 0;
}
