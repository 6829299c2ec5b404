"""What every importer hands on: samples, and counts of instructions and branches, at places in images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from burnish.core.errors import ProfileFileError
from burnish.core.recording import Counts


class Kind(Enum):
    """A format that can be imported. The value is the word of ``--format``."""

    PERF_SCRIPT = "perf-script"
    CALLGRIND = "callgrind"
    FDATA = "fdata"
    FOLDED = "folded"


class Place(NamedTuple):
    """A place in code. ``image`` is the path that the file gives (or a name in brackets, as perf writes them), "" where
    it gives none; ``address`` the image address, None where it is not known; ``function`` may be ""."""

    image: str
    address: int | None
    function: str


class Sample(NamedTuple):
    """``weight`` samples at the last of ``frames``, which go from the root to the leaf; None where the file does not
    say it. ``time_ns`` is of the profiler's clock."""

    process: int | None
    thread: int | None
    time_ns: int | None
    frames: tuple[Place, ...]
    weight: int


Jumps = Counter[tuple[int, int]]
"""How often each jump was made, by the image addresses of the jump and of its target."""


@dataclass(slots=True)
class ParsedRun:
    """What a file says of a run.

    ``executed``, ``jumps``, ``runs`` and ``entries`` are by image path: executions of instructions by address; jumps
    that were made; stretches of straight code that were run through, by the addresses of their first and last
    instruction; calls by the address that was called. ``untaken_known`` says that a way from block to block that is not
    among ``jumps`` was never taken, falling through included. ``notes`` are sentences on what was left out.
    """

    kind: Kind
    unit: str
    counts: Counts
    command: tuple[str, ...] = ()
    samples: list[Sample] = field(default_factory=list[Sample])
    executed: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    jumps: dict[str, Jumps] = field(default_factory=dict[str, Jumps])
    runs: dict[str, Jumps] = field(default_factory=dict[str, Jumps])
    entries: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    jumps_collected: bool = False
    notes: list[str] = field(default_factory=list[str])

    def counted(self) -> set[str]:
        """The images that have counts."""
        return {*self.executed, *self.jumps, *self.runs, *self.entries}


def malformed(file: str, line: int, what: str, text: str = "") -> ProfileFileError:
    """The error for a line that cannot be read: ``what`` is wrong with it, ``text`` is shown."""
    shown = text.strip()
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    found = f": {shown!r}" if shown else ""
    return ProfileFileError(f"{file} cannot be imported: line {line} {what}{found}.")
