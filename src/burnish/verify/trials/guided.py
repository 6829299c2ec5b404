"""Inputs that lead where none has led yet: what got furthest is changed a little, again and again.

Each change is small, and what gets to a new block is changed further, so that conditions that hang together are met one
after the other. An input that gets to a new block and faults there is given the memory that it lacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from burnish.runtime.batch import Placement, StateBatch
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.changes import Changes, changed
from burnish.verify.trials.coverage import Found, Reach
from burnish.verify.trials.draw import FIRST_AREA, concatenate, select
from burnish.verify.trials.drawn import Runner
from burnish.verify.trials.growth import Grown, fault_of, fitted, grown, lengthened, pointed
from burnish.verify.trials.native import NativeCode
from burnish.verify.trials.shape import Shape
from burnish.verify.trials.values import Source

_ROWS = 256
"""States of one round."""
_QUIET = 40
"""Rounds without news after which no more is looked for."""
_SEEDS = 512
"""States that are changed, at most, beside those that got somewhere."""
_STEPS = 12
"""Times that one input is given more memory."""
_GROWN = 4
"""Of the states that fault in a new block, those that are given memory in a round."""


@dataclass(slots=True, eq=False)
class Subject:
    """A function that is to be reached further into. ``runner`` runs the original; ``whole`` gives states the windows
    that the function needs (None: those of the original). ``widen`` makes a runner for a shape with more memory (None:
    there is none)."""

    native: NativeCode
    reach: Reach
    placement: Placement
    runner: Runner
    whole: Callable[[StateBatch], StateBatch] | None = None
    widen: Callable[[Shape], Runner] | None = None


@dataclass(slots=True, eq=False)
class Guide:
    """Looks for inputs. ``found`` are those that got somewhere first and on which the original returns, ``fresh`` these
    and others."""

    subject: Subject
    changes: Changes
    bench: Bench
    source: Source
    found: list[StateBatch] = field(default_factory=list[StateBatch])
    fresh: list[StateBatch] = field(default_factory=list[StateBatch])
    _old: list[StateBatch] = field(default_factory=list[StateBatch])

    @property
    def runner(self) -> Runner:
        """Runs the original on the states as they are now."""
        return self.subject.runner

    def look(self, seeds: StateBatch, deadline: float) -> None:
        """Changes ``seeds``, and what comes of them, until nothing is missing, or ``deadline`` (``time.monotonic``)."""
        self.subject.reach.deadline = deadline
        self._old = [select(seeds, self.source.permutation(len(seeds))[:_SEEDS])]
        quiet, news = 0, self.watch(seeds)
        while self.subject.reach.missing and quiet < _QUIET and time.monotonic() < deadline:
            states = changed(self._parents(), self.runner.shape, self.changes, self.source)
            news = self.watch(states)
            quiet = 0 if news else quiet + 1
        self._look_around()

    def _look_around(self) -> None:
        """Where one input leads, others should, with other numbers."""
        if not self.found:
            return
        firsts = [concatenate(self.found), concatenate(self.found[-4:])]
        chosen = [select(states, self.source.integers(0, len(states), _ROWS // 2)) for states in firsts]
        states = changed(concatenate(chosen), self.runner.shape, self.changes, self.source)
        good = np.flatnonzero(self.runner.returns(states))
        if len(good):
            self.found.append(select(states, good))

    def watch(self, states: StateBatch) -> bool:
        """Notes what states reach. True if any was the first somewhere."""
        got = self._watched(states)
        if len(got.tests):
            self.found.append(select(states, got.tests))
        both = np.concatenate((got.tests, got.others))
        if len(both):
            self.fresh.append(select(states, both))
        for row in got.others[:_GROWN].tolist():
            self._grow(select(states, np.array([row])))
        return bool(len(both))

    def _watched(self, states: StateBatch) -> Found:
        subject = self.subject
        whole = (subject.whole or self.runner.whole)(states)
        return subject.reach.watch(
            subject.native,
            whole,
            self.bench,
            subject.placement,
            lambda rows: self.runner.returns(select(states, rows)),
        )

    def _parents(self) -> StateBatch:
        """Half of them got somewhere first, the last ones most often; half are any."""
        old = self._old[0]
        parts = [(old, _ROWS // 2 if self.fresh else _ROWS)]
        if self.fresh:
            parts += [(concatenate(self.fresh[-4:]), _ROWS // 4), (concatenate(self.fresh), _ROWS // 4)]
        return concatenate(
            [select(states, self.source.integers(0, len(states), rows)) for states, rows in parts]
        )

    def _grow(self, state: StateBatch) -> None:
        """Gives an input that faults the memory that it lacks, as long as it gets further then."""
        # The layout may have grown since.
        if self.subject.widen is None or not _has_layout(state, self.runner.shape):
            return
        for turn in range(_STEPS):
            further = self._one_step(state)
            if further is None:
                if turn:
                    self.watch(state)
                return
            state = further

    def _one_step(self, state: StateBatch) -> StateBatch | None:
        """The input with more memory, which all others get, too; None where that leads no further."""
        result = self.runner.run(state)
        fault = fault_of(int(result.status[0]), int(result.number[0]), int(result.address[0]))
        if fault is None:
            return None
        shape = self.runner.shape
        longer = lengthened(shape, fault)
        if longer is not None:
            return self._refitted(longer, state)
        assert self.subject.widen is not None
        more = grown(shape, state, fault, self.source, self.changes.pool)
        chosen = None if more is None else self._furthest(more, self.subject.widen(more.shape), fault)
        if more is None or chosen is None:
            return None
        self._refitted(more.with_pointer(chosen), state)
        for held in (self._old, self.fresh):
            word = more.words[chosen]
            held[:] = [pointed(states, self.runner.shape, word, self.source) for states in held]
        return select(more.states, np.array([chosen]))

    def _refitted(self, wider: Shape, state: StateBatch) -> StateBatch:
        """All states, and the one given, in another layout."""
        shape, pool = self.runner.shape, self.changes.pool
        assert self.subject.widen is not None
        self.subject.runner = self.subject.widen(wider)
        for held in (self._old, self.found, self.fresh):
            held[:] = [fitted(states, shape, wider, self.source, pool) for states in held]
        return fitted(state, shape, wider, self.source, pool)

    def _furthest(self, more: Grown, runner: Runner, fault: int) -> int | None:
        """The number of the copy that returns, or at least faults elsewhere, behind a block that is new."""
        subject = self.subject
        hits = subject.reach.hits(subject.native, runner.whole(more.states), self.bench, subject.placement)
        rows = np.array(sorted(hits), np.intp)
        if not len(rows):
            return None
        states = select(more.states, rows)
        good = np.flatnonzero(runner.returns(states))
        if len(good):
            return int(rows[good[0]])
        elsewhere = np.flatnonzero(runner.run(states).address != fault)
        return int(rows[elsewhere[0]]) if len(elsewhere) else None


def _has_layout(states: StateBatch, shape: Shape) -> bool:
    starts = [window.address for window in states.windows[FIRST_AREA:]]
    return starts[: len(shape.areas)] == [area.start for area in shape.areas]
