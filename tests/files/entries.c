// A program whose calls are captured: pointers into heap, globals and stack, floats, nested calls, recursion, threads.
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

struct node { struct node *next; long value; double weight; };
static long table[1000];
static __thread long mine;
static const long three[3] = {1, 10, 100};

KEEP double walk(struct node *n, double factor) {
    double sum = 0;
    for (; n; n = n->next) {
        sum += n->weight * factor;
        n->value++;
    }
    return sum;
}
KEEP long global(long a) {
    table[a % 1000] += a;
    return table[a * 7 % 1000];
}
KEEP long climb(long n) { return n < 2 ? n : climb(n - 1) + climb(n - 2); }
KEEP void fill(char *buffer, long size, int value) {
    for (long i = 0; i < size; i++) buffer[i] = (char)(value + i);
}
KEEP long nested(long a) {
    char buffer[300];
    fill(buffer, sizeof buffer, (int)a);
    return global(a) + climb(a % 6) + buffer[a % 300];
}
KEEP long constant(const long *value) { return *value * 3 + 1; }
KEEP float mix(float a, double b, const float *c) { return a * 0.5f + (float)b * c[0] - c[1]; }
KEEP long library(char *text) {
    char copy[64];
    snprintf(copy, sizeof copy, "<%s>", text);
    return (long)strlen(copy) + (long)(10 * sqrt(strlen(text)));
}
KEEP long local(long a) { return mine += a; }
KEEP long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_nsec;
}
KEEP long stamp(void) { return (long)__builtin_ia32_rdtsc(); }
KEEP long talk(int number) { return write(2, "", 0) + number; }
KEEP long either(long a, const long *b) { return a ? *b : 7; }

static void *work(void *from) {
    long sum = 0;
    for (long i = 0; i < 3000; i++) sum += local(i) + nested((long)from + i);
    return (void *)sum;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "plain";
    struct node *head = NULL;
    for (int i = 0; i < 20; i++) {
        struct node *n = malloc(sizeof *n);
        *n = (struct node){head, i, i * 0.5};
        head = n;
    }
    double real = 0;
    long sum = 0;
    if (!strcmp(what, "plain")) {
        const float pair[2] = {1.5f, 0.25f};
        const long seven = 7;
        for (int i = 0; i < 400; i++) {
            char text[16];
            sprintf(text, "%d", i * 37);
            real += walk(head, i % 10) + mix((float)i, i * 0.125, pair);
            sum += nested(i) + library(text) + constant(&seven) + local(i);
            sum += either(i % 2, &three[i / 2 % 3]);
        }
    } else if (!strcmp(what, "threads")) {
        pthread_t threads[3];
        for (long k = 0; k < 3; k++) pthread_create(&threads[k], NULL, work, (void *)(k * 1000));
        for (int k = 0; k < 3; k++) {
            void *found;
            pthread_join(threads[k], &found);
            real += (double)((long)found > 0);
        }
    } else if (!strcmp(what, "fork")) {
        pid_t child = fork();
        for (int i = 0; i < 50; i++) sum += global(i);
        if (child == 0) _exit(3);
        int status;
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status);
    } else {
        for (int i = 0; i < 20; i++) sum += (now() + stamp() != 0) + talk(i);
    }
    printf("%f %ld\n", real, sum);
    return argc > 2 ? atoi(argv[2]) : 0;
}
