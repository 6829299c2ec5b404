// A loop's recorded rounds replayed on several cores: native because each prediction replays up to a million rounds many
// times over.
//
// The machine that is modelled runs consecutive rounds as one task, in a transaction, on whichever core is free first; tasks
// commit in the order of the program. A task that started before one that it reads from had committed runs again from the
// moment of that commit on, as it does with lazy detection of conflicts and commits in order (METHODS: HydraVM, Block-STM).
#include <algorithm>
#include <cstdint>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <queue>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace burnish::simulate {

using Column = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct Costs {
    double enter;   // of a visit: work is handed out
    double task;    // of a task: it begins, and looks whether what it read is still so
    double commit;  // of a task, while no other commits
    double factor;  // of each instruction in a task
};

// The rounds of one visit, from ``begin`` to ``end``.
class Visit {
  public:
    Visit(const uint32_t* cost, const uint32_t* nearest, size_t size) : cost_(cost), nearest_(nearest), size_(size) {}

    double serial() const {
        double sum = 0;
        for (size_t i = 0; i < size_; ++i) sum += cost_[i];
        return sum;
    }

    // The time that it takes, and how many tasks ran twice.
    double run(size_t cores, size_t grain, size_t window, const Costs& costs, uint64_t& again) const {
        const size_t tasks = (size_ + grain - 1) / grain;
        std::priority_queue<double, std::vector<double>, std::greater<double>> free;
        for (size_t i = 0; i < cores; ++i) free.push(0);
        std::vector<double> committed(tasks);
        for (size_t task = 0; task < tasks; ++task) {
            const size_t first = task * grain, last = std::min(first + grain, size_);
            double work = costs.task;
            size_t source = task;  // the last task before it that it reads from
            bool needs = false;
            for (size_t round = first; round < last; ++round) {
                work += cost_[round] * costs.factor;
                const size_t distance = nearest_[round];
                if (!distance || distance > round || round - distance >= first) continue;
                const size_t found = (round - distance) / grain;
                source = needs ? std::max(source, found) : found;
                needs = true;
            }
            double start = free.top();
            free.pop();
            if (task >= window) start = std::max(start, committed[task - window]);
            double end = start + work;
            if (needs && committed[source] > start) {
                ++again;
                end = std::max(end, committed[source]) + work;
            }
            free.push(end);
            committed[task] = (task ? std::max(committed[task - 1], end) : end) + costs.commit;
        }
        return costs.enter + committed.back();
    }

  private:
    const uint32_t* cost_;
    const uint32_t* nearest_;
    size_t size_;
};

nb::tuple replay(Column cost, Column nearest, Column visit, size_t cores, size_t grain, size_t window, double enter,
                 double task, double commit, double factor) {
    const size_t size = cost.shape(0);
    if (nearest.shape(0) != size || visit.shape(0) != size) throw std::invalid_argument("columns of different lengths");
    if (!cores || !grain || !window) throw std::invalid_argument("cores, grain and window are at least 1");
    const Costs costs{enter, task, commit, factor};
    double serial = 0, parallel = 0;
    uint64_t again = 0, tasks = 0;
    {
        const uint32_t *c = cost.data(), *n = nearest.data(), *v = visit.data();
        nb::gil_scoped_release release;
        for (size_t begin = 0; begin < size;) {
            size_t end = begin;
            while (end < size && v[end] == v[begin]) ++end;
            const Visit rounds(c + begin, n + begin, end - begin);
            const double alone = rounds.serial();
            uint64_t twice = 0;
            const double together = rounds.run(cores, grain, window, costs, twice);
            // What is not worth it runs as before: how many rounds there will be is known when it is entered, or learnt.
            serial += alone;
            parallel += std::min(alone, together);
            if (together < alone) again += twice, tasks += (end - begin + grain - 1) / grain;
            begin = end;
        }
    }
    return nb::make_tuple(serial, parallel, again, tasks);
}

void register_simulate(nb::module_& module) {
    module.def("replay_rounds", &replay, "cost"_a, "nearest"_a, "visit"_a, "cores"_a, "grain"_a, "window"_a, "enter"_a,
               "task"_a, "commit"_a, "factor"_a);
}

}  // namespace burnish::simulate
