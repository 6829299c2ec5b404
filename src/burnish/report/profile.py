"""A recording's profile as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burnish.core.recording import What
from burnish.pipeline.profile import FunctionProfile, RecordingProfile
from burnish.report.tables import Column, percent, print_line, print_table

_FUNCTIONS = (
    Column("function"),
    Column("file"),
    Column("calls", right=True),
    Column("instructions", right=True),
    Column("", right=True),
    Column("blocks entered", right=True),
    Column("busiest loop"),
)
_ENTRIES = (Column("function"), Column("entries", right=True), Column("replay", right=True))
_BLOCKS = (
    Column("block", right=True),
    Column("entered", right=True),
    Column("instructions", right=True),
    Column("", right=True),
)
_LOOPS = (Column("loop", right=True), Column("entered", right=True), Column("rounds each time", right=True))
_MOST = 20


def print_profile(profile: RecordingProfile, function: FunctionProfile | None) -> None:
    """Print the functions of a recording; or with ``function`` its blocks and loops."""
    if function is not None:
        _print_function(function)
        return
    manifest = profile.manifest
    covered = "" if manifest.covered is None else f", {100 * manifest.covered:.1f} % of the samples"
    runs = f", {manifest.runs} runs" if manifest.runs > 1 else ""
    print_line(f"{' '.join(manifest.command)}{runs}: {len(profile.functions)} functions recorded{covered}")
    if any(row.all_blocks for row in profile.functions):
        _print_counts(profile.functions)
    if What.ENTRIES.value in manifest.what:
        rows = [(row.name, str(row.entries), str(row.replayed)) for row in profile.functions]
        print_table(_ENTRIES, rows)
    for left in manifest.unrecorded:
        share = f" ({100 * left.share:.1f} % of the samples)" if left.share else ""
        print_line(f"Not recorded: {left.name} in {Path(left.image).name}{share}: {left.reason}")
    if profile.events:
        print_line(f"Trace: {profile.events:,} blocks in order.")
    if manifest.dropped:
        print_line(f"Lost: {manifest.dropped:,} bytes of trace records.")
    if manifest.interrupted or manifest.signal is not None:
        print_line("The run was cut short.")


def _print_counts(functions: Sequence[FunctionProfile]) -> None:
    total = sum(row.instructions for row in functions)
    rows = [
        (
            row.name,
            Path(row.image).name,
            f"{row.calls:,}",
            f"{row.instructions:,}",
            percent(row.instructions, total),
            f"{len(row.blocks)} of {row.all_blocks}",
            _loop(row),
        )
        for row in functions
    ]
    print_table(_FUNCTIONS, rows)


def _loop(row: FunctionProfile) -> str:
    if not row.loops:
        return ""
    loop = row.loops[0]
    return f"{loop.address:#x}, {loop.rounds:,.1f} rounds"


def _print_function(row: FunctionProfile) -> None:
    print_line(f"{row.name} in {row.image}: {row.calls:,} calls, {row.instructions:,} instructions")
    blocks = [
        (
            f"{block.address:#x}",
            f"{block.entered:,}",
            f"{block.entered * block.instructions:,}",
            percent(block.entered * block.instructions, row.instructions),
        )
        for block in row.blocks[:_MOST]
    ]
    print_table(_BLOCKS, blocks)
    if len(row.blocks) > _MOST:
        print_line(f"{len(row.blocks) - _MOST} more blocks were entered.")
    if row.loops:
        loops = [
            (f"{loop.address:#x}", f"{loop.entered:,}", f"{loop.rounds:,.1f}") for loop in row.loops[:_MOST]
        ]
        print_table(_LOOPS, loops)
