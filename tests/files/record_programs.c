// A program that runs `stir` in all the ways in which programs run things, and says how often it did.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;
__attribute__((noinline, noclone)) long stir(long x) {
    for (int i = 0; i < 50; i++) x = x * 31 + i % 7;
    return x;
}
static volatile long kept;
static long run(long rounds) {
    for (long i = 0; i < rounds; i++) kept = stir(i);
    return rounds;
}
static void *thread(void *rounds) { return (void *)run((long)rounds); }
static int cloned(void *rounds) { run((long)rounds); return 0; }
static void started(pid_t pid) {
    int status;
    if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status) exit(99);
}
static volatile int words[2];

static void *cloner(void *argument) {
    volatile int *word = argument; // its own: the kernel clears it when the thread that it makes has ended
    char *stack = malloc(1 << 16);
    *word = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    if (clone(cloned, stack + (1 << 16), flags, (void *)2000, NULL, NULL, word) < 0) exit(98);
    run(2000);
    while (*word) usleep(100);
    return NULL;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "plain";
    char *again[] = {argv[0], "plain", "7", NULL}, *nothing[] = {NULL};
    long rounds = argc > 2 ? atol(argv[2]) : 100, total = run(rounds);
    pid_t pid;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(what, "self")) execv("/proc/self/exe", again);
    if (!strcmp(what, "starts")) {
        char text[4200], *none[] = {argv[0], "none", "0", NULL};
        for (int way = 0; way < 8; way++) {
            if (way == 5) {
                if (posix_spawn(&pid, argv[0], NULL, NULL, again, nothing)) return 98;
            } else if (way == 6) {
                if (posix_spawnp(&pid, "sh", NULL, NULL, (char *[]){"sh", "-c", "cat /proc/$$/maps | grep -c /dev/shm/", NULL}, environ)) return 97;
                waitpid(pid, NULL, 0);
                continue;
            } else if (way == 7) {
                snprintf(text, sizeof text, "'%s' plain 7 && '%s' none 0 && true", argv[0], none[0]);
                if (system(text)) return 96;
                continue;
            } else if ((pid = way == 4 ? vfork() : fork()) == 0) {
                if (way == 0) execvp(argv[0], again);
                if (way == 1) execve("/proc/self/exe", again, nothing);
                if (way == 2) execl(argv[0], argv[0], "plain", "7", NULL);
                if (way == 3) fexecve(open("/proc/self/exe", O_RDONLY), again, environ);
                if (way == 4) execv(argv[0], again);
                _exit(95);
            }
            started(pid);
        }
    }
    if (!strcmp(what, "name")) {
        char path[4096] = {0};
        if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return 96;
        puts(path);
        puts(realpath("/proc/self/exe", path));
    }
    if (!strcmp(what, "threads")) {
        for (int i = 0; i < 500; i++) {
            if (i == 499) sleep(3); // what has ended by now must not stay in memory
            pthread_t threads[8];
            for (int k = 0; k < 8; k++) pthread_create(&threads[k], NULL, thread, (void *)5L);
            for (int k = 0; k < 8; k++) pthread_join(threads[k], NULL);
            total += 40;
        }
        char line[256];
        long kilobytes = 0;
        FILE *file = fopen("/proc/self/status", "r");
        while (fgets(line, sizeof line, file)) sscanf(line, "VmSize: %ld", &kilobytes);
        fprintf(stderr, "%ld\n", kilobytes);
    }
    if (strstr(what, "cloned")) {
        pthread_t threads[2];
        for (int k = 0; k < 2; k++) pthread_create(&threads[k], NULL, cloner, (void *)&words[k]);
        for (int k = 0; k < 2; k++) pthread_join(threads[k], NULL);
        char *stack = malloc(1 << 16);
        started(clone(cloned, stack + (1 << 16), SIGCHLD, (void *)3000L));            // a process
        started(clone(cloned, stack + (1 << 16), SIGCHLD | CLONE_VM, (void *)3000L)); // that shares memory
        total += 4 * 2000 + 2 * 3000;
    }
    if (strstr(what, "forked")) {
        if ((pid = _Fork()) == 0) run(5000), _exit(0);
        total += run(5000) + 5000;
        started(pid);
    }
    if (!strcmp(what, "raw")) {
        if ((pid = (pid_t)syscall(SYS_fork)) == 0) {
            for (int i = 0; i < 30; i++) run(100), usleep(50000);
            _exit(0);
        }
        total += 3000;
        started(pid);
    }
    if (strstr(what, "closed")) {
        for (int i = 3; i < 1000; i++) close(i);
        clearenv();
        if (chdir("/")) return 95;
        pthread_t other;
        pthread_create(&other, NULL, thread, (void *)900L);
        pthread_join(other, NULL);
        total += 900 + run(900);
    }
    if (!strcmp(what, "chroot")) {
        pthread_t other;
        if (chroot(argv[3]) || chdir("/")) return 94;
        pthread_create(&other, NULL, thread, (void *)900L);
        pthread_join(other, NULL);
        total += run(900);
    }
    if (!strcmp(what, "daemon")) {
        if (fork() == 0) {
            setsid();
            if (fork()) _exit(0);
            int null = open("/dev/null", O_RDWR);
            for (int i = 0; i < 3; i++) dup2(null, i);
            FILE *file = fopen(argv[3], "w");
            fprintf(file, "%d\n", (int)getpid());
            fclose(file);
            for (long i = 0; i < atol(argv[4]); i++) run(10), usleep(10000);
            _exit(0);
        }
        wait(NULL);
    }
    if (!strcmp(what, "background") && fork() == 0) {
        for (int i = 0; i < 20; i++) run(10), usleep(20000);
        _exit(0);
    }
    if (!strcmp(what, "echo")) {
        int character;
        while ((character = getchar()) != EOF) {
            putchar(character);
            total += run(1);
        }
    }
    if (!strcmp(what, "plugin")) {
        void *library = dlopen(argv[3], RTLD_NOW);
        if (!library) return puts(dlerror()), 93;
        long (*grind)(long) = (long (*)(long))dlsym(library, "grind");
        Dl_info found;
        if (!dladdr((void *)grind, &found)) return 92;
        puts(basename(dirname(strdup(found.dli_fname))));
        long x = 1;
        for (long i = 0; i < atol(argv[4]); i++) x = grind(x + i);
        fprintf(stderr, "%ld\n", x);
    }
    if (!strcmp(what, "terminal")) {
        struct winsize size;
        int tty = open("/dev/tty", O_RDWR);
        if (ioctl(0, TIOCGWINSZ, &size)) return 91;
        printf("%d %d %d %d %d %d\n", isatty(0), isatty(1), tty >= 0, size.ws_row, size.ws_col,
               tty >= 0 && tcgetpgrp(tty) == getpgrp());
        char line[100];
        while (fgets(line, sizeof line, stdin)) {
            total += run(1);
            printf("read %s", line);
        }
        puts("end");
    }
    printf("%ld\n", total);
    return 0;
}
