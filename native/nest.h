// The structure of a thread's execution while it goes by: which functions and loops are open, which round of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace burnish::nest {

constexpr uint32_t none = ~uint32_t(0);
constexpr uint32_t gap = ~uint32_t(0);

enum Ending : uint8_t { goes_on, returns, tail_call, stops };

// What blocks, loops and sites are; see ``burnish.analyze.program``. A region is a loop, or after all loops a function.
struct Program {
    std::vector<uint32_t> function;      // of each block
    std::vector<uint32_t> loop;          // the innermost that the block is in
    std::vector<uint8_t> header;         // whether it is that loop's header
    std::vector<uint8_t> entry;          // whether it is its function's first block
    std::vector<uint8_t> ending;
    std::vector<uint32_t> calls;         // how many functions it may call
    std::vector<uint32_t> instructions;
    std::vector<uint32_t> first_successor, successors;
    std::vector<uint32_t> parent;        // of each loop: the loop around it
    std::vector<uint32_t> site_block;    // of each site; none for a number that no site has
    std::vector<uint8_t> site_kind;
    std::vector<uint32_t> site_size;
    uint32_t functions = 0;

    bool follows(uint32_t block, uint32_t next) const {
        const auto begin = successors.begin() + first_successor[block];
        const auto end = successors.begin() + first_successor[block + 1];
        return std::find(begin, end, next) != end;
    }
    uint32_t loops() const { return uint32_t(parent.size()); }
    uint32_t regions() const { return loops() + functions; }
};

// A sequence of blocks, and of child regions (numbered behind the blocks), each standing for all that it does.
using Items = std::vector<uint32_t>;

struct Path {
    uint64_t count = 0;
    Items items;
};

// What is known of a region over the whole run. A function's rounds are its calls.
struct Totals {
    uint64_t entered = 0, rounds = 0;
    uint64_t instructions = 0;  // what it called included, but not what recursion counts twice
    uint64_t conflicts = 0;     // rounds with a read of what an earlier round of the same visit wrote
    uint64_t loads = 0, stores = 0;  // likewise
    uint64_t span = 0;               // as ``instructions``, where calls of itself run beside each other
    uint32_t open = 0;
    bool recursive = false;
    uint64_t other_paths = 0;  // rounds whose paths are not kept
    std::map<uint64_t, uint64_t> trips;
    std::unordered_map<uint64_t, Path> paths;
    std::vector<uint32_t> cost, nearest, visit;  // of rounds, as far as they are kept
};

// A region that is open. Time grows with each block, and where a block goes on behind a call.
struct Visit {
    uint32_t region = none;
    uint64_t began;                    // its first block
    uint64_t round_began;
    uint64_t rounds = 1;
    uint32_t context = 0;              // see ``Contexts``
    uint64_t loads = 0, stores = 0;    // of all that it did, as are
    uint64_t instructions = 0;
    uint64_t instructions_before = 0;  // up to this round
    uint64_t forked = 0, longest = 0;  // instructions of calls that recursion made, and the longest chain of one
    uint64_t nearest = 0;              // of this round: distance to the latest round that wrote what it read
    std::vector<uint64_t> starts;      // of its rounds, but for those before ``first_start``
    uint64_t first_start = 0;
    std::vector<uint64_t> segments;    // of this round: where calls begin and end, in turn
    Items items;
    uint64_t hash = 0;
    bool partial = false;              // its first round was not seen to begin
};

// A function that is open: where its visits begin, the block it is in, how many calls that has made, and the site of its
// latest access: each site of a block has one access when the block is entered, or none, in the order of their numbers.
struct Frame {
    uint32_t visit;
    uint32_t block;
    uint32_t made = 0;
    uint32_t site = 0;
};

}  // namespace burnish::nest
