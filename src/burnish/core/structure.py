"""The structure of an execution: loops and calls with their rounds and paths, and what depends on what.

A *region* is a loop or a function; a *visit* of it goes from its entry to its exit, in *rounds* (of a function: one).
A path is the sequence of blocks of one round, in which an inner region stands for all that it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Hazard(IntEnum):
    """What meets what. The value is the native core's."""

    RAW = 0
    """A read of what was written: the value is needed."""
    WAR = 1
    """A write over what was read: the reader must have been first."""
    WAW = 2
    """A write over what was written: the last one must stay."""


class Between(IntEnum):
    """Where in a region the two ends of a dependence lie. The value is the native core's."""

    ROUNDS = 0
    """In different rounds of one visit: the region carries it."""
    INSIDE = 1
    """In one round, and not in different calls of it."""
    OWN_TO_CALL = 2
    """In one round: from the region's own code to a function that it calls later."""
    CALL_TO_OWN = 3
    """From a function that it called to its own code, later."""
    CALL_TO_CALL = 4
    """From a call to a later call."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """All occurrences of one dependence through memory: ``source`` came first, ``sink`` later; both are numbers of
    sites. ``region`` is None where no region that was open had begun before the first. Distances are in rounds, from
    a byte's last write, or, of several reads by one site that a write is too late for, from the nearest; beyond 2^18
    they may be given too short. ``count`` counts executions of the sink, ``rounds`` the rounds of the region in which
    there was one."""

    hazard: Hazard
    between: Between
    source: int
    sink: int
    region: int | None
    least: int
    most: int
    count: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Path:
    """What one round did: numbers of blocks, ``~`` the number of a region for an inner one. ``count`` is how
    often."""

    items: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Trips:
    """How many rounds the visits of a loop had: ``(rounds, visits)``, by rounds."""

    counts: tuple[tuple[int, int], ...]

    @property
    def visits(self) -> int:
        """All visits."""
        return sum(visits for _, visits in self.counts)

    @property
    def rounds(self) -> int:
        """All rounds."""
        return sum(rounds * visits for rounds, visits in self.counts)

    @property
    def most(self) -> int:
        """The most rounds of a visit; 0 where there was none."""
        return self.counts[-1][0] if self.counts else 0

    @property
    def mean(self) -> float:
        """Rounds of a visit; 0 where there was none."""
        return self.rounds / self.visits if self.counts else 0.0

    @property
    def constant(self) -> int | None:
        """The number of rounds, where it is always the same."""
        return self.counts[0][0] if len(self.counts) == 1 else None


@dataclass(frozen=True, slots=True)
class Region:
    """A loop, or a function (``header`` is None), and what the run did in it. ``instructions`` are those of all that
    it called as well, of recursion once, and so are ``loads`` and ``stores``, accesses. ``conflicts`` counts rounds
    that read what an earlier round of the same visit had written. ``span`` is what ``instructions`` would be if
    calls of the function by itself ran beside each other. ``other_rounds`` are those whose paths are not kept."""

    number: int
    function: int
    header: int | None
    parent: int | None
    depth: int
    entered: int
    rounds: int
    instructions: int
    conflicts: int
    loads: int
    stores: int
    span: int
    recursive: bool
    trips: Trips
    paths: tuple[Path, ...]
    other_rounds: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The regions of a recording that were entered, by number, and the dependences between them. ``blocks`` counts
    blocks entered, ``gaps`` where the trace has holes, ``left_out`` accesses for which there was no memory."""

    regions: tuple[Region, ...]
    dependences: tuple[Dependence, ...]
    instructions: int
    blocks: int
    gaps: int
    left_out: int
    has_accesses: bool
