// Repetitions, each kept once: what both ways of factorising write into.
//
// A symbol below the alphabet is a terminal; the others are rules, a rule is a body and a count, a body is a string of
// symbols. Equal bodies have one number, equal rules one symbol, and a body refers only to rules that were made before it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace burnish::factorise {

using Symbol = uint32_t;
using Symbols = std::span<const Symbol>;

// An array that grows with realloc, which moves large arrays by their pages: there are never two copies, as in a vector.
template <class T>
class Growing {
  public:
    Growing() = default;
    Growing(const Growing&) = delete;
    Growing& operator=(const Growing&) = delete;
    ~Growing() { std::free(data_); }

    void push(T value) {
        if (size_ == room_) reserve(room_ ? 2 * room_ : 1024);
        data_[size_++] = value;
    }
    void append(const T* from, size_t count) {
        while (size_ + count > room_) reserve(room_ ? 2 * room_ : 1024);
        std::memcpy(data_ + size_, from, count * sizeof(T));
        size_ += count;
    }
    void pop() { --size_; }
    void swap(Growing& other) {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(room_, other.room_);
    }
    void clear() {
        Growing empty;
        swap(empty);
    }
    size_t size() const { return size_; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T& operator[](size_t i) { return data_[i]; }
    const T& operator[](size_t i) const { return data_[i]; }

  private:
    T* data_ = nullptr;
    size_t size_ = 0, room_ = 0;

    void reserve(size_t room) {
        void* moved = std::realloc(data_, room * sizeof(T));
        if (!moved) throw std::bad_alloc();
        data_ = static_cast<T*>(moved);
        room_ = room;
    }
};

inline uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 31)) * 0x9e3779b97f4a7c15u;
    return value ^ (value >> 29);
}

// Numbers found by what they stand for: open addressing. The hash of a number is asked for when the table grows.
class Index {
  public:
    template <class Same, class HashOf>
    uint32_t find_or_add(uint64_t hash, uint32_t fresh, Same same, HashOf hash_of) {
        if (2 * (used_ + 1) > slots_.size()) grow(hash_of);
        for (size_t at = hash & mask();; at = (at + 1) & mask()) {
            if (slots_[at] == none) {
                ++used_;
                return slots_[at] = fresh;
            }
            if (same(slots_[at])) return slots_[at];
        }
    }

  private:
    static constexpr uint32_t none = UINT32_MAX;
    std::vector<uint32_t> slots_;
    size_t used_ = 0;

    size_t mask() const { return slots_.size() - 1; }

    template <class HashOf>
    void grow(HashOf hash_of) {
        std::vector<uint32_t> old(slots_.empty() ? 1024 : 2 * slots_.size(), none);
        old.swap(slots_);
        for (uint32_t number : old) {
            if (number == none) continue;
            size_t at = hash_of(number) & mask();
            while (slots_[at] != none) at = (at + 1) & mask();
            slots_[at] = number;
        }
    }
};

class Grammar {
  public:
    explicit Grammar(Symbol alphabet) : alphabet_(alphabet) { starts_.push(0); }

    Symbol alphabet() const { return alphabet_; }
    bool is_rule(Symbol symbol) const { return symbol >= alphabet_; }
    uint32_t body_of(Symbol rule) const { return rule_body_[rule - alphabet_]; }
    uint64_t count_of(Symbol rule) const { return rule_count_[rule - alphabet_]; }
    size_t length_of(uint32_t body) const { return starts_[body + 1] - starts_[body]; }
    Symbols body(uint32_t body) const { return {pool_.data() + starts_[body], length_of(body)}; }
    // How many terminals it stands for.
    uint64_t events_of_body(uint32_t body) const { return body_events_[body]; }
    uint64_t events_of(Symbol symbol) const {
        return is_rule(symbol) ? body_events_[body_of(symbol)] * count_of(symbol) : 1;
    }

    // The symbol of so many copies of a string that lies outside of the grammar.
    Symbol repeat(Symbols string, uint64_t count) {
        const uint32_t fresh = uint32_t(body_events_.size());
        const uint32_t found = bodies_.find_or_add(
            hash_of(string), fresh,
            [&](uint32_t other) { return std::ranges::equal(body(other), string); },
            [&](uint32_t other) { return hash_of(body(other)); });
        if (found == fresh) {
            uint64_t events = 0;
            for (Symbol symbol : string) events += events_of(symbol);
            pool_.append(string.data(), string.size());
            starts_.push(pool_.size());
            body_events_.push(events);
        }
        return repeat(found, count);
    }

    Symbol repeat(uint32_t body, uint64_t count) {
        const uint32_t fresh = uint32_t(rule_body_.size());
        if (fresh >= UINT32_MAX - alphabet_ - 1) throw std::length_error("more than 2^32 symbols and repetitions");
        const uint32_t found = rules_.find_or_add(
            hash_of(body, count), fresh,
            [&](uint32_t other) { return rule_body_[other] == body && rule_count_[other] == count; },
            [&](uint32_t other) { return hash_of(rule_body_[other], rule_count_[other]); });
        if (found == fresh) {
            rule_body_.push(body);
            rule_count_.push(count);
        }
        return alphabet_ + found;
    }

    // The rules that ``sequence`` needs, numbered without gaps; the symbols of ``sequence`` are changed to them.
    struct Compact {
        std::vector<uint32_t> rule_body;
        std::vector<uint64_t> rule_count;
        std::vector<uint64_t> starts{0};
        std::vector<Symbol> pool;
    };
    Compact compact(Symbol* sequence, size_t size) const {
        const size_t rules = rule_body_.size(), bodies = body_events_.size();
        constexpr uint32_t unused = UINT32_MAX;
        std::vector<uint32_t> new_rule(rules, unused), new_body(bodies, unused);
        const auto mark = [&](Symbol symbol) {
            if (is_rule(symbol)) new_rule[symbol - alphabet_] = 0;
        };
        for (size_t i = 0; i < size; ++i) mark(sequence[i]);
        for (size_t rule = rules; rule-- > 0;) {
            if (new_rule[rule] == unused || new_body[rule_body_[rule]] != unused) continue;
            new_body[rule_body_[rule]] = 0;
            for (Symbol symbol : body(rule_body_[rule])) mark(symbol);
        }
        Compact out;
        uint32_t rule_number = 0, body_number = 0;
        for (uint32_t& number : new_rule)
            if (number != unused) number = rule_number++;
        const auto renamed = [&](Symbol symbol) {
            return is_rule(symbol) ? alphabet_ + new_rule[symbol - alphabet_] : symbol;
        };
        for (uint32_t number = 0; number < bodies; ++number) {
            if (new_body[number] == unused) continue;
            new_body[number] = body_number++;
            for (Symbol symbol : body(number)) out.pool.push_back(renamed(symbol));
            out.starts.push_back(out.pool.size());
        }
        for (size_t rule = 0; rule < rules; ++rule) {
            if (new_rule[rule] == unused) continue;
            out.rule_body.push_back(new_body[rule_body_[rule]]);
            out.rule_count.push_back(rule_count_[rule]);
        }
        for (size_t i = 0; i < size; ++i) sequence[i] = renamed(sequence[i]);
        return out;
    }

  private:
    Symbol alphabet_;
    Growing<Symbol> pool_;
    Growing<uint64_t> starts_, body_events_, rule_count_;
    Growing<uint32_t> rule_body_;
    Index bodies_, rules_;

    static uint64_t hash_of(Symbols string) {
        uint64_t hash = string.size();
        for (Symbol symbol : string) hash = (hash ^ symbol) * 0xd6e8feb86659fd93u, hash ^= hash >> 32;
        return mixed(hash);
    }
    static uint64_t hash_of(uint32_t body, uint64_t count) { return mixed(mixed(count) + body); }
};

}  // namespace burnish::factorise
