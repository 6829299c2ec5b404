// The process in which tested code runs. It is an executable of its own, without a C library, so that its address
// space holds nothing but itself: tested code can have memory at any address, and a stray pointer of it meets no
// heap of Python's. Tested code may use every register and may do anything that it likes to them.
//
// What holds it: a seccomp filter that lets through only system calls made at this program's own two `syscall`
// instructions, and syscall user dispatch where the kernel has it (all others become SIGSYS and are never carried
// out); no descriptor but the channel; resource limits; a timer on processor time; an own signal stack and shared
// memory at random addresses; a read-only page for what decides where results go, and marks around the rest of its
// state that are compared after every execution.
#include "executor_child.h"

#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <linux/mman.h>
#include <linux/time.h>

namespace burnish::executor {

Fixed fixed;
State state;

// ---- signals: faults, system calls, the clock ---------------------------------------------------------------------

namespace {

uint64_t processor_time() {
    struct __kernel_timespec now = {};
    call(SYS_clock_gettime, 2 /* CLOCK_PROCESS_CPUTIME_ID */, uint64_t(&now));
    return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

}  // namespace

// On the signal stack, with signals as they were. Leaves tested code without sigreturn: nothing of it is kept.
void on_fault(int signal, siginfo_t* info, void* user) {
    asm volatile("pushq $0x202; popfq" ::: "memory", "cc");  // tested code may have set the alignment check
    if (!guarded.context.running) leave(exit_fault);
    const auto& registers = static_cast<ucontext*>(user)->uc_mcontext;
    const auto start = reinterpret_cast<uint64_t>(__executable_start), end = reinterpret_cast<uint64_t>(etext);
    if (registers.rip >= start && registers.rip < end) {
        // Storing the return address belongs to tested code's first instruction. All else is our way in or out.
        if (registers.rip != reinterpret_cast<uint64_t>(&enter_store)) leave(exit_corrupted);
        state.result.rip = guarded.context.entry;
    } else {
        state.result.rip = registers.rip;
    }
    if (signal == SIGSYS) {
        state.result.status = system_call;
        state.result.number = uint32_t(info->si_syscall);
        state.result.address = 0;
    } else {
        state.result.status = faulted;
        state.result.number = uint32_t(signal);
        state.result.address = info->si_code > 0 && info->si_code != SI_KERNEL ? uint64_t(info->si_addr) : 0;
    }
    abandon();
}

// Ticks on processor time. An execution is abandoned once it has been under way for the limit.
void on_tick(int, siginfo_t*, void* user) {
    asm volatile("pushq $0x202; popfq" ::: "memory", "cc");
    if (!guarded.context.running) return;
    const uint64_t now = processor_time();
    if (state.watched_serial != state.serial) {
        state.watched_serial = state.serial;
        state.watched_since = now;
    } else if (now - state.watched_since >= fixed.execution_nanoseconds) {
        state.result = {timed_out, 0, 0, static_cast<ucontext*>(user)->uc_mcontext.rip};
        abandon();
    }
}

// ---- executions --------------------------------------------------------------------------------------------------

namespace {

template <typename Value>
Value* at(uint8_t* base, uint64_t offset) {
    return reinterpret_cast<Value*>(base + offset);
}

// Sixteen bytes. (The compiler's own header for them wants a C library.)
typedef uint64_t Vector __attribute__((vector_size(16)));

Vector load_vector(const uint8_t* bytes) {
    Vector value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

template <typename Value>
void move(uint8_t* to, const uint8_t* from) {
    Value value;
    __builtin_memcpy(&value, from, sizeof value);
    __builtin_memcpy(to, &value, sizeof value);
}

// Copies a window. Most are small, and REP MOVSB takes longer to begin than to copy them.
void copy(uint8_t* to, const uint8_t* from, uint64_t size) {
    constexpr uint64_t small = 512;
    if (size > small) {
        memcpy(to, from, size);
        return;
    }
    if (size >= 16) {
        for (uint64_t position = 0; position + 16 < size; position += 16) move<Vector>(to + position, from + position);
        move<Vector>(to + size - 16, from + size - 16);  // overlaps what was copied unless the size is a multiple
        return;
    }
    if (size >= 8) {
        move<uint64_t>(to, from);
        move<uint64_t>(to + size - 8, from + size - 8);
        return;
    }
    for (uint64_t position = 0; position < size; ++position) {
        to[position] = from[position];
        asm volatile("" ::: "memory");  // or the compiler makes it a call of memcpy
    }
}

void fill_slack(const Slack* slacks, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) memset(reinterpret_cast<void*>(slacks[i].address), slack_byte, slacks[i].size);
}

// The first byte that is not as filled, or `size`.
uint64_t first_change(const uint8_t* bytes, uint64_t size) {
    constexpr uint64_t word = slack_byte * 0x0101010101010101u;
    constexpr Vector pattern = {word, word};
    uint64_t position = 0;
    constexpr uint64_t block = 256;
    for (; position + block <= size; position += block) {
        Vector any = {0, 0};
#pragma GCC unroll 16
        for (uint64_t at = position; at < position + block; at += 16) any |= load_vector(bytes + at) ^ pattern;
        if ((any[0] | any[1]) != 0) break;
    }
    for (; position + 16 <= size; position += 16) {
        const Vector any = load_vector(bytes + position) ^ pattern;
        if ((any[0] | any[1]) != 0) break;
    }
    while (position < size && bytes[position] == slack_byte) ++position;
    return position;
}

// A store beyond its windows, though within their pages, is reported as the fault that it ought to have been.
void check_slack(const Slack* slacks, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t position = first_change(reinterpret_cast<const uint8_t*>(slacks[i].address), slacks[i].size);
        if (position < slacks[i].size) {
            state.result = {faulted, SIGSEGV, slacks[i].address + position, 0};
            return;
        }
    }
}

void set_segment_bases(uint64_t fs_base) {
    if (fixed.set_bases) {
        asm volatile("wrfsbase %0; wrgsbase %1" : : "r"(fs_base), "r"(uint64_t{0}));
    } else {
        call(SYS_arch_prctl, ARCH_SET_FS, fs_base);
        call(SYS_arch_prctl, ARCH_SET_GS, 0);
    }
}

void load_context(const Run& run, uint64_t index) {
    // All of it, each time: what tested code may have written there must not reach a later execution.
    Context& context = guarded.context;
    __builtin_memset(context.image, 0, sizeof context.image);
    context.image[512] = 2;  // XSTATE_BV: only SSE is in the image, all else takes its initial value
    context.image[0] = 0x7f, context.image[1] = 0x03;  // for FXRSTOR: the x87 control word as after FNINIT
    context.feature_mask = fixed.feature_mask;
    __builtin_memcpy(context.gpr, fixed.input + run.gpr + index * 128, 128);
    __builtin_memcpy(context.image + 160, fixed.input + run.xmm + index * 256, 256);
    __builtin_memcpy(context.image + 24, fixed.input + run.mxcsr + index * 4, 4);
    context.flags = (at<uint64_t>(fixed.input, run.flags)[index] & flags_mask) | 0x202;
    context.entry = run.entry;
    context.return_address = run.return_address;
}

void store_context(const Run& run, uint64_t index) {
    const Context& context = guarded.context;
    __builtin_memcpy(fixed.output + run.gpr_after + index * 128, context.gpr, 128);
    __builtin_memcpy(fixed.output + run.xmm_after + index * 256, context.image + 160, 256);
    at<uint64_t>(fixed.output, run.flags_after)[index] = context.flags & flags_mask;
    at<uint32_t>(fixed.output, run.mxcsr_after)[index] = context.mxcsr;
}

void check_marks() {
    for (int i = 0; i < 8; ++i) {
        if (guarded.before[i] != fixed.mark || guarded.after[i] != fixed.mark) leave(exit_corrupted);
    }
}

void execute(const Run& run) {
    const Window* windows = at<Window>(fixed.input, run.windows);
    const Slack* slacks = at<Slack>(fixed.input, run.slacks);
    auto* progress = at<Progress>(fixed.output, 0);
    bool intact = false;  // the slack is as filled
    state.begun = 0;
    for (uint64_t i = 0; i < run.count; ++i) {
        for (uint64_t w = 0; w < run.window_count; ++w) {
            const Window& window = windows[w];
            copy(reinterpret_cast<uint8_t*>(window.address), fixed.input + window.input + i * window.input_stride,
                 window.size);
        }
        if (!intact) fill_slack(slacks, run.slack_count);
        load_context(run, i);
        set_segment_bases(run.fs_base);
        state.result = {finished, 0, 0, 0};
        ++state.serial;
        __atomic_store_n(&progress->started, i + 1, __ATOMIC_RELEASE);
        enter();
        asm volatile("" ::: "memory");
        check_marks();
        if (++state.begun != i + 1) leave(exit_corrupted);
        check_slack(slacks, state.result.status == finished ? run.slack_count : 0);
        intact = state.result.status == finished;
        if (state.result.status == finished) {
            store_context(run, i);
            for (uint64_t w = 0; w < run.window_count; ++w) {
                const Window& window = windows[w];
                if (window.output == no_offset) continue;
                copy(fixed.output + window.output + i * window.output_stride,
                     reinterpret_cast<const uint8_t*>(window.address), window.size);
            }
        }
        at<Result>(fixed.output, run.result)[i] = state.result;
    }
}

long carry_out(const Command& command) {
    switch (command.kind) {
        case CommandKind::map: {
            const long got = call(SYS_mmap, command.address, command.size, command.protection,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, uint64_t(-1), 0);
            if (failed(got)) return got;
            if (uint64_t(got) == command.address) return 0;
            call(SYS_munmap, uint64_t(got), command.size);  // a kernel before 4.17 takes the address as a hint
            return -EEXIST;
        }
        case CommandKind::unmap:
            return call(SYS_munmap, command.address, command.size);
        case CommandKind::protect:
            return call(SYS_mprotect, command.address, command.size, command.protection);
        case CommandKind::copy:
            memcpy(reinterpret_cast<void*>(command.address), fixed.input + command.offset, command.size);
            return 0;
        case CommandKind::run:
            execute(*at<Run>(fixed.input, command.offset));
            return 0;
    }
    return -EINVAL;
}

}  // namespace

[[noreturn]] void serve() {
    for (;;) {
        Request request;
        if (!transfer(SYS_read, &request, sizeof request)) leave(0);
        Reply reply = {0, 0};
        const Command* commands = at<Command>(fixed.input, 0);
        for (; reply.done < request.count; ++reply.done) {
            const long result = carry_out(commands[reply.done]);
            if (failed(result)) {
                reply.error = -result;
                break;
            }
        }
        if (!transfer(SYS_write, &reply, sizeof reply)) leave(exit_channel);
    }
}

}  // namespace burnish::executor
