// Dependences through memory in an execution: native because it looks at every access of it.
//
// Accesses come between the blocks (docs/recordings.md). A dependence between two of them belongs to the outermost visit
// in whose rounds, or calls of a round, they differ (the carried dependences of Allen and Kennedy).
#include "dependence.h"
#include "nest_stack.h"
#include "shadow.h"

#include <functional>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
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

template <typename T>
nb::ndarray<nb::numpy, T> own(std::vector<T> values) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* data) noexcept { delete static_cast<std::vector<T>*>(data); });
    return nb::ndarray<nb::numpy, T>(kept->data(), {kept->size()}, owner);
}

// One value of each row: ``get`` is a member or a function of the row.
template <typename T, typename Rows, typename Get>
nb::ndarray<nb::numpy, T> column(const Rows& rows, Get get) {
    std::vector<T> values;
    values.reserve(rows.size());
    for (const auto& row : rows) values.push_back(T(std::invoke(get, row)));
    return own(std::move(values));
}

// The same of members with a value for each level, one row behind the other.
template <typename T, typename Member>
nb::ndarray<nb::numpy, T> levels(const std::vector<Fit>& fits, Member member) {
    std::vector<T> values;
    for (const Fit& fit : fits) values.insert(values.end(), (fit.*member).begin(), (fit.*member).end());
    return own(std::move(values));
}

}  // namespace

class Nest : public Stack {
  public:
    Nest(Program program, std::vector<std::tuple<uint32_t, uint32_t, uint32_t>> ignored, size_t most_paths,
         size_t most_items, size_t kept_rounds, size_t most_pages, bool fitted)
        : Stack(std::move(program), most_paths, most_items, kept_rounds),
          fitted_(fitted),
          ignored_(ignored.begin(), ignored.end()),
          shadow_(most_pages) {}

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

    void finish() {
        reset();
        fits_.finish();
    }

    nb::dict regions() const {
        nb::dict result;
        result["entered"] = column<uint64_t>(totals_, &Totals::entered);
        result["rounds"] = column<uint64_t>(totals_, &Totals::rounds);
        result["instructions"] = column<uint64_t>(totals_, &Totals::instructions);
        result["conflicts"] = column<uint64_t>(totals_, &Totals::conflicts);
        result["loads"] = column<uint64_t>(totals_, &Totals::loads);
        result["stores"] = column<uint64_t>(totals_, &Totals::stores);
        result["span"] = column<uint64_t>(totals_, &Totals::span);
        result["other_paths"] = column<uint64_t>(totals_, &Totals::other_paths);
        result["recursive"] = column<uint8_t>(totals_, &Totals::recursive);
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
        std::vector<std::pair<Key, Dependence>> rows(found_.begin(), found_.end());
        std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
            auto key = [](const Key& k) { return std::make_tuple(k.region, k.kind, k.between, k.source, k.sink); };
            return key(a.first) < key(b.first);
        });
        const auto key = [](auto member) { return [member](const auto& row) { return row.first.*member; }; };
        const auto value = [](auto member) { return [member](const auto& row) { return row.second.*member; }; };
        nb::dict result;
        result["source"] = column<uint32_t>(rows, key(&Key::source));
        result["sink"] = column<uint32_t>(rows, key(&Key::sink));
        result["region"] = column<uint32_t>(rows, key(&Key::region));
        result["kind"] = column<uint8_t>(rows, key(&Key::kind));
        result["between"] = column<uint8_t>(rows, key(&Key::between));
        result["count"] = column<uint64_t>(rows, value(&Dependence::count));
        result["rounds"] = column<uint64_t>(rows, value(&Dependence::rounds));
        result["least"] = column<uint64_t>(rows, value(&Dependence::least));
        result["most"] = column<uint64_t>(rows, value(&Dependence::most));
        return result;
    }

    // Of each fit: its site, context and extent, how many levels are on the line, and a row of ``most_levels`` each for the
    // strides, the bases, whether visits differ in base, the last rounds and the steps that were as foreseen.
    nb::dict fits() const {
        const auto& fits = fits_.fits();
        const auto extent = [](auto member) { return [member](const Fit& fit) { return fit.extent.*member; }; };
        std::vector<uint8_t> moved;
        for (const Fit& fit : fits)
            for (unsigned k = 0; k < most_levels; ++k) moved.push_back(fit.moved >> k & 1);
        nb::dict result;
        result["site"] = column<uint32_t>(fits, &Fit::site);
        result["context"] = column<uint32_t>(fits, &Fit::context);
        result["levels"] = column<uint32_t>(fits, &Fit::levels);
        result["fitting"] = column<uint32_t>(fits, &Fit::fitting);
        result["count"] = column<uint64_t>(fits, extent(&Extent::count));
        result["least"] = column<uint64_t>(fits, extent(&Extent::least));
        result["end"] = column<uint64_t>(fits, extent(&Extent::end));
        result["size"] = column<uint64_t>(fits, extent(&Extent::size));
        result["stride"] = levels<int64_t>(fits, &Fit::stride);
        result["base"] = levels<uint64_t>(fits, &Fit::base);
        result["most"] = levels<uint64_t>(fits, &Fit::most);
        result["met"] = levels<uint64_t>(fits, &Fit::met);
        result["moved"] = own(std::move(moved));
        return result;
    }

    // The parent and the region of each context; the region is ``none`` for the first one, and for those that are folded.
    nb::tuple contexts() const {
        const auto& nodes = fits_.contexts.nodes();
        return nb::make_tuple(column<uint32_t>(nodes, &Context::parent), column<uint32_t>(nodes, &Context::region));
    }

    // What was not kept as a fit: rows of site, region, count, least address, end and size.
    std::vector<std::array<uint64_t, 6>> extents() const {
        std::vector<std::array<uint64_t, 6>> found;
        for (const auto& [key, row] : fits_.others())
            found.push_back({key >> 32, key & none, row.count, row.least, row.end, row.size});
        return found;
    }

    uint64_t left_out() const { return shadow_.left_out; }
    uint64_t entered() const { return entered_; }
    uint64_t gaps() const { return gaps_; }

  private:
    void access(uint32_t site, uint64_t value) {
        const uint8_t kind = program_.site_kind[site];
        if (kind == other || !come_to(site)) return;
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
        Visit& visit = visits_.back();
        ++(write ? visit.stores : visit.loads);
        if (!size) return;
        if (fitted_) {
            fits_.add(
                site, visit.context, address, size, [this](size_t k) -> const Visit& { return loop(k); },
                open_regions_);
        }
        ++accesses_;
        noted_ = {};
        shadow_.access(address, size, [&](Cell& cell) {
            if (cell.written >= oldest_) note({write ? waw : raw, cell.writer, cell.written}, site);
            if (!write) {
                remember(cell, site);
                return;
            }
            for (uint32_t at = cell.reads; at; at = shadow_.read(at).next) note_reads(at, site);
            shadow_.release_all(cell.reads);
            cell.written = time_;
            cell.writer = site;
        });
    }

    // Keeps a read: of each site the latest, and of those before it the latest at each level where it parts from the next.
    // All others part from what comes later as one of these does, but further away.
    void remember(Cell& cell, uint32_t site) {
        const uint32_t at = shadow_.read_by(cell, site);
        if (!at) {
            cell.reads = shadow_.add({time_, site, same_level, cell.reads, 0});
            return;
        }
        const Read before = shadow_.read(at);
        if (before.time == time_) return;
        const uint32_t level = parting(before.time).level;
        uint32_t older = before.older;
        if (level != same_level) {
            older = without(older, level);
            older = shadow_.add({before.time, site, level, 0, older});
        }
        Read& read = shadow_.read(at);
        read.time = time_;
        read.older = older;
    }

    // Drops reads of a site that part at ``level`` or further in. Of a round's reads by the region itself (even levels) and
    // by what it called (odd), both stay.
    uint32_t without(uint32_t older, uint32_t level) {
        uint32_t kept = 0;
        while (older && shadow_.read(older).level >= level) {
            const uint32_t at = older;
            older = shadow_.read(at).older;
            if (level % 4 == own_level && shadow_.read(at).level == level + 1) {
                kept = at;
            } else {
                shadow_.release(at);
            }
        }
        if (!kept) return older;
        shadow_.read(kept).older = older;
        return kept;
    }

    // What is written was read before: ``at`` is the latest read of a site.
    void note_reads(uint32_t at, uint32_t sink) {
        const Visit* visit = nullptr;
        Between between = inside;
        for (; at; at = shadow_.read(at).older) {
            const Read& read = shadow_.read(at);
            if (read.time < oldest_) return;
            const Parting parts = parting(read.time);
            // One that parts where a later one did is further away.
            if (visit && parts.visit == visit && parts.between == between) continue;
            visit = parts.visit, between = parts.between;
            note({war, read.site, read.time}, sink, parts);
        }
    }

    void note(Source source, uint32_t sink) {
        if (source == noted_) return;  // another byte of the same access
        noted_ = source;
        note(source, sink, parting(source.time));
    }

    void note(Source source, uint32_t sink, const Parting& parts) {
        Dependence& row = found_[{source.site, sink, parts.region, source.kind, parts.between}];
        if (!row.count || parts.distance < row.least) row.least = parts.distance;
        row.most = std::max(row.most, parts.distance);
        row.count += row.sink != accesses_;
        row.sink = accesses_;
        if (!parts.visit) return;
        count_round(row, *parts.visit);
        const bool carried = source.kind == raw && parts.between == rounds;
        if (!carried || ignored_.contains({source.site, sink, parts.region})) return;
        uint64_t& nearest = parts.visit->nearest;
        if (!nearest || parts.distance < nearest) nearest = parts.distance;
    }

    // Counts a round once, also where recursion comes back to it.
    void count_round(Dependence& row, const Visit& visit) {
        auto& marks = row.marks;
        const std::pair<uint64_t, uint64_t> mark{visit.began, visit.rounds};
        if (!marks.empty() && marks.back() == mark) return;
        const auto place = std::lower_bound(marks.begin(), marks.end(), std::make_pair(visit.began, uint64_t(0)));
        if (place != marks.end() && place->first == visit.began) {
            row.rounds += place->second != visit.rounds;
            place->second = visit.rounds;
            return;
        }
        ++row.rounds;
        marks.insert(place, mark);
        if (marks.size() <= 8 + 2 * size_t(totals_[visit.region].open)) return;
        // Most are of visits that have ended.
        auto open = visits_.begin();
        std::erase_if(marks, [&](const auto& each) {
            while (open != visits_.end() && (open->region != visit.region || open->began < each.first)) ++open;
            return open == visits_.end() || open->began != each.first;
        });
    }

    const bool fitted_;  // whether lines are sought
    std::set<std::tuple<uint32_t, uint32_t, uint32_t>> ignored_;
    Shadow shadow_;
    std::unordered_map<Key, Dependence, KeyHash> found_;
    Source noted_;
    uint64_t accesses_ = 0;
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
        .def(nb::init<Program, std::vector<std::tuple<uint32_t, uint32_t, uint32_t>>, size_t, size_t, size_t, size_t,
                      bool>(),
             "program"_a, "ignored"_a, "most_paths"_a, "most_items"_a, "kept_rounds"_a, "most_pages"_a, "fitted"_a = true)
        .def("begin_thread", &Nest::begin_thread)
        .def("blocks", &Nest::blocks, "numbers"_a)
        .def("records", &Nest::records, "words"_a)
        .def("finish", &Nest::finish)
        .def("regions", &Nest::regions)
        .def("trips", &Nest::trips, "region"_a)
        .def("paths", &Nest::paths, "region"_a)
        .def("rounds", &Nest::rounds_of, "region"_a)
        .def("dependences", &Nest::dependences)
        .def("fits", &Nest::fits)
        .def("contexts", &Nest::contexts)
        .def("extents", &Nest::extents)
        .def_prop_ro("left_out", &Nest::left_out)
        .def_prop_ro("entered", &Nest::entered)
        .def_prop_ro("gaps", &Nest::gaps);
}

}  // namespace burnish::nest
