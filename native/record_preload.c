/* Gives every thread of a recorded process a place to write to: a preloaded object, the target's side of the ring.
 *
 * Native because it runs inside the target, before any of its code. Recompiled functions with probes address their
 * counters and the place of the next trace record relative to gs, which nothing else uses on x86-64 Linux: so a probe
 * needs no lock, no thread-local storage and no free register. Each thread has an area of its own, a file that is
 * mapped shared: what was recorded outlives a crash, _exit and SIGKILL, and the recorder reads it while it grows.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record_preload.h"
#include "record_ring.h"

static struct {
  char folder[4000];
  uint64_t counters, chunks, chunk_bytes, burst, every, record_bytes;
  int drop, recorder, wait, on;
} plan;

static void fill_in(struct area *area) {
  area->slow = burnish_record_slow;
  area->turn = burnish_record_turn;
  area->nowhere = (uint64_t)area + bytes_before_chunks(plan.counters) - NOWHERE;
  area->on = 1;
  area->left = area->burst = (int64_t)plan.burst;
  area->pause = (int64_t)(plan.every - plan.burst);
  area->record_bytes = plan.record_bytes;
  area->counters = plan.counters;
  area->chunks = plan.chunks;
  area->chunk_bytes = plan.chunk_bytes;
  area->base = (uint64_t)area;
  area->started_ns = now_ns();
  area->drop = (uint32_t)plan.drop;
  area->recorder = (uint32_t)plan.recorder;
  if (plan.chunks) begin_chunk(area, area->base + bytes_before_chunks(plan.counters));
}

/* What an area needs from the start: its first chunk, or all where pages cannot be asked for later (before Linux 5.14). */
static uint64_t bytes_at_first(uint64_t bytes) {
  uint64_t least = bytes_before_chunks(plan.counters) + (plan.chunks ? plan.chunk_bytes : 0);
  static char page[2 * 4096];
  uint64_t place = ((uint64_t)page + 4095) & ~(uint64_t)4095;
  return madvise((void *)place, 4096, MADV_POPULATE_WRITE) == 0 ? least : bytes;
}

/* An area whose magic is not yet there; NULL where there cannot be one. */
static struct area *new_area(uint64_t bytes) {
  char path[4096];
  int length = snprintf(path, sizeof path, "%s/%d-%d-%llu", plan.folder, (int)getpid(), (int)syscall(SYS_gettid),
                        (unsigned long long)now_ns());
  if (length < 0 || (size_t)length >= sizeof path) return NULL;
  int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return NULL;
  void *memory = MAP_FAILED;
  /* A full disk is seen here, and not as a fault in the target. */
  if (posix_fallocate(file, 0, (off_t)bytes_at_first(bytes)) == 0 && ftruncate(file, (off_t)bytes) == 0)
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) {
    unlink(path);
    return NULL;
  }
  fill_in(memory);
  burnish_record_keep(memory, bytes);
  return memory;
}

/* Without an area of its own a thread writes to one that nobody reads, so that its probes do not fault. A file of
 * another name tells the recorder; in a process that cannot make one any more (chroot, another user), its first area. */
static struct area *spare_area(uint64_t bytes) {
  char path[4096];
  int length = snprintf(path, sizeof path, "%s/lost-%d-%d", plan.folder, (int)getpid(), (int)syscall(SYS_gettid));
  int file = -1;
  if (length > 0 && (size_t)length < sizeof path) file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  else burnish_record_count_lost();
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  plan.drop = 1;
  fill_in(memory);
  burnish_record_talk(memory)->closed = 1;
  return memory;
}

struct area *burnish_record_prepare(void) {
  int saved = errno;
  uint64_t bytes = bytes_before_chunks(plan.counters) + plan.chunks * plan.chunk_bytes;
  struct area *area = new_area(bytes);
  if (!area) area = spare_area(bytes);
  errno = saved;
  return area;
}

/* For a process that is gone before the recorder has looked at it. */
static void copy_mappings(void) {
  char path[4096], part[4096];
  ssize_t size;
  if (plan.record_bytes != 8) return; /* nobody asks for addresses */
  int length = snprintf(path, sizeof path, "%s/maps-%d", plan.folder, (int)getpid());
  if (length < 0 || (size_t)length >= sizeof path) return;
  int from = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  while (from >= 0 && to >= 0 && (size = read(from, part, sizeof part)) > 0)
    if (write(to, part, (size_t)size) != size) break;
  close(from), close(to);
}

static uint64_t system_call(uint64_t number, uint64_t first, uint64_t second) { /* without errno */
  __asm__ volatile("syscall" : "+a"(number) : "D"(first), "S"(second) : "rcx", "r11", "memory");
  return number;
}

void burnish_record_take(struct area *area) {
  system_call(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)area);
  area->pid = (uint32_t)system_call(SYS_getpid, 0, 0);
  area->tid = (uint32_t)system_call(SYS_gettid, 0, 0);
  atomic_thread_fence(memory_order_release);
  memcpy(area->magic, "BURNAREA", 8);
}

static struct area *enter(void) {
  struct area *area = burnish_record_prepare();
  burnish_record_take(area);
  return area;
}

int burnish_record_is_on(void) { return plan.on; }

void burnish_record_forked(void) {
  struct area *parents = burnish_record_forget();
  copy_mappings();
  enter();
  if (parents) __atomic_fetch_add(&burnish_record_talk(parents)->arrived, 1, __ATOMIC_RELEASE);
}

/* This object's constructor runs before the C library's, so there is no getenv yet; the loader hands the environment to
 * constructors as it does to main. */
static const char *variable(char **environment, const char *name) {
  size_t length = strlen(name);
  for (char **at = environment; at && *at; at++)
    if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') return *at + length + 1;
  return NULL;
}

static uint64_t number(char **environment, const char *name) {
  const char *text = variable(environment, name);
  uint64_t value = 0;
  for (; text && '0' <= *text && *text <= '9'; text++) value = value * 10 + (uint64_t)(*text - '0');
  return value;
}

__attribute__((constructor)) static void set_up(int argc, char **argv, char **environment) {
  (void)argc, (void)argv;
  const char *folder = variable(environment, "BURNISH_RECORD_DIR");
  if (!folder || strlen(folder) >= sizeof plan.folder || !burnish_record_files(environment)) return;
  strcpy(plan.folder, folder);
  plan.counters = number(environment, "BURNISH_RECORD_COUNTERS");
  plan.chunks = number(environment, "BURNISH_RECORD_CHUNKS");
  plan.chunk_bytes = number(environment, "BURNISH_RECORD_CHUNK_BYTES");
  plan.burst = number(environment, "BURNISH_RECORD_BURST");
  plan.every = number(environment, "BURNISH_RECORD_EVERY");
  plan.record_bytes = number(environment, "BURNISH_RECORD_BYTES");
  plan.drop = (int)number(environment, "BURNISH_RECORD_DROP");
  plan.wait = (int)number(environment, "BURNISH_RECORD_WAIT");
  plan.recorder = (int)number(environment, "BURNISH_RECORD_PID");
  plan.on = 1;
  copy_mappings();
  enter();
  pthread_atfork(burnish_record_forking, NULL, burnish_record_forked);
}

/* Before the process ends of its own accord, the recorder may want to look at its memory. */
static void let_look(void) {
  static _Atomic int once;
  struct area *area;
  struct timespec pause = {0, PATIENCE_NS};
  if (!plan.on || !plan.wait) return;
  if (syscall(SYS_arch_prctl, ARCH_GET_GS, &area) != 0 || !area || memcmp(area->magic, "BURNAREA", 8) != 0) return;
  if (area->pid != (uint32_t)getpid() || atomic_exchange(&once, 1)) return; /* a vforked child has its parent's memory */
  atomic_store((_Atomic uint64_t *)&area->leaving, 1);
  while (atomic_load((_Atomic uint64_t *)&area->leaving) != 2) {
    if (burnish_record_talk(area)->closed || (kill(plan.recorder, 0) != 0 && errno == ESRCH)) return;
    nanosleep(&pause, NULL);
  }
}

__attribute__((destructor)) static void at_exit(void) { let_look(); }

#define LEAVES(name)                                                                                                  \
  __attribute__((visibility("default"), noreturn)) void name(int status) {                                            \
    let_look();                                                                                                       \
    for (;;) syscall(SYS_exit_group, status);                                                                         \
  }
LEAVES(_exit)
LEAVES(_Exit)

struct launch {
  void *(*routine)(void *);
  void *argument;
};

void burnish_record_leave(void *area) { atomic_store(&((struct area *)area)->ended, 1); }

static void *launched(void *given) {
  struct launch launch = *(struct launch *)given;
  void *result;
  free(given);
  struct area *area = enter();
  pthread_cleanup_push(burnish_record_leave, area);
  result = launch.routine(launch.argument);
  pthread_cleanup_pop(1);
  return result;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*routine)(void *), void *argument) {
  typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  create *next = (create *)dlsym(RTLD_NEXT, "pthread_create");
  struct launch *launch = plan.on ? malloc(sizeof *launch) : NULL;
  if (!launch) return next(thread, attributes, routine, argument);
  *launch = (struct launch){routine, argument};
  int error = next(thread, attributes, launched, launch);
  if (error) free(launch);
  return error;
}
