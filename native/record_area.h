/* What lies in the memory that a recorded thread and the recorder (burnish/record/areas.py) share. */
#ifndef BURNISH_RECORD_AREA_H
#define BURNISH_RECORD_AREA_H
#include <stdatomic.h>
#include <stdint.h>

enum { HEADER = 4096, MARGIN = 4096, CHUNK_HEADER = 64, NOWHERE = 4096, PATIENCE_NS = 100000 };

/* What a probe and the recorder know: offsets are fixed. */
struct area {
  _Atomic uint64_t cursor; /* 0: where the next record goes */
  uint64_t limit;          /* 8: records that begin here or later call the slow path */
  void (*slow)(void);      /* 16 */
  uint64_t chunk;          /* 24: address of the chunk being filled */
  uint64_t number;         /* 32: chunks begun so far, this one included */
  uint64_t dropped;        /* 40: bytes of records written over */
  uint64_t started_ns;     /* 48: CLOCK_MONOTONIC */
  _Atomic uint64_t ended;  /* 56: 1 when the thread is gone */
  uint64_t counters;       /* 64: how many */
  uint64_t chunks;         /* 72: how many */
  uint64_t chunk_bytes;    /* 80: of each, header included */
  uint64_t base;           /* 88: address of this area in the process */
  uint32_t pid, tid;       /* 96, 100 */
  char magic[8];           /* 104: written last */
  uint64_t leaving;        /* 112: 1 when the process is about to end and waits for 2 */
  uint64_t nowhere;        /* 120: address of a page for what is not to be kept */
  int64_t on;              /* 128: 0 while nothing is to be traced */
  int64_t left;            /* 136: blocks until that changes */
  void (*turn)(void);      /* 144 */
  int64_t burst, pause;    /* 152, 160: lengths in blocks */
  uint64_t record_bytes;   /* 168: of a trace record */
  _Atomic uint32_t drop;   /* 176: lose records instead of waiting; the recorder may set it at any time */
  uint32_t recorder;       /* 180: its process */
};

struct chunk {
  _Atomic uint64_t full; /* 1 from when it is filled until it is emptied */
  uint64_t used;         /* bytes of records */
  uint64_t number;       /* order within the thread, from 1 */
  uint64_t began_ns, ended_ns;
};

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
#endif
