"""An original that was run once on many inputs, and against which rewrites are tested."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from signal import SIGSEGV

import numpy as np

from burnish.core.pcode import Space
from burnish.core.specification import Specification
from burnish.core.verdict import Counterexample
from burnish.machine.registers import FS_OFFSET, VECTOR_BASE
from burnish.runtime.batch import BatchResult, StateBatch, Status, Window
from burnish.verify.pair import Side
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.discovery import discover
from burnish.verify.trials.draw import concatenate, draw, interleave, select, with_garbage
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.native import CannotRunError, transplant
from burnish.verify.trials.outcome import View, computes_with_floats, differing, first_difference
from burnish.verify.trials.shape import ARGUMENTS, Area, Shape
from burnish.verify.trials.values import Words, pool_of

_STAGES = (4, 32, 256)
"""The first rows of the tests are run by themselves: most wrong code differs there."""
_ATTEMPTS = 8
_DISCOVERY_S = 0.5
_DEEPEST_STACK = 1 << 20
_MOST_BYTES = 64 << 20
_CALLER = 32
"""Bytes of the caller's frame above the arguments on the stack, which nobody may change."""


@dataclass(frozen=True, slots=True)
class Trials:
    """``tested`` inputs on which both did the same; ``void`` ones that tell nothing, since the original does not
    return or its results depend on what was left in registers and on the stack. ``reason`` says why there are no
    tests where there are none, as a phrase."""

    tested: int = 0
    void: int = 0
    counterexample: Counterexample | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedOriginal:
    """Inputs for a function, and what it makes of them. Rows ``2k`` and ``2k + 1`` of ``states`` are one input with
    different contents of what is no argument."""

    side: Side
    specification: Specification
    arena: Arena
    shape: Shape
    stages: tuple[tuple[StateBatch, BatchResult], ...] = field(repr=False)
    constants: tuple[Window, ...] = field(repr=False)
    void: int
    seed: int
    floats: bool

    @property
    def tests(self) -> int:
        """Inputs."""
        return sum(len(states) for states, _ in self.stages) // 2

    @classmethod
    def prepare(
        cls,
        side: Side,
        specification: Specification,
        bench: Bench,
        *,
        count: int = 512,
        seed: int = 0,
        seconds: float = 2.0,
        rewrites: Sequence[Side] = (),
    ) -> PreparedOriginal:
        """Finds memory and ``count`` inputs for ``side``, in about ``seconds``. Constants in the code of ``rewrites``
        are among the values that are tried. Raises ``CannotRunError``."""
        deadline = time.monotonic() + seconds
        arena = Arena().with_objects(objects_of(side))
        code = transplant(side, arena).data
        source = np.random.default_rng(seed)
        pool = pool_of([side, *rewrites])
        constants = tuple(arena.constant_windows())
        first = _first_shape(side, specification, arena)
        shape = discover(code, first, constants, bench, source, pool, min(_DISCOVERY_S, seconds))
        count = max(1, min(count, _MOST_BYTES // (4 * shape.size)))
        states, result, void = _draw_tests(
            code, shape, constants, bench, source, pool, specification, count, deadline
        )
        stages = tuple(_cut(states, result))
        return cls(
            side, specification, arena, shape, stages, constants, void, seed, computes_with_floats(side)
        )

    def test(self, rewrite: Side, bench: Bench) -> Trials:
        """Runs a rewrite on the inputs, until it differs."""
        if not self.stages:
            return Trials(0, self.void, None, "the original does not return on any input that was tried")
        arena = self.arena.with_objects(objects_of(rewrite))
        try:
            code = transplant(rewrite, arena).data
        except CannotRunError as error:
            return Trials(0, self.void, None, f"the rewrite cannot be run by itself: {error}")
        tester = _Tester(self, arena, code, bench)
        tested = 0
        for states, expected in self.stages:
            found = tester.run(states, expected)
            if found is not None:
                return Trials(tested // 2, self.void, found)
            tested += len(states)
        return Trials(tested // 2, self.void)


class _Tester:
    """Runs one rewrite."""

    def __init__(self, original: PreparedOriginal, arena: Arena, code: bytes, bench: Bench) -> None:
        self._original = original
        self._arena = arena
        self._code = code
        self._bench = bench
        self._below = original.shape.below
        added = arena.writable[len(original.arena.writable) :]
        self._added = [
            Window(arena.addresses[thing.name], np.arange(1, max(thing.size, 1) + 1).astype(np.uint8))
            for thing in added
        ]
        self._constants = (*original.constants, *arena.constant_windows(original.arena))

    def run(self, states: StateBatch, expected: BatchResult) -> Counterexample | None:
        """What differs on one of the states, or None."""
        while True:
            batch = self._batch(states)
            result = self._bench.run(self._code, batch)
            deeper = self._deeper(result)
            if not deeper:
                break
            self._below = deeper
        view = View.of(
            self._original.specification,
            batch,
            self._original.shape.rsp,
            self._below,
            floats=self._original.floats,
        )
        suspects = differing(view, expected, result)
        known = len(expected.windows)
        if self._original.specification.memory:
            for window, after in zip(self._added, result.windows[known:], strict=True):
                suspects |= (after != window.contents).any(axis=1)
        for row in np.flatnonzero(suspects).tolist():
            sentence = self._judge(view, batch, expected, result, row)
            if sentence:
                given = GivenInput.of_row(batch, row, self._arena.addresses, "a drawn input")
                side = self._original.side
                return given.counterexample(
                    side.name, side.function.address, (sentence,), self._original.seed
                )
        return None

    def _batch(self, states: StateBatch) -> StateBatch:
        windows = (*states.windows, *self._added, *self._constants)
        if self._below != self._original.shape.below:
            old = states.windows[0]
            more = np.full((len(states), self._below - old.size), 0x5A, np.uint8)
            dead = Window(old.end - self._below, np.concatenate((more, old.contents), axis=1), observed=False)
            windows = (dead, *windows[1:])
        return replace(states, windows=windows)

    def _deeper(self, result: BatchResult) -> int:
        """How much stack the rewrite wants below the stack pointer, where that is more than it has; else 0."""
        low = self._original.shape.rsp - self._below
        faults = result.address[(result.status == Status.FAULTED) & (result.number == SIGSEGV)]
        near = faults[(faults < low) & (faults >= low - _DEEPEST_STACK)]
        if not len(near) or self._below >= _DEEPEST_STACK:
            return 0
        return min(_DEEPEST_STACK, -(-2 * int(self._original.shape.rsp - near.min()) // 64) * 64)

    def _judge(
        self, view: View, batch: StateBatch, expected: BatchResult, result: BatchResult, row: int
    ) -> str:
        """A sentence on what differs in a row; empty where nothing does that counts."""
        if result.status[row] == Status.TIMED_OUT:
            chosen = np.array([row])
            again = self._bench.run(self._code, select(batch, chosen), patiently=True)
            return first_difference(view, take(expected, chosen), again, 0)
        sentence = first_difference(view, expected, result, row)
        if sentence or result.status[row] != Status.FINISHED or not self._original.specification.memory:
            return sentence
        known = len(expected.windows)
        for window, after in zip(self._added, result.windows[known:], strict=True):
            if (after[row] != window.contents).any():
                return f"The rewrite writes to memory at {window.address:#x} that the original does not refer to."
        return ""


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


def _first_shape(side: Side, specification: Specification, arena: Arena) -> Shape:
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


def _draw_tests(
    code: bytes,
    shape: Shape,
    constants: tuple[Window, ...],
    bench: Bench,
    source: np.random.Generator,
    pool: Words,
    specification: Specification,
    count: int,
    deadline: float,
) -> tuple[StateBatch | None, BatchResult | None, int]:
    """States in pairs, what the original makes of them, and the number of void inputs."""
    kept: list[StateBatch] = []
    good = void = 0
    for _ in range(_ATTEMPTS):
        batch = draw(shape, count, source, pool)
        if kept and good < count // 2:
            _take_over(shape, batch, kept, source)
        result = bench.run(code, replace(batch, windows=(*batch.windows, *constants)))
        finished = np.flatnonzero(result.status == Status.FINISHED)
        void += count - len(finished)
        kept.append(select(batch, finished[: count - good]))
        good += len(kept[-1])
        if good >= count or time.monotonic() > deadline:
            break
    kept = [states for states in kept if len(states)]
    if not good:
        return None, None, void
    first = concatenate(kept)
    states = interleave(first, with_garbage(first, source))
    result = bench.run(code, replace(states, windows=(*states.windows, *constants)))
    view = View.of(specification, states, shape.rsp, shape.below, floats=True)
    even, odd = (take(result, np.arange(start, len(states), 2)) for start in (0, 1))
    dependent = differing(view, even, odd, results_only=True) | (even.status != Status.FINISHED)
    void += int(dependent.sum())
    pairs = np.flatnonzero(~dependent)
    if not len(pairs):
        return None, None, void
    rows = np.stack((2 * pairs, 2 * pairs + 1), axis=1).reshape(-1)
    return select(states, rows), take(result, rows), void


def _take_over(
    shape: Shape, batch: StateBatch, kept: Sequence[StateBatch], source: np.random.Generator
) -> None:
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


def _cut(states: StateBatch | None, result: BatchResult | None) -> list[tuple[StateBatch, BatchResult]]:
    if states is None or result is None:
        return []
    edges = [0, *(edge for edge in _STAGES if edge < len(states)), len(states)]
    stages: list[tuple[StateBatch, BatchResult]] = []
    for start, end in pairwise(edges):
        chosen = np.arange(start, end)
        stages.append((select(states, chosen), take(result, chosen)))
    return stages
