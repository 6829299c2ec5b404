/* What the parts of the preloaded object that records know of each other. */
#ifndef BURNISH_RECORD_PRELOAD_H
#define BURNISH_RECORD_PRELOAD_H
#include <stddef.h>
#include <stdint.h>

struct area;

/* record_preload.c: */
/* True in a process that runs recorded functions. */
int burnish_record_is_on(void);
/* An area that the calling thread makes for another; the recorder does not see it before it is taken. */
struct area *burnish_record_prepare(void);
/* Makes the calling thread, which may have no thread-local storage of its own, use an area made for it. */
void burnish_record_take(struct area *area);
void burnish_record_leave(void *area);
/* The calling process is a copy of its parent, whose areas it must not write to. */
void burnish_record_forked(void);

/* record_files.c: */
/* Reads from the environment which files have copies. False where the process runs none of the copies. */
int burnish_record_files(char **environment);

/* record_threads.c: */
/* What the recorder and the areas of this process tell each other, at the end of an area's header. */
enum { BURNISH_RECORD_TALK = 3968 };
struct burnish_record_talk {
  uint64_t retired; /* 1 when the recorder has done with the area, and its memory can go */
  uint64_t closed;  /* 1 when the recording has ended: wait for nothing */
  uint64_t lost;    /* threads of the process without an area (counted in the process's first one) */
  uint64_t next;    /* address of the area made before it */
  uint64_t bytes;
  uint64_t forks;   /* processes that the process has forked (counted in its first one) */
  uint64_t arrived; /* and those of them that have areas of their own */
};
static inline struct burnish_record_talk *burnish_record_talk(const void *area) {
  return (struct burnish_record_talk *)((char *)area + BURNISH_RECORD_TALK);
}
/* Remembers an area, and gives back the memory of those that are done with. */
void burnish_record_keep(struct area *area, uint64_t bytes);
/* Forgets all areas: they are the parent's. Gives the parent's first one. */
struct area *burnish_record_forget(void);
/* The process is about to fork. */
void burnish_record_forking(void);
/* A thread has no area. */
void burnish_record_count_lost(void);
#endif
