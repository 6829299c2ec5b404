// Arguments beyond the registers, variable numbers of them, callbacks and indirect calls.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline))

KEEP long ten(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j) {
    return a - 2 * b + 3 * c - 4 * d + 5 * e - 6 * f + 7 * g - 8 * h + 9 * i - 10 * j;
}
KEEP int small(char a, short b, int c, unsigned char d, unsigned short e, signed char f, char g, short h, unsigned char i) {
    return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9;
}
KEEP double both(int a, double b, int c, double d, int e, double f, int g, double h, int i, double j, int k, double l, int m,
                 double n, int o, double p, int q, double r, int s, double t) {
    return a * b + c * d + e * f + g * h + i * j + k * l + m * n + o * p + q * r + s * t;
}
KEEP long forwards(long a, long b, long c, long d, long e, long f, long g, long h) { return ten(h, g, f, e, d, c, b, a, a + b, c * d); }
KEEP long through(long (*f)(long, long, long, long, long, long, long, long, long, long), long x) {
    return f(x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8, x + 9) - f(1, 2, 3, 4, 5, 6, 7, 8, x, x);
}
KEEP long through_few(long (*f)(long, long), long x) { return f(x, 3) + f(4, x); }
KEEP long sub(long a, long b) { return a * 3 - b; }
KEEP long changes(long a, long b, long c, long d, long e, long f, long g, long h) {
    long *p = &g;
    for (int i = 0; i < 3; i++) { *p += h; h -= i; }
    return a + b + c + d + e + f + g * 10 + h * 100;
}
KEEP int sum(int n, ...) {
    va_list list;
    va_start(list, n);
    int s = 0;
    for (int i = 0; i < n; i++) s += va_arg(list, int) * (i + 1);
    va_end(list);
    return s;
}
KEEP double real_sum(int n, ...) {
    va_list list;
    va_start(list, n);
    double s = 0;
    for (int i = 0; i < n; i++) s += va_arg(list, double) * (i + 1);
    va_end(list);
    return s;
}
KEEP void say(char *out, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsprintf(out, format, list);
    va_end(list);
}
KEEP int calls_variadic(int x) { return sum(9, x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8) + sum(0) + sum(1, x); }
KEEP double calls_variadic_real(double x) { return real_sum(10, x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8, x + 9); }
KEEP void prints(int i, double d, const char *s, long l) {
    printf("%d %g %s %ld %d %g %s %ld %d %g %c %x\n", i, d, s, l, i * 2, d * 2, s + 1, l * 2, i * 3, d * 3, 'x', i);
    printf("%g %g %g %g %g %g %g %g %g %g %g\n", d, d, d, d, d, d, d, d, d + 9, d + 10, d + 11);
}
static int rising(const void *a, const void *b) { int x = *(const int *)a, y = *(const int *)b; return (x > y) - (x < y); }
static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }
KEEP int *sorted(int *v, int n, int key) { qsort(v, n, sizeof *v, rising); return bsearch(&key, v, n, sizeof *v, rising); }
KEEP uint32_t rotated(uint32_t x, int n) { return (x << (n & 31) | x >> (-n & 31)) ^ (x >> n % 7) ^ (uint32_t)((int32_t)x >> (n & 31)); }

static long op_add(long a, long b) { return a + b; }
static long op_mul(long a, long b) { return a * b; }
static long (*const table[])(long, long) = {op_add, sub, op_mul};
KEEP long dispatch(int which, long a, long b) { return table[which](a, b) + which; }

int main(int argc, char **argv) {
    (void)argv;
    printf("%ld %d\n", ten(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), small(-1, -2, -3, 255, 65535, -6, -7, -8, 200));
    printf("%g\n", both(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20));
    printf("%ld %ld %ld %ld\n", forwards(1, 2, 3, 4, 5, 6, 7, 8), through(ten, argc), through_few(sub, 7), changes(1, 2, 3, 4, 5, 6, 7, 8));
    printf("%d %g\n", calls_variadic(argc), calls_variadic_real(0.5));
    char text[100];
    say(text, "%d-%s-%g-%ld-%c-%d-%g", 1, "two", 3.5, 4l, '5', 6, 7.5);
    puts(text);
    prints(7, 2.5, "seven", -7);
    int v[] = {5, 3, 9, -1, 22, 0, 7};
    int *found = sorted(v, 7, 9);
    printf("%d %d %d\n", *found, (int)(found - v), sorted(v, 7, 8) == NULL);
    const char *words[] = {"pear", "apple", "fig", "date"};
    qsort(words, 4, sizeof *words, by_text);
    printf("%s %s %s %s\n", words[0], words[1], words[2], words[3]);
    for (int i = 0; i < 40; i++) printf("%x ", rotated(0x9abcdef1u * (i + 1), i));
    printf("\n%ld %ld %ld\n", dispatch(0, 5, 6), dispatch(1, 5, 6), dispatch(2, 5, 6));
    return 0;
}
