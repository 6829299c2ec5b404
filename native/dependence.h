// What the walk keeps of a dependence through memory.
#pragma once

#include "nest_stack.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace burnish::nest {

enum Kind : uint8_t { raw, war, waw };

// What came before the access that is made.
struct Source {
    Kind kind = raw;
    uint32_t site = 0;
    uint64_t time = 0;
    bool operator==(const Source&) const = default;
};

struct Key {
    uint32_t source, sink, region;
    uint8_t kind, between;
    bool operator==(const Key&) const = default;
};

struct KeyHash {
    size_t operator()(const Key& key) const {
        uint64_t hash = mixed(key.kind * 8 + key.between, key.source);
        return mixed(mixed(hash, key.sink), key.region);
    }
};

struct Dependence {
    uint64_t count = 0, rounds = 0, least = 0, most = 0;
    uint64_t sink = 0;  // the latest, by number
    // Beginnings of visits, and the latest round of each that is counted in ``rounds``.
    std::vector<std::pair<uint64_t, uint64_t>> marks;
};

}  // namespace burnish::nest
