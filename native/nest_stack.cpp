// Loops and calls of an execution: native because it looks at every block of it.
//
// Blocks come in the order in which a thread entered them (docs/recordings.md). Functions and loops that are open form a
// stack of visits, each with its rounds.
#include "nest_stack.h"

namespace burnish::nest {

Stack::Stack(Program program, size_t most_paths, size_t most_items, size_t kept_rounds)
    : program_(std::move(program)),
      totals_(program_.regions()),
      most_paths_(most_paths),
      most_items_(most_items),
      kept_rounds_(kept_rounds) {}

void Stack::enter(uint32_t block) {
    if (block == gap || block >= program_.function.size()) {
        ++gaps_;
        reset();
        oldest_ = time_ + 1;
        return;
    }
    ++time_;
    ++entered_;
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
void Stack::arrive(uint32_t block) {
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
        replace_frame(block);
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
            close_frames(depth + 1);
            replace_frame(block);
            return;
        }
    }
    if (entry && !ended(top)) {  // a signal handler, or what a library calls back
        call(block);
        return;
    }
    // From here on, whoever calls a function is not recorded.
    for (size_t depth = entry ? 0 : frames_.size(); depth-- > 0;) {  // longjmp, an exception
        if (program_.function[frames_[depth].block] == program_.function[block]) {
            close_frames(depth + 1);
            step_in_function(block);
            return;
        }
    }
    reset();
    open_function(block);
}

bool Stack::may_call(const Frame& frame) const {
    const uint32_t calls = program_.calls[frame.block];
    return calls && (frame.made < calls || program_.ending[frame.block] == goes_on);
}

// Whether nothing is known to be left of a function's last block.
bool Stack::ended(const Frame& frame) const {
    return program_.ending[frame.block] == returns && frame.made >= program_.calls[frame.block];
}

void Stack::call(uint32_t block) {
    ++frames_.back().made;
    visits_.back().segments.push_back(time_);
    append(visits_.back(), child(program_.loops() + program_.function[block]));
    open_function(block);
}

void Stack::open_function(uint32_t block) {
    frames_.push_back({uint32_t(visits_.size()), block});
    open(program_.loops() + program_.function[block], !program_.entry[block]);
    open_loops(block);
}

// A step along an edge within the innermost function.
void Stack::step_in_function(uint32_t block) {
    const uint32_t loop = program_.loop[block];
    while (visits_.size() > frames_.back().visit + 1 && !within(loop, visits_.back().region)) close_visit();
    Visit& visit = visits_.back();
    if (program_.header[block] && visits_.size() > frames_.back().visit + 1 && visit.region == loop) {
        next_round(visit);
        return;
    }
    open_loops(block);
}

bool Stack::within(uint32_t loop, uint32_t outer) const {
    for (; loop != none; loop = program_.parent[loop])
        if (loop == outer) return true;
    return false;
}

// Opens the loops around a block that are not open yet; only the innermost may be seen from its beginning.
void Stack::open_loops(uint32_t block) {
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

void Stack::open(uint32_t region, bool partial) {
    Visit visit;
    visit.region = region;
    visit.began = visit.round_began = time_;
    visit.partial = partial;
    if (!spare_.empty()) {
        Visit& old = spare_.back();
        old.starts.clear(), old.segments.clear(), old.items.clear();
        visit.starts.swap(old.starts), visit.segments.swap(old.segments), visit.items.swap(old.items);
        spare_.pop_back();
    }
    visit.starts.push_back(time_);
    const bool is_loop = region < program_.loops();
    visit.context = fits_.contexts.inside(visits_.empty() ? 0 : visits_.back().context, region, is_loop);
    if (is_loop) loops_.push_back(uint32_t(visits_.size()));
    visits_.push_back(std::move(visit));
    Totals& row = totals_[region];
    ++row.entered;
    row.recursive |= row.open > 0;
    if (!row.open) open_regions_.push_back(region);
    ++row.open;
}

void Stack::append(Visit& visit, uint32_t item) {
    visit.hash = mixed(visit.hash, item);
    if (visit.items.size() < most_items_) visit.items.push_back(item);
}

void Stack::next_round(Visit& visit) {
    end_round(visit);
    ++visit.rounds;
    visit.round_began = time_;
    if (visit.starts.size() >= 2 * kept_starts) {
        visit.starts.erase(visit.starts.begin(), visit.starts.end() - kept_starts);
        visit.first_start = visit.rounds - 1 - kept_starts;
    }
    visit.starts.push_back(time_);
}

void Stack::end_round(Visit& visit) {
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

void Stack::close_visit() {
    Visit& visit = visits_.back();
    end_round(visit);
    const uint64_t span = visit.instructions - visit.forked + visit.longest;
    Totals& row = totals_[visit.region];
    ++row.trips[visit.rounds];
    --row.open;
    if (!row.open) {
        row.instructions += visit.instructions;
        row.loads += visit.loads;
        row.stores += visit.stores;
        row.span += span;
        open_regions_.pop_back();
    }
    if (visits_.size() > 1) {
        Visit& outer = visits_[visits_.size() - 2];
        outer.instructions += visit.instructions;
        outer.loads += visit.loads;
        outer.stores += visit.stores;
        const bool forks = row.open > 0 && visit.region >= program_.loops();
        outer.forked += forks ? visit.instructions : visit.forked;
        outer.longest = std::max(outer.longest, forks ? span : visit.longest);
    }
    if (visit.region < program_.loops()) loops_.pop_back();
    spare_.push_back(std::move(visit));
    visits_.pop_back();
}

// A tail call: the caller's call goes on.
void Stack::replace_frame(uint32_t block) {
    close_frame(false);
    open_function(block);
}

void Stack::close_frame(bool ends_call) {
    const uint32_t first = frames_.back().visit;
    while (visits_.size() > first) close_visit();
    frames_.pop_back();
    if (ends_call && !visits_.empty() && visits_.back().segments.size() % 2) visits_.back().segments.push_back(time_);
}

void Stack::close_frames(size_t depth) {
    while (frames_.size() > depth) close_frame();
}

bool Stack::come_to(uint32_t site) {
    const uint32_t block = program_.site_block[site];
    if (block == none || frames_.empty()) return false;
    for (size_t depth = frames_.size(); depth-- > 0;) {
        if (frames_[depth].block != block || site <= frames_[depth].site) continue;
        if (depth + 1 < frames_.size()) {
            ++time_;
            close_frames(depth + 1);
        }
        frames_[depth].site = site;
        break;
    }
    return true;
}

Parting Stack::parting(uint64_t earlier) {
    // The outermost visit in which a round or a call has begun since: rounds and calls of inner ones begin later.
    const auto since = [earlier](const Visit& visit) {
        return earlier >= visit.round_began && (visit.segments.empty() || earlier >= visit.segments.back());
    };
    size_t depth = size_t(std::partition_point(visits_.begin(), visits_.end(), since) - visits_.begin());
    for (; depth < visits_.size(); ++depth) {
        Visit& visit = visits_[depth];
        if (earlier < visit.began) {
            if (!depth) return {0, none, inside, 0, nullptr};
            return {uint32_t(4 * depth + visit_level), visits_[depth - 1].region, inside, 0, &visits_[depth - 1]};
        }
        if (earlier < visit.round_began) {
            const auto begin = visit.starts.begin();
            const auto at = uint64_t(std::upper_bound(begin, visit.starts.end(), earlier) - begin);
            const uint64_t round = visit.first_start + at - 1;
            return {uint32_t(4 * depth + round_level), visit.region, rounds, visit.rounds - 1 - round, &visit};
        }
        const auto& segments = visit.segments;
        if (!segments.empty() && earlier < segments.back()) {
            const auto at = std::upper_bound(segments.begin(), segments.end(), earlier) - segments.begin();
            const bool from_call = at % 2, to_call = segments.size() % 2;
            if (from_call || to_call) {
                const Between between = from_call ? (to_call ? call_to_call : call_to_own) : own_to_call;
                const auto level = uint32_t(4 * depth + (from_call ? call_level : own_level));
                return {level, visit.region, between, 0, &visit};
            }
        }
    }
    if (visits_.empty()) return {};
    return {same_level, visits_.back().region, inside, 0, &visits_.back()};
}

}  // namespace burnish::nest
