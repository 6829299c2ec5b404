// Memory that changes in every way that memory can, once before it is looked at for the last time and once after.
#define _GNU_SOURCE
#include <emmintrin.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))
enum { SIZE = 64, WAYS = 16 };
struct page { _Alignas(4096) unsigned char bytes[4096]; };
struct page seen_later[WAYS], seen_never[WAYS], never, early;
static unsigned char fresh[4096];
static unsigned char *volatile target;

KEEP long look(const unsigned char *at) {
    long sum = 0;
    for (int i = 0; i < SIZE; i++) sum = sum * 31 + at[i];
    return sum;
}
KEEP void own_store(unsigned char *at) { at[3] ^= 5; }
KEEP void own_vector(unsigned char *at) { _mm_storeu_si128((__m128i *)(at + 8), _mm_set1_epi8(7)); }
KEEP void own_string(unsigned char *at) {
    const void *from = fresh;
    long count = SIZE;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
}
// These are not recorded.
KEEP void other_store(unsigned char *at) { at[5] ^= 9; }
KEEP void other_vector(unsigned char *at) { _mm_storeu_si128((__m128i *)(at + 16), _mm_set1_epi8(9)); }
KEEP void other_string(unsigned char *at) {
    const void *from = fresh;
    long count = SIZE;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
}
static void *threaded(void *at) { other_store(at); return NULL; }
static void *threaded_own(void *at) { own_store(at); return NULL; }
static void handler(int number) { (void)number; other_store(target); }

static void in_thread(void *(*routine)(void *), void *at) {
    pthread_t thread;
    pthread_create(&thread, NULL, routine, at);
    pthread_join(thread, NULL);
}

static void change(int way, unsigned char *at) {
    int pair[2];
    switch (way) {
    case 0: own_store(at); break;
    case 1: own_vector(at); break;
    case 2: own_string(at); break;
    case 3: other_store(at); break;
    case 4: other_vector(at); break;
    case 5: other_string(at); break;
    case 6: memcpy(at, fresh, (size_t)target % 2 + SIZE); break; // of a length that only libc can handle
    case 7: pair[0] = open("/dev/zero", O_RDONLY); if (read(pair[0], at, SIZE) != SIZE) abort(); close(pair[0]); break;
    case 8:
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || send(pair[0], fresh, SIZE, 0) != SIZE) abort();
        if (recv(pair[1], at, SIZE, 0) != SIZE) abort();
        close(pair[0]), close(pair[1]);
        break;
    case 9:
        if (mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != at) abort();
        break;
    case 10: in_thread(threaded, at); break;
    case 11: in_thread(threaded_own, at); break;
    case 12: target = at; signal(SIGUSR1, handler); raise(SIGUSR1); break;
    case 13: // a child, through memory that is shared
        if (fork() == 0) { other_store(at); _exit(0); }
        wait(NULL);
        break;
    case 14: // a child that writes into its parent
        if (fork() == 0) {
            struct iovec from = {fresh, SIZE}, to = {at, SIZE};
            _exit(process_vm_writev(getppid(), &from, 1, &to, 1, 0) != SIZE);
        }
        { int status; wait(&status); if (status) abort(); }
        break;
    case 15: memset(at, (int)(size_t)target % 3 + 1, SIZE); break;
    }
}

int main(int argc, char **argv) {
    long sum = 0;
    memset(fresh, 0xa5, sizeof fresh);
    for (int way = 0; way < WAYS; way++) {
        memset(seen_later[way].bytes, 1 + way, SIZE);
        memset(seen_never[way].bytes, 1 + way, SIZE);
    }
    memset(never.bytes, 77, SIZE);
    own_vector(early.bytes);
    for (int late = 0; late < 2; late++) {
        unsigned char *shared = (late ? seen_never : seen_later)[13].bytes;
        if (mmap(shared, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0) != shared) abort();
    }
    for (int way = 0; way < WAYS; way++) {
        for (int i = 0; i < 3; i++)
            sum += look(seen_later[way].bytes) + look(seen_never[way].bytes) + look(never.bytes) + look(early.bytes);
        change(way, seen_later[way].bytes);
        sum += look(seen_later[way].bytes);
    }
    for (int way = 0; way < WAYS; way++) change(way, seen_never[way].bytes);
    printf("%ld\n", sum);
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "_exit") == 0) _exit(0);
    if (argc > 1 && strcmp(argv[1], "kill") == 0) kill(getpid(), SIGKILL);
    return 0;
}
