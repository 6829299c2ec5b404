/* Tells when code that is meant to run under QBDI runs natively: called by the C library (qsort, a signal handler) or by
 * another thread.
 *
 * Native because it answers faults of the target. QBDI only reads the code that it translates: so the code is made
 * unexecutable, and whatever runs there all the same faults. The handler notes the place, makes that page executable
 * again, and the program goes on, unrecorded there. Preloaded, so that a program which wants to handle SIGSEGV itself
 * is told that it does, and gets the faults that are its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { SPANS = 64, LONGEST = 15, PAGE = 4096 };

typedef int act(int, const struct sigaction *, struct sigaction *);

static struct {
  uint64_t start[SPANS], end[SPANS];
  int spans, on;
  _Atomic uint64_t *notes; /* how many, and the first places */
  uint64_t most;
  struct sigaction own; /* what the program wants to be done */
} watched;

static act *real_sigaction(void) { return (act *)dlsym(RTLD_NEXT, "sigaction"); }

static int is_watched(uint64_t address) {
  for (int k = 0; k < watched.spans; k++)
    if (watched.start[k] <= address && address < watched.end[k]) return 1;
  return 0;
}

static void on_fault(int number, siginfo_t *info, void *context) {
  uint64_t place = (uint64_t)info->si_addr;
  uint64_t at = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (info->si_code > 0 && is_watched(place) && place - at <= LONGEST) {
    uint64_t index = atomic_fetch_add(&watched.notes[0], 1) + 1;
    if (index < watched.most) watched.notes[index] = at;
    mprotect((void *)(place & ~(uint64_t)(PAGE - 1)), PAGE, PROT_READ | PROT_EXEC);
    return;
  }
  if (watched.own.sa_flags & SA_SIGINFO) {
    watched.own.sa_sigaction(number, info, context);
  } else if (watched.own.sa_handler != SIG_DFL && watched.own.sa_handler != SIG_IGN) {
    watched.own.sa_handler(number);
  } else {
    real_sigaction()(SIGSEGV, &watched.own, NULL); /* the fault comes again */
    if (info->si_code <= 0) raise(number);         /* unless somebody sent it */
  }
}

/* Watch [start, end), whole pages. Places go to notes[1 … most - 1], their number to notes[0]. Returns 0, or -1. */
__attribute__((visibility("default"))) int burnish_watch(uint64_t start, uint64_t end, uint64_t *notes, uint64_t most) {
  if (watched.spans == SPANS) return -1;
  if (!watched.on) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    watched.notes = (_Atomic uint64_t *)notes;
    watched.most = most;
    if (real_sigaction()(SIGSEGV, &action, &watched.own) != 0) return -1;
    watched.on = 1;
  }
  watched.start[watched.spans] = start;
  watched.end[watched.spans] = end;
  watched.spans++;
  return mprotect((void *)start, end - start, PROT_READ);
}

__attribute__((visibility("default"))) int sigaction(int number, const struct sigaction *wanted, struct sigaction *old) {
  if (number != SIGSEGV || !watched.on) return real_sigaction()(number, wanted, old);
  if (old) *old = watched.own;
  if (wanted) watched.own = *wanted;
  return 0;
}

__attribute__((visibility("default"))) sighandler_t signal(int number, sighandler_t handler) {
  struct sigaction action, old;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}
