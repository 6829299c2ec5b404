// Loops, calls, paths and dependences of an execution: native because it looks at every block and every access of it.
//
// Blocks come in the order in which a thread entered them, accesses between them (docs/recordings.md). Functions and loops
// that are open form a stack of visits, each with its rounds; a dependence between two accesses belongs to the outermost
// visit in whose rounds, or calls of a round, they differ (the carried dependences of Allen and Kennedy).
#include "nest.h"
#include "shadow.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>
#include <set>
#include <tuple>

namespace nb = nanobind;
using namespace nb::literals;

namespace burnish::nest {

namespace {

constexpr uint64_t block_mark = 0xffff, address_bits = 48;
constexpr uint64_t low = (uint64_t(1) << address_bits) - 1;
enum SiteKind : uint8_t { other, load, store, string_target, string_source, string_bytes };
enum Kind : uint8_t { raw, war, waw };
// How the two ends of a dependence lie: in different rounds, in one round and not in different calls of it, or between a
// call (or what follows between calls) and another.
enum Between : uint8_t { rounds, inside, own_to_call, call_to_own, call_to_call };
constexpr uint32_t same_level = ~uint32_t(0);
constexpr size_t kept_starts = 1 << 18;

template <typename T>
nb::ndarray<nb::numpy, T> own(std::vector<T> values) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* data) noexcept { delete static_cast<std::vector<T>*>(data); });
    return nb::ndarray<nb::numpy, T>(kept->data(), {kept->size()}, owner);
}

uint64_t mixed(uint64_t hash, uint64_t item) {
    hash = (hash ^ item) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

// Where two accesses part.
struct Parting {
    uint32_t level = same_level;
    uint32_t region = none;
    Between between = inside;
    uint64_t distance = 0;
    Visit* visit = nullptr;
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
    uint64_t last_round = ~uint64_t(0), last_visit = 0;
};

}  // namespace

class Nest {
  public:
    Nest(Program program, std::vector<std::tuple<uint32_t, uint32_t, uint32_t>> ignored, size_t most_paths,
         size_t most_items, size_t kept_rounds, size_t most_pages)
        : program_(std::move(program)),
          ignored_(ignored.begin(), ignored.end()),
          most_paths_(most_paths),
          most_items_(most_items),
          kept_rounds_(kept_rounds),
          shadow_(most_pages),
          totals_(program_.regions()) {}

    Nest(const Nest&) = delete;

    void begin_thread() {
        reset();
        shadow_.clear();
    }

    void blocks(nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> numbers) {
        const uint32_t* data = numbers.data();
        const size_t size = numbers.shape(0);
        nb::gil_scoped_release release;
        for (size_t i = 0; i < size; ++i) enter(data[i]);
    }

    void records(nb::ndarray<const uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> words) {
        const uint64_t* data = words.data();
        const size_t size = words.shape(0);
        nb::gil_scoped_release release;
        for (size_t i = 0; i < size; ++i) {
            const uint64_t kind = data[i] >> address_bits;
            if (kind == block_mark) {
                enter(uint32_t(data[i]));
            } else if (kind < program_.site_kind.size()) {
                access(uint32_t(kind), data[i] & low);
            }
        }
    }

    void finish() { reset(); }

    nb::dict regions() const {
        std::vector<uint64_t> entered, rounds, instructions, conflicts, loads, stores, spans, others;
        std::vector<uint8_t> recursive;
        for (const Totals& row : totals_) {
            entered.push_back(row.entered);
            rounds.push_back(row.rounds);
            instructions.push_back(row.instructions);
            conflicts.push_back(row.conflicts);
            loads.push_back(row.loads);
            stores.push_back(row.stores);
            spans.push_back(row.span);
            others.push_back(row.other_paths);
            recursive.push_back(row.recursive);
        }
        nb::dict result;
        result["entered"] = own(std::move(entered));
        result["rounds"] = own(std::move(rounds));
        result["instructions"] = own(std::move(instructions));
        result["conflicts"] = own(std::move(conflicts));
        result["loads"] = own(std::move(loads));
        result["stores"] = own(std::move(stores));
        result["span"] = own(std::move(spans));
        result["other_paths"] = own(std::move(others));
        result["recursive"] = own(std::move(recursive));
        return result;
    }

    std::vector<std::pair<uint64_t, uint64_t>> trips(uint32_t region) const {
        const auto& found = totals_.at(region).trips;
        return {found.begin(), found.end()};
    }

    std::vector<std::pair<uint64_t, std::vector<uint32_t>>> paths(uint32_t region) const {
        std::vector<std::pair<uint64_t, std::vector<uint32_t>>> found;
        for (const auto& [hash, path] : totals_.at(region).paths) found.emplace_back(path.count, path.items);
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
            return std::tie(b.first, a.second) < std::tie(a.first, b.second);
        });
        return found;
    }

    // Of the rounds that are kept, in order: instructions, distance to the nearest round that they read from, and which visit.
    nb::tuple rounds_of(uint32_t region) const {
        const Totals& row = totals_.at(region);
        return nb::make_tuple(own(row.cost), own(row.nearest), own(row.visit));
    }

    nb::dict dependences() const {
        std::vector<uint32_t> source, sink, region;
        std::vector<uint8_t> kind, between;
        std::vector<uint64_t> count, rounds, least, most;
        std::vector<std::pair<Key, Dependence>> rows(found_.begin(), found_.end());
        std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
            auto key = [](const Key& k) { return std::make_tuple(k.region, k.kind, k.between, k.source, k.sink); };
            return key(a.first) < key(b.first);
        });
        for (const auto& [key, row] : rows) {
            source.push_back(key.source);
            sink.push_back(key.sink);
            region.push_back(key.region);
            kind.push_back(key.kind);
            between.push_back(key.between);
            count.push_back(row.count);
            rounds.push_back(row.rounds);
            least.push_back(row.least);
            most.push_back(row.most);
        }
        nb::dict result;
        result["source"] = own(std::move(source));
        result["sink"] = own(std::move(sink));
        result["region"] = own(std::move(region));
        result["kind"] = own(std::move(kind));
        result["between"] = own(std::move(between));
        result["count"] = own(std::move(count));
        result["rounds"] = own(std::move(rounds));
        result["least"] = own(std::move(least));
        result["most"] = own(std::move(most));
        return result;
    }

    uint64_t left_out() const { return shadow_.left_out; }
    uint64_t time() const { return time_; }
    uint64_t gaps() const { return gaps_; }

  private:
    // A block begins.
    void enter(uint32_t block) {
        if (block == gap || block >= program_.function.size()) {
            ++gaps_;
            reset();
            oldest_ = time_ + 1;
            return;
        }
        ++time_;
        arrive(block);
        Frame& frame = frames_.back();
        frame.block = block;
        frame.made = 0;
        frame.site = 0;
        Visit& visit = visits_.back();
        append(visit, block);
        visit.instructions += program_.instructions[block];
    }

    // Opens and closes functions and loops for a step to a block.
    void arrive(uint32_t block) {
        if (frames_.empty()) {
            open_function(block);
            return;
        }
        const bool entry = program_.entry[block];
        Frame& top = frames_.back();
        if (!ended(top) && program_.follows(top.block, block)) {
            step_in_function(block);
            return;
        }
        if (entry && program_.ending[top.block] == tail_call && !may_call(top)) {
            close_frame();
            open_function(block);
            return;
        }
        if (entry && may_call(top)) {
            call(block);
            return;
        }
        // Something ended: who goes on?
        for (size_t depth = frames_.size(); depth-- > 0;) {
            const Frame& frame = frames_[depth];
            if (depth + 1 < frames_.size() && program_.follows(frame.block, block)) {
                close_frames(depth + 1);
                step_in_function(block);
                return;
            }
            if (entry && depth + 1 < frames_.size() && may_call(frame)) {
                close_frames(depth + 1);
                call(block);
                return;
            }
            if (entry && program_.ending[frame.block] == tail_call) {
                close_frames(depth);
                open_function(block);
                return;
            }
        }
        if (entry && !ended(top)) {  // a signal handler, or what a library calls back
            call(block);
            return;
        }
        for (size_t depth = frames_.size(); depth-- > 0;) {  // longjmp, an exception
            if (program_.function[frames_[depth].block] == program_.function[block]) {
                close_frames(depth + 1);
                step_in_function(block);
                return;
            }
        }
        reset();
        open_function(block);
    }

    bool may_call(const Frame& frame) const {
        const uint32_t calls = program_.calls[frame.block];
        return calls && (frame.made < calls || program_.ending[frame.block] == goes_on);
    }

    // Whether nothing is known to be left of a function's last block.
    bool ended(const Frame& frame) const {
        return program_.ending[frame.block] == returns && frame.made >= program_.calls[frame.block];
    }

    void call(uint32_t block) {
        ++frames_.back().made;
        visits_.back().segments.push_back(time_);
        append(visits_.back(), child(program_.loops() + program_.function[block]));
        open_function(block);
    }

    uint32_t child(uint32_t region) const { return uint32_t(program_.function.size()) + region; }

    void open_function(uint32_t block) {
        frames_.push_back({uint32_t(visits_.size()), block});
        open(program_.loops() + program_.function[block], !program_.entry[block]);
        open_loops(block);
    }

    // A step along an edge within the innermost function.
    void step_in_function(uint32_t block) {
        const uint32_t loop = program_.loop[block];
        while (visits_.size() > frames_.back().visit + 1 && !within(loop, visits_.back().region)) close_visit();
        Visit& visit = visits_.back();
        if (program_.header[block] && visits_.size() > frames_.back().visit + 1 && visit.region == loop) {
            next_round(visit);
            return;
        }
        open_loops(block);
    }

    bool within(uint32_t loop, uint32_t outer) const {
        for (; loop != none; loop = program_.parent[loop])
            if (loop == outer) return true;
        return false;
    }

    // Opens the loops around a block that are not open yet; only the innermost may be seen from its beginning.
    void open_loops(uint32_t block) {
        const uint32_t innermost = visits_.size() > frames_.back().visit + 1 ? visits_.back().region : none;
        std::vector<uint32_t>& chain = chain_;
        chain.clear();
        for (uint32_t loop = program_.loop[block]; loop != none && loop != innermost; loop = program_.parent[loop])
            chain.push_back(loop);
        for (size_t i = chain.size(); i-- > 0;) {
            append(visits_.back(), child(chain[i]));
            open(chain[i], i > 0 || !program_.header[block]);
        }
    }

    void open(uint32_t region, bool partial) {
        Visit visit{region, time_, time_, 1};
        visit.partial = partial;
        if (!spare_.empty()) {
            Visit& old = spare_.back();
            old.starts.clear(), old.segments.clear(), old.items.clear();
            visit.starts.swap(old.starts), visit.segments.swap(old.segments), visit.items.swap(old.items);
            spare_.pop_back();
        }
        visit.starts.push_back(time_);
        visits_.push_back(std::move(visit));
        Totals& row = totals_[region];
        ++row.entered;
        row.recursive |= row.open > 0;
        ++row.open;
    }

    void append(Visit& visit, uint32_t item) {
        visit.hash = mixed(visit.hash, item);
        if (visit.items.size() < most_items_) visit.items.push_back(item);
    }

    void next_round(Visit& visit) {
        end_round(visit);
        ++visit.rounds;
        visit.round_began = time_;
        if (visit.starts.size() >= 2 * kept_starts) {
            visit.starts.erase(visit.starts.begin(), visit.starts.end() - kept_starts);
            visit.first_start = visit.rounds - 1 - kept_starts;
        }
        visit.starts.push_back(time_);
    }

    void end_round(Visit& visit) {
        Totals& row = totals_[visit.region];
        ++row.rounds;
        row.conflicts += visit.nearest != 0;
        if (row.cost.size() < kept_rounds_ && visit.region < program_.loops()) {
            auto bounded = [](uint64_t value) { return uint32_t(std::min<uint64_t>(value, none)); };
            row.cost.push_back(bounded(visit.instructions - visit.instructions_before));
            row.nearest.push_back(bounded(visit.nearest));
            row.visit.push_back(bounded(row.entered));
        }
        if (!visit.partial) {
            auto found = row.paths.find(visit.hash);
            if (found != row.paths.end()) {
                ++found->second.count;
            } else if (row.paths.size() < most_paths_ && visit.items.size() < most_items_) {
                row.paths.emplace(visit.hash, Path{1, visit.items});
            } else {
                ++row.other_paths;
            }
        } else {
            ++row.other_paths;
        }
        visit.partial = false;
        visit.nearest = 0;
        visit.instructions_before = visit.instructions;
        visit.items.clear();
        visit.segments.clear();
        visit.hash = 0;
    }

    void close_visit() {
        Visit& visit = visits_.back();
        end_round(visit);
        Totals& row = totals_[visit.region];
        ++row.trips[visit.rounds];
        --row.open;
        const uint64_t done = visit.instructions, span = done - visit.forked + visit.longest;
        if (!row.open) row.instructions += done, row.span += span;
        const bool forks = row.open > 0 && visit.region >= program_.loops();
        const uint64_t forked = forks ? done : visit.forked, longest = forks ? span : visit.longest;
        spare_.push_back(std::move(visit));
        visits_.pop_back();
        if (visits_.empty()) return;
        visits_.back().instructions += done;
        visits_.back().forked += forked;
        visits_.back().longest = std::max(visits_.back().longest, longest);
    }

    void close_frame() {
        const uint32_t first = frames_.back().visit;
        while (visits_.size() > first) close_visit();
        frames_.pop_back();
        if (!visits_.empty() && visits_.back().segments.size() % 2) visits_.back().segments.push_back(time_);
    }

    void close_frames(size_t depth) {
        while (frames_.size() > depth) close_frame();
    }

    void reset() { close_frames(0); }

    // Where an earlier access and this moment part.
    Parting parting(uint64_t earlier) {
        Parting found;
        for (size_t depth = 0; depth < visits_.size(); ++depth) {
            Visit& visit = visits_[depth];
            if (earlier < visit.began) {
                if (!depth) return {0, none, inside, 0, nullptr};
                return {uint32_t(4 * depth), visits_[depth - 1].region, inside, 0, &visits_[depth - 1]};
            }
            if (earlier < visit.round_began) {
                const auto begin = visit.starts.begin();
                const auto at = std::upper_bound(begin, visit.starts.end(), earlier) - begin;
                const uint64_t round = at ? visit.first_start + uint64_t(at - 1) : 0;
                return {uint32_t(4 * depth + 1), visit.region, rounds, visit.rounds - 1 - round, &visit};
            }
            const auto& segments = visit.segments;
            if (!segments.empty() && earlier < segments.back()) {
                const auto at = std::upper_bound(segments.begin(), segments.end(), earlier) - segments.begin();
                const bool from_call = at % 2, to_call = segments.size() % 2;
                if (from_call || to_call) {
                    const Between between = from_call ? (to_call ? call_to_call : call_to_own) : own_to_call;
                    return {uint32_t(4 * depth + 2), visit.region, between, 0, &visit};
                }
            }
        }
        found.region = visits_.empty() ? none : visits_.back().region;
        return found;
    }

    void access(uint32_t site, uint64_t value) {
        const uint8_t kind = program_.site_kind[site];
        const uint32_t block = program_.site_block[site];
        if (kind == other || block == none || frames_.empty()) return;
        // What a block does behind its call comes after the callee's last block.
        for (size_t depth = frames_.size(); depth-- > 0;) {
            if (frames_[depth].block != block || site <= frames_[depth].site) continue;
            if (depth + 1 < frames_.size()) {
                ++time_;
                close_frames(depth + 1);
            }
            frames_[depth].site = site;
            break;
        }
        switch (kind) {
            case load: touch(site, value, program_.site_size[site], false); break;
            case store: touch(site, value, program_.site_size[site], true); break;
            case string_target: target_ = value, target_site_ = site; break;
            case string_source: source_ = value, source_site_ = site; break;
            case string_bytes:
                if (source_site_) touch(source_site_, source_, value, false);
                if (target_site_) touch(target_site_, target_, value, true);
                source_site_ = target_site_ = 0;
                break;
            default: break;
        }
    }

    void touch(uint32_t site, uint64_t address, uint64_t size, bool write) {
        for (Visit& visit : visits_) {
            Totals& row = totals_[visit.region];
            ++(write ? row.stores : row.loads);
        }
        seen_.clear();
        shadow_.access(address, size, [&](Cell& cell) {
            if (write) {
                if (cell.written >= oldest_) note(waw, cell.writer, site, cell.written);
                for (uint32_t at = cell.reads; at; at = shadow_.read(at).next) {
                    const Read& read = shadow_.read(at);
                    if (read.time >= oldest_) note(war, read.site, site, read.time);
                }
                shadow_.release_all(cell.reads);
                cell.written = time_;
                cell.writer = site;
            } else {
                if (cell.written >= oldest_) note(raw, cell.writer, site, cell.written);
                remember(cell, site);
            }
        });
    }

    // Keeps a read: of each site the latest, and of those before it the latest at each level where it parts from the next.
    void remember(Cell& cell, uint32_t site) {
        uint32_t* link = &cell.reads;
        uint32_t latest = 0;
        while (*link) {
            const uint32_t at = *link;
            Read& read = shadow_.read(at);
            if (read.site == site && read.level == same_level) {
                latest = at;
                break;
            }
            link = &read.next;
        }
        if (!latest) {
            cell.reads = shadow_.add({time_, site, same_level, cell.reads});
            return;
        }
        if (shadow_.read(latest).time == time_) return;
        const uint32_t level = parting(shadow_.read(latest).time).level;
        if (level == same_level) {
            shadow_.read(latest).time = time_;
            return;
        }
        for (link = &cell.reads; *link;) {
            const uint32_t at = *link;
            Read& read = shadow_.read(at);
            if (read.site == site && read.level != same_level && read.level >= level) {
                *link = read.next;
                shadow_.release(at);
            } else {
                link = &read.next;
            }
        }
        shadow_.read(latest).level = level;
        cell.reads = shadow_.add({time_, site, same_level, cell.reads});
    }

    void note(Kind kind, uint32_t source, uint32_t sink, uint64_t earlier) {
        const Parting parts = parting(earlier);
        const Key key{source, sink, parts.region, kind, parts.between};
        for (const auto& [other, distance] : seen_)
            if (other == key && distance == parts.distance) return;  // another byte of the same access
        seen_.emplace_back(key, parts.distance);
        Dependence& row = found_[key];
        if (!row.count || parts.distance < row.least) row.least = parts.distance;
        row.most = std::max(row.most, parts.distance);
        ++row.count;
        if (!parts.visit) return;
        if (row.last_visit != parts.visit->began || row.last_round != parts.visit->rounds) {
            ++row.rounds;
            row.last_visit = parts.visit->began;
            row.last_round = parts.visit->rounds;
        }
        if (kind != raw || parts.between != rounds || ignored_.contains({source, sink, parts.region})) return;
        uint64_t& nearest = parts.visit->nearest;
        if (!nearest || parts.distance < nearest) nearest = parts.distance;
    }

    Program program_;
    std::set<std::tuple<uint32_t, uint32_t, uint32_t>> ignored_;
    size_t most_paths_, most_items_, kept_rounds_;
    Shadow shadow_;
    std::vector<Totals> totals_;
    std::unordered_map<Key, Dependence, KeyHash> found_;
    std::vector<std::pair<Key, uint64_t>> seen_;
    std::vector<Frame> frames_;
    std::vector<Visit> visits_, spare_;
    std::vector<uint32_t> chain_;
    uint64_t time_ = 0, oldest_ = 1, gaps_ = 0;
    uint64_t target_ = 0, source_ = 0;
    uint32_t target_site_ = 0, source_site_ = 0;
};

void register_nest(nb::module_& module) {
    nb::class_<Program>(module, "NestProgram")
        .def(nb::init<>())
        .def_rw("function", &Program::function)
        .def_rw("loop", &Program::loop)
        .def_rw("header", &Program::header)
        .def_rw("entry", &Program::entry)
        .def_rw("ending", &Program::ending)
        .def_rw("calls", &Program::calls)
        .def_rw("instructions", &Program::instructions)
        .def_rw("first_successor", &Program::first_successor)
        .def_rw("successors", &Program::successors)
        .def_rw("parent", &Program::parent)
        .def_rw("site_block", &Program::site_block)
        .def_rw("site_kind", &Program::site_kind)
        .def_rw("site_size", &Program::site_size)
        .def_rw("functions", &Program::functions);
    nb::class_<Nest>(module, "Nest")
        .def(nb::init<Program, std::vector<std::tuple<uint32_t, uint32_t, uint32_t>>, size_t, size_t, size_t, size_t>(),
             "program"_a, "ignored"_a, "most_paths"_a, "most_items"_a, "kept_rounds"_a, "most_pages"_a)
        .def("begin_thread", &Nest::begin_thread)
        .def("blocks", &Nest::blocks, "numbers"_a)
        .def("records", &Nest::records, "words"_a)
        .def("finish", &Nest::finish)
        .def("regions", &Nest::regions)
        .def("trips", &Nest::trips, "region"_a)
        .def("paths", &Nest::paths, "region"_a)
        .def("rounds", &Nest::rounds_of, "region"_a)
        .def("dependences", &Nest::dependences)
        .def_prop_ro("left_out", &Nest::left_out)
        .def_prop_ro("time", &Nest::time)
        .def_prop_ro("gaps", &Nest::gaps);
}

}  // namespace burnish::nest
