// The functions and loops that are open while a trace goes by, each with its rounds.
#pragma once

#include "affine.h"
#include "nest.h"

#include <cstddef>

namespace burnish::nest {

// How the two ends of a dependence lie: in different rounds, in one round and not in different calls of it, or between a
// call (or what follows between calls) and another.
enum Between : uint8_t { rounds, inside, own_to_call, call_to_own, call_to_call };
constexpr uint32_t same_level = ~uint32_t(0);
// Levels of one depth, modulo 4.
enum Level : uint32_t { visit_level, round_level, own_level, call_level };
constexpr size_t kept_starts = 1 << 18;

inline uint64_t mixed(uint64_t hash, uint64_t item) {
    hash = (hash ^ item) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

// Where two accesses part. ``level`` grows with the depth at which they do. A distance of more than ``kept_starts`` rounds
// may be given too short, but not shorter than that.
struct Parting {
    uint32_t level = same_level;
    uint32_t region = none;
    Between between = inside;
    uint64_t distance = 0;
    Visit* visit = nullptr;
};

class Stack {
  public:
    Stack(Program program, size_t most_paths, size_t most_items, size_t kept_rounds);
    Stack(const Stack&) = delete;

    // A block begins.
    void enter(uint32_t block);
    // An access of a site comes: false where it belongs to nothing that is open. What a block does behind its call comes
    // after the callee's last block.
    bool come_to(uint32_t site);
    void reset() { close_frames(0); }

    // Where an earlier access and this moment part.
    Parting parting(uint64_t earlier);

    // The k-th open loop from the inside.
    const Visit& loop(size_t k) const { return visits_[loops_[loops_.size() - 1 - k]]; }

  protected:
    Program program_;
    std::vector<Totals> totals_;
    std::vector<Visit> visits_;
    std::vector<uint32_t> open_regions_;  // each once, in the order in which they were opened
    Fits fits_;
    uint64_t time_ = 0;  // grows with each block, and where a block goes on behind a call
    uint64_t oldest_ = 1, entered_ = 0, gaps_ = 0;

  private:
    void arrive(uint32_t block);
    bool may_call(const Frame& frame) const;
    bool ended(const Frame& frame) const;
    void call(uint32_t block);
    uint32_t child(uint32_t region) const { return uint32_t(program_.function.size()) + region; }
    void open_function(uint32_t block);
    void step_in_function(uint32_t block);
    bool within(uint32_t loop, uint32_t outer) const;
    void open_loops(uint32_t block);
    void open(uint32_t region, bool partial);
    void append(Visit& visit, uint32_t item);
    void next_round(Visit& visit);
    void end_round(Visit& visit);
    void close_visit();
    void close_frame(bool ends_call = true);
    void replace_frame(uint32_t block);
    void close_frames(size_t depth);

    size_t most_paths_, most_items_, kept_rounds_;
    std::vector<Frame> frames_;
    std::vector<Visit> spare_;
    std::vector<uint32_t> loops_;  // places of open loops in ``visits_``
    std::vector<uint32_t> chain_;
};

}  // namespace burnish::nest
