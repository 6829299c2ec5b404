"""The format ``folded``: ``main;work;classify 42``, a line a stack, for flamegraph.pl and its like."""

from __future__ import annotations

from pathlib import Path

from burnish.record.stacks import stacks
from burnish.record.store import Recording

MOST_LINES = 50_000


def write_folded(recording: Recording, path: Path) -> tuple[str, ...]:
    """Write the stacks of a recording with their weights; returns what was left out, in sentences. Raises
    ``RecordingError`` where there is nothing."""
    found = stacks(recording, MOST_LINES)
    lines: dict[str, int] = {}
    for stack, weight in found.weights.items():
        line = ";".join(_plain(frame.name) for frame in stack)
        lines[line] = lines.get(line, 0) + weight
    with path.open("w") as file:
        for line, weight in sorted(lines.items()):
            file.write(f"{line} {weight}\n")
    return found.notes


def _plain(name: str) -> str:
    """A name without what separates frames and lines."""
    return " ".join(name.replace(";", ":").split())
