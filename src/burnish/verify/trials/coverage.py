"""Which blocks of a function inputs reach, at the speed of the processor.

A trap stands at the start of every block that no input has reached yet. An execution that meets one was the first
there: the trap goes, and it runs again, further. Blocks that were reached cost nothing more. Source: Nagy and Hicks,
"Full-speed Fuzzing: Reducing Fuzzing Overhead through Coverage-guided Tracing" (2019).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from signal import SIGTRAP

import numpy as np
from numpy.typing import NDArray

from burnish.runtime.batch import Placement, StateBatch, Status
from burnish.verify.pair import Pair, Side
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.draw import select
from burnish.verify.trials.native import NativeCode

_TRAP = 0xCC
_MOST_TESTS = 4
"""States that are tests, of those that get to one block first at one time."""
_MOST_UNSURE = 6
"""States that get to a block and count for nothing, that are kept to be changed further, for each block."""

Accepts = Callable[[NDArray[np.intp]], NDArray[np.bool_]]
"""Of states, by their numbers, those that are tests."""


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of states that were the first somewhere: ``tests`` count, ``others`` are worth a change."""

    tests: NDArray[np.intp]
    others: NDArray[np.intp]


def _first(
    hits: dict[int, set[int]], rows: NDArray[np.intp], known: Counter[int], most: int
) -> NDArray[np.intp]:
    """Of the states with these numbers, those that are among the first ``most`` in some block."""
    found: list[int] = []
    for row in rows.tolist():
        if any(known[block] < most for block in hits[row]):
            known.update(hits[row])
            found.append(row)
    return np.array(found, np.intp)


@dataclass(slots=True)
class Reach:
    """What inputs reached of one function: image addresses at which blocks begin."""

    blocks: frozenset[int]
    reached: set[int] = field(default_factory=set[int])
    deadline: float = float("inf")
    """Until when (``time.monotonic``) it is watched: what is reached later counts for nothing."""
    _unsure: Counter[int] = field(default_factory=Counter[int])

    @classmethod
    def of(cls, side: Side) -> Reach:
        """Of a function that has not run. Blocks that begin inside an instruction count as their instruction's."""
        return cls(frozenset(block.label.address for block in side.function.blocks))

    @property
    def missing(self) -> frozenset[int]:
        """Blocks that no input has reached."""
        return self.blocks - self.reached

    @property
    def counts(self) -> tuple[int, int]:
        """How many blocks were reached, and how many there are."""
        return len(self.reached), len(self.blocks)

    def watch(
        self, native: NativeCode, states: StateBatch, bench: Bench, placement: Placement, accepts: Accepts
    ) -> Found:
        """Runs ``states``, whole, on the code of the function. What those reach that are accepted counts."""
        hits = self.hits(native, states, bench, placement)
        rows = np.array(sorted(hits), np.intp)
        good = accepts(rows) if len(rows) else np.zeros(0, np.bool_)
        tests = _first(hits, rows[good], Counter(), _MOST_TESTS)
        others = _first(hits, rows[~good], self._unsure, _MOST_UNSURE)
        for row in rows[good].tolist():
            self.reached |= hits[row]
        return Found(tests, others)

    def hits(
        self, native: NativeCode, states: StateBatch, bench: Bench, placement: Placement
    ) -> dict[int, set[int]]:
        """For the states that get to missing blocks, which: of those that get to one at the same time, all."""
        places = {at: block for block in self.missing if (at := native.native_address(block)) is not None}
        hits: dict[int, set[int]] = {}
        left = np.arange(len(states))
        while len(left) and places and time.monotonic() < self.deadline:
            code = bytearray(native.data)
            for at in places:
                code[at - native.address] = _TRAP
            result = bench.run(bytes(code), select(states, left), placement)
            stopped = (result.status == Status.FAULTED) & (result.number == SIGTRAP)
            met = {int(row): int(result.rip[row]) - 1 for row in np.flatnonzero(stopped)}
            met = {row: at for row, at in met.items() if at in places}
            for row, at in met.items():
                hits.setdefault(int(left[row]), set()).add(places[at])
            for at in set(met.values()):
                del places[at]
            left = left[sorted(met)]
        return hits


@dataclass(frozen=True, slots=True)
class Reaches:
    """What inputs reached of both sides of a pair."""

    original: Reach
    rewrite: Reach

    @classmethod
    def of(cls, pair: Pair) -> Reaches:
        """Of a pair that has not run."""
        return cls(Reach.of(pair.original), Reach.of(pair.rewrite))

    def until(self, deadline: float) -> None:
        """They are watched until then (``time.monotonic``)."""
        self.original.deadline = self.rewrite.deadline = deadline

    @property
    def counts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """As ``Reach.counts``, of the original and of the rewrite."""
        return self.original.counts, self.rewrite.counts
