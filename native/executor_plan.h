// What one call of the isolated executor is given, and how it is cut into chunks that fit the shared memory.
#pragma once

#include "executor.h"

#include <cstdint>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace burnish::executor {

namespace nb = nanobind;

template <typename Value, typename... Shape>
using Array = nb::ndarray<Value, Shape..., nb::c_contig, nb::device::cpu>;
using Bytes = Array<const uint8_t, nb::ndim<1>>;
using Rows = Array<const uint8_t, nb::ndim<2>>;

using MapArgument = std::tuple<uint64_t, uint64_t, uint32_t>;  // address, size, PROT_*
using LoadArgument = std::tuple<uint64_t, Bytes>;
using WindowArgument = std::tuple<uint64_t, Rows, std::optional<Array<uint8_t, nb::ndim<2>>>>;
using SlackArgument = std::tuple<uint64_t, uint64_t>;

constexpr uint64_t command_capacity = 1024;
constexpr uint64_t page = 4096;

inline uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

// An array with one row a state: where it is here, and where a chunk of it lies in the shared memory.
struct Column {
    uint8_t* host;
    uint64_t row;     // bytes
    uint64_t offset;  // in the shared memory
};

struct StatesBefore {
    Array<const uint64_t, nb::shape<-1, 16>> gpr;
    Array<const uint64_t, nb::shape<-1, 16, 2>> xmm;
    Array<const uint64_t, nb::ndim<1>> flags;
    Array<const uint32_t, nb::ndim<1>> mxcsr;
    std::vector<WindowArgument> windows;  // contents of one row serve all states
    std::vector<SlackArgument> slacks;
};

struct StatesAfter {
    Array<uint64_t, nb::shape<-1, 16>> gpr;
    Array<uint64_t, nb::shape<-1, 16, 2>> xmm;
    Array<uint64_t, nb::ndim<1>> flags;
    Array<uint32_t, nb::ndim<1>> mxcsr;
    Array<uint8_t, nb::ndim<1>> status;
    Array<uint32_t, nb::ndim<1>> number;
    Array<uint64_t, nb::ndim<1>> address;
    Array<uint64_t, nb::ndim<1>> rip;
};

struct Code {
    nb::bytes data;
    uint64_t address;
    uint64_t room;            // bytes of the mapping that hold code and nothing else; 0: no code is placed
    uint64_t entry;
    uint64_t return_address;  // 0: none is stored
    uint64_t fs_base;
};

// Memory that stays from one execution to the next, and what is done once to set it up.
struct Layout {
    std::vector<MapArgument> maps;
    std::vector<LoadArgument> loads;
    std::vector<uint64_t> exits;  // where a jump out of tested code is to be placed
};

// How one call is cut into chunks: `fixed` bytes at the start of the input memory, then the columns.
struct Plan {
    std::vector<Column> before, after;
    uint64_t result_offset = 0;
    uint64_t fixed = 0;
    uint64_t chunk = 0;
    uint64_t input_size = 0, output_size = 0;
    std::vector<Window> windows;
    std::vector<Slack> slacks;
    std::vector<std::pair<uint64_t, std::pair<const uint8_t*, uint64_t>>> shared;  // offset, contents
    Run run = {};

    Plan(const Code& code, const StatesBefore& states, const StatesAfter& results);

private:
    void place(uint64_t count);
};

}  // namespace burnish::executor
