// Cycle counts of calls to native functions in this process. Native because the loop around the call must cost next to
// nothing. The time-stamp counter ticks at a constant rate, not with the core's clock.
#include <cstdint>
#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>
#include <stdexcept>
#include <vector>
#include <x86intrin.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace burnish::timing {

namespace {

using Function = uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
using Samples = nb::ndarray<nb::numpy, double, nb::ndim<1>>;

// Intel, "How to Benchmark Code Execution Times" (Paoloni 2010): nothing from before starts late, nothing from after
// starts early.
uint64_t start_count() {
    _mm_mfence();
    _mm_lfence();
    const uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
}

uint64_t stop_count() {
    unsigned core;
    const uint64_t now = __rdtscp(&core);
    _mm_lfence();
    return now;
}

double sample(Function function, const uint64_t* a, uint64_t calls) {
    const uint64_t start = start_count();
    for (uint64_t i = 0; i < calls; ++i) function(a[0], a[1], a[2], a[3], a[4], a[5]);
    return double(stop_count() - start);
}

struct Arguments {
    uint64_t values[6] = {};

    explicit Arguments(const std::vector<uint64_t>& given) {
        if (given.size() > 6) throw std::invalid_argument("at most six arguments");
        for (size_t i = 0; i < given.size(); ++i) values[i] = given[i];
    }
};

Samples own(std::vector<double>* values) {
    nb::capsule owner(values, [](void* data) noexcept { delete static_cast<std::vector<double>*>(data); });
    return Samples(values->data(), {values->size()}, owner);
}

void check(uint64_t calls) {
    if (calls == 0) throw std::invalid_argument("calls must be positive");
}

}  // namespace

Samples time_calls(uint64_t address, const std::vector<uint64_t>& arguments, uint64_t calls, uint64_t samples) {
    check(calls);
    const Arguments values(arguments);
    const auto function = reinterpret_cast<Function>(address);
    auto cycles = std::make_unique<std::vector<double>>(samples);
    {
        const nb::gil_scoped_release released;
        for (double& each : *cycles) each = sample(function, values.values, calls);
    }
    return own(cycles.release());
}

// Alternates between the two, and which goes first, so that drift and interference fall on both alike.
std::pair<Samples, Samples> time_pairs(uint64_t first, uint64_t second, const std::vector<uint64_t>& arguments,
                                       uint64_t calls, uint64_t samples) {
    check(calls);
    const Arguments values(arguments);
    const auto one = reinterpret_cast<Function>(first);
    const auto other = reinterpret_cast<Function>(second);
    auto first_cycles = std::make_unique<std::vector<double>>(samples);
    auto second_cycles = std::make_unique<std::vector<double>>(samples);
    {
        const nb::gil_scoped_release released;
        for (uint64_t i = 0; i < samples; ++i) {
            if (i % 2 == 0) (*first_cycles)[i] = sample(one, values.values, calls);
            (*second_cycles)[i] = sample(other, values.values, calls);
            if (i % 2 != 0) (*first_cycles)[i] = sample(one, values.values, calls);
        }
    }
    return {own(first_cycles.release()), own(second_cycles.release())};
}

void register_timing(nb::module_& module) {
    module.def("time_calls", &time_calls, "address"_a, "arguments"_a, "calls"_a, "samples"_a);
    module.def("time_pairs", &time_pairs, "first"_a, "second"_a, "arguments"_a, "calls"_a, "samples"_a);
}

}  // namespace burnish::timing
