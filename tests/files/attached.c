/* Does what its lines of input say, and prints a checksum for each: c N (call), t N K (in K threads), f N (in a child),
 * x (become another program), a (abort), s (a fault that is handled), b N K (begin, in K threads, to compare results with
 * those of the start, until e, whose checksum is the number of wrong ones). */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline, noclone)) unsigned step(unsigned x, int n) {
  for (int i = 0; i < n; i++) x = x & 1 ? x * 3 + 1 : x / 2 + (unsigned)i;
  return x;
}

__attribute__((noinline, noclone)) unsigned many(long rounds, unsigned seed) {
  unsigned sum = seed;
  for (long k = 0; k < rounds; k++) sum = sum * 31 + step((unsigned)k + seed, 20);
  return sum;
}

struct job {
  long rounds;
  unsigned seed, result;
};

static void *work(void *given) {
  struct job *job = given;
  job->result = many(job->rounds, job->seed);
  return NULL;
}

static char *volatile page;
static void *volatile fault;

static void repair(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  fault = info->si_addr;
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static unsigned faulting(void) {
  struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[42] = 7;
  return (unsigned)((char *)fault - page) + (unsigned)page[42];
}

static unsigned in_threads(long rounds, int threads) {
  pthread_t ids[16];
  struct job jobs[16];
  unsigned sum = 0;
  for (int i = 0; i < threads; i++) {
    jobs[i] = (struct job){rounds, (unsigned)i, 0};
    pthread_create(&ids[i], NULL, work, &jobs[i]);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    sum = sum * 17 + jobs[i].result;
  }
  return sum;
}

static unsigned right[256];
static long length;
static int background;
static volatile int stop;
static pthread_t busy[16];

static void *compare(void *given) {
  unsigned wrong = 0;
  (void)given;
  for (unsigned k = 0; !stop; k++) wrong += many(length, k % 256) != right[k % 256];
  return (void *)(unsigned long)wrong;
}

static unsigned begin(long rounds, int threads) {
  length = rounds;
  for (unsigned k = 0; k < 256; k++) right[k] = many(rounds, k);
  for (background = 0; background < threads; background++) pthread_create(&busy[background], NULL, compare, NULL);
  return right[255];
}

static unsigned end(void) {
  unsigned wrong = 0;
  stop = 1;
  while (background) {
    void *result;
    pthread_join(busy[--background], &result);
    wrong += (unsigned)(unsigned long)result;
  }
  return wrong;
}

static unsigned in_child(long rounds) {
  int ends[2], status;
  unsigned result = 0;
  if (pipe(ends)) return 0;
  pid_t child = fork();
  if (child == 0) {
    result = many(rounds, 5);
    _exit(write(ends[1], &result, sizeof result) != sizeof result);
  }
  if (read(ends[0], &result, sizeof result) != sizeof result) return 1;
  waitpid(child, &status, 0);
  close(ends[0]);
  close(ends[1]);
  return result + (unsigned)status + (unsigned)system("true");
}

int main(void) {
  char line[100];
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    long rounds = 0;
    int threads = 0;
    unsigned result = 0;
    sscanf(line + 1, "%ld %d", &rounds, &threads);
    switch (line[0]) {
      case 'c': result = many(rounds, 1); break;
      case 't': result = in_threads(rounds, threads); break;
      case 'f': result = in_child(rounds); break;
      case 'b': result = begin(rounds, threads); break;
      case 'e': result = end(); break;
      case 's': result = faulting(); break;
      case 'x': execlp("echo", "echo", "changed", (char *)NULL); break;
      case 'a': abort();
      default: break;
    }
    printf("%u\n", result);
    fflush(stdout);
  }
  return 3;
}
