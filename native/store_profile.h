// What is known of the memory of one process that recorded code reads or writes, in granules of eight bytes: which bytes
// were read, which were written by recorded code, and which turned out to hold something else than was last seen there.
//
// Streams of several threads are taken chunk by chunk, so their order is known only where the times of two chunks do not
// overlap. What could have been written after it was read counts as if it had been.
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

namespace burnish::observer {

struct Granule {
    uint64_t key = 0;  // address / 8 + 1; 0: free
    uint64_t value = 0, reads = 0;
    uint8_t known = 0, read = 0, stored = 0, changed = 0;  // masks of bytes; changed: after it was read
    uint32_t writer = 0, epoch = 0, stream = 0;
};

// A chunk that was taken: whose it is, and when it was filled.
struct Epoch {
    uint32_t stream;
    uint64_t began, ended;
};

class StoreProfile {
  public:
    uint64_t untracked = 0;  // accesses for which there was no room
    bool checked = false;

    explicit StoreProfile(size_t most) : most_(most), table_(1 << 12) {}

    // Parts of one access that lie in one granule, lowest first.
    template <typename Part>
    static void split(uint64_t address, uint64_t size, Part part) {
        while (size) {
            const unsigned shift = unsigned(address & 7);
            const unsigned length = unsigned(size < 8 - shift ? size : 8 - shift);
            part(address >> 3, shift, length);
            address += length;
            size -= length;
        }
    }

    void load(uint64_t address, unsigned size, const uint64_t* words, const std::vector<Epoch>& epochs) {
        unsigned done = 0;
        split(address, size, [&](uint64_t number, unsigned shift, unsigned length) {
            Granule* granule = find(number);
            const uint64_t value = bytes(words, done, length) << 8 * shift;
            done += length;
            if (!granule) return;
            const uint8_t mask = uint8_t(((1u << length) - 1) << shift);
            if (granule->stored & mask && raced(*granule, epochs)) granule->changed |= mask;
            const uint8_t differs = uint8_t(unequal(granule->value, value) & granule->known & mask);
            granule->changed |= differs;
            put(*granule, mask, value);
            granule->read |= mask;
            ++granule->reads;
        });
    }

    // words: NULL where the value is not known.
    void store(uint64_t address, uint64_t size, const uint64_t* words, uint32_t site, uint32_t epoch,
               const std::vector<Epoch>& epochs) {
        unsigned done = 0;
        split(address, size, [&](uint64_t number, unsigned shift, unsigned length) {
            Granule* granule = find(number);
            const uint64_t value = words ? bytes(words, done, length) << 8 * shift : 0;
            done += length;
            if (!granule) return;
            const uint8_t mask = uint8_t(((1u << length) - 1) << shift);
            granule->changed |= granule->read & mask;
            granule->stored |= mask;
            granule->writer = site;
            granule->epoch = epoch;
            granule->stream = epochs[epoch].stream;
            if (words) put(*granule, mask, value);
            else granule->known &= uint8_t(~mask);
        });
    }

    // The eight bytes at an address, if all of them are known.
    bool value_at(uint64_t address, uint64_t& value) {
        if (address & 7) return false;
        const Granule* granule = look(address >> 3);
        if (!granule || granule->known != 0xff) return false;
        value = granule->value;
        return true;
    }

    std::vector<Granule>& table() { return table_; }
    size_t used() const { return used_; }

    static uint8_t unequal(uint64_t a, uint64_t b) {
        uint64_t x = a ^ b;
        x |= x >> 4;
        x |= x >> 2;
        x |= x >> 1;
        x &= 0x0101010101010101u;
        return uint8_t(x * 0x0102040810204080u >> 56);
    }

  private:
    size_t most_, used_ = 0;
    std::vector<Granule> table_;

    static uint64_t bytes(const uint64_t* words, unsigned from, unsigned length) {
        uint64_t value = 0;
        std::memcpy(&value, reinterpret_cast<const char*>(words) + from, length);
        return value;
    }

    static void put(Granule& granule, uint8_t mask, uint64_t value) {
        uint64_t wide = 0;
        for (int i = 0; i < 8; ++i)
            if (mask >> i & 1) wide |= uint64_t(0xff) << 8 * i;
        granule.value = (granule.value & ~wide) | (value & wide);
        granule.known |= mask;
    }

    // The last epoch is the one being taken.
    static bool raced(const Granule& granule, const std::vector<Epoch>& epochs) {
        const Epoch& now = epochs.back();
        return granule.stream != now.stream && epochs[granule.epoch].ended >= now.began;
    }

    static size_t hash(uint64_t number) { return size_t((number * 0x9e3779b97f4a7c15u) >> 20); }

    const Granule* look(uint64_t number) const {
        for (size_t i = hash(number) & (table_.size() - 1);; i = (i + 1) & (table_.size() - 1)) {
            if (table_[i].key == number + 1) return &table_[i];
            if (!table_[i].key) return nullptr;
        }
    }

    Granule* find(uint64_t number) {
        for (size_t i = hash(number) & (table_.size() - 1);; i = (i + 1) & (table_.size() - 1)) {
            if (table_[i].key == number + 1) return &table_[i];
            if (table_[i].key) continue;
            if (used_ >= most_) {
                ++untracked;
                return nullptr;
            }
            if (2 * ++used_ > table_.size()) {
                grow();
                --used_;
                return find(number);
            }
            table_[i].key = number + 1;
            return &table_[i];
        }
    }

    void grow() {
        std::vector<Granule> old(table_.size() * 2);
        old.swap(table_);
        for (const Granule& granule : old) {
            if (!granule.key) continue;
            size_t i = hash(granule.key - 1) & (table_.size() - 1);
            while (table_[i].key) i = (i + 1) & (table_.size() - 1);
            table_[i] = granule;
        }
    }
};

}  // namespace burnish::observer
