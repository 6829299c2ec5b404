"""What ``record`` did, as text on standard error: standard output is the recorded program's."""

from __future__ import annotations

import sys

from burnish.pipeline.recording import RecordResult
from burnish.report.tables import print_line

_SHOWN = 5


def print_recorded(result: RecordResult, *, json: bool) -> None:
    """Print the summary of a recorded run, or its JSON document."""
    if json:
        print(result.to_json(), file=sys.stderr)
        return
    for text in _lines(result):
        print_line(f"burnish: {text}", file=sys.stderr)


def _lines(result: RecordResult) -> list[str]:
    covered = "" if result.covered is None else f", with {100 * result.covered:.1f} % of the samples"
    blocks = f", {result.blocks} blocks" if result.blocks else ""
    lines = [f"{result.path}: {result.functions} functions{blocks}{covered}."]
    if result.blocks:
        lines.append(f"{result.entered:,} block entries were counted{_slowdown(result)}.")
    if result.entries or not result.blocks:
        lines.append(
            f"{result.entries} entries were captured; {result.replayed} of them replay in isolation."
        )
    if result.events:
        each = result.trace_bytes / result.events
        lines.append(f"{result.events:,} trace records, {each:.3f} bytes each on disk.")
    if result.dropped or result.left_out:
        lines.append(
            f"Not kept: {result.dropped:,} bytes of records that the recorder was too slow for, {result.left_out:,} "
            "beyond --max-size."
        )
    for row in result.unrecorded[:_SHOWN]:
        share = f" ({100 * row.share:.1f} %)" if row.share else ""
        lines.append(f"Not recorded: {row.name}{share}: {row.reason}.")
    if len(result.unrecorded) > _SHOWN:
        lines.append(f"Not recorded: {len(result.unrecorded) - _SHOWN} more functions.")
    if result.interrupted or result.timed_out:
        lines.append("The run was cut short; the recording has what was seen until then.")
    elif result.signal is not None:
        lines.append(f"The program was ended by signal {result.signal}; the recording has all that was seen.")
    lines += [f"Warning: {text}" for text in result.warnings]
    return lines


def _slowdown(result: RecordResult) -> str:
    return "" if result.slowdown is None else f"; the run took {result.slowdown:.2f}× the processor time"
