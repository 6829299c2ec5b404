// A program to record under QBDI: what can be rebuilt, what cannot, and what QBDI must be asked not to follow.
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline, noclone))

struct row { long key; int count; short half; char byte; double real; } rows[300];
unsigned char bytes[4096], copy[4096];
long table[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static jmp_buf place;

KEEP long walk(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; i++) {
        struct row *r = &rows[(i * 7) % 300];
        r->count += i;
        r->half = (short)(r->count >> 3);
        r->byte ^= (char)i;
        r->real = r->real * 0.5 + i;
        if (r->key != i % 5) r->key = sum; else sum += r->key;
        sum += bytes[(sum + i) & 4095]++;
    }
    __asm__ volatile("rep movsb" : : "D"(copy), "S"(bytes), "c"(100L) : "memory");
    return sum;
}
KEEP long triple(long x) { return x * 3; }
KEEP long hop(long x) {
    if (x & 1) return triple(x);
    x = triple(x + 1);
    while (x > 10) x = triple(x) / 4 - 5;
    return x;
}
KEEP long double real(long double a) {
    long double sum = 1;
    for (int i = 0; i < 8; i++) sum = sum * a + table[i];
    return sum;
}
KEEP long atomic(long n) {
    long count = 0;
    for (long i = 0; i < n; i++) {
        __atomic_fetch_add(&table[i & 7], 1, __ATOMIC_SEQ_CST);
        if (table[i & 7] & 2) count++;
    }
    return count;
}
KEEP long hidden(const unsigned char *code) {
    static void *ways[] = {&&add, &&flip, &&end};
    void **volatile table_of_ways = ways;
    long x = 0;
add:
    x += 3;
    goto *table_of_ways[*code++];
flip:
    x ^= 5;
    goto *table_of_ways[*code++];
end:
    return x;
}
KEEP void wide(void) { __asm__ volatile(".byte 0x62, 0xf1, 0x7c, 0x48, 0x57, 0xc0"); }  // vxorps zmm0, zmm0, zmm0
KEEP double shorter(double a) { return (double)real(a); }
KEEP static void jump(void) { longjmp(place, 1); }
KEEP int leap(void) {
    if (setjmp(place) == 0) jump();
    return (int)triple(1);
}

static void show(char **environment) {
    char line[100];
    for (; *environment; environment++) puts(*environment);
    printf("locale %s\n", setlocale(LC_ALL, NULL));
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) printf("signal %d\n", number);
    }
    if (fgets(line, sizeof line, stdin)) printf("read %s", line);
    fflush(stdout);
    if (system("env | grep -e LD_ -e PYTHON -e BURNISH") == -1) puts("no shell");
    for (int i = 0; i < 7; i++) printf("%ld\n", triple(i));
}

int main(int argc, char **argv, char **environment) {
    const unsigned char code[] = {1, 0, 1, 1, 0, 2};
    const char *what = argc > 1 ? argv[1] : "";
    long sum = 0;
    if (strcmp(what, "show") == 0) {
        show(environment);
        return 23;
    }
    if (strcmp(what, "jump") == 0) return leap();
    if (argc > 8) wide();
    for (long i = 0; i < 50; i++) sum += hop(i);
    printf("%ld %ld %ld %ld %g\n", walk(200), sum, hidden(code), atomic(30), shorter(1.5));
    return 0;
}
