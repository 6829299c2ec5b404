// What the isolated executor's two sides say to each other: executor.cpp (in this process) and executor_child.cpp
// (the process in which tested code runs). Freestanding: the child has no C library.
#pragma once

#include <cstdint>

namespace burnish::executor {

// The child finds these descriptors open, and nothing else.
constexpr int channel_descriptor = 0;  // stream socket: Setup, then Request/Reply until end of file
constexpr int input_descriptor = 1;    // shared memory that the child can only read
constexpr int output_descriptor = 2;   // shared memory that the child writes

// First message. The child answers with Ready, or ends with one of the exit codes below.
struct Setup {
    uint64_t input_size;
    uint64_t output_size;
    uint64_t execution_nanoseconds;  // processor time that one execution may take
    uint64_t memory_limit;           // bytes of address space for tested code
};

struct Ready {
    uint64_t exit_address;  // tested code that jumps here has finished
};

enum ExitCode : int {
    exit_channel = 100,   // the channel broke
    exit_setup = 101,     // shared memory, stacks, signals or timer
    exit_seccomp = 102,   // no seccomp filters here
    exit_fault = 103,     // a fault outside tested code
    exit_corrupted = 104  // tested code wrote to the child's own state
};

// A request is a number of commands that lie at the start of the input memory. They are carried out in order; the
// first that fails ends the request.
struct Request {
    uint64_t count;
};

struct Reply {
    uint64_t done;  // commands carried out
    int64_t error;  // errno of the one that failed, or 0
};

enum class CommandKind : uint32_t { map, unmap, protect, copy, run };

struct Command {
    CommandKind kind;
    uint32_t protection;  // map, protect: PROT_*
    uint64_t address;
    uint64_t size;
    uint64_t offset;  // copy: the data, run: a Run; from the start of the input memory
};

constexpr uint64_t no_offset = ~uint64_t{0};

// Memory that is set before each execution and, unless output is no_offset, read after it. Offsets are from the
// start of the input and output memories; execution i uses offset + i * stride.
struct Window {
    uint64_t address;
    uint64_t size;
    uint64_t input;
    uint64_t input_stride;  // 0: the same contents for all
    uint64_t output;
    uint64_t output_stride;
};

// The rest of a writable page that holds a window: filled before each execution and compared after it.
struct Slack {
    uint64_t address;
    uint64_t size;
};

constexpr uint8_t slack_byte = 0xa5;

// Executions of one code on `count` states. Arrays of the state before lie in the input memory, those of the state
// after in the output memory: gpr 16 x 8 bytes in encoding order, xmm 16 x 16, flags 8, mxcsr 4.
struct Run {
    uint64_t count;
    uint64_t entry;
    uint64_t return_address;  // stored at rsp before each execution, unless 0
    uint64_t fs_base;
    uint64_t gpr, xmm, flags, mxcsr;
    uint64_t result, gpr_after, xmm_after, flags_after, mxcsr_after;
    uint64_t window_count;
    uint64_t windows;  // Window[], in the input memory
    uint64_t slack_count;
    uint64_t slacks;  // Slack[], in the input memory
};

enum Status : uint32_t { not_run = 0, finished = 1, faulted = 2, timed_out = 3, system_call = 4 };

struct Result {
    uint32_t status;
    uint32_t number;  // faulted: the signal; system_call: its number
    uint64_t address;
    uint64_t rip;
};

// Start of the output memory.
struct Progress {
    uint64_t started;  // executions begun in the current run: the last of them is under way or done
};

constexpr uint64_t output_header = 64;

// RFLAGS bits that belong to a state: CF PF AF ZF SF DF OF.
constexpr uint64_t flags_mask = 0xcd5;

}  // namespace burnish::executor
