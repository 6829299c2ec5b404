// Who read a place in memory since it was last written: of each site the latest read, and of those before it the latest at
// each level at which it parts from the next one (``Stack::parting``). Sites of a place are found by a table once there are
// many: constant data is read by all the code there is, over and over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace burnish::nest {

constexpr uint32_t same_level = ~uint32_t(0);

struct Read {
    uint64_t time;
    uint32_t site;
    uint32_t level;
    uint32_t next;   // the latest read of another site
    uint32_t older;  // an older read of the same site
};

// All places share one pool. A place keeps a handle: 0 for no reads, the first of a list, or a table.
class Readers {
  public:
    Readers() { clear(); }

    void clear() {
        reads_.assign(1, Read{});
        free_ = 0;
        tables_.clear();
        free_tables_.clear();
    }

    // Adds a read of now. ``level_of(time)`` is the level at which an earlier moment parts from it.
    template <typename LevelOf>
    void add(uint32_t& handle, uint32_t site, uint64_t now, LevelOf level_of) {
        const uint32_t found = latest(handle, site);
        if (!found) {
            insert(handle, make({now, site, same_level, 0, 0}));
            return;
        }
        if (reads_[found].time == now) return;
        const uint32_t level = level_of(reads_[found].time);
        if (level != same_level) {
            uint32_t older = reads_[found].older;
            while (older && reads_[older].level >= level) {
                const uint32_t next = reads_[older].older;
                release(older);
                older = next;
            }
            const uint32_t kept = make({reads_[found].time, site, level, 0, older});
            reads_[found].older = kept;
        }
        reads_[found].time = now;
    }

    // Calls ``visit(site, time)`` for each read.
    template <typename Visit>
    void each(uint32_t handle, Visit visit) const {
        each_latest(handle, [&](uint32_t at) {
            for (; at; at = reads_[at].older) visit(reads_[at].site, reads_[at].time);
        });
    }

    void release_all(uint32_t& handle) {
        each_latest(handle, [&](uint32_t at) {
            while (at) {
                const uint32_t older = reads_[at].older;
                release(at);
                at = older;
            }
        });
        if (handle & is_table) free_tables_.push_back(handle & ~is_table);
        handle = 0;
    }

    uint32_t copy(uint32_t handle) {
        std::vector<uint32_t> found;
        each_latest(handle, [&](uint32_t at) { found.push_back(at); });
        uint32_t result = 0;
        for (const uint32_t at : found) {
            const uint32_t head = make(reads_[at]);
            reads_[head].next = 0;
            uint32_t last = head;
            while (const uint32_t older = reads_[last].older) {
                const uint32_t made = make(reads_[older]);
                reads_[last].older = made;
                last = made;
            }
            insert(result, head);
        }
        return result;
    }

  private:
    static constexpr uint32_t is_table = uint32_t(1) << 31;
    static constexpr size_t longest_list = 6, first_slots = 16;

    struct Table {
        std::vector<uint32_t> slots;  // a power of two, at most half of them used
        size_t used = 0;
    };

    template <typename Visit>
    void each_latest(uint32_t handle, Visit visit) const {
        if (handle & is_table) {
            for (const uint32_t at : tables_[handle & ~is_table].slots)
                if (at) visit(at);
            return;
        }
        while (handle) {
            const uint32_t next = reads_[handle].next;
            visit(handle);
            handle = next;
        }
    }

    uint32_t latest(uint32_t handle, uint32_t site) const {
        if (handle & is_table) {
            const Table& table = tables_[handle & ~is_table];
            return table.slots[place(table, site)];
        }
        while (handle && reads_[handle].site != site) handle = reads_[handle].next;
        return handle;
    }

    size_t place(const Table& table, uint32_t site) const {
        const size_t mask = table.slots.size() - 1;
        size_t at = (site * 0x9e3779b1u) & mask;
        while (table.slots[at] && reads_[table.slots[at]].site != site) at = (at + 1) & mask;
        return at;
    }

    void insert(uint32_t& handle, uint32_t read) {
        if (!(handle & is_table)) {
            size_t length = 0;
            for (uint32_t at = handle; at; at = reads_[at].next) ++length;
            if (length < longest_list) {
                reads_[read].next = handle;
                handle = read;
                return;
            }
            const uint32_t table = new_table();
            for (uint32_t at = handle; at; at = reads_[at].next) put(tables_[table], at);
            handle = table | is_table;
        }
        Table& table = tables_[handle & ~is_table];
        if (2 * (table.used + 1) > table.slots.size()) {
            std::vector<uint32_t> before(2 * table.slots.size());
            before.swap(table.slots);
            table.used = 0;
            for (const uint32_t at : before)
                if (at) put(table, at);
        }
        put(table, read);
    }

    void put(Table& table, uint32_t read) {
        table.slots[place(table, reads_[read].site)] = read;
        ++table.used;
    }

    uint32_t new_table() {
        if (free_tables_.empty()) {
            tables_.emplace_back();
            free_tables_.push_back(uint32_t(tables_.size() - 1));
        }
        const uint32_t number = free_tables_.back();
        free_tables_.pop_back();
        tables_[number].slots.assign(first_slots, 0);
        tables_[number].used = 0;
        return number;
    }

    uint32_t make(Read read) {
        if (free_) {
            const uint32_t index = free_;
            free_ = reads_[index].next;
            reads_[index] = read;
            return index;
        }
        reads_.push_back(read);
        return uint32_t(reads_.size() - 1);
    }

    void release(uint32_t index) {
        reads_[index].next = free_;
        free_ = index;
    }

    std::vector<Read> reads_;
    uint32_t free_ = 0;
    std::vector<Table> tables_;
    std::vector<uint32_t> free_tables_;
};

}  // namespace burnish::nest
