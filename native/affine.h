// Addresses as lines: what a site accesses as a linear function of the rounds of the loops that are open around it, found
// while the accesses go by, after Ketterlin and Clauss, "Prediction and trace compression of data access addresses through
// nested loop recognition" (2008), where the loops need not be found because they are known.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace burnish::nest {

constexpr unsigned most_levels = 8;
constexpr std::size_t most_waiting = 4, most_fits = 1 << 17, most_contexts = 1 << 16;

// Which regions are open around an access, as a tree. Where one is opened again inside of itself the context is folded:
// the set of regions stays, and the loops outside are not counted any more. ``levels`` are the loops, from the innermost
// one, whose order is known.
struct Context {
    uint32_t parent, region, levels;
};

class Contexts {
  public:
    static constexpr uint32_t beyond = ~uint32_t(0), no_region = ~uint32_t(0);

    Contexts() : nodes_{{0, no_region, 0}} {}

    // The context inside ``region``, ``beyond`` where there are too many.
    uint32_t inside(uint32_t context, uint32_t region, bool loop) {
        if (context == beyond) return beyond;
        const uint64_t key = uint64_t(context) << 32 | region;
        auto found = children_.find(key);
        if (found != children_.end()) return found->second;
        uint32_t child = context;
        if (!contains(context, region)) {
            const uint32_t levels = nodes_[context].levels + loop;
            child = add({context, region, levels < most_levels ? levels : most_levels});
        } else if (nodes_[context].region != no_region) {
            child = inside(context, no_region - 1, false);
            if (child != beyond) nodes_[child] = {context, no_region, 0};
        }
        children_.emplace(key, child);
        return child;
    }

    const std::vector<Context>& nodes() const { return nodes_; }

  private:
    bool contains(uint32_t context, uint32_t region) const {
        for (; context; context = nodes_[context].parent)
            if (nodes_[context].region == region) return true;
        return false;
    }

    uint32_t add(Context node) {
        if (nodes_.size() >= most_contexts) return beyond;
        nodes_.push_back(node);
        return uint32_t(nodes_.size() - 1);
    }

    std::vector<Context> nodes_;
    std::unordered_map<uint64_t, uint32_t> children_;
};

// How much a site touched, and where.
struct Extent {
    uint64_t count = 0, least = ~uint64_t(0), end = 0, size = 0;

    void add(uint64_t address, uint64_t bytes) {
        ++count;
        if (address < least) least = address;
        if (address + bytes > end) end = address + bytes;
        if (bytes > size) size = bytes;
    }
};

// The accesses of a site in a context, and the line that they lie on. Level k is the k-th loop from the inside; two
// successive accesses part at the innermost loop whose visit they share, and their difference is an equation in the
// strides up to that level. The first equation of a level whose inner strides are known gives its stride, all others are
// checked. A level is on the line while no equation up to it fails: all accesses in any one visit of its loop lie on a
// line then, and all these lines have the same strides.
struct Fit {
    struct Step {
        unsigned level;
        int64_t difference;
        std::array<int64_t, most_levels> rounds;
    };

    uint32_t site, context, levels;
    uint32_t fitting;  // levels that are on the line
    Extent extent{};
    uint64_t address = 0;
    uint8_t known = 0, based = 0, moved = 0, guessed = 0;  // bits by level; ``moved``: lines of its visits differ in base
    std::array<uint64_t, most_levels> visit{}, round{}, most{}, met{};
    std::array<int64_t, most_levels> stride{};
    std::array<uint64_t, most_levels> base{};
    std::vector<Step> waiting{};  // equations with more than one stride that is not known yet

    Fit(uint32_t site, uint32_t context, uint32_t levels)
        : site(site), context(context), levels(levels), fitting(levels) {}

    // ``loop(k)`` is what is open at level k: something with ``began`` (no other visit of the loop has the same) and
    // ``rounds`` (from 1).
    template <typename Loops>
    void add(uint64_t at, uint64_t bytes, Loops loop) {
        const bool first = !extent.count;
        extent.add(at, bytes);
        unsigned level = 0;
        if (first) {
            level = levels;
        } else {
            while (level < levels && visit[level] != loop(level).began) ++level;
            if (level < levels) step(level, int64_t(at - address), loop);
            end_visits(level);
        }
        for (unsigned k = 0; k < levels && k <= level; ++k) {
            visit[k] = loop(k).began;
            round[k] = loop(k).rounds - 1;
            if (round[k] > most[k]) most[k] = round[k];
        }
        address = at;
    }

    // No more accesses come.
    void finish() {
        if (extent.count) end_visits(levels);
        for (const Step& step : waiting) fail(step.level);
        waiting.clear();
    }

  private:
    void fail(unsigned level) {
        if (level < fitting) fitting = level;
    }

    template <typename Loops>
    void step(unsigned level, int64_t difference, Loops loop) {
        Step made{level, difference, {}};
        for (unsigned k = 0; k <= level; ++k) made.rounds[k] = int64_t(loop(k).rounds - 1 - round[k]);
        const uint8_t before = known;
        if (!decide(made)) {
            if (waiting.size() < most_waiting) {
                waiting.push_back(made);
            } else {
                fail(level);
            }
        }
        if (known == before || waiting.empty()) return;
        for (std::size_t i = 0; i < waiting.size();) {
            const Step again = waiting[i];
            if (decide(again)) {
                waiting.erase(waiting.begin() + long(i));
                i = 0;
            } else {
                ++i;
            }
        }
    }

    // Checks an equation, or takes its level's stride from it; false where others are missing.
    bool decide(const Step& step) {
        int64_t rest = step.difference;
        for (unsigned k = 0; k <= step.level; ++k) {
            if (known >> k & 1) {
                rest = int64_t(uint64_t(rest) - uint64_t(stride[k]) * uint64_t(step.rounds[k]));
            } else if (k < step.level && step.rounds[k]) {
                return false;
            }
        }
        const unsigned level = step.level;
        const int64_t rounds = step.rounds[level];
        if (known >> level & 1 || !rounds) {
            if (rest) fail(level);
            met[level] += !rest;
        } else if (rest % rounds) {
            fail(level);
        } else {
            stride[level] = rest / rounds;
            known |= uint8_t(1u << level);
            ++met[level];
            if (guessed >> level & 1) moved |= uint8_t(0xffu << level);
        }
        return true;
    }

    // The visits of all levels below ``end`` are over: where were their lines?
    void end_visits(unsigned end) {
        uint64_t at = address;
        for (unsigned k = 0; k < end; ++k) {
            if (known >> k & 1) {
                at -= uint64_t(stride[k]) * round[k];
            } else if (round[k]) {
                guessed |= uint8_t(1u << k);
            }
            const uint8_t bit = uint8_t(1u << k);
            if (!(based & bit)) base[k] = at;
            if (based & bit && base[k] != at) moved |= bit;
            based |= bit;
        }
    }
};

// The fits of all sites. What there is no memory for is kept by site and region, without a line.
class Fits {
  public:
    Contexts contexts;

    template <typename Loops, typename Regions>
    void add(uint32_t site, uint32_t context, uint64_t address, uint64_t bytes, Loops loop, const Regions& regions) {
        Fit* fit = find(site, context);
        if (fit) {
            fit->add(address, bytes, loop);
            return;
        }
        for (uint32_t region : regions) others_[uint64_t(site) << 32 | region].add(address, bytes);
    }

    void finish() {
        for (Fit& fit : fits_) fit.finish();
    }

    const std::vector<Fit>& fits() const { return fits_; }
    const std::unordered_map<uint64_t, Extent>& others() const { return others_; }

  private:
    Fit* find(uint32_t site, uint32_t context) {
        if (context == Contexts::beyond) return nullptr;
        if (site >= latest_.size()) latest_.resize(site + 1, {Contexts::beyond, 0});
        auto& [known, index] = latest_[site];
        if (known == context) return &fits_[index];
        const auto [found, made] = by_key_.try_emplace(uint64_t(site) << 32 | context, uint32_t(fits_.size()));
        if (made) {
            if (fits_.size() >= most_fits) {
                by_key_.erase(found);
                return nullptr;
            }
            fits_.emplace_back(site, context, contexts.nodes()[context].levels);
        }
        known = context, index = found->second;
        return &fits_[index];
    }

    std::vector<Fit> fits_;
    std::unordered_map<uint64_t, uint32_t> by_key_;
    std::vector<std::pair<uint32_t, uint32_t>> latest_;  // of each site: the context of its latest access, and its fit
    std::unordered_map<uint64_t, Extent> others_;
};

}  // namespace burnish::nest
