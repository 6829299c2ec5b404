// Cutting a call into chunks. See executor_plan.h.
#include "executor_plan.h"

#include <algorithm>

namespace burnish::executor {

namespace {

constexpr uint64_t default_buffer = uint64_t{4} << 20;

}  // namespace

Plan::Plan(const Code& code, const StatesBefore& states, const StatesAfter& results) {
    const uint64_t total = states.flags.shape(0);
    const auto host = [](const auto& array) {
        return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(array.data()));
    };
    run.entry = code.entry;
    run.return_address = code.return_address;
    run.fs_base = code.fs_base;
    before = {{host(states.gpr), 128, 0}, {host(states.xmm), 256, 0}, {host(states.flags), 8, 0},
              {host(states.mxcsr), 4, 0}};
    after = {{host(results.gpr), 128, 0}, {host(results.xmm), 256, 0}, {host(results.flags), 8, 0},
             {host(results.mxcsr), 4, 0}};
    fixed = command_capacity * sizeof(Command) + sizeof(Run);
    run.windows = fixed;
    fixed += states.windows.size() * sizeof(Window);
    run.slacks = fixed;
    fixed = round_up(fixed + states.slacks.size() * sizeof(Slack), 64);
    for (const auto& [address, size] : states.slacks) slacks.push_back({address, size});
    for (const auto& [address, contents, observed] : states.windows) {
        Window window = {address, contents.shape(1), 0, 0, no_offset, 0};
        if (contents.shape(0) == total && total != 1) {
            window.input_stride = window.size;
            before.push_back({host(contents), window.size, 0});
        } else {
            window.input = fixed;
            shared.push_back({fixed, {contents.data(), window.size}});
            fixed = round_up(fixed + window.size, 64);
        }
        if (observed) {
            window.output_stride = window.size;
            after.push_back({host(*observed), window.size, 0});
        }
        windows.push_back(window);
    }
    run.window_count = windows.size();
    run.slack_count = slacks.size();
    place(total);
}

// Chooses the size of a chunk and the places of its columns.
void Plan::place(uint64_t count) {
    uint64_t row_before = 0, row_after = sizeof(Result);
    for (const Column& column : before) row_before += column.row;
    for (const Column& column : after) row_after += column.row;
    const uint64_t spare_before = fixed + 64 * before.size(), spare_after = output_header + 64 * (after.size() + 1);
    input_size = round_up(std::max(default_buffer, spare_before + row_before), page);
    output_size = round_up(std::max(default_buffer, spare_after + row_after), page);
    chunk = std::min({count, (input_size - spare_before) / row_before, (output_size - spare_after) / row_after});
    uint64_t offset = fixed;
    for (Column& column : before) {
        column.offset = offset;
        offset = round_up(offset + column.row * chunk, 64);
    }
    result_offset = output_header;
    offset = round_up(output_header + sizeof(Result) * chunk, 64);
    for (Column& column : after) {
        column.offset = offset;
        offset = round_up(offset + column.row * chunk, 64);
    }
    run.gpr = before[0].offset, run.xmm = before[1].offset;
    run.flags = before[2].offset, run.mxcsr = before[3].offset;
    run.result = result_offset;
    run.gpr_after = after[0].offset, run.xmm_after = after[1].offset;
    run.flags_after = after[2].offset, run.mxcsr_after = after[3].offset;
    uint64_t next_before = 4, next_after = 4;
    for (Window& window : windows) {
        if (window.input_stride != 0) window.input = before[next_before++].offset;
        if (window.output_stride != 0) window.output = after[next_after++].offset;
    }
}

}  // namespace burnish::executor
