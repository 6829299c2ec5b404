// Starting, driving and ending the executor's child. See executor_process.h.
#include "executor_process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace burnish::executor {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
constexpr auto greeting_limit = std::chrono::seconds(20);

[[noreturn]] void fail(const std::string& what, int error) {
    throw std::runtime_error(what + ": " + std::strerror(error));
}

// A descriptor that closes itself, numbered above those that the child is given.
class Descriptor {
public:
    explicit Descriptor(int value, const char* what) {
        const int error = errno;
        if (value < 0) fail(what, error);
        value_ = fcntl(value, F_DUPFD_CLOEXEC, 10);
        const int moved_error = errno;
        close(value);
        if (value_ < 0) fail(what, moved_error);
    }
    ~Descriptor() {
        if (value_ >= 0) close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return value_; }
    int release() { return std::exchange(value_, -1); }

private:
    int value_ = -1;
};

uint8_t* share(int descriptor, uint64_t size) {
    if (ftruncate(descriptor, off_t(size)) != 0) fail("cannot size shared memory", errno);
    void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED) fail("cannot map shared memory", errno);
    return static_cast<uint8_t*>(address);
}

std::string explain(int exit_code, int signal) {
    switch (exit_code) {
        case exit_setup:
            return "its memory, signals or limits could not be set up";
        case exit_seccomp:
            return "this system has no seccomp filters";
        default:
            return signal != 0 ? std::string("it was ended by signal ") + std::to_string(signal)
                               : "it ended with code " + std::to_string(exit_code);
    }
}

}  // namespace

bool Process::owned() const { return owner_ == getpid(); }

void Process::start(const std::string& program, const Limits& limits, uint64_t input_size, uint64_t output_size) {
    end();
    Descriptor input(memfd_create("burnish-input", MFD_CLOEXEC), "cannot make shared memory");
    Descriptor output(memfd_create("burnish-output", MFD_CLOEXEC), "cannot make shared memory");
    input_ = share(input.get(), input_size);
    input_size_ = input_size;
    output_ = share(output.get(), output_size);
    output_size_ = output_size;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) fail("cannot make a socket pair", errno);
    Descriptor here(pair[0], "cannot make a socket pair");
    {
        // Closed on this side before the greeting, so that the child's end is seen.
        const Descriptor there(pair[1], "cannot make a socket pair");
        spawn(program, there.get(), input.get(), output.get());
    }
    channel_ = here.release();
    greet(limits);
}

void Process::spawn(const std::string& program, int channel, int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel, channel_descriptor);
    posix_spawn_file_actions_adddup2(&actions, input, input_descriptor);
    posix_spawn_file_actions_adddup2(&actions, output, output_descriptor);
    posix_spawn_file_actions_addclosefrom_np(&actions, output_descriptor + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "burnish-executor";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    const int error = posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        pid_ = -1;
        fail("cannot start " + program, error);
    }
    owner_ = getpid();
    handle_ = int(syscall(SYS_pidfd_open, pid_, 0));
}

void Process::greet(const Limits& limits) {
    const Setup setup = {input_size_, output_size_, uint64_t(limits.execution_seconds * 1e9), limits.memory_limit};
    bool late = false;
    const bool sent = send(channel_, &setup, sizeof setup, MSG_NOSIGNAL) == sizeof setup;
    if (sent && receive(&ready_, sizeof ready_, Clock::now() + greeting_limit, [] {}, late)) return;
    end();
    throw std::runtime_error("the isolated executor did not start: " + explain(exit_code_, death_signal_));
}

void Process::end() noexcept {
    if (channel_ >= 0) close(channel_);
    channel_ = -1;
    if (pid_ > 0 && owned()) {
        // By handle where there is one: a program that ignores SIGCHLD may have lost the number to another process.
        if (handle_ >= 0) syscall(SYS_pidfd_send_signal, handle_, SIGKILL, nullptr, 0);
        else kill(pid_, SIGKILL);
        int status = 0;
        pid_t reaped;
        do reaped = waitpid(pid_, &status, 0);
        while (reaped < 0 && errno == EINTR);
        exit_code_ = reaped == pid_ && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        death_signal_ = reaped == pid_ && WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
    }
    pid_ = -1;
    if (handle_ >= 0) close(handle_);
    handle_ = -1;
    if (input_ != nullptr) munmap(input_, input_size_);
    if (output_ != nullptr) munmap(output_, output_size_);
    input_ = output_ = nullptr;
    input_size_ = output_size_ = 0;
}

bool Process::receive(void* data, size_t size, Clock::time_point deadline, const std::function<void()>& interrupted,
                      bool& late) {
    auto* bytes = static_cast<char*>(data);
    while (size != 0) {
        const auto left = deadline - Clock::now();
        if (left <= Clock::duration::zero()) {
            late = true;
            return false;
        }
        const auto slice = std::chrono::ceil<std::chrono::milliseconds>(std::min<Clock::duration>(left, poll_interval));
        pollfd waiting = {channel_, POLLIN, 0};
        const int count = poll(&waiting, 1, int(slice.count()));
        if (count <= 0) {
            if (count < 0 && errno != EINTR) return false;
            interrupted();
            continue;
        }
        const ssize_t moved = recv(channel_, bytes, size, 0);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        bytes += moved;
        size -= size_t(moved);
    }
    return true;
}

Answer Process::request(uint64_t count, Clock::time_point deadline, const std::function<void()>& interrupted) {
    const Request message = {count};
    bool late = false;
    if (send(channel_, &message, sizeof message, MSG_NOSIGNAL) != sizeof message ||
        !receive(&reply_, sizeof reply_, deadline, interrupted, late)) {
        return late ? Answer::late : Answer::died;
    }
    if (reply_.error != 0) return Answer::failed;
    return reply_.done == count ? Answer::done : Answer::died;  // a child that has lost count is as good as dead
}

}  // namespace burnish::executor
