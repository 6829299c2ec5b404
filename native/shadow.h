// Who touched a byte last: the memory of the dependence analysis, kept by words of eight bytes that are split where accesses
// of different places in them meet.
#pragma once

#include "readers.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace burnish::nest {

// The last write, and the reads since (``Readers``); time 0: there was none.
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
        readers.clear();
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

    Readers readers;
    uint64_t left_out = 0;

  private:
    static constexpr unsigned page_bits = 9;  // words
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
                cell.reads = readers.copy(word.cell.reads);
            }
            bytes_.push_back(cell);
        }
        readers.release_all(word.cell.reads);
    }

    size_t most_pages_;
    std::unordered_map<uint64_t, Page> pages_;
    uint64_t last_page_;
    Word* last_;
    std::deque<Cell> bytes_;
};

}  // namespace burnish::nest
