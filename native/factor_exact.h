// The minimal form by dynamic programming: Nakamura, Saito, Takigawa, Mamitsuka, Kudo, "Fast algorithms for finding a
// minimum repetition representation of strings and trees" (2013), their CMR-C for a weight of one a repetition.
//
// For each end the best form of what lies between each start and that end; only the costs of bodies are kept. A string of
// n symbols has O(n log n) primitive squares, so that this takes O(n^2 log n) time; with bodies of at most k symbols
// O(n k log k). We go from right to left, not from left to right, so that of equally good forms the one is found whose
// repetitions begin first.
#pragma once
#include "factor_grammar.h"

namespace burnish::factorise {

class Exact {
  public:
    Exact(Symbols text, size_t window) : text_(text), window_(std::min(window, text.size() / 2)), squares_(text.size()) {
        cost_.resize(text.size() + 1);
        chosen_.resize(text.size());
        find_squares();
        for (size_t end = 1; end < text.size(); ++end) {
            fill(end > window_ ? end - window_ : 0, end);
            keep_bodies(end);
        }
    }

    void form(Grammar& grammar, Growing<Symbol>& out) {
        for (Symbol symbol : form(grammar, 0, text_.size())) out.push(symbol);
    }

  private:
    struct Square {
        uint32_t period;
        uint32_t same;       // how many symbols from its start are equal to the one a period later
        uint32_t follower;   // the square of this period that begins a period later, among those of its start
        uint64_t body, best;  // costs of the body, and of the string up to the end with this repetition first
        uint32_t copies;     // of the body, in the best
    };
    struct Choice {
        uint32_t period, copies;  // copies 1: a symbol
    };
    static constexpr uint32_t none = UINT32_MAX;
    static constexpr uint64_t one = uint64_t(1) << 32;  // the upper half is a length, the lower one counts symbols

    Symbols text_;
    size_t window_;
    std::vector<std::vector<Square>> squares_;  // primitive ones by start, the shortest first
    std::vector<uint64_t> cost_;
    std::vector<Choice> chosen_;

    void find_squares() {
        for (uint32_t period = 1; period <= window_; ++period) {
            uint32_t same = 0;
            for (size_t at = text_.size() - period; at-- > 0;) {
                same = text_[at] == text_[at + period] ? same + 1 : 0;
                if (same < period || is_power(at, period)) continue;
                uint32_t follower = none;
                if (same >= 2 * period) follower = uint32_t(squares_[at + period].size() - 1);
                squares_[at].push_back({period, same, follower, 0, 0, 0});
            }
        }
    }

    // Whether the string of so many symbols is itself a repetition.
    bool is_power(size_t at, uint32_t length) const {
        for (const Square& square : squares_[at])
            if (length % square.period == 0 && square.same + square.period >= 2 * length) return true;
        return false;
    }

    // Costs and choices of all strings from ``low`` or later to ``end``.
    void fill(size_t low, size_t end) {
        cost_[end] = 0;
        for (size_t at = end; at-- > low;) {
            uint64_t best = cost_[at + 1] + one + 1;
            Choice choice{1, 1};
            for (Square& square : squares_[at]) {
                const size_t twice = at + 2 * size_t(square.period);
                if (twice > end) break;
                square.best = square.body + one + cost_[twice];
                square.copies = 2;
                if (square.follower != none && twice + square.period <= end) {
                    const Square& next = squares_[at + square.period][square.follower];
                    if (next.best <= square.best) square.best = next.best, square.copies = next.copies + 1;
                }
                if (square.best < best || (square.best == best && choice.copies == 1)) {
                    best = square.best;
                    choice = {square.period, square.copies};
                }
            }
            cost_[at] = best;
            chosen_[at] = choice;
        }
    }

    void keep_bodies(size_t end) {
        for (size_t at = end > window_ ? end - window_ : 0; at < end; ++at)
            for (Square& square : squares_[at])
                if (square.period == end - at) square.body = cost_[at];
    }

    std::vector<Symbol> form(Grammar& grammar, size_t from, size_t to) {
        fill(from, to);
        std::vector<std::pair<size_t, Choice>> items;
        for (size_t at = from; at < to; at += size_t(chosen_[at].period) * chosen_[at].copies)
            items.emplace_back(at, chosen_[at]);
        std::vector<Symbol> out;
        for (const auto& [at, choice] : items) {
            if (choice.copies == 1) out.push_back(text_[at]);
            else out.push_back(grammar.repeat(form(grammar, at, at + choice.period), choice.copies));
        }
        return out;
    }
};

}  // namespace burnish::factorise
