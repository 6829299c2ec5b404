/* What the parts of the preloaded object that records know of each other. */
#ifndef BURNISH_RECORD_PRELOAD_H
#define BURNISH_RECORD_PRELOAD_H
#include <stddef.h>

#include "record_area.h"

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
/* Remembers an area, and gives back the memory of those that are done with. */
void burnish_record_keep(struct area *area, uint64_t bytes);
/* Forgets all areas: they are the parent's. Gives the parent's first one. */
struct area *burnish_record_forget(void);
/* The process is about to fork. */
void burnish_record_forking(void);
/* A thread has no area. */
void burnish_record_count_lost(void);
#endif
