// Takes the ring's records apart: native because it must keep up with a program that writes hundreds of millions a second.
//
// Records are words of 64 bits. The upper 16 bits of the first say what it is: BLOCK and the number of a block; GROUP and
// the number of a group, after which come the values of that group; else the number of a site (from 1), and the address
// that it accessed, after which come the bytes of the access where they are recorded. Zero is where a record was reserved
// and is not written yet (its thread is in a signal handler, or was killed).
//
// Values go into sketches, accesses into store profiles, groups that are snapshots into rows; block marks and addresses,
// where they are kept, are handed back as they came.
#include "store_profile.h"
#include "value_sketch.h"

#include <cstdio>
#include <fcntl.h>
#include <map>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace burnish::observer {

namespace {

constexpr uint64_t block_mark = 0xffff, group_mark = 0xfffe, address_bits = 48;
constexpr uint64_t low = (uint64_t(1) << address_bits) - 1;
constexpr int general_registers = 16;

using Words = nb::ndarray<const uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<nb::numpy, uint64_t>;

Out own(std::vector<uint64_t> values, size_t columns) {
    auto* kept = new std::vector<uint64_t>(std::move(values));
    nb::capsule owner(kept, [](void* data) noexcept { delete static_cast<std::vector<uint64_t>*>(data); });
    if (columns == 1) return Out(kept->data(), {kept->size()}, owner);
    return Out(kept->data(), {kept->size() / columns, columns}, owner);
}

// What a record's first word says of the words after it.
struct Format {
    std::vector<uint32_t> site_size;   // bytes of each access; 0: none, or a part of a string instruction
    std::vector<uint8_t> site_kind;    // SiteKind
    std::vector<uint8_t> site_words;   // how many words of the access follow
    std::vector<uint32_t> group_words;
    std::vector<uint32_t> group_first;   // its first result; of a snapshot: a mask of general registers
    std::vector<uint8_t> group_snapshot;

    // Words of the record that begins with this one; 0: none begins here.
    size_t length(uint64_t word) const {
        const uint64_t kind = word >> address_bits;
        if (kind == block_mark) return 1;
        if (kind == group_mark) return (word & low) < group_words.size() ? 1 + group_words[word & low] : 0;
        return kind && kind < site_words.size() ? 1 + site_words[kind] : 0;
    }
};

enum SiteKind : uint8_t { other, load, store, string_target, string_source, string_bytes };

// One thread's part.
struct Stream {
    uint32_t process = 0;
    std::vector<Previous> before;
    uint64_t target = 0;
    uint32_t target_site = 0;
};

}  // namespace

class Observer {
  public:
    Observer(std::vector<uint32_t> site_size, std::vector<uint8_t> site_kind, std::vector<uint8_t> site_words,
             std::vector<uint32_t> group_words, std::vector<uint32_t> group_first,
             std::vector<uint8_t> group_snapshot, size_t results, bool keep_blocks, bool keep_accesses, bool profile,
             size_t most_granules)
        : format_{std::move(site_size), std::move(site_kind), std::move(site_words), std::move(group_words),
                  std::move(group_first), std::move(group_snapshot)},
          sketches_(results), keep_blocks_(keep_blocks), keep_accesses_(keep_accesses), profile_(profile),
          most_granules_(most_granules) {}

    // How many words at the start are whole records.
    size_t whole(Words words) const {
        const uint64_t* at = words.data();
        const size_t size = words.size();
        size_t i = 0;
        while (i < size) {
            const size_t length = format_.length(at[i]);
            if (!length || i + length > size) break;
            i += length;
        }
        return i;
    }

    // Takes one chunk; returns what is kept of it, and rows of snapshots: blocks of the chunk before it, a mask of
    // general registers and what they held, a mask of the registers whose memory is known, and that memory.
    std::pair<Out, Out> take(uint32_t process, uint32_t stream, uint64_t began, uint64_t ended, Words words) {
        std::vector<uint64_t> kept, rows;
        {
            nb::gil_scoped_release release;
            take_words(process, stream, began, ended, words.data(), words.size(), kept, rows);
        }
        return {own(std::move(kept), 1), own(std::move(rows), row_words)};
    }

    // count, distinct, stride, steps, steps with that stride, sampled, exact of each result.
    Out results() {
        settle();
        std::vector<uint64_t> out;
        for (const Sketch& s : sketches_)
            for (uint64_t word : {s.count, uint64_t(std::llround(s.distinct())), s.stride, s.steps, s.hits,
                                  uint64_t(s.sampled), uint64_t(!s.evicted && !s.sampled)})
                out.push_back(word);
        return own(std::move(out), 7);
    }

    // result, value, count, error of each frequent value.
    Out frequent() {
        settle();
        std::vector<uint64_t> out;
        for (size_t i = 0; i < sketches_.size(); ++i)
            for (int k = 0; k < sketches_[i].used; ++k)
                for (uint64_t word :
                     {uint64_t(i), sketches_[i].keys[k], sketches_[i].counts[k], sketches_[i].errors[k]})
                    out.push_back(word);
        return own(std::move(out), 4);
    }

    // Compares what was read of a process that still lives with what is there now.
    bool check(uint32_t process) {
        auto found = profiles_.find(process);
        if (found == profiles_.end()) return true;
        char path[64];
        std::snprintf(path, sizeof path, "/proc/%u/mem", process);
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) return false;
        nb::gil_scoped_release release;
        for (Granule& granule : found->second.table()) {
            if (!granule.key || !(granule.read & uint8_t(~granule.changed))) continue;
            uint64_t now = 0;
            if (pread(file, &now, 8, off_t((granule.key - 1) * 8)) != 8) granule.changed |= granule.read;
            else granule.changed |= StoreProfile::unequal(now, granule.value) & granule.known & granule.read;
        }
        close(file);
        return found->second.checked = true;
    }

    // address, value, reads, masks (known, read, stored, changed), writer, time of each granule of a process.
    Out memory(uint32_t process) {
        std::vector<uint64_t> out;
        auto found = profiles_.find(process);
        if (found != profiles_.end())
            for (const Granule& g : found->second.table())
                if (g.key)
                    for (uint64_t word :
                         {(g.key - 1) * 8, g.value, g.reads,
                          uint64_t(g.known) | uint64_t(g.read) << 8 | uint64_t(g.stored) << 16 |
                              uint64_t(g.changed) << 24,
                          uint64_t(g.writer), g.stored ? epochs_[g.epoch].ended : 0})
                        out.push_back(word);
        return own(std::move(out), 6);
    }

    // process, checked, accesses for which there was no room.
    std::vector<std::tuple<uint32_t, bool, uint64_t>> processes() const {
        std::vector<std::tuple<uint32_t, bool, uint64_t>> out;
        for (const auto& [process, profile] : profiles_)
            out.emplace_back(process, profile.checked, profile.untracked);
        return out;
    }

  private:
    static constexpr size_t row_words = 2 + 2 * general_registers + 1;
    Format format_;
    std::vector<Sketch> sketches_;
    bool keep_blocks_, keep_accesses_, profile_;
    size_t most_granules_;
    std::map<uint32_t, StoreProfile> profiles_;
    std::vector<Stream> streams_;
    std::vector<Epoch> epochs_;
    uint64_t random_ = 1;

    // Counts what has come again and again until now.
    void settle() {
        for (Stream& stream : streams_)
            for (size_t i = 0; i < stream.before.size(); ++i) sketches_[i].settle(stream.before[i]);
    }

    void take_words(uint32_t process, uint32_t number, uint64_t began, uint64_t ended, const uint64_t* at, size_t size,
                    std::vector<uint64_t>& kept, std::vector<uint64_t>& rows) {
        if (streams_.size() <= number) streams_.resize(number + 1);
        Stream& stream = streams_[number];
        stream.process = process;
        if (stream.before.empty()) stream.before.resize(sketches_.size());
        StoreProfile* profile = nullptr;
        if (profile_) {
            profile = &profiles_.try_emplace(process, most_granules_).first->second;
            epochs_.push_back({number, began, ended});
        }
        uint64_t blocks = 0;
        for (size_t i = 0; i < size;) {
            const uint64_t word = at[i], kind = word >> address_bits;
            const size_t length = format_.length(word);
            if (i + length > size) break;
            if (!length) {  // reserved and never written: the thread is gone
                ++i;
                continue;
            }
            const uint64_t* rest = at + i + 1;
            i += length;
            if (kind == block_mark) {
                ++blocks;
                if (keep_blocks_) kept.push_back(word);
            } else if (kind == group_mark) {
                const uint64_t group = word & low;
                if (format_.group_snapshot[group]) {
                    snapshot(blocks, group, rest, profile, rows);
                    continue;
                }
                const uint32_t first = format_.group_first[group];
                for (size_t k = 0; k + 1 < length; ++k)
                    sketches_[first + k].put(stream.before[first + k], rest[k], random_);
            } else {
                if (keep_accesses_) kept.push_back(word);
                if (profile) access(*profile, stream, uint32_t(kind), word & low, length > 1 ? rest : nullptr);
            }
        }
    }

    void access(StoreProfile& profile, Stream& stream, uint32_t site, uint64_t address, const uint64_t* words) {
        const uint32_t epoch = uint32_t(epochs_.size() - 1);
        switch (SiteKind(format_.site_kind[site])) {
            case load:
                if (words) profile.load(address, format_.site_size[site], words, epochs_);
                break;
            case store:
                profile.store(address, format_.site_size[site], words, site, epoch, epochs_);
                break;
            case string_target:
                stream.target = address;
                stream.target_site = site;
                break;
            case string_bytes:
                profile.store(stream.target, address, nullptr, stream.target_site, epoch, epochs_);
                break;
            default:
                break;
        }
    }

    void snapshot(uint64_t blocks, uint64_t group, const uint64_t* values, StoreProfile* profile,
                  std::vector<uint64_t>& rows) {
        uint64_t row[row_words] = {blocks, format_.group_first[group]};
        for (int r = 0; r < general_registers; ++r) {
            if (!(format_.group_first[group] >> r & 1)) continue;
            row[2 + r] = *values++;
            uint64_t there = 0;
            if (profile && profile->value_at(row[2 + r], there)) {
                row[2 + general_registers] |= uint64_t(1) << r;
                row[3 + general_registers + r] = there;
            }
        }
        rows.insert(rows.end(), row, row + row_words);
    }
};

// Addresses as differences from the same site's address before, and back: what strides becomes the same word over and
// over, which compresses ten times better and faster.
static Out recode(Words words, bool encode) {
    std::vector<uint64_t> out(words.size());
    {
        nb::gil_scoped_release release;
        std::vector<uint64_t> before(block_mark + 1);
        for (size_t i = 0; i < out.size(); ++i) {
            const uint64_t word = words.data()[i], kind = word >> address_bits;
            if (kind == block_mark) {
                out[i] = word;
                continue;
            }
            const uint64_t address = encode ? word & low : (word + before[kind]) & low;
            out[i] = kind << address_bits | (encode ? (address - before[kind]) & low : address);
            before[kind] = address;
        }
    }
    return own(std::move(out), 1);
}

void register_observer(nb::module_& module) {
    module.def("encode_addresses", [](Words words) { return recode(words, true); }, "words"_a);
    module.def("decode_addresses", [](Words words) { return recode(words, false); }, "words"_a);
    nb::class_<Observer>(module, "Observer")
        .def(nb::init<std::vector<uint32_t>, std::vector<uint8_t>, std::vector<uint8_t>, std::vector<uint32_t>,
                      std::vector<uint32_t>, std::vector<uint8_t>, size_t, bool, bool, bool, size_t>(),
             "site_size"_a, "site_kind"_a, "site_words"_a, "group_words"_a, "group_first"_a, "group_snapshot"_a,
             "results"_a, "keep_blocks"_a, "keep_accesses"_a, "profile"_a, "most_granules"_a)
        .def("whole", &Observer::whole, "words"_a)
        .def("take", &Observer::take, "process"_a, "stream"_a, "began"_a, "ended"_a, "words"_a)
        .def("results", &Observer::results)
        .def("frequent", &Observer::frequent)
        .def("check", &Observer::check, "process"_a)
        .def("memory", &Observer::memory, "process"_a)
        .def("processes", &Observer::processes);
}

}  // namespace burnish::observer
