// Calls of every kind to walk along: nested, recursive, tail, through pointers, back from the C library, rarely.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define KEEP __attribute__((noinline, noclone))
static long table[64]; long results[1000]; char text[256], copy[256];
KEEP long leaf(long x) { return x * 3 + table[x & 63]; }
KEEP long tail(long x) { table[x & 63] = x; return leaf(x + 1); }
KEEP long twice(long x) { results[x % 1000] = x; long a = leaf(x); results[(x + 1) % 1000] = a; long b = tail(a); results[(x + 2) % 1000] += b; return a + b; }
KEEP int order(const void *a, const void *b) { return (*(const long *)a > *(const long *)b) - (*(const long *)a < *(const long *)b); }
KEEP long climb(long n) { if (n < 2) return table[n & 63]; long a = climb(n - 1); table[n & 63] += a; long b = climb(n - 2); results[n] += b; return a ^ b; }
KEEP long pick(long x, long (*f)(long)) { long sum = 0; for (int i = 0; i < 3; i++) { switch ((x + i) % 6) { case 0: sum += f(x); break; case 1: sum -= 4; break; case 2: sum ^= 9; break; case 3: sum *= 3; break; case 4: sum = leaf(sum); break; default: sum++; } } return sum; }
KEEP long sorts(long n) { long some[16]; for (int i = 0; i < 16; i++) some[i] = (n * 7919 + i * 104729) % 1000; qsort(some, 16, sizeof *some, order); long r = some[3] + some[12]; results[n % 1000] = r; return r; }
KEEP long strings(long n) { __asm__ volatile("rep movsb" : : "D"(copy), "S"(text), "c"(n & 255) : "memory"); return copy[3] + leaf(n); }
__attribute__((cold)) KEEP void fail(long n) { printf("rare %ld\n", n); }
KEEP long cold(long n) { if (__builtin_expect(n % 100 == 99, 0)) { fail(n); fail(n + 1); table[2] = n * 3; return -1; } return n & 3; }
int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 100, sum = 0;
    for (long i = 0; i < n; i++) { sum += twice(i); sum += pick(i, leaf); sum ^= strings(i); sum += cold(i); if (i % 50 == 0) sum += sorts(i); }
    sum += climb(10);
    printf("%ld\n", sum);
    return 0;
}
