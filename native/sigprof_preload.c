/* Samples a process from inside: a preloaded object for machines where perf_event_open is not permitted.
 *
 * Native because a signal handler in a foreign process cannot be Python. Each thread has a timer on its own
 * processor time that sends it SIGPROF; the handler adds one to a counter keyed by the interrupted instruction.
 * The counters lie in a file that is mapped shared, so they outlive a crash, _exit and SIGKILL; its blocks are
 * allocated beforehand, so a full disk cannot fault the target. No lock is waited for, nothing is allocated, and
 * no descriptor stays open. Where the loader has put which file is copied from /proc/self/maps whenever an
 * instruction is met outside the executable ranges known so far (after dlopen, that is).
 *
 * burnish/record/sigprof.py reads the file and says what is not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { SLOTS = 1 << 14, TEXT = 128 << 10, RANGES = 512, PROBES = 64, ADDRESS_BITS = 48 };

struct slot {
  _Atomic uint64_t key; /* address, and the number of the copy of the maps in the upper 16 bits; 0: free */
  _Atomic uint64_t weight;
};

/* The layout that sigprof.py reads. */
struct table {
  char magic[8];
  uint64_t period_ns;
  _Atomic uint64_t dropped;
  _Atomic uint64_t text_used;
  struct slot slots[SLOTS];
  char text[TEXT]; /* "=N\n" begins copy N; then its executable lines */
};

static struct table *table;
static long period_ns;
static atomic_flag busy = ATOMIC_FLAG_INIT;
static uint64_t ranges[RANGES][2];
static int range_count;
static uint64_t copy_number;

static int is_known(uint64_t address) {
  for (int i = 0; i < range_count; i++)
    if (ranges[i][0] <= address && address < ranges[i][1]) return 1;
  return 0;
}

static int append(const char *bytes, size_t size) {
  uint64_t used = atomic_load(&table->text_used);
  if (used + size > TEXT) return 0;
  memcpy(table->text + used, bytes, size);
  atomic_store(&table->text_used, used + size);
  return 1;
}

static uint64_t hexadecimal(const char **text) {
  uint64_t value = 0;
  for (;; (*text)++) {
    char c = **text;
    if (c >= '0' && c <= '9') value = value * 16 + (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f') value = value * 16 + (uint64_t)(c - 'a' + 10);
    else return value;
  }
}

/* One line of maps: "start-end rwxp offset device inode path\n". */
static void take_line(const char *line, size_t size) {
  const char *at = line;
  uint64_t start = hexadecimal(&at);
  if (*at++ != '-') return;
  uint64_t end = hexadecimal(&at);
  if (at[0] != ' ' || at[3] != 'x' || range_count == RANGES) return;
  if (!append(line, size)) return;
  ranges[range_count][0] = start;
  ranges[range_count][1] = end;
  range_count++;
}

/* Only called by the holder of busy, from a signal handler among others: system calls and static buffers. */
static void copy_maps(void) {
  static char buffer[8192];
  size_t kept = 0;
  if (copy_number >= 0xffff || atomic_load(&table->text_used) + 4096 > TEXT) return;
  int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  copy_number++;
  char head[8] = "=0000\n";
  for (int i = 0; i < 4; i++) head[1 + i] = "0123456789abcdef"[(copy_number >> (12 - 4 * i)) & 15];
  append(head, 6);
  range_count = 0;
  for (;;) {
    ssize_t got = read(file, buffer + kept, sizeof buffer - kept);
    if (got <= 0) break;
    kept += (size_t)got;
    char *line = buffer, *end;
    while ((end = memchr(line, '\n', kept - (size_t)(line - buffer)))) {
      take_line(line, (size_t)(end - line) + 1);
      line = end + 1;
    }
    kept -= (size_t)(line - buffer);
    memmove(buffer, line, kept);
    if (kept == sizeof buffer) kept = 0; /* no path is that long */
  }
  close(file);
}

static void count(uint64_t address, uint64_t weight) {
  uint64_t key = address | copy_number << ADDRESS_BITS;
  uint64_t place = key * 0x9e3779b97f4a7c15u >> 50;
  for (int i = 0; i < PROBES; i++, place = (place + 1) % SLOTS) {
    struct slot *slot = &table->slots[place];
    uint64_t found = 0;
    if (atomic_compare_exchange_strong(&slot->key, &found, key) || found == key) {
      atomic_fetch_add(&slot->weight, weight);
      return;
    }
  }
  atomic_fetch_add(&table->dropped, weight);
}

static void on_sample(int number, siginfo_t *info, void *context) {
  (void)number;
  if (info->si_code != SI_TIMER || !table) return;
  int saved = errno;
  uint64_t address = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (!atomic_flag_test_and_set(&busy)) {
    if (!is_known(address)) copy_maps();
    atomic_flag_clear(&busy);
  }
  /* Processor-time timers fire at the kernel's tick; expirations missed since the last one are overruns. */
  if (address >> ADDRESS_BITS == 0) count(address, 1 + (uint64_t)info->si_overrun);
  errno = saved;
}

static int arm(int *timer) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPROF);
  pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* worker threads (those of xz) often block all */
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
  event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
  if (syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, timer) != 0) return 0;
  struct timespec period = {period_ns / 1000000000, period_ns % 1000000000};
  struct itimerspec setting = {period, period};
  return syscall(SYS_timer_settime, *timer, 0, &setting, NULL) == 0;
}

/* A table of its own for this process; NULL if there cannot be one. */
static struct table *new_table(void) {
  char path[4096];
  const char *folder = getenv("BURNISH_SIGPROF_DIR");
  struct timespec now;
  if (!folder || clock_gettime(CLOCK_MONOTONIC, &now) != 0) return NULL;
  int size = snprintf(path, sizeof path, "%s/%d-%lld%09ld", folder, (int)getpid(), (long long)now.tv_sec,
                      now.tv_nsec);
  if (size < 0 || (size_t)size >= sizeof path) return NULL;
  int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return NULL;
  void *memory = MAP_FAILED;
  if (posix_fallocate(file, 0, sizeof(struct table)) == 0)
    memory = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) {
    unlink(path);
    return NULL;
  }
  struct table *made = memory;
  made->period_ns = (uint64_t)period_ns;
  memcpy(made->magic, "BURNSIG1", 8);
  return made;
}

static void begin(void) {
  int saved = errno, timer;
  copy_number = 0;
  range_count = 0;
  atomic_flag_clear(&busy);
  table = new_table();
  if (table) {
    copy_maps();
    arm(&timer);
  }
  errno = saved;
}

/* Timers are not inherited, so until here the child of a fork takes no samples. */
static void after_fork(void) {
  if (!table) return;
  munmap(table, sizeof *table);
  begin();
}

__attribute__((constructor)) static void set_up(void) {
  const char *period = getenv("BURNISH_SIGPROF_PERIOD_NS");
  period_ns = period ? atol(period) : 0;
  if (period_ns <= 0) return;
  struct sigaction action = {.sa_sigaction = on_sample, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  if (sigaction(SIGPROF, &action, NULL) != 0) return;
  pthread_atfork(NULL, NULL, after_fork);
  begin();
}

struct launch {
  void *(*routine)(void *);
  void *argument;
};

static void disarm(void *timer) { syscall(SYS_timer_delete, *(int *)timer); }

static void *launched(void *given) {
  struct launch launch = *(struct launch *)given;
  void *result;
  int timer;
  free(given);
  if (!arm(&timer)) return launch.routine(launch.argument);
  pthread_cleanup_push(disarm, &timer);
  result = launch.routine(launch.argument);
  pthread_cleanup_pop(1);
  return result;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*routine)(void *), void *argument) {
  typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  create *next = (create *)dlsym(RTLD_NEXT, "pthread_create");
  struct launch *launch = table ? malloc(sizeof *launch) : NULL;
  if (!launch) return next(thread, attributes, routine, argument);
  *launch = (struct launch){routine, argument};
  int error = next(thread, attributes, launched, launch);
  if (error) free(launch);
  return error;
}
