// What is kept of the values of one result, in bounded memory: how many there were, the most frequent ones (Space-Saving:
// Metwally, Agrawal, El Abbadi 2005), about how many different ones (HyperLogLog: Flajolet et al. 2007), and the most
// frequent difference of successive ones (majority vote: Boyer, Moore 1981).
#pragma once
#include <bit>
#include <cstdint>
#include <cmath>

namespace burnish::observer {

// What belongs to one thread: the value before, and where it is among the frequent ones.
struct Previous {
    uint64_t value = 0;
    uint8_t seen = 0, slot = 0;
};

class Sketch {
  public:
    static constexpr int most = 16;
    static constexpr int registers = 256;
    uint64_t count = 0, stride = 0, hits = 0, steps = 0;
    uint64_t keys[most] = {}, counts[most] = {}, errors[most] = {};
    uint8_t used = 0;
    bool evicted = false, sampled = false;

    void put(Previous& before, uint64_t value, uint64_t& random) {
        ++count;
        if (before.seen) {
            const uint64_t step = value - before.value;
            vote(step);
            if (step == 0 && keys[before.slot] == value && before.slot < used) {
                ++counts[before.slot];
                return;
            }
        }
        before.seen = 1;
        before.value = value;
        note_distinct(value);
        uint64_t weight = 1;
        if (sampled) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (random >> 60) return;
            weight = 16;
        }
        before.slot = insert(value, weight);
        // Values that hardly ever come again: from now on a sixteenth of them is looked at.
        if (!sampled && count == trial && evicted && distinct() > trial / 8) sampled = true;
    }

    // Exact as long as no value had to make room for another.
    double distinct() const {
        if (!evicted && !sampled) return used;
        double sum = 0;
        int empty = 0;
        for (uint8_t rank : ranks) {
            sum += std::ldexp(1.0, -rank);
            empty += rank == 0;
        }
        const double estimate = 0.7213 / (1 + 1.079 / registers) * registers * registers / sum;
        if (estimate <= 2.5 * registers && empty) return registers * std::log(double(registers) / empty);
        return estimate;
    }

  private:
    static constexpr uint64_t trial = 4096;
    int64_t votes = 0;
    uint8_t ranks[registers] = {};

    void vote(uint64_t step) {
        ++steps;
        if (step == stride) {
            ++hits;
            ++votes;
        } else if (votes <= 0) {
            stride = step;
            hits = votes = 1;
        } else {
            --votes;
        }
    }

    void note_distinct(uint64_t value) {
        uint64_t hash = value * 0x9e3779b97f4a7c15u;
        hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
        hash ^= hash >> 32;
        const uint8_t rank = uint8_t(std::countl_zero(hash << 8 | 0x80) + 1);
        uint8_t& known = ranks[hash >> 56];
        if (known < rank) known = rank;
    }

    uint8_t insert(uint64_t value, uint64_t weight) {
        int least = 0;
        for (int i = 0; i < used; ++i) {
            if (keys[i] == value) {
                counts[i] += weight;
                return uint8_t(i);
            }
            if (counts[i] < counts[least]) least = i;
        }
        if (used < most) {
            keys[used] = value;
            counts[used] = weight;
            return used++;
        }
        evicted = true;
        keys[least] = value;
        errors[least] = counts[least];
        counts[least] += weight;
        return uint8_t(least);
    }
};

}  // namespace burnish::observer
