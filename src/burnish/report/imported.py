"""What ``import`` did, as text."""

from __future__ import annotations

from burnish.core.recording import Counts
from burnish.pipeline.importing import ImportResult
from burnish.report.tables import print_line

_SHOWN = 5


def print_imported(result: ImportResult, *, json: bool) -> None:
    """Print what was imported, or its JSON document."""
    if json:
        print(result.to_json())
        return
    stacks = f", {result.stacks:,} different stacks" if result.stacks else ""
    print_line(
        f"{result.path}: {result.samples:,} {result.unit}{stacks}, from {result.file} ({result.format})."
    )
    match result.counts:
        case Counts.EXACT.value:
            print_line(f"Counts of {result.blocks:,} blocks of {result.counted} functions, of the whole run.")
        case Counts.SAMPLED.value:
            print_line(
                f"Counts of {result.blocks:,} blocks of {result.counted} functions, as far as they were sampled."
            )
        case _:
            pass
    for row in result.unrecorded[:_SHOWN]:
        print_line(f"No blocks: {row.name}: {row.reason}.")
    if len(result.unrecorded) > _SHOWN:
        print_line(f"No blocks: {len(result.unrecorded) - _SHOWN} more functions.")
    for note in result.notes:
        print_line(f"Note: {note}")
