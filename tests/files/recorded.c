// A program to record: branches, a switch, loops, recursion, threads, signals, a fork and several ways to end.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

KEEP long classify(long x) {
    long sum = 0;
    for (long i = 0; i < x % 17; i++) {
        switch ((x + i) % 7) {
        case 0: sum += 3; break;
        case 1: sum ^= x; break;
        case 2: sum -= i; break;
        case 3: sum *= 2; break;
        case 4: sum += x * i; break;
        default: sum++;
        }
        if (sum & 8) sum >>= 1;
    }
    return sum;
}
KEEP long climb(long n) { return n < 2 ? n : climb(n - 1) + climb(n - 2); }
KEEP void leave(int how) {
    if (how == 1) exit(7);
    if (how == 2) abort();
    if (how == 3) kill(getpid(), SIGKILL);
    if (how == 4) _exit(3);
    if (how == 5) *(volatile int *)1 = 0;
}
static void *work(void *rounds) {
    long sum = 0;
    for (long i = 0; i < (long)rounds; i++) sum += classify(i);
    return (void *)sum;
}
static volatile long ticks;
static void tick(int number) {
    (void)number;
    ticks += classify(16);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    long rounds = argc > 2 ? atol(argv[2]) : 1000;
    long sum = 0;
    if (strcmp(what, "threads") == 0) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)rounds);
        for (int i = 0; i < 4; i++) {
            void *part;
            pthread_join(threads[i], &part);
            sum += (long)part;
        }
    } else if (strcmp(what, "fork") == 0) {
        fflush(stdout);
        if (fork() == 0) {
            ticks = (long)work((void *)rounds);
            _exit(0);
        }
        sum = (long)work((void *)rounds);
        wait(NULL);
    } else if (strcmp(what, "signals") == 0) {
        signal(SIGALRM, tick);
        struct itimerval every = {{0, 200}, {0, 200}};
        setitimer(ITIMER_REAL, &every, NULL);
        sum = (long)work((void *)rounds);
        every = (struct itimerval){{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &every, NULL);
        fprintf(stderr, "%d\n", ticks != 0);
    } else if (strcmp(what, "leave") == 0) {
        sum = (long)work((void *)100);
        leave((int)rounds);
    } else {
        sum = (long)work((void *)rounds) + climb(12);
    }
    printf("%ld\n", sum);
    return argc > 3 ? atoi(argv[3]) : 0;
}
