"""A recording's profile as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burnish.core.recording import Counts, ImportedFrom, What
from burnish.pipeline.observed_profile import ConstantProfile, ValueProfile, words_of
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
_SAMPLED = (
    Column("function"),
    Column("file"),
    Column("count", right=True),
    Column("", right=True),
)
_CALLEES = (Column("with callees", right=True),)
_VALUES = (
    Column("result", right=True),
    Column("register"),
    Column("times", right=True),
    Column("values", folds=True),
)
_CONSTANTS = (
    Column("address", right=True),
    Column("memory"),
    Column("bytes", right=True),
    Column("reads", right=True),
    Column("value"),
)
_MOST = 20
_SHOWN = 16
"""Bytes of a constant that are shown."""


def print_profile(profile: RecordingProfile, function: FunctionProfile | None) -> None:
    """Print the functions of a recording; or with ``function`` its blocks and loops."""
    if function is not None:
        _print_function(function)
        return
    manifest = profile.manifest
    if manifest.imported is not None:
        _print_imported(profile, manifest.imported)
        return
    covered = "" if manifest.covered is None else f", {100 * manifest.covered:.1f} % of the samples"
    runs = f", {manifest.runs} runs" if manifest.runs > 1 else ""
    print_line(f"{' '.join(manifest.command)}{runs}: {len(profile.functions)} functions recorded{covered}")
    if any(row.all_blocks for row in profile.functions):
        _print_functions(profile.functions)
    if What.ENTRIES.value in manifest.what:
        rows = [(row.name, str(row.entries), str(row.replayed)) for row in profile.functions]
        print_table(_ENTRIES, rows)
    for left in manifest.unrecorded:
        share = f" ({100 * left.share:.1f} % of the samples)" if left.share else ""
        print_line(f"Not recorded: {left.name} in {Path(left.image).name}{share}: {left.reason}")
    if profile.events:
        part = f", bursts of {manifest.burst} blocks" if manifest.burst else ""
        print_line(f"Trace: {profile.events:,} records in order{part}.")
    if profile.constants:
        _print_constants(profile.constants)
    if manifest.dropped:
        print_line(f"Lost: {manifest.dropped:,} bytes of trace records.")
    if manifest.interrupted or manifest.signal is not None:
        print_line("The run was cut short.")


def _print_functions(functions: Sequence[FunctionProfile]) -> None:
    total = sum(row.instructions for row in functions)
    rows = [
        (
            row.name,
            Path(row.image).name,
            _calls(row.calls),
            f"{row.instructions:,}",
            percent(row.instructions, total),
            f"{len(row.blocks)} of {row.all_blocks}",
            _loop(row),
        )
        for row in functions
    ]
    print_table(_FUNCTIONS, rows)


def _print_imported(profile: RecordingProfile, source: ImportedFrom) -> None:
    print_line(f"{source.file} ({source.format}): {sum(r.samples for r in profile.sampled):,} {source.unit}")
    total = sum(row.samples for row in profile.sampled)
    with_callers = any(row.with_callees != row.samples for row in profile.sampled)
    columns = (*_SAMPLED, *(_CALLEES if with_callers else ()))
    rows = [
        (
            row.name or "?",
            Path(row.image).name,
            f"{row.samples:,}",
            percent(row.samples, total),
            *((percent(row.with_callees, total),) if with_callers else ()),
        )
        for row in profile.sampled[:_MOST]
    ]
    print_table(columns, rows)
    if len(profile.sampled) > _MOST:
        print_line(f"{len(profile.sampled) - _MOST} more functions were seen.")
    if profile.functions:
        exact = source.counts == Counts.EXACT.value
        print_line(
            "Blocks, as often as they were executed:" if exact else "Blocks, as often as they were sampled:"
        )
        _print_functions(profile.functions[:_MOST])
    for left in profile.manifest.unrecorded:
        print_line(f"No blocks: {left.name} in {Path(left.image).name}: {left.reason}")
    for text in profile.manifest.warnings:
        print_line(f"Note: {text}")


def _print_constants(constants: Sequence[ConstantProfile]) -> None:
    read = sum(row.reads for row in constants)
    size = sum(len(row.value) for row in constants)
    print_line(
        f"Memory that stayed the same: {size:,} bytes in {len(constants):,} places, read {read:,} times."
    )
    rows = [
        (
            f"{row.address:#x}",
            Path(row.image or row.region).name or "anonymous",
            f"{len(row.value):,}",
            f"{row.reads:,}",
            row.value[:_SHOWN].hex(" ", -4) + (" …" if len(row.value) > _SHOWN else ""),
        )
        for row in constants[:_MOST]
    ]
    print_table(_CONSTANTS, rows)


def _print_values(values: Sequence[ValueProfile]) -> None:
    rows = [
        (f"{value.address:#x}", value.register, f"{value.count:,}", ", ".join(words_of(value)))
        for value in values[:_MOST]
    ]
    print_table(_VALUES, rows)


def _calls(calls: int | None) -> str:
    return "?" if calls is None else f"{calls:,}"


def _loop(row: FunctionProfile) -> str:
    if not row.loops:
        return ""
    loop = row.loops[0]
    return f"{loop.address:#x}, {loop.rounds:,.1f} rounds"


def _print_function(row: FunctionProfile) -> None:
    print_line(f"{row.name} in {row.image}: {_calls(row.calls)} calls, {row.instructions:,} instructions")
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
    if row.values:
        _print_values(row.values)
