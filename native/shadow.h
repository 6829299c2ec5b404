// Who touched a byte last: the memory of the dependence analysis, kept by words of eight bytes that are split where accesses
// of different places in them meet.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace burnish::nest {

// A read since the last write: when, and at which level it parts from the site's next read (``Parting``). Of a cell, the
// latest read of each site is linked by ``next``; a site's earlier reads follow by ``older``, with falling levels.
struct Read {
    uint64_t time;
    uint32_t site;
    uint32_t level;
    uint32_t next;
    uint32_t older;
};

// The last write, and the reads since; time 0: there was none.
struct Cell {
    uint64_t written = 0;
    uint32_t writer = 0;
    uint32_t reads = 0;
};

// Eight bytes. While all accesses touch the same of them (``mask``), they share one cell; else ``split`` has eight.
struct Word {
    Cell cell;
    uint32_t split = 0;
    uint8_t mask = 0;
};

class Shadow {
  public:
    explicit Shadow(size_t most_pages) : most_pages_(most_pages) { clear(); }

    void clear() {
        pages_.clear();
        last_page_ = ~uint64_t(0);
        last_ = nullptr;
        bytes_.assign(8, Cell{});
        reads_.assign(1, Read{});
        free_ = 0;
        found_.assign(size_t(1) << found_bits, Found{});
    }

    // Calls ``touch(cell)`` for each cell that the bytes of an access lie in. Where memory for new pages has run out the
    // access is counted and left out.
    template <typename Touch>
    void access(uint64_t address, uint64_t size, Touch touch) {
        while (size) {
            const unsigned offset = address & 7;
            const unsigned length = size < 8 - offset ? unsigned(size) : 8 - offset;
            Word* word = find(address >> 3);
            if (word) {
                const uint8_t mask = uint8_t(((1u << length) - 1) << offset);
                if (!word->mask) word->mask = mask;
                if (word->mask != mask && !word->split) split(*word);
                if (!word->split) {
                    touch(word->cell);
                } else {
                    for (unsigned i = offset; i < offset + length; ++i) touch(bytes_[word->split + i]);
                }
            } else {
                ++left_out;
            }
            address += length;
            size -= length;
        }
    }

    Read& read(uint32_t index) { return reads_[index]; }

    // The latest read of a cell by a site; 0 where there is none. What many sites read (a table of constants) would take
    // long to go through: where it was found is remembered, as long as the cell is not written again.
    uint32_t read_by(const Cell& cell, uint32_t site) {
        uint32_t at = cell.reads;
        for (unsigned passed = 0; at && passed < few; ++passed, at = reads_[at].next)
            if (reads_[at].site == site) return at;
        if (!at) return 0;
        Found& found = found_[(reinterpret_cast<uintptr_t>(&cell) / sizeof(Cell) * 0x9e3779b97f4a7c15ULL + site) *
                                  0x9e3779b97f4a7c15ULL >>
                              (64 - found_bits)];
        if (found.cell == &cell && found.site == site && found.written == cell.written) return found.read;
        while (at && reads_[at].site != site) at = reads_[at].next;
        if (at && reads_[at].time > cell.written) found = {&cell, cell.written, site, at};
        return at;
    }

    uint32_t add(Read read) {
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

    void release_all(uint32_t& head) {
        while (head) {
            const uint32_t next = reads_[head].next;
            for (uint32_t older = reads_[head].older; older;) {
                const uint32_t after = reads_[older].older;
                release(older);
                older = after;
            }
            release(head);
            head = next;
        }
    }

    uint64_t left_out = 0;

  private:
    static constexpr unsigned page_bits = 9;  // words
    static constexpr unsigned few = 6, found_bits = 18;
    struct Found {
        const Cell* cell = nullptr;
        uint64_t written = 0;
        uint32_t site = 0, read = 0;
    };
    using Page = std::unique_ptr<Word[]>;

    Word* find(uint64_t word) {
        const uint64_t number = word >> page_bits;
        if (number != last_page_) {
            auto found = pages_.find(number);
            if (found == pages_.end()) {
                if (pages_.size() >= most_pages_) return nullptr;
                found = pages_.emplace(number, std::make_unique<Word[]>(1 << page_bits)).first;
            }
            last_page_ = number;
            last_ = found->second.get();
        }
        return last_ + (word & ((1 << page_bits) - 1));
    }

    void split(Word& word) {
        word.split = uint32_t(bytes_.size());
        for (unsigned i = 0; i < 8; ++i) {
            Cell cell;
            if (word.mask >> i & 1) {
                cell = word.cell;
                cell.reads = copy(word.cell.reads);
            }
            bytes_.push_back(cell);
        }
        release_all(word.cell.reads);
    }

    uint32_t copy(uint32_t head) {
        uint32_t result = 0;
        for (; head; head = reads_[head].next) {
            Read read = reads_[head];
            read.next = result;
            const uint32_t made = add(read);
            uint32_t last = made;
            for (uint32_t older = reads_[made].older; older; older = reads_[older].older) {
                const uint32_t again = add(reads_[older]);
                reads_[last].older = again;
                last = again;
            }
            result = made;
        }
        return result;
    }

    size_t most_pages_;
    std::unordered_map<uint64_t, Page> pages_;
    uint64_t last_page_;
    Word* last_;
    std::deque<Cell> bytes_;
    std::vector<Read> reads_;
    uint32_t free_ = 0;
    std::vector<Found> found_;
};

}  // namespace burnish::nest
