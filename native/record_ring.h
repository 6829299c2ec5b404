/* The ring: how a thread of a recorded process goes on to the next chunk of its area.
 *
 * Freestanding, and nothing but general registers: it runs inside the target, between any two of its instructions, in a
 * preloaded object (record_preload.c) and in a process that Burnish attached to (record_ring.c). So it makes system
 * calls by itself, and has no state beside the area.
 *
 * An area: a header (struct area), counters, and chunks in a ring. The thread fills a chunk, marks it full with its
 * length and its number, and goes on in the next one; the recorder (burnish/record/areas.py) empties chunks and marks
 * them free. Where the next chunk is still full the thread waits, or writes over the last one and counts what is lost,
 * as the recorder asked for; it never waits for a recorder that is gone.
 */
#ifndef BURNISH_RECORD_RING_H
#define BURNISH_RECORD_RING_H
#include "record_area.h"

#pragma GCC push_options
#pragma GCC target("general-regs-only")

static long ring_call(long number, long first, long second, long third, long fourth) {
  register long r10 __asm__("r10") = fourth;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

enum { RING_RT_SIGPROCMASK = 14, RING_MADVISE = 28, RING_NANOSLEEP = 35, RING_KILL = 62, RING_CLOCK_GETTIME = 228 };
enum { RING_SETMASK = 2, RING_MASK_BYTES = 8, RING_MONOTONIC = 1, RING_POPULATE = 23, RING_ESRCH = 3, RING_EINVAL = 22 };

static uint64_t now_ns(void) {
  int64_t now[2] = {0, 0};
  ring_call(RING_CLOCK_GETTIME, RING_MONOTONIC, (long)now, 0, 0);
  return (uint64_t)now[0] * 1000000000u + (uint64_t)now[1];
}

static void clear(uint64_t place, uint64_t bytes) {
  __asm__ volatile("rep stosb" : "+D"(place), "+c"(bytes) : "a"(0) : "memory");
}

static uint64_t bytes_before_chunks(uint64_t counters) {
  return ((HEADER + counters * 8 + 4095) & ~(uint64_t)4095) + NOWHERE;
}

static void begin_chunk(struct area *area, uint64_t place) {
  struct chunk *chunk = (struct chunk *)place;
  chunk->number = ++area->number;
  chunk->used = 0;
  chunk->began_ns = now_ns();
  chunk->ended_ns = 0;
  area->chunk = place;
  area->limit = place + area->chunk_bytes - MARGIN;
  atomic_store_explicit(&area->cursor, place + CHUNK_HEADER, memory_order_release);
}

/* True when the chunk can be filled; false where its old content would have to be waited for, and is not. */
static int wait_for(struct area *area, struct chunk *chunk) {
  int64_t pause[2] = {0, PATIENCE_NS};
  /* Pages of later chunks are taken when they are first needed: most threads end before. */
  if (area->number < area->chunks) {
    long error = ring_call(RING_MADVISE, (long)chunk, (long)area->chunk_bytes, RING_POPULATE, 0);
    if (error < 0 && error != -RING_EINVAL) return 0; /* an older kernel does not know it */
  }
  while (atomic_load_explicit(&chunk->full, memory_order_acquire)) {
    if (atomic_load(&area->drop) || burnish_record_talk(area)->closed) return 0;
    if (ring_call(RING_KILL, area->recorder, 0, 0, 0) == -RING_ESRCH) return 0;
    ring_call(RING_NANOSLEEP, (long)pause, 0, 0, 0);
  }
  return 1;
}

/* Called by a stub below when a chunk is full. */
__attribute__((used, visibility("hidden"))) void burnish_record_next(struct area *area) {
  uint64_t all = ~(uint64_t)0, before = 0;
  /* a handler's probes must not meet a chunk half begun */
  ring_call(RING_RT_SIGPROCMASK, RING_SETMASK, (long)&all, (long)&before, RING_MASK_BYTES);
  uint64_t cursor = atomic_load(&area->cursor);
  if (cursor >= area->limit) {
    struct chunk *old = (struct chunk *)area->chunk;
    uint64_t first = area->base + bytes_before_chunks(area->counters);
    uint64_t next = area->chunk + area->chunk_bytes;
    if (next >= first + area->chunks * area->chunk_bytes) next = first;
    old->used = cursor - area->chunk - CHUNK_HEADER;
    old->ended_ns = now_ns();
    if (wait_for(area, (struct chunk *)next)) {
      begin_chunk(area, next);
      atomic_store_explicit(&old->full, 1, memory_order_release);
    } else {
      area->dropped += old->used;
      area->number--;
      clear(area->chunk + CHUNK_HEADER, old->used); /* what is not written yet is zero */
      begin_chunk(area, area->chunk);
    }
  }
  ring_call(RING_RT_SIGPROCMASK, RING_SETMASK, (long)&before, 0, RING_MASK_BYTES);
}

/* Called by the other stub when a burst begins or ends. A burst begins with a record that is no block's. */
__attribute__((used, visibility("hidden"))) void burnish_record_turn_over(struct area *area) {
  if (area->on) {
    area->on = 0;
    area->left = area->pause - 1;
    return;
  }
  uint64_t place = atomic_fetch_add(&area->cursor, area->record_bytes);
  if (area->record_bytes == 8)
    *(uint64_t *)place = 0xffff0000ffffffff;
  else if (area->record_bytes == 4)
    *(uint32_t *)place = 0xffffffff;
  else
    *(uint16_t *)place = 0xffff;
  if (place >= area->limit) burnish_record_next(area);
  area->left = area->burst - 1;
  area->on = 1;
}
#pragma GCC pop_options

/* The slow paths as probes call them: they change no register but the flags. Vector registers are not touched. */
#define STUB(name, function)                                                                      \
  __asm__(".text\n.hidden " #name "\n.globl " #name "\n.type " #name ", @function\n" #name ":\n"  \
          "pushq %rbp\nmovq %rsp, %rbp\n"                                                         \
          "pushq %rax\npushq %rcx\npushq %rdx\npushq %rsi\npushq %rdi\n"                          \
          "pushq %r8\npushq %r9\npushq %r10\npushq %r11\npushq %rbx\n"                            \
          "andq $-64, %rsp\ncld\n"                                                                \
          "movq %gs:88, %rdi\ncall " #function "\n"                                               \
          "leaq -80(%rbp), %rsp\n"                                                                \
          "popq %rbx\npopq %r11\npopq %r10\npopq %r9\npopq %r8\n"                                 \
          "popq %rdi\npopq %rsi\npopq %rdx\npopq %rcx\npopq %rax\npopq %rbp\nret\n"               \
          ".size " #name ", . - " #name "\n")
extern void burnish_record_slow(void), burnish_record_turn(void);
STUB(burnish_record_slow, burnish_record_next);
STUB(burnish_record_turn, burnish_record_turn_over);
#endif
