// Runs machine code on given machine states in a child process, many states at a call. Native because a state costs
// less than a microsecond, and because what runs may do anything: see executor_child.cpp for what holds it.
#include "executor_plan.h"
#include "executor_process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <stdexcept>
#include <sys/mman.h>
#include <vector>

using namespace nanobind::literals;

namespace burnish::executor {

namespace {

constexpr uint64_t stub_size = 21;  // a jump, up to seven bytes, an address

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

void check_signals() {
    const nb::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace

class Executor {
public:
    Executor(std::string program, double execution_seconds, double batch_seconds, uint64_t memory_limit)
        : program_(std::move(program)), limits_{execution_seconds, batch_seconds, memory_limit} {}

    // Successive runs with one and the same layout set its memory up once.
    void run(std::shared_ptr<const Layout> layout, const Code& code, const StatesBefore& before,
             const StatesAfter& after);

    void close() {
        const Use use(*this);
        process_.end();
    }

    int pid() const { return process_.running() ? process_.pid() : 0; }

private:
    // One user at a time; the lock of the interpreter is given up while the child works, so a second thread may come.
    struct Use {
        explicit Use(Executor& executor) : owner(executor) {
            if (owner.used_) fail("the executor is in use by another thread");
            owner.used_ = true;
        }
        ~Use() { owner.used_ = false; }
        Executor& owner;
    };

    void ensure(const Plan& plan, const Code& code, const char* data, uint64_t size);
    Answer lay_out(const Code& code, const char* data, uint64_t size);
    Answer add(Command command);
    Answer copy_in(uint64_t address, const uint8_t* data, uint64_t size);
    Answer copy_exit(uint64_t address);
    Answer place_code(const Code& code, const char* data, uint64_t size);
    Answer flush();
    Answer run_chunk(Plan& plan, uint64_t start, uint64_t count);
    void collect(const Plan& plan, const StatesAfter& after, uint64_t start, uint64_t count);
    uint64_t settle(const Plan& plan, const StatesAfter& after, uint64_t start, uint64_t count, Answer answer);

    std::string program_;
    Limits limits_;
    bool used_ = false;
    Process process_;
    std::shared_ptr<const Layout> layout_;
    std::vector<MapArgument> mapped_;
    bool laid_out_ = false;
    bool code_placed_ = false;
    std::vector<Command> pending_;
    uint64_t pending_data_ = 0;
    uint64_t retried_ = no_offset;  // the execution that is being tried a second time
    Clock::time_point deadline_;
};

// ---- the child's memory --------------------------------------------------------------------------------------------

Answer Executor::add(Command command) {
    if (pending_.size() == command_capacity - 1) {
        if (const Answer answer = flush(); answer != Answer::done) return answer;
    }
    pending_.push_back(command);
    return Answer::done;
}

Answer Executor::flush() {
    if (pending_.empty()) return Answer::done;
    std::memcpy(process_.input(), pending_.data(), pending_.size() * sizeof(Command));
    const uint64_t count = pending_.size();
    pending_.clear();
    pending_data_ = 0;
    return process_.request(count, deadline_, check_signals);
}

Answer Executor::copy_in(uint64_t address, const uint8_t* data, uint64_t size) {
    constexpr uint64_t start = command_capacity * sizeof(Command);
    while (size != 0) {
        const uint64_t room = process_.input_size() - start - pending_data_;
        const uint64_t part = std::min(room, size);
        if (part == 0) {
            if (const Answer answer = flush(); answer != Answer::done) return answer;
            continue;
        }
        const Answer answer = add({CommandKind::copy, 0, address, part, start + pending_data_});
        if (answer != Answer::done) return answer;
        // add() may have sent what was pending and begun anew.
        pending_.back().offset = start + pending_data_;
        std::memcpy(process_.input() + start + pending_data_, data, part);
        pending_data_ += part;
        address += part, data += part, size -= part;
    }
    return Answer::done;
}

// jmp *x(%rip), where x is the address, aligned: uses no register, no flag, and works under the alignment check.
Answer Executor::copy_exit(uint64_t address) {
    uint8_t stub[stub_size];
    std::memset(stub, 0xcc, sizeof stub);
    const uint32_t pointer = uint32_t(round_up(address + 6, 8) - address), displacement = pointer - 6;
    stub[0] = 0xff, stub[1] = 0x25;
    std::memcpy(stub + 2, &displacement, 4);
    std::memcpy(stub + pointer, &process_.ready().exit_address, 8);
    return copy_in(address, stub, stub_size);
}

Answer Executor::place_code(const Code& code, const char* data, uint64_t size) {
    if (code.room == 0) return Answer::done;
    std::vector<uint8_t> image(code.room, 0xcc);  // int3: running off the end of the end is a fault
    std::memcpy(image.data(), data, size);
    const uint64_t first = code.address & -page, last = round_up(code.address + code.room, page);
    Answer answer = add({CommandKind::protect, PROT_READ | PROT_WRITE, first, last - first, 0});
    if (answer == Answer::done) answer = copy_in(code.address, image.data(), image.size());
    if (answer == Answer::done) answer = copy_exit(code.address + size);
    if (answer == Answer::done) answer = add({CommandKind::protect, PROT_READ | PROT_EXEC, first, last - first, 0});
    return answer;
}

Answer Executor::lay_out(const Code& code, const char* data, uint64_t size) {
    Answer answer = Answer::done;
    const auto all = [&](const auto& list, auto&& action) {
        for (const auto& item : list) {
            if (answer == Answer::done) answer = action(item);
        }
    };
    if (!laid_out_) {
        all(mapped_, [&](const MapArgument& map) {
            return add({CommandKind::unmap, 0, std::get<0>(map), std::get<1>(map), 0});
        });
        mapped_ = layout_->maps;
        all(layout_->maps, [&](const MapArgument& map) {
            return add({CommandKind::map, PROT_READ | PROT_WRITE, std::get<0>(map), std::get<1>(map), 0});
        });
        all(layout_->loads, [&](const LoadArgument& load) {
            return copy_in(std::get<0>(load), std::get<1>(load).data(), std::get<1>(load).size());
        });
        all(layout_->exits, [&](uint64_t address) { return copy_exit(address); });
        all(layout_->maps, [&](const MapArgument& map) {
            if (std::get<2>(map) == (PROT_READ | PROT_WRITE)) return Answer::done;
            return add({CommandKind::protect, std::get<2>(map), std::get<0>(map), std::get<1>(map), 0});
        });
    }
    if (answer == Answer::done && !code_placed_) answer = place_code(code, data, size);
    if (answer == Answer::done) answer = flush();
    laid_out_ = code_placed_ = answer == Answer::done;
    return answer;
}

// Has a child that is ready to run the code. A region that meets the child's own memory (which is at random places) is
// given another child.
void Executor::ensure(const Plan& plan, const Code& code, const char* data, uint64_t size) {
    int error = 0;
    for (int attempt = 0; attempt < 4; ++attempt) {
        if (!process_.running() || process_.input_size() < plan.input_size ||
            process_.output_size() < plan.output_size) {
            mapped_.clear();
            laid_out_ = code_placed_ = false;
            process_.start(program_, limits_, plan.input_size, plan.output_size);
        }
        pending_.clear();
        pending_data_ = 0;
        switch (lay_out(code, data, size)) {
            case Answer::done:
                return;
            case Answer::failed:
                error = process_.error();
                if (error != EEXIST) attempt = 4;
                break;
            case Answer::died:
                break;
            case Answer::late:
                process_.end();
                fail("memory could not be set up within the time limit of the batch");
        }
        process_.end();
    }
    if (error == 0) fail("the isolated executor died while memory was set up");
    fail(std::string("a region cannot be mapped at the requested address: ") + std::strerror(error));
}

// ---- executions ----------------------------------------------------------------------------------------------------

Answer Executor::run_chunk(Plan& plan, uint64_t start, uint64_t count) {
    uint8_t* input = process_.input();
    plan.run.count = count;
    constexpr uint64_t run_offset = command_capacity * sizeof(Command);
    std::memcpy(input + run_offset, &plan.run, sizeof(Run));
    std::copy(plan.windows.begin(), plan.windows.end(), reinterpret_cast<Window*>(input + plan.run.windows));
    std::copy(plan.slacks.begin(), plan.slacks.end(), reinterpret_cast<Slack*>(input + plan.run.slacks));
    for (const auto& [offset, contents] : plan.shared) std::memcpy(input + offset, contents.first, contents.second);
    for (const Column& column : plan.before) {
        std::memcpy(input + column.offset, column.host + start * column.row, count * column.row);
    }
    reinterpret_cast<Progress*>(process_.output())->started = 0;
    std::memset(process_.output() + plan.result_offset, 0, count * sizeof(Result));  // nothing of before is believed
    pending_.assign(1, {CommandKind::run, 0, 0, 0, run_offset});
    return flush();
}

// Takes the results of the chunk's first `count` executions, which began at state `start`.
void Executor::collect(const Plan& plan, const StatesAfter& after, uint64_t start, uint64_t count) {
    const auto* results = reinterpret_cast<const Result*>(process_.output() + plan.result_offset);
    for (const Column& column : plan.after) {
        std::memcpy(column.host + start * column.row, process_.output() + column.offset, count * column.row);
    }
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t index = start + i;
        after.status.data()[index] = uint8_t(results[i].status);
        after.number.data()[index] = results[i].number;
        after.address.data()[index] = results[i].address;
        after.rip.data()[index] = results[i].rip;
        if (results[i].status == finished) continue;
        for (const Column& column : plan.after) std::memset(column.host + index * column.row, 0, column.row);
    }
}

// Takes what the child has done and answers with the number of states that are settled.
uint64_t Executor::settle(const Plan& plan, const StatesAfter& after, uint64_t start, uint64_t count, Answer answer) {
    const uint64_t started = reinterpret_cast<const Progress*>(process_.output())->started;
    const auto* results = reinterpret_cast<const Result*>(process_.output() + plan.result_offset);
    // What the child says is believed only as far as it makes sense: tested code may have written over it.
    uint64_t done = started > count ? 0 : answer == Answer::done ? count : started - (started != 0);
    for (uint64_t i = 0; i < done; ++i) {
        if (results[i].status < finished || results[i].status > system_call) done = i;
    }
    collect(plan, after, start, done);
    if (answer == Answer::done && started == count && done == count) return count;
    process_.end();
    laid_out_ = code_placed_ = false;
    const uint64_t culprit = start + done;
    if (answer == Answer::late) {
        std::fill_n(after.status.data() + culprit, after.status.size() - culprit, uint8_t(timed_out));
        return after.status.size() - start;
    }
    if (retried_ != culprit) {  // it may have been a bystander: whoever kills twice is guilty
        retried_ = culprit;
        return done;
    }
    after.status.data()[culprit] = uint8_t(faulted);
    after.number.data()[culprit] = uint32_t(process_.death_signal());
    return done + 1;
}

void Executor::run(std::shared_ptr<const Layout> layout, const Code& code, const StatesBefore& before,
                   const StatesAfter& after) {
    const Use use(*this);
    if (process_.running() && !process_.owned()) fail("the executor belongs to the process that this one was forked from");
    const uint64_t total = before.flags.size();
    if (total == 0) return;
    Plan plan(code, before, after);
    const char* data = code.data.c_str();
    const uint64_t size = code.data.size();
    if (layout != layout_) laid_out_ = false;
    layout_ = std::move(layout);
    const nb::gil_scoped_release released;
    code_placed_ = false;
    retried_ = no_offset;
    deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(limits_.batch_seconds));
    try {
        for (uint64_t start = 0; start < total;) {
            ensure(plan, code, data, size);
            const uint64_t count = std::min(plan.chunk, total - start);
            const Answer answer = run_chunk(plan, start, count);
            start += settle(plan, after, start, count, answer);
        }
    } catch (...) {
        process_.end();
        laid_out_ = false;
        throw;
    }
}

void register_executor(nb::module_& module) {
    nb::class_<Code>(module, "ExecutorCode")
        .def("__init__",
             [](Code* self, nb::bytes data, uint64_t address, uint64_t room, uint64_t entry, uint64_t return_address,
                uint64_t fs_base) {
                 new (self) Code{std::move(data), address, room, entry, return_address, fs_base};
             },
             "data"_a, "address"_a, "room"_a, "entry"_a, "return_address"_a, "fs_base"_a);
    nb::class_<Layout>(module, "ExecutorLayout")
        .def("__init__",
             [](Layout* self, std::vector<MapArgument> maps, std::vector<LoadArgument> loads,
                std::vector<uint64_t> exits) {
                 new (self) Layout{std::move(maps), std::move(loads), std::move(exits)};
             },
             "maps"_a, "loads"_a, "exits"_a);
    nb::class_<StatesBefore>(module, "ExecutorStates")
        .def("__init__",
             [](StatesBefore* self, decltype(StatesBefore::gpr) gpr, decltype(StatesBefore::xmm) xmm,
                decltype(StatesBefore::flags) flags, decltype(StatesBefore::mxcsr) mxcsr,
                std::vector<WindowArgument> windows, std::vector<SlackArgument> slacks) {
                 new (self) StatesBefore{gpr, xmm, flags, mxcsr, std::move(windows), std::move(slacks)};
             },
             "gpr"_a.noconvert(), "xmm"_a.noconvert(), "flags"_a.noconvert(), "mxcsr"_a.noconvert(), "windows"_a,
             "slacks"_a);
    nb::class_<StatesAfter>(module, "ExecutorResults")
        .def("__init__",
             [](StatesAfter* self, decltype(StatesAfter::gpr) gpr, decltype(StatesAfter::xmm) xmm,
                decltype(StatesAfter::flags) flags, decltype(StatesAfter::mxcsr) mxcsr,
                decltype(StatesAfter::status) status, decltype(StatesAfter::number) number,
                decltype(StatesAfter::address) address, decltype(StatesAfter::rip) rip) {
                 new (self) StatesAfter{gpr, xmm, flags, mxcsr, status, number, address, rip};
             },
             "gpr"_a.noconvert(), "xmm"_a.noconvert(), "flags"_a.noconvert(), "mxcsr"_a.noconvert(),
             "status"_a.noconvert(), "number"_a.noconvert(), "address"_a.noconvert(), "rip"_a.noconvert());
    nb::class_<Executor>(module, "Executor")
        .def(nb::init<std::string, double, double, uint64_t>(), "program"_a, "execution_seconds"_a, "batch_seconds"_a,
             "memory_limit"_a)
        .def("run", &Executor::run, "layout"_a, "code"_a, "before"_a, "after"_a)
        .def("close", &Executor::close)
        .def_prop_ro("pid", &Executor::pid);
}

}  // namespace burnish::executor
