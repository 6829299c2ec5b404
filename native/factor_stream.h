// Factorising a stream in near-linear time: repetitions at the end of what was read are contracted as soon as they are
// seen, and what they become is read as a symbol itself, from which nesting comes.
//
// What was read is a stack of symbols. A push contracts where the stack then ends with a square uu of at most `window`
// symbols a half, or with one more copy of the body of a repetition. Squares are found through chains of equal symbols,
// so that a push costs a few steps where symbols come again seldom. While the input goes on as it was one body ago,
// nothing is pushed: the two are compared as memory, which is where most of a loop's events go.
#pragma once
#include "factor_grammar.h"

#include <memory>

namespace burnish::factorise {

class Stream {
  public:
    Stream(Symbol alphabet, size_t window)
        : grammar_(alphabet), window_(window), newest_(chains), due_(2 * window, none), buffer_(2 * history) {}

    void feed(const Symbol* at, size_t size) {
        for (size_t i = 0; i < size; ++i)
            if (at[i] >= grammar_.alphabet()) throw std::invalid_argument("a symbol is not below the alphabet");
        while (size) {
            if (filled_ == buffer_.size()) {
                std::copy(buffer_.end() - history, buffer_.end(), buffer_.begin());
                filled_ = history;
            }
            const size_t part = std::min(size, buffer_.size() - filled_);
            std::copy(at, at + part, buffer_.begin() + filled_);
            const size_t from = filled_;
            filled_ += part;
            take(from);
            at += part, size -= part;
        }
    }

    // The symbols that are left. Nothing may be fed after it.
    std::unique_ptr<Growing<Symbol>> finish() {
        if (running_) stop();
        back_.clear();
        auto sequence = std::make_unique<Growing<Symbol>>();
        sequence->swap(stack_);
        return sequence;
    }

    const Grammar& grammar() const { return grammar_; }

  private:
    static constexpr size_t history = size_t(1) << 20;  // a body with more events is not compared as memory
    static constexpr size_t chains = 4096, block = 64;
    static constexpr size_t none = SIZE_MAX;

    Grammar grammar_;
    size_t window_;
    Growing<Symbol> stack_;
    Growing<uint16_t> back_;    // how far back the chain goes on; 0: it ends
    std::vector<size_t> newest_;  // position + 1 of the newest symbol of a chain
    // Repetitions on the stack, and by where the stack will end when the body of one has come again the newest of them:
    // like the symbols they come and go as on a stack, so that each keeps the one that was the newest before.
    struct Waiting {
        size_t at, before;
    };
    Growing<Waiting> waiting_;
    std::vector<size_t> due_;
    std::vector<Symbol> buffer_;  // what was read last
    size_t filled_ = 0;
    bool running_ = false;      // the input goes on as the body of the repetition on top of the stack
    size_t distance_ = 0;       // events of that body
    uint64_t matched_ = 0;

    static size_t chain_of(Symbol symbol) { return symbol * 0x9e3779b1u >> 20; }

    void take(size_t at) {
        while (at < filled_) {
            if (!running_ && stack_.size() && grammar_.is_rule(top())) {
                const uint64_t events = grammar_.events_of_body(grammar_.body_of(top()));
                if (events <= at && events <= history) {
                    running_ = true;
                    distance_ = size_t(events);
                    matched_ = 0;
                }
            }
            if (running_) {
                const size_t same = equal(&buffer_[at], &buffer_[at - distance_], filled_ - at);
                matched_ += same;
                at += same;
                if (at == filled_) return;
                stop();
            }
            push(buffer_[at++]);
        }
    }

    static size_t equal(const Symbol* a, const Symbol* b, size_t most) {
        size_t i = 0;
        while (i + block <= most && !std::memcmp(a + i, b + i, block * sizeof(Symbol))) i += block;
        while (i < most && a[i] == b[i]) ++i;
        return i;
    }

    Symbol top() const { return stack_[stack_.size() - 1]; }

    // What went on as before does so no more.
    void stop() {
        running_ = false;
        const uint64_t copies = matched_ / distance_, rest = matched_ % distance_;
        const uint32_t body = grammar_.body_of(top());
        if (copies) {
            const uint64_t count = grammar_.count_of(top()) + copies;
            pop();
            push(grammar_.repeat(body, count));
        }
        push_start(body, rest);
    }

    // The first events of a body, as the repetitions in it that are whole, and what is left.
    void push_start(uint32_t body, uint64_t events) {
        for (size_t i = 0; events; ++i) {
            const Symbol symbol = grammar_.body(body)[i];
            const uint64_t all = grammar_.events_of(symbol);
            if (all <= events) {
                push(symbol);
                events -= all;
                continue;
            }
            const uint32_t inner = grammar_.body_of(symbol);
            const uint64_t each = grammar_.events_of_body(inner), copies = events / each;
            if (copies > 1) push(grammar_.repeat(inner, copies));
            if (copies == 1) push_start(inner, each);
            return push_start(inner, events % each);
        }
    }

    void push(Symbol symbol) {
        do place(symbol);
        while (contract(symbol));
    }

    void place(Symbol symbol) {
        const size_t at = stack_.size();
        size_t& newest = newest_[chain_of(symbol)];
        const size_t back = at + 1 - newest;
        stack_.push(symbol);
        back_.push(newest && back <= UINT16_MAX ? uint16_t(back) : 0);
        newest = at + 1;
        if (grammar_.is_rule(symbol)) {
            size_t& due = due_of(symbol, at);
            waiting_.push({at, due});
            due = waiting_.size() - 1;
        }
    }

    size_t& due_of(Symbol rule, size_t at) {
        return due_[(at + 1 + grammar_.length_of(grammar_.body_of(rule))) % due_.size()];
    }

    void pop(size_t count = 1) {
        while (count--) {
            const size_t at = stack_.size() - 1, back = back_[at];
            newest_[chain_of(stack_[at])] = back ? at + 1 - back : 0;
            if (grammar_.is_rule(stack_[at])) {
                due_of(stack_[at], at) = waiting_[waiting_.size() - 1].before;
                waiting_.pop();
            }
            stack_.pop();
            back_.pop();
        }
    }

    // The last symbols of the stack, without the last ``but`` of them.
    Symbols last(size_t count, size_t but = 0) const { return {stack_.data() + stack_.size() - but - count, count}; }

    // Takes a repetition from the end of the stack, if one is there, and says what it is.
    bool contract(Symbol& symbol) {
        return (grammar_.is_rule(symbol) && grows_backward(symbol)) || grows_forward(symbol) || square(symbol);
    }

    bool grows_backward(Symbol& symbol) {
        const size_t size = stack_.size();
        const uint32_t body = grammar_.body_of(symbol);
        const size_t length = grammar_.length_of(body);
        if (size >= 2 && grammar_.is_rule(stack_[size - 2]) && grammar_.body_of(stack_[size - 2]) == body) {
            symbol = grammar_.repeat(body, grammar_.count_of(stack_[size - 2]) + grammar_.count_of(symbol));
            pop(2);
            return true;
        }
        if (size < length + 1 || !std::ranges::equal(last(length, 1), grammar_.body(body))) return false;
        symbol = grammar_.repeat(body, grammar_.count_of(symbol) + 1);
        pop(length + 1);
        return true;
    }

    bool grows_forward(Symbol& symbol) {
        const size_t size = stack_.size();
        for (size_t due = due_[size % due_.size()]; due != none; due = waiting_[due].before) {
            const size_t at = waiting_[due].at, length = size - at - 1;
            if (length > window_) return false;  // those of other places that share the slot
            const uint32_t body = grammar_.body_of(stack_[at]);
            if (!std::ranges::equal(last(length), grammar_.body(body))) continue;
            symbol = grammar_.repeat(body, grammar_.count_of(stack_[at]) + 1);
            pop(length + 1);
            return true;
        }
        return false;
    }

    bool square(Symbol& symbol) {
        const size_t size = stack_.size();
        size_t period = 0;
        for (size_t at = size - 1; back_[at]; at -= back_[at]) {
            period += back_[at];
            if (period > window_ || 2 * period > size) return false;
            const Symbols half = last(period);
            if (half[0] != stack_[size - 2 * period] || !std::ranges::equal(half, last(period, period))) continue;
            symbol = grammar_.repeat(half, 2);
            pop(2 * period);
            return true;
        }
        return false;
    }
};

}  // namespace burnish::factorise
