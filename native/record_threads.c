/* Threads and processes that do not begin as pthread_create and fork let them begin, and the memory of those that have
 * ended: part of the preloaded object that records. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "record_preload.h"

static _Atomic(struct area *) newest; /* the others follow by their ``next`` */
static struct area *first;            /* of the process, or its parent's where it has none */
static atomic_flag reaping = ATOMIC_FLAG_INIT;

/* A thread that ends leaves its area to the recorder; thousands of them would fill the memory. */
static void reap(void) {
  if (atomic_flag_test_and_set(&reaping)) return;
  struct area *head = atomic_load(&newest);
  for (struct area *before = head; before;) {
    struct burnish_record_talk *talk = burnish_record_talk(before);
    struct area *area = (struct area *)talk->next;
    if (area && area != first && __atomic_load_n(&burnish_record_talk(area)->retired, __ATOMIC_ACQUIRE)) {
      talk->next = burnish_record_talk(area)->next;
      munmap(area, burnish_record_talk(area)->bytes);
    } else {
      before = area;
    }
  }
  atomic_flag_clear(&reaping);
}

void burnish_record_keep(struct area *area, uint64_t bytes) {
  struct burnish_record_talk *talk = burnish_record_talk(area);
  talk->bytes = bytes;
  struct area *before = atomic_load(&newest);
  do talk->next = (uint64_t)before;
  while (!atomic_compare_exchange_weak(&newest, &before, area));
  if (!before) first = area;
  reap();
}

/* The parent's areas are mapped shared: nothing in them may be changed here, not even which one follows. They stay
 * mapped, and count for the parent alone. */
struct area *burnish_record_forget(void) {
  atomic_store(&newest, NULL);
  atomic_flag_clear(&reaping);
  return first;
}

void burnish_record_forking(void) {
  if (first) __atomic_fetch_add(&burnish_record_talk(first)->forks, 1, __ATOMIC_RELAXED);
}

void burnish_record_count_lost(void) {
  if (first) __atomic_fetch_add(&burnish_record_talk(first)->lost, 1, __ATOMIC_RELAXED);
}

/* clone(2) by the C library's function: the new thread, or the process that shares memory or gets a copy of it, begins
 * with the caller's gs. Its stack may be small and its thread-local storage the caller's, so the area is made here. */
struct start {
  int (*function)(void *);
  void *argument;
  struct area *area;
  int flags;
};

static int started(void *given) {
  struct start *start = given;
  if (!(start->flags & CLONE_VM)) burnish_record_forget();
  burnish_record_take(start->area);
  int result = start->function(start->argument);
  burnish_record_leave(start->area);
  return result;
}

__attribute__((visibility("default"))) int clone(int (*function)(void *), void *stack, int flags, void *argument, ...) {
  typedef int cloned(int (*)(void *), void *, int, void *, ...);
  cloned *next = (cloned *)dlsym(RTLD_NEXT, "clone");
  va_list rest;
  va_start(rest, argument);
  pid_t *parent = va_arg(rest, pid_t *);
  void *storage = va_arg(rest, void *);
  pid_t *child = va_arg(rest, pid_t *);
  va_end(rest);
  if (!burnish_record_is_on() || !function || !stack)
    return next(function, stack, flags, argument, parent, storage, child);
  uint64_t top = ((uint64_t)stack - sizeof(struct start)) & ~(uint64_t)15;
  struct start *start = (struct start *)top;
  *start = (struct start){function, argument, burnish_record_prepare(), flags};
  return next(started, start, flags, start, parent, storage, child);
}

/* A fork that runs no handlers (glibc 2.34). */
__attribute__((visibility("default"))) pid_t _Fork(void) {
  typedef pid_t forked(void);
  forked *next = (forked *)dlsym(RTLD_NEXT, "_Fork");
  if (!next) return fork();
  if (burnish_record_is_on()) burnish_record_forking();
  pid_t pid = next();
  if (pid == 0 && burnish_record_is_on()) burnish_record_forked();
  return pid;
}
