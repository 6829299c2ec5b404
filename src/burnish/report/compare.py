"""Two recordings side by side, as text."""

from __future__ import annotations

from pathlib import Path

from burnish.pipeline.compare import Change, FunctionChange, Presence, RecordingDiff
from burnish.report.tables import Column, print_line, print_table

_COUNTS = (Column("first", right=True), Column("second", right=True), Column("ratio", right=True))
_FUNCTIONS = (
    Column("function"),
    Column("file"),
    Column("calls: first", right=True),
    *_COUNTS[1:],
    Column("instructions: first", right=True),
    *_COUNTS[1:],
    Column(""),
)
_BLOCKS = (Column("block", right=True), Column("entered: first", right=True), *_COUNTS[1:])
_LOOPS = (
    Column("loop", right=True),
    Column("entered: first", right=True),
    *_COUNTS[1:],
    Column("rounds each time: first", right=True),
    Column("second", right=True),
)
_MOST = 20


def print_diff(found: RecordingDiff, function: FunctionChange | None) -> None:
    """Print the functions of both recordings; or with ``function`` its blocks and loops."""
    print_line(f"first:  {found.first}: {' '.join(found.first_command)}")
    print_line(f"second: {found.second}: {' '.join(found.second_command)}")
    if function is not None:
        _print_function(function)
        return
    for path in found.rebuilt:
        print_line(f"{path} is another file in the second; its functions are matched by name.")
    rows = [
        (
            row.name,
            Path(row.image).name,
            *_words(row.calls),
            *_words(row.instructions),
            "" if row.presence is Presence.SAME else row.presence.value,
        )
        for row in found.functions
    ]
    print_table(_FUNCTIONS, rows)


def _print_function(row: FunctionChange) -> None:
    calls, instructions = _words(row.calls), _words(row.instructions)
    print_line(f"{row.name} in {row.image}: {row.presence.value}")
    print_table((Column(""), *_COUNTS), [("calls", *calls), ("instructions", *instructions)])
    if row.presence is not Presence.SAME:
        return
    print_table(_BLOCKS, [(f"{b.address:#x}", *_words(b.entered)) for b in row.blocks[:_MOST]])
    if len(row.blocks) > _MOST:
        print_line(f"{len(row.blocks) - _MOST} more blocks changed less.")
    if row.loops:
        loops = [
            (
                f"{loop.address:#x}",
                *_words(loop.entered),
                _rounds(loop.first_rounds),
                _rounds(loop.second_rounds),
            )
            for loop in row.loops[:_MOST]
        ]
        print_table(_LOOPS, loops)


def _words(change: Change) -> tuple[str, str, str]:
    ratio = "–" if change.ratio is None else f"{change.ratio:,.3f}×"
    return (_count(change.first), _count(change.second), ratio)


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _rounds(rounds: float | None) -> str:
    return "–" if rounds is None else f"{rounds:,.1f}"
