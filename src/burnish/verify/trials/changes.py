"""Small changes of inputs: a number here and there takes another value.

Values are those of drawn inputs; places are mostly those at which the code has its displacements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from burnish.runtime.batch import StateBatch, Window
from burnish.verify.pair import Side
from burnish.verify.trials.draw import FIRST_AREA
from burnish.verify.trials.shape import ARGUMENTS, VECTOR_ARGUMENTS, Shape
from burnish.verify.trials.values import Source, Words, constants, displacements, integers, raw, vectors

_CHANGES = 3
"""Changes of one state, at most."""
_POINTERS = 0.1
"""Of the changes of registers, those that are made where all arguments are pointers."""
_WORD = (1 << 64) - 1
_STACK = 1
"""The number of the window with the arguments on the stack."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What inputs are changed to: ``pool`` has values that code decides on, ``own`` those that the code at hand has in
    it, and their neighbours, ``offsets`` places at which it looks."""

    pool: Words = field(repr=False)
    own: Words = field(repr=False)
    offsets: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, sides: Sequence[Side], pool: Words) -> Changes:
        """For the code of ``sides``."""
        own = [value + step & _WORD for value in constants(sides) for step in (0, 0, 0, -1, 1)]
        return cls(pool, np.array(own or [0], np.uint64), np.array(displacements(sides), np.int64))


def changed(parents: StateBatch, shape: Shape, changes: Changes, source: Source) -> StateBatch:
    """The states with some numbers in them changed: arguments, vectors, words of memory."""
    gpr, xmm = parents.gpr.copy(), parents.xmm.copy()
    windows = list(parents.windows)
    memory = [
        number
        for number in (_STACK, *range(FIRST_AREA, FIRST_AREA + len(shape.areas)))
        if windows[number].contents.ndim == 2 and (number != _STACK or shape.stack_bytes)
    ]
    for number in memory:
        windows[number] = replace(windows[number], contents=windows[number].contents.copy())
    rows = len(parents)
    in_memory = 0.5 if memory else 0.0
    in_vectors = 0.85 if shape.uses_vectors else 1.0
    for turn in range(_CHANGES):
        chosen = np.flatnonzero(source.random(rows) < 1 / (turn + 1))
        kind = source.random(len(chosen))
        _change_memory(windows, memory, chosen[kind < in_memory], gpr, shape, changes, source)
        in_registers = chosen[(kind >= in_memory) & (kind < in_vectors)]
        _change_registers(gpr, in_registers, shape, changes, source)
        _change_vectors(xmm, chosen[kind >= in_vectors], changes, source)
    return replace(parents, gpr=gpr, xmm=xmm, windows=tuple(windows))


def _change_registers(gpr: Words, rows: Rows, shape: Shape, changes: Changes, source: Source) -> None:
    plain = [register for register in ARGUMENTS if register not in shape.registers]
    every = np.array(plain * 8 + [*shape.registers])
    chosen = every[source.integers(0, len(every), len(rows))]
    if not plain:
        some = source.random(len(rows)) < _POINTERS
        rows, chosen = rows[some], chosen[some]
    gpr[rows, chosen] = _other(gpr[rows, chosen], gpr, rows, changes, source)


def _change_vectors(xmm: Words, rows: Rows, changes: Changes, source: Source) -> None:
    if not len(rows):
        return
    register, lane = source.integers(0, VECTOR_ARGUMENTS, len(rows)), source.integers(0, 2, len(rows))
    made = vectors(source, len(rows), 1, changes.pool)[:, 0, 0]
    copied = xmm[rows, source.integers(0, VECTOR_ARGUMENTS, len(rows)), 0]
    xmm[rows, register, lane] = np.where(source.random(len(rows)) < 0.8, made, copied)


def _change_memory(
    windows: list[Window],
    memory: list[int],
    rows: Rows,
    gpr: Words,
    shape: Shape,
    changes: Changes,
    source: Source,
) -> None:
    which = source.integers(0, max(len(memory), 1), len(rows))
    for place, number in enumerate(memory):
        mine = rows[which == place]
        held = windows[number].contents
        size = held.shape[1]
        if not len(mine) or size < 8:
            continue
        lead = 0 if number == _STACK else shape.areas[number - FIRST_AREA].lead
        width = 1 << source.integers(0, 4, len(mine))
        at = _places(len(mine), size, lead, changes.offsets, source)
        after = _other(_words_at(held, mine, at), gpr, mine, changes, source)
        for k in range(8):
            written = width > k
            column = (after >> np.uint64(8 * k) & np.uint64(0xFF)).astype(np.uint8)
            held[mine[written], at[written] + k] = column[written]


def _places(
    count: int, size: int, lead: int, offsets: NDArray[np.int64], source: Source
) -> NDArray[np.int64]:
    """Where in memory of ``size`` bytes to write: mostly at an offset that the code names."""
    at = source.integers(0, size - 7, count)
    aligned = source.random(count) < 0.6
    at[aligned] &= ~3
    fitting = offsets[(offsets + lead >= 0) & (offsets + lead <= size - 8)] + lead
    if len(fitting):
        named = source.random(count) < 0.6
        at[named] = fitting[source.integers(0, len(fitting), count)][named]
    return at


def _words_at(held: NDArray[np.uint8], rows: Rows, at: NDArray[np.int64]) -> Words:
    found = np.zeros(len(rows), np.uint64)
    for k in range(8):
        found |= held[rows, at + k].astype(np.uint64) << np.uint64(8 * k)
    return found


def _other(before: Words, gpr: Words, rows: Rows, changes: Changes, source: Source) -> Words:
    """What takes the place of numbers: any that is drawn, one near, one with another bit, or an argument's."""
    count = len(before)
    kind = source.random(count)
    steps = raw(source, (count,)) % np.uint64(17) - np.uint64(8)
    flipped = before ^ np.uint64(1) << raw(source, (count,)) % np.uint64(64)
    copied = gpr[rows, np.array(ARGUMENTS)[source.integers(0, len(ARGUMENTS), count)]]
    copied = copied + source.integers(0, 2, count, np.uint64)
    told = changes.own[source.integers(0, len(changes.own), count)]
    return np.select(
        (kind < 0.35, kind < 0.7, kind < 0.8, kind < 0.9),
        (told, integers(source, (count,), changes.pool), before + steps, flipped),
        copied,
    )
