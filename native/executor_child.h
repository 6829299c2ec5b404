// What the parts of the executor's child share. Freestanding: see executor_child.cpp.
#pragma once

#include "executor.h"

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <cstddef>
#include <errno.h>
#include <sys/syscall.h>

// Nobody relocates this program: its symbols must be addressed relative to rip, and so be hidden.
#pragma GCC visibility push(hidden)

extern "C" {
long gate(long number, long a, long b, long c, long d, long e, long f);
void gate_end();
void signal_return();
void signal_return_end();
extern const char __executable_start[], etext[], _end[];
}

extern "C" {
void* memcpy(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
}

namespace burnish::executor {

inline long call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
    return gate(number, long(a), long(b), long(c), long(d), long(e), long(f));
}

[[noreturn]] inline void leave(int code) {
    for (;;) call(SYS_exit_group, uint64_t(code));
}

inline bool failed(long result) { return result < 0 && result > -4096; }

inline bool transfer(long number, void* data, size_t size) {
    auto* bytes = static_cast<char*>(data);
    while (size != 0) {
        const long moved = call(number, channel_descriptor, uint64_t(bytes), size);
        if (moved == -EINTR) continue;
        if (moved <= 0) return false;
        bytes += moved;
        size -= size_t(moved);
    }
    return true;
}

// The way into tested code (executor_entry.cpp) addresses it by these offsets, relative to rip: no register is kept
// for us.
struct alignas(64) Context {
    uint8_t image[576];  // XRSTOR area: legacy region (MXCSR at 24, XMM0 at 160) and header (XSTATE_BV at 512)
    uint64_t gpr[16];    // 576
    uint64_t flags;      // 704
    uint64_t entry;      // 712
    uint64_t return_address;  // 720
    uint64_t host_rsp;        // 728
    uint64_t feature_mask;    // 736: what XRSTOR brings to a known value; 0 where there is only FXRSTOR
    uint32_t running;         // 744
    uint32_t mxcsr;           // 748
};

static_assert(offsetof(Context, gpr) == 576 && offsetof(Context, flags) == 704 && offsetof(Context, entry) == 712);
static_assert(offsetof(Context, return_address) == 720 && offsetof(Context, host_rsp) == 728);
static_assert(offsetof(Context, feature_mask) == 736 && offsetof(Context, running) == 744);
static_assert(offsetof(Context, mxcsr) == 748);

struct Guarded {
    uint64_t before[8];
    Context context;
    uint64_t after[8];
};

extern "C" {
extern Guarded guarded;
void enter();
void enter_store();
void finish();
[[noreturn]] void abandon();
}

static_assert(offsetof(Guarded, context) == 64);

// Written once and then made read-only, so that no store of tested code changes where results go.
struct alignas(4096) Fixed {
    uint8_t* input;
    uint8_t* output;
    uint64_t execution_nanoseconds;
    uint64_t mark;     // value around the context
    uint64_t feature_mask;
    bool set_bases;  // WRFSBASE and WRGSBASE are there
    uint8_t rest[4096 - 41];
};

static_assert(sizeof(Fixed) == 4096);

struct State {
    uint64_t serial;          // of the execution under way
    uint64_t begun;           // executions of the run: kept apart from the loop's own count, to notice a change
    uint64_t watched_serial;  // at the last tick
    uint64_t watched_since;   // processor time, nanoseconds
    Result result;
};

extern Fixed fixed;
extern State state;

void on_fault(int signal, siginfo_t* info, void* user);
void on_tick(int signal, siginfo_t* info, void* user);

// Answers requests until the channel closes.
[[noreturn]] void serve();

}  // namespace burnish::executor
