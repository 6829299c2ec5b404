"""The inputs of a function's tests, and what the function makes of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from burnish.core.pcode import Space
from burnish.core.specification import Specification
from burnish.machine.registers import FS_OFFSET, VECTOR_BASE
from burnish.runtime.batch import BatchResult, StateBatch, Status, Window
from burnish.verify.pair import Side
from burnish.verify.trials.arena import Arena
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.conditions import all_that_hold
from burnish.verify.trials.draw import concatenate, draw, interleave, select, with_garbage
from burnish.verify.trials.outcome import Flags, View, differing
from burnish.verify.trials.shape import ARGUMENTS, Area, Shape
from burnish.verify.trials.values import Words

_STAGES = (4, 32, 256)
"""The first rows of the tests are run by themselves: most wrong code differs there."""
_STAGE = 2048
"""Rows of further stages: their results stay in the processor's cache until they are compared."""
_ATTEMPTS = 8
_LEAST_WILD = 0.1
_CALLER = 32
"""Bytes of the caller's frame above the arguments on the stack, which nobody may change."""


def take(result: BatchResult, chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> BatchResult:
    """The results of the states with these numbers."""
    return BatchResult(
        result.gpr[chosen],
        result.xmm[chosen],
        result.flags[chosen],
        result.mxcsr[chosen],
        tuple(held[chosen] for held in result.windows),
        result.status[chosen],
        result.number[chosen],
        result.address[chosen],
        result.rip[chosen],
    )


def first_shape(side: Side, specification: Specification, arena: Arena) -> Shape:
    """The memory that is known before anything has run: that of the variables that the function names."""
    areas = tuple(
        Area(arena.addresses[thing.name] + max(thing.size, 1), max(thing.size, 1), name=thing.name)
        for thing in arena.writable
    )
    read = {
        node.offset
        for block in side.function.blocks
        for operation in block.operations
        for node in operation.inputs
        if node.space is Space.REGISTER
    }
    above = -(-specification.stack_bytes // 16) * 16 + _CALLER
    return Shape(
        areas,
        above=above,
        stack_bytes=specification.stack_bytes,
        uses_fs=FS_OFFSET in read,
        uses_vectors=any(offset >= VECTOR_BASE for offset in read),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """Runs an original on states of a shape; ``constants`` are the windows that are the same for all of them."""

    code: bytes
    shape: Shape
    constants: tuple[Window, ...]
    bench: Bench
    specification: Specification

    def whole(self, states: StateBatch) -> StateBatch:
        """The states with all that they need to run."""
        return replace(states, windows=(*states.windows, *self.constants))

    def run(self, states: StateBatch) -> BatchResult:
        """What it makes of them."""
        return self.bench.run(self.code, self.whole(states))

    def returns(self, states: StateBatch) -> Flags:
        """True for the states that meet the conditions at entry and on which it returns."""
        finished = self.run(states).status == Status.FINISHED
        return finished & all_that_hold(self.specification, states)


@dataclass(frozen=True, slots=True, eq=False)
class Tests:
    """Inputs in pairs, and what the original makes of them; ``void`` says how many told nothing."""

    states: StateBatch
    result: BatchResult
    void: int


def draw_inputs(
    runner: Runner, source: np.random.Generator, pool: Words, count: int, deadline: float
) -> tuple[StateBatch | None, int]:
    """States on which the original returns, if there are any, and how many were drawn in vain."""
    kept: list[StateBatch] = []
    good = void = 0
    wild = 0.5
    while True:
        batch = draw(runner.shape, count, source, pool, wild=wild)
        if kept and good < count // 2:
            _take_over(batch, kept, source)
        useful = runner.returns(batch)
        finished = np.flatnonzero(useful)
        void += count - len(finished)
        kept.append(select(batch, finished[: count - good]))
        good += len(kept[-1])
        if good >= count or len(kept) == _ATTEMPTS or time.monotonic() > deadline:
            break
        wild = max(_LEAST_WILD, float(useful[count // 2 :].mean()) * wild)
    return concatenate(kept) if good else None, void


def in_pairs(runner: Runner, first: StateBatch, source: np.random.Generator) -> Tests | int:
    """Tests of inputs on which the original returns; where all are void, how many."""
    states = interleave(first, with_garbage(first, source))
    result = runner.run(states)
    view = View.of(runner.specification, states, runner.shape.rsp, runner.shape.below, floats=True)
    even, odd = (take(result, np.arange(start, len(states), 2)) for start in (0, 1))
    dependent = differing(view, even, odd, results_only=True) | (even.status != Status.FINISHED)
    void = int(dependent.sum())
    pairs = source.permutation(np.flatnonzero(~dependent))
    if not len(pairs):
        return void
    rows = np.stack((2 * pairs, 2 * pairs + 1), axis=1).reshape(-1)
    return Tests(select(states, rows), take(result, rows), void)


def _take_over(batch: StateBatch, kept: Sequence[StateBatch], source: np.random.Generator) -> None:
    """Where few inputs come to their return, most arguments of most states are those of some that did."""
    good = np.concatenate([states.gpr for states in kept])
    rows = len(batch)
    if not len(good):
        return
    models = good[source.integers(0, len(good), rows)]
    follows = source.random(rows) < 0.8
    for register in ARGUMENTS:
        chosen = follows & (source.random(rows) < 0.85)
        batch.gpr[chosen, register] = models[chosen, register]


def cut(tests: Tests) -> list[tuple[StateBatch, BatchResult]]:
    """The tests in stages, a few first."""
    states, result = tests.states, tests.result
    starts = (*_STAGES, *range(_STAGES[-1] + _STAGE, len(states), _STAGE))
    edges = [0, *(edge for edge in starts if edge < len(states)), len(states)]
    stages: list[tuple[StateBatch, BatchResult]] = []
    for start, end in pairwise(edges):
        chosen = np.arange(start, end)
        stages.append((select(states, chosen), take(result, chosen)))
    return stages
