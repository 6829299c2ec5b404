"""Folded stacks: ``main;work;classify 42``, a line a stack, as flamegraph.pl and its like read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from burnish.core.recording import Counts
from burnish.record.imports.parsed import Kind, ParsedRun, Place, Sample, malformed


def read_folded(lines: Iterable[tuple[int, str]], file: str) -> ParsedRun:
    """Read numbered lines. Stacks that occur more than once are added up. Raises ``ProfileFileError``."""
    found: Counter[str] = Counter()
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        stack, _, count = text.rpartition(" ")
        if not stack or not (count.isascii() and count.isdigit()):
            raise malformed(file, number, "is no stack with a whole number behind it", text)
        found[stack.rstrip()] += int(count)
    run = ParsedRun(Kind.FOLDED, "samples", Counts.NONE)
    for stack, count in found.items():
        frames = tuple(Place("", None, name) for name in stack.split(";"))
        run.samples.append(Sample(None, None, None, frames, count))
    return run
