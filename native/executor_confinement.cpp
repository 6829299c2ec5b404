// Confining the executor's child: memory, signals, limits and the filter on system calls, once at its start.
#include "executor_child.h"

#include <asm/prctl.h>
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <linux/time.h>

namespace burnish::executor {

namespace {

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
    rlimit64 limits = {};
    if (call(SYS_prlimit64, 0, uint64_t(resource), 0, uint64_t(&limits)) != 0) return false;
    if (value > limits.rlim_max) value = limits.rlim_max;  // only a privileged process may raise it
    limits = {value, value};
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
    Ready ready = {reinterpret_cast<uint64_t>(&finish)};
    if (!transfer(SYS_write, &ready, sizeof ready)) leave(exit_channel);
    serve();
}
}

}  // namespace burnish::executor
