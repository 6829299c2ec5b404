// The process in which tested code runs. It is an executable of its own, without a C library, so that its address
// space holds nothing but itself: tested code can have memory at any address, and a stray pointer of it meets no
// heap of Python's. Tested code may use every register and may do anything that it likes to them.
//
// What holds it: a seccomp filter that lets through only system calls made at this program's own two `syscall`
// instructions (all others become SIGSYS and are never carried out), no descriptor but the channel, resource limits,
// a timer on processor time, an own signal stack, stacks and shared memory at random addresses between guard pages,
// and marks around its state that are compared after every execution.
#include "executor.h"

#include <cstddef>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/time.h>
#include <asm/prctl.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <sys/syscall.h>

using namespace burnish::executor;

// Nobody relocates this program: its symbols must be addressed relative to rip, and so be hidden.
#pragma GCC visibility push(hidden)

// ---- the only system calls ---------------------------------------------------------------------------------------

extern "C" {
long gate(long number, long a, long b, long c, long d, long e, long f);
void gate_end();
void signal_return();
void signal_return_end();
extern const char __executable_start[], etext[], _end[];
}

asm(R"(
    .text
    .globl gate, gate_end, signal_return, signal_return_end
    .hidden gate, gate_end, signal_return, signal_return_end
gate:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
gate_end:
    ret
signal_return:
    mov $15, %eax
    syscall
signal_return_end:
    ud2
)");

namespace {

long call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
    return gate(number, long(a), long(b), long(c), long(d), long(e), long(f));
}

[[noreturn]] void leave(int code) {
    for (;;) call(SYS_exit_group, uint64_t(code));
}

bool failed(long result) { return result < 0 && result > -4096; }

bool transfer(long number, void* data, size_t size) {
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

}  // namespace

// gcc may call these for what it does not inline.
extern "C" void* memcpy(void* to, const void* from, size_t size) {
    void* result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

extern "C" void* memset(void* to, int value, size_t size) {
    void* result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}

// ---- the way into tested code and back ---------------------------------------------------------------------------

// The trampoline below addresses it by these offsets, relative to rip: no register is kept for us.
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
// Separate symbol: assembler text needs the name of the context itself.
[[gnu::used]] Guarded guarded;
void enter();
void enter_store();
void finish();
[[noreturn]] void abandon();
}

static_assert(offsetof(Guarded, context) == 64);

asm(R"(
    .set context, guarded + 64
    .text
    .globl enter, enter_store, finish, abandon
    .hidden enter, enter_store, finish, abandon
enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, context+728(%rip)
    movl $1, context+744(%rip)
    mov context+720(%rip), %rcx
    test %rcx, %rcx
    jz 1f
    mov context+576+32(%rip), %rax
enter_store:
    mov %rcx, (%rax)
1:  mov context+736(%rip), %rax
    test %rax, %rax
    jz 2f
    xor %edx, %edx
    xrstor64 context(%rip)
    jmp 3f
2:  fxrstor64 context(%rip)
3:  pushq context+704(%rip)
    popfq
    mov context+576+0(%rip), %rax
    mov context+576+8(%rip), %rcx
    mov context+576+16(%rip), %rdx
    mov context+576+24(%rip), %rbx
    mov context+576+32(%rip), %rsp
    mov context+576+40(%rip), %rbp
    mov context+576+48(%rip), %rsi
    mov context+576+56(%rip), %rdi
    mov context+576+64(%rip), %r8
    mov context+576+72(%rip), %r9
    mov context+576+80(%rip), %r10
    mov context+576+88(%rip), %r11
    mov context+576+96(%rip), %r12
    mov context+576+104(%rip), %r13
    mov context+576+112(%rip), %r14
    mov context+576+120(%rip), %r15
    jmp *context+712(%rip)
finish:
    mov %rsp, context+576+32(%rip)
    mov context+728(%rip), %rsp
    pushfq
    popq context+704(%rip)
    pushq $0x202
    popfq
    mov %rax, context+576+0(%rip)
    mov %rcx, context+576+8(%rip)
    mov %rdx, context+576+16(%rip)
    mov %rbx, context+576+24(%rip)
    mov %rbp, context+576+40(%rip)
    mov %rsi, context+576+48(%rip)
    mov %rdi, context+576+56(%rip)
    mov %r8, context+576+64(%rip)
    mov %r9, context+576+72(%rip)
    mov %r10, context+576+80(%rip)
    mov %r11, context+576+88(%rip)
    mov %r12, context+576+96(%rip)
    mov %r13, context+576+104(%rip)
    mov %r14, context+576+112(%rip)
    mov %r15, context+576+120(%rip)
    movaps %xmm0, context+160(%rip)
    movaps %xmm1, context+176(%rip)
    movaps %xmm2, context+192(%rip)
    movaps %xmm3, context+208(%rip)
    movaps %xmm4, context+224(%rip)
    movaps %xmm5, context+240(%rip)
    movaps %xmm6, context+256(%rip)
    movaps %xmm7, context+272(%rip)
    movaps %xmm8, context+288(%rip)
    movaps %xmm9, context+304(%rip)
    movaps %xmm10, context+320(%rip)
    movaps %xmm11, context+336(%rip)
    movaps %xmm12, context+352(%rip)
    movaps %xmm13, context+368(%rip)
    movaps %xmm14, context+384(%rip)
    movaps %xmm15, context+400(%rip)
    stmxcsr context+748(%rip)
4:  movl $0, context+744(%rip)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
abandon:
    mov context+728(%rip), %rsp
    pushq $0x202
    popfq
    jmp 4b
)");

namespace {

// ---- signals: faults, system calls, the clock ---------------------------------------------------------------------

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

Fixed fixed;
State state;

uint64_t processor_time() {
    struct __kernel_timespec now = {};
    call(SYS_clock_gettime, 2 /* CLOCK_PROCESS_CPUTIME_ID */, uint64_t(&now));
    return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

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

struct KernelAction {
    void (*handler)(int, siginfo_t*, void*);
    uint64_t flags;
    void (*restorer)();
    uint64_t mask;
};

bool handle(int signal, void (*handler)(int, siginfo_t*, void*)) {
    const KernelAction action = {handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, signal_return, 0};
    return call(SYS_rt_sigaction, uint64_t(signal), uint64_t(&action), 0, 8) == 0;
}

// ---- executions --------------------------------------------------------------------------------------------------

template <typename Value>
Value* at(uint8_t* base, uint64_t offset) {
    return reinterpret_cast<Value*>(base + offset);
}

void fill_slack(const Slack* slacks, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) memset(reinterpret_cast<void*>(slacks[i].address), slack_byte, slacks[i].size);
}

// Sixteen bytes. (The compiler's own header for them wants a C library.)
typedef uint64_t Vector __attribute__((vector_size(16)));

Vector load_vector(const uint8_t* bytes) {
    Vector value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

// The first byte that is not as filled, or `size`.
uint64_t first_change(const uint8_t* bytes, uint64_t size) {
    constexpr uint64_t word = slack_byte * 0x0101010101010101u;
    constexpr Vector pattern = {word, word};
    uint64_t position = 0;
    for (; position + 64 <= size; position += 64) {
        const uint8_t* block = bytes + position;
        const Vector any = (load_vector(block) ^ pattern) | (load_vector(block + 16) ^ pattern) |
                           (load_vector(block + 32) ^ pattern) | (load_vector(block + 48) ^ pattern);
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
            memcpy(reinterpret_cast<void*>(window.address), fixed.input + window.input + i * window.input_stride,
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
                memcpy(fixed.output + window.output + i * window.output_stride,
                       reinterpret_cast<void*>(window.address), window.size);
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

// ---- setting up --------------------------------------------------------------------------------------------------

uint64_t random_number() {
    uint64_t value = 0;
    while (call(SYS_getrandom, uint64_t(&value), sizeof value, 0) != sizeof value) {
    }
    return value;
}

// Memory at a random address from 2^44 to 7 * 2^44, with an unmapped page on either side as far as chance goes.
uint8_t* map_somewhere(uint64_t size, int protection, int flags, int descriptor) {
    for (int attempt = 0; attempt < 16; ++attempt) {
        const uint64_t address = (uint64_t{1} << 44) + random_number() % (uint64_t{6} << 32) * 4096;
        const long got = call(SYS_mmap, address, size, uint64_t(protection), uint64_t(flags | MAP_FIXED_NOREPLACE),
                              uint64_t(long(descriptor)), 0);
        if (!failed(got)) return reinterpret_cast<uint8_t*>(got);
    }
    leave(exit_setup);
}

constexpr uint64_t stack_size = 1 << 17;

bool limit(int resource, uint64_t value) {
    const rlimit64 limits = {value, value};
    return call(SYS_prlimit64, 0, uint64_t(resource), uint64_t(&limits), 0) == 0;
}

bool start_clock(uint64_t execution_nanoseconds) {
    uint64_t microseconds = execution_nanoseconds / 4000;
    if (microseconds < 1000) microseconds = 1000;
    if (microseconds > 20000) microseconds = 20000;
    const __kernel_old_itimerval timer = {{0, long(microseconds)}, {0, long(microseconds)}};
    return call(SYS_setitimer, 2 /* ITIMER_PROF */, uint64_t(&timer), 0) == 0;
}

bool arrange_signals() {
    const stack_t stack = {map_somewhere(stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), 0,
                           stack_size};
    if (call(SYS_sigaltstack, uint64_t(&stack), 0) != 0) return false;
    constexpr int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    for (const int signal : faults) {
        if (!handle(signal, on_fault)) return false;
    }
    return handle(SIGPROF, on_tick);
}

// Which state XRSTOR shall bring to its initial value besides SSE: x87, AVX and AVX-512.
uint64_t extended_features() {
    uint32_t a = 1, b = 0, c = 0, d = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(c & (1u << 27))) return 0;
    asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a & 0xe7;
}

#define ALLOW_NUMBER(number)                                       \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, uint32_t(number), 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// A system call is allowed by where it is made and by its number; any other arrives at on_fault.
bool install_filter() {
    const auto own = reinterpret_cast<uint64_t>(&gate_end);
    const auto back = reinterpret_cast<uint64_t>(&signal_return_end);
    const auto low = [](uint64_t value) { return uint32_t(value); };
    const auto high = [](uint64_t value) { return uint32_t(value >> 32); };
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high(own), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(own), 6, 0),  // to the list below
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(back), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        ALLOW_NUMBER(SYS_rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        ALLOW_NUMBER(SYS_read),
        ALLOW_NUMBER(SYS_write),
        ALLOW_NUMBER(SYS_mmap),
        ALLOW_NUMBER(SYS_munmap),
        ALLOW_NUMBER(SYS_mprotect),
        ALLOW_NUMBER(SYS_clock_gettime),
        ALLOW_NUMBER(SYS_arch_prctl),
        ALLOW_NUMBER(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    if (high(own) != high(back)) return false;
    const sock_fprog filter = {sizeof program / sizeof program[0], program};
    if (call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1) != 0) return false;
    // SPEC_ALLOW: no speculative-store-bypass slowdown; there is no secret in this process.
    if (call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, uint64_t(&filter)) == 0) return true;
    return call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, uint64_t(&filter)) == 0;
}

// A second guard, where the kernel has it (5.11): it comes before the filter, which lets the kernel's own uprobe calls
// through unseen. System calls from outside of this program's text become SIGSYS.
void dispatch_system_calls() {
    const auto start = reinterpret_cast<uint64_t>(__executable_start), end = reinterpret_cast<uint64_t>(etext);
    call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, start, end - start, 0);
}

// Everything but this program goes: the first stack with its strings, and the vDSO. A kernel that has sealed the vDSO
// keeps it (nothing in it can be written, and its system calls do not pass the filter); the rest goes all the same.
void unmap_the_rest(uint64_t vdso) {
    constexpr uint64_t page = 4096, around = 16 * page, top = (uint64_t{1} << 47) - page;
    const auto start = reinterpret_cast<uint64_t>(__executable_start) & -page;
    const auto end = (reinterpret_cast<uint64_t>(_end) + page - 1) & -page;
    call(SYS_munmap, page, start - page);
    if (call(SYS_munmap, end, top - end) == 0) return;
    if (vdso > end + around) call(SYS_munmap, end, vdso - around - end);
    call(SYS_munmap, vdso + around, top - vdso - around);
}

void map_buffers(const Setup& setup) {
    fixed.input = map_somewhere(setup.input_size, PROT_READ, MAP_SHARED, input_descriptor);
    fixed.output = map_somewhere(setup.output_size, PROT_READ | PROT_WRITE, MAP_SHARED, output_descriptor);
    call(SYS_close, input_descriptor);
    call(SYS_close, output_descriptor);
}

void prepare_marks() {
    fixed.feature_mask = extended_features();
    fixed.mark = random_number() | 1;
    for (int i = 0; i < 8; ++i) guarded.before[i] = guarded.after[i] = fixed.mark;
}

bool confine(const Setup& setup) {
    if (call(SYS_mprotect, uint64_t(&fixed), sizeof fixed, PROT_READ) != 0) return false;
    const uint64_t own = setup.input_size + setup.output_size + (uint64_t{1} << 20);
    return limit(RLIMIT_AS, setup.memory_limit + own) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
           limit(RLIMIT_MEMLOCK, 0) && arrange_signals() && start_clock(setup.execution_nanoseconds);
}

}  // namespace

extern "C" {

[[gnu::used]] alignas(64) uint8_t host_stack[stack_size];

[[gnu::used, noreturn]] void start(const uint64_t* initial_stack) {
    const uint64_t* word = initial_stack + 1 + initial_stack[0] + 1;  // past argc and argv
    while (*word != 0) ++word;                                        // and the environment
    uint64_t vdso = 0, capabilities = 0;
    for (++word; word[0] != AT_NULL; word += 2) {
        if (word[0] == AT_SYSINFO_EHDR) vdso = word[1];
        if (word[0] == AT_HWCAP2) capabilities = word[1];
    }
    fixed.set_bases = (capabilities & 2) != 0;  // HWCAP2_FSGSBASE
    Setup setup;
    if (!transfer(SYS_read, &setup, sizeof setup)) leave(exit_channel);
    fixed.execution_nanoseconds = setup.execution_nanoseconds;
    call(SYS_setsid);  // an interrupt at the terminal is for the parent
    unmap_the_rest(vdso);
    map_buffers(setup);
    prepare_marks();
    if (!confine(setup)) leave(exit_setup);
    dispatch_system_calls();
    if (!install_filter()) leave(exit_seccomp);
    Ready ready = {reinterpret_cast<uint64_t>(&finish), reinterpret_cast<uint64_t>(__executable_start),
                   reinterpret_cast<uint64_t>(_end)};
    if (!transfer(SYS_write, &ready, sizeof ready)) leave(exit_channel);
    serve();
}
}

asm(R"(
    .text
    .globl _start
_start:
    mov %rsp, %rdi
    lea host_stack+131072(%rip), %rsp
    xor %ebp, %ebp
    call start
    ud2
)");
