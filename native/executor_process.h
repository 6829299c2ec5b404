// The isolated executor's child, as seen from this process: start it, talk to it, end it.
#pragma once

#include "executor.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <sys/types.h>

namespace burnish::executor {

using Clock = std::chrono::steady_clock;

struct Limits {
    double execution_seconds;  // processor time of one execution
    double batch_seconds;      // elapsed time of one call
    uint64_t memory_limit;     // bytes of address space for tested code
};

enum class Answer { done, failed, died, late };

// One child and the memory shared with it. Not for several threads at once. A process made by fork() must not use it;
// there the destructor leaves the child alone.
class Process {
public:
    Process() = default;
    ~Process() { end(); }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    // Starts a child; ends the one before. Throws std::runtime_error where that is not possible.
    void start(const std::string& program, const Limits& limits, uint64_t input_size, uint64_t output_size);

    // Kills the child, reaps it and gives the shared memory back. Harmless when there is none.
    void end() noexcept;

    // Sends the first `count` commands of the input memory and waits for the answer until the deadline.
    // `interrupted` is asked about every 50 ms while waiting and may throw. After `died` and `late` the child is of no more use: call end() once its output has been read.
    Answer request(uint64_t count, Clock::time_point deadline, const std::function<void()>& interrupted);

    bool running() const { return pid_ > 0; }
    bool owned() const;
    pid_t pid() const { return pid_; }
    const Ready& ready() const { return ready_; }
    uint8_t* input() const { return input_; }
    uint8_t* output() const { return output_; }
    uint64_t input_size() const { return input_size_; }
    uint64_t output_size() const { return output_size_; }
    uint64_t done() const { return reply_.done; }   // after done, failed
    int error() const { return int(reply_.error); }  // after failed: errno
    int death_signal() const { return death_signal_; }  // after died: the signal, or SIGKILL for an exit of its own

private:
    void spawn(const std::string& program, int channel, int input, int output);
    void greet(const Limits& limits);
    bool receive(void* data, size_t size, Clock::time_point deadline, const std::function<void()>& interrupted,
                 bool& late);

    pid_t pid_ = -1;
    pid_t owner_ = -1;
    int handle_ = -1;  // pidfd
    int channel_ = -1;
    uint8_t* input_ = nullptr;
    uint8_t* output_ = nullptr;
    uint64_t input_size_ = 0;
    uint64_t output_size_ = 0;
    Ready ready_ = {};
    Reply reply_ = {};
    int death_signal_ = 0;
    int exit_code_ = 0;
};

}  // namespace burnish::executor
