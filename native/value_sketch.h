// What is kept of the values of one result, in bounded memory: how many there were, the most frequent ones (Space-Saving:
// Metwally, Agrawal, El Abbadi 2005), about how many different ones (HyperLogLog: Flajolet et al. 2007), and the most
// frequent difference of successive ones (majority vote: Boyer, Moore 1981).
#pragma once
#include <bit>
#include <cstdint>
#include <cmath>

namespace burnish::observer {

// What belongs to one thread: the value before, and how often it has come again since it was last counted.
struct Previous {
    uint64_t value = 0, repeats = 0;
    bool seen = false;
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
        if (value == before.value && before.seen) {
            ++before.repeats;
            return;
        }
        change(before, value, random);
    }

    // Counts what has come again.
    void settle(Previous& before) {
        if (!before.repeats) return;
        count += before.repeats;
        vote(0, before.repeats);
        const uint64_t hash = mix(before.value);
        const int slot = find(before.value, hash);
        if (slot >= 0) counts[slot] += before.repeats;
        else if (!sampled || before.repeats >= share) insert(before.value, hash, before.repeats);
        before.repeats = 0;
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
    static constexpr uint32_t trial = 4096, share = 16;
    uint32_t misses = 0;
    int64_t votes = 0;
    uint8_t hints[16] = {};  // where a value may be, by four bits of its hash
    uint8_t ranks[registers] = {};

    void change(Previous& before, uint64_t value, uint64_t& random) {
        settle(before);
        ++count;
        if (before.seen) vote(value - before.value, 1);
        before.seen = true;
        before.value = value;
        const uint64_t hash = mix(value);
        const uint8_t hint = hints[hash & 15];
        if (hint < used && keys[hint] == value) {
            ++counts[hint];
            return;
        }
        note_distinct(hash);
        uint64_t weight = 1;
        if (sampled) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (random >> 60) return;
            weight = share;
        }
        const int slot = find(value, hash);
        if (slot >= 0) {
            counts[slot] += weight;
            return;
        }
        insert(value, hash, weight);
        // Values that hardly ever come again: from now on a sixteenth of them is looked at.
        if (++misses == trial) sampled = true;
    }

    void vote(uint64_t step, uint64_t times) {
        steps += times;
        if (step == stride) {
            hits += times;
            votes += int64_t(times);
        } else if (votes < int64_t(times)) {
            stride = step;
            hits = times;
            votes = int64_t(times) - votes;
        } else {
            votes -= int64_t(times);
        }
    }

    static uint64_t mix(uint64_t value) {
        uint64_t hash = value * 0x9e3779b97f4a7c15u;
        hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
        return hash ^ (hash >> 32);
    }

    void note_distinct(uint64_t hash) {
        const uint8_t rank = uint8_t(std::countl_zero(hash << 8 | 0x80) + 1);
        uint8_t& known = ranks[hash >> 56];
        if (known < rank) known = rank;
    }

    int find(uint64_t value, uint64_t hash) {
        for (int i = 0; i < used; ++i)
            if (keys[i] == value) {
                hints[hash & 15] = uint8_t(i);
                return i;
            }
        return -1;
    }

    void insert(uint64_t value, uint64_t hash, uint64_t weight) {
        int place = used;
        if (used < most) {
            ++used;
        } else {
            place = 0;
            for (int i = 1; i < most; ++i)
                if (counts[i] < counts[place]) place = i;
            evicted = true;
        }
        errors[place] = counts[place];
        keys[place] = value;
        counts[place] += weight;
        hints[hash & 15] = uint8_t(place);
    }
};

}  // namespace burnish::observer
