"""Draws machine states at random for a shape: registers, and memory with pointers in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from burnish.core.image import Access
from burnish.core.state import FLAGS_MASK
from burnish.runtime.batch import StateBatch, Window
from burnish.verify.trials.shape import (
    ARGUMENTS,
    DIRECTION,
    FS_BASE,
    FS_SIZE,
    NOWHERE,
    RSP,
    VECTOR_ARGUMENTS,
    Area,
    Shape,
    area_probes,
    register_probe,
    stack_probe,
)
from burnish.verify.trials.stubs import LEDGER, LEDGER_SIZE, LITTER, LITTER_SIZE
from burnish.verify.trials.values import Octets, Source, Words, contents, integers, raw, small, vectors

FIRST_AREA = 2
"""Windows of a batch: the dead stack, the live stack, the areas in order, thread-local memory if there is any."""
_ALIASED = 0.08
"""Of the pointers in memory, those that lead to what another pointer leads to, or close to it."""
_PROBED = 0.7
"""Of the words in memory that holds probes: among them are counts, which had better be small."""
_DEEP = 4096
"""A stack deeper than that holds the same below the stack pointer in all states."""
_HUGE = 1 << 16
"""Objects beyond that size have the same contents in all states."""


def draw(
    shape: Shape, rows: int, source: Source, pool: Words, *, probing: float = 0.0, wild: float = 0.5
) -> StateBatch:
    """``rows`` states. A part ``probing`` of the words that are not known to be pointers hold probes. A part ``wild``
    of the states, the last ones, have numbers of all sizes; the others have small ones."""
    calm = rows - round(wild * rows)
    gpr = raw(source, (rows, 16))
    gpr[:, RSP] = shape.rsp
    gpr[:, ARGUMENTS] = _arguments(shape, rows, source, pool, probing, calm)
    memory = [_area(shape, number, rows, source, pool, probing, calm) for number in range(len(shape.areas))]
    _make_alike(shape, memory, rows, source)
    for area, held in zip(shape.areas, memory, strict=True):
        _fill_slots(shape, area, held, source, 0.0 if probing else _ALIASED)
    live = _live_stack(shape, rows, source, pool, probing, calm)
    dead = np.zeros((rows, shape.below) if shape.below <= _DEEP else shape.below, np.uint8)
    windows = [Window(shape.rsp - shape.below, dead, observed=False), Window(shape.rsp, live)]
    for area, held in zip(shape.areas, memory, strict=True):
        windows.append(Window(area.start, held))
    if shape.uses_fs:
        local = source.integers(0, 256, 2 * FS_SIZE, np.uint8)
        local[FS_SIZE : FS_SIZE + 8] = np.array([FS_BASE], np.uint64).view(np.uint8)
        windows.append(Window(FS_BASE - FS_SIZE, local))
    if shape.calls:
        windows.append(Window(LITTER, np.zeros((rows, LITTER_SIZE), np.uint8), observed=False))
        windows.append(Window(LEDGER, np.zeros(LEDGER_SIZE, np.uint8)))
    xmm = raw(source, (rows, 16, 2))
    if shape.uses_vectors:
        xmm[:, :VECTOR_ARGUMENTS] = vectors(source, rows, VECTOR_ARGUMENTS, pool)
    fs_base = FS_BASE if shape.uses_fs else 0
    batch = StateBatch(gpr, xmm, np.zeros(rows, np.uint64), tuple(windows), fs_base=fs_base)
    return with_garbage(batch, source)


def with_garbage(batch: StateBatch, source: Source) -> StateBatch:
    """The same inputs with other contents of what is no argument: other registers, flags, the stack below, and what
    calls leave behind."""
    rows = len(batch)
    gpr, xmm = batch.gpr.copy(), batch.xmm.copy()
    others = [number for number in range(16) if number not in ARGUMENTS and number != RSP]
    gpr[:, others] = raw(source, (rows, len(others)))
    xmm[:, VECTOR_ARGUMENTS:] = raw(source, (rows, 16 - VECTOR_ARGUMENTS, 2))
    flags = raw(source, (rows,)) & np.uint64(FLAGS_MASK & ~DIRECTION)
    windows = tuple(
        window if window.observed or Access.WRITE not in window.access else _littered(window, source)
        for window in batch.windows
    )
    return replace(batch, gpr=gpr, xmm=xmm, flags=flags, windows=windows)


def _littered(window: Window, source: Source) -> Window:
    shape = window.contents.shape
    words = raw(source, (*shape[:-1], shape[-1] // 8))
    return replace(window, contents=words.view(np.uint8))


def select(batch: StateBatch, chosen: NDArray[np.intp]) -> StateBatch:
    """The states with these numbers."""
    return replace(
        batch,
        gpr=batch.gpr[chosen],
        xmm=batch.xmm[chosen],
        flags=batch.flags[chosen],
        mxcsr=None if batch.mxcsr is None else batch.mxcsr[chosen],
        windows=tuple(
            window if window.contents.ndim == 1 else replace(window, contents=window.contents[chosen])
            for window in batch.windows
        ),
    )


def interleave(one: StateBatch, other: StateBatch) -> StateBatch:
    """States of two batches of one layout in turn."""

    def joined(first: NDArray[np.generic], second: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.stack((first, second), axis=1).reshape(-1, *first.shape[1:])

    windows = tuple(
        mine if mine.contents.ndim == 1 else replace(mine, contents=joined(mine.contents, its.contents))
        for mine, its in zip(one.windows, other.windows, strict=True)
    )
    return replace(
        one,
        gpr=joined(one.gpr, other.gpr),
        xmm=joined(one.xmm, other.xmm),
        flags=joined(one.flags, other.flags),
        windows=windows,
    )


def concatenate(batches: list[StateBatch]) -> StateBatch:
    """All states of batches of one layout."""
    first = batches[0]
    windows = tuple(
        window
        if window.contents.ndim == 1
        else replace(window, contents=np.concatenate([batch.windows[number].contents for batch in batches]))
        for number, window in enumerate(first.windows)
    )
    return replace(
        first,
        gpr=np.concatenate([batch.gpr for batch in batches]),
        xmm=np.concatenate([batch.xmm for batch in batches]),
        flags=np.concatenate([batch.flags for batch in batches]),
        windows=windows,
    )


def _arguments(shape: Shape, rows: int, source: Source, pool: Words, probing: float, calm: int) -> Words:
    count = len(ARGUMENTS)
    values = integers(source, (rows, count), pool)
    values[:calm] = small(source, (calm, count))
    for place, register in enumerate(ARGUMENTS):
        if register in shape.bounded:
            held = source.random(rows) < 0.97
            values[held, place] = small(source, (rows,))[held]
    # Arguments that are equal, or near each other.
    first, second = source.integers(0, count, (2, rows))
    alike = np.flatnonzero(source.random(rows) < 0.1)
    values[alike, first[alike]] = values[alike, second[alike]] + source.integers(0, 2, len(alike), np.uint64)
    if not probing:
        _point_beside(shape, values, source)
    for place, register in enumerate(ARGUMENTS):
        target = shape.registers.get(register)
        if target is not None:
            area = shape.areas[target]
            # While memory is being found a pointer is just that, so that offsets are what they seem.
            values[:, place] = area.pointer if probing else _pointers(shape, area, rows, source)
        elif probing:
            probed = source.random(rows) < probing
            values[probed, place] = register_probe(register)
    return values


def _point_beside(shape: Shape, values: Words, source: Source) -> None:
    """Some numbers point behind the start of an area: the end of a range whose start is another argument."""
    targets = list(set(shape.registers.values()))
    if not targets:
        return
    rows = len(values)
    for place in range(len(ARGUMENTS)):
        chosen = np.flatnonzero(source.random(rows) < 0.08)
        goals = np.array([shape.areas[target].pointer for target in targets], np.uint64)
        steps = source.integers(0, 9, len(chosen), np.uint64) << source.integers(0, 4, len(chosen), np.uint64)
        steps &= _steps_allowed(shape)
        values[chosen, place] = goals[source.integers(0, len(goals), len(chosen))] + steps


def _steps_allowed(shape: Shape) -> np.uint64:
    """A mask. At calls, words of memory are taken for addresses in frames only where they are aligned."""
    return np.uint64(~7 & (1 << 64) - 1 if shape.calls else (1 << 64) - 1)


def _pointers(shape: Shape, area: Area, rows: int, source: Source) -> Words:
    """Pointers to an area: most to its start, some a little behind it, some to another area, a few null."""
    values = np.full(rows, area.pointer, np.uint64)
    kind = source.random(rows)
    if not area.slots:
        steps = source.integers(0, 16, rows, np.uint64)
        coarse = source.random(rows) < 0.6
        steps[coarse] &= np.uint64(0xC)
        steps &= _steps_allowed(shape)
        shifted = kind < 0.12
        values[shifted] += steps[shifted]
    if len(shape.areas) > 1:
        others = np.array(
            [other.pointer for other in shape.areas if not other.name] or [area.pointer], np.uint64
        )
        steps = source.integers(0, 9, rows, np.uint64) << source.integers(0, 4, rows, np.uint64)
        steps[source.random(rows) < 0.4] = 0
        steps &= _steps_allowed(shape)
        aliased = (kind > 0.85) & (kind < 0.97)
        values[aliased] = (others[source.integers(0, len(others), rows)] + steps)[aliased]
    values[kind > 0.985] = 0
    return values


def _area(
    shape: Shape, number: int, rows: int, source: Source, pool: Words, probing: float, calm: int
) -> Octets:
    area = shape.areas[number]
    if area.size > _HUGE:
        return contents(source, 1, area.size, pool)[0]
    held = contents(source, rows, area.size, pool, calm)
    if probing:
        probed = np.flatnonzero(source.random(rows) < probing)
        probes = np.array(area_probes(shape, number), np.uint64)
        words = np.ascontiguousarray(held[probed, : 8 * len(probes)]).view(np.uint64)
        chosen = source.random(words.shape) < _PROBED
        words[chosen] = np.broadcast_to(probes, words.shape)[chosen]
        held[probed, : 8 * len(probes)] = words.view(np.uint8)
    return held


def _fill_slots(shape: Shape, area: Area, held: Octets, source: Source, aliased: float) -> None:
    shared = held.ndim == 1
    view = held.reshape(1, -1) if shared else held
    rows = len(view)
    for offset, target in area.slots.items():
        at = area.lead + offset
        if at < 0 or at + 8 > area.size:
            continue
        values = _slot_values(shape, target, rows, source)
        if aliased and target != NOWHERE:
            _lead_elsewhere(shape, values, aliased, source)
        view[:, at : at + 8] = values.view(np.uint8).reshape(rows, 8)


def _slot_values(shape: Shape, target: int, rows: int, source: Source) -> Words:
    """Pointers in memory: to what they point to, some null."""
    values = np.zeros(rows, np.uint64)
    if target != NOWHERE:
        values[source.random(rows) < 0.8] = shape.areas[target].pointer
    return values


def _lead_elsewhere(shape: Shape, values: Words, part: float, source: Source) -> None:
    """Some pointers in memory lead into other memory that the function knows: where they lie themselves, perhaps."""
    chosen = np.flatnonzero(source.random(len(values)) < part)
    goals = np.array([area.pointer for area in shape.areas if not area.name], np.uint64)
    if len(goals):
        steps = source.integers(0, 13, len(chosen), np.uint64) << np.uint64(3)
        values[chosen] = goals[source.integers(0, len(goals), len(chosen))] + steps


def _live_stack(shape: Shape, rows: int, source: Source, pool: Words, probing: float, calm: int) -> Octets:
    words = (shape.above + 8) // 8
    held = integers(source, (rows, words), pool)
    held[:calm] = small(source, (calm, words))
    probed = source.random(rows) < probing
    for offset in range(8, 8 + shape.stack_bytes, 8):
        target = shape.stack_slots.get(offset)
        if target is not None:
            held[:, offset // 8] = _slot_values(shape, target, rows, source)
        elif probing:
            held[probed, offset // 8] = stack_probe(offset)
    return held.view(np.uint8).reshape(rows, -1)


def _make_alike(shape: Shape, memory: list[Octets], rows: int, source: Source) -> None:
    """In some rows two areas begin with the same bytes, all or all but one."""
    plain = [number for number, held in enumerate(memory) if held.ndim == 2]
    if len(plain) < 2:
        return
    for mine, other in pairwise(plain):
        chosen = np.flatnonzero(source.random(rows) < 0.3)
        one, two = shape.areas[mine], shape.areas[other]
        size = min(one.size - one.lead, two.size - two.lead)
        if not len(chosen) or size <= 0:
            continue
        copied = memory[mine][chosen, one.lead : one.lead + size]
        changed = source.integers(0, min(size, 48), len(chosen))
        flips = np.where(source.random(len(chosen)) < 0.6, 1 << source.integers(0, 8, len(chosen)), 0)
        copied[np.arange(len(chosen)), changed] ^= flips.astype(np.uint8)
        memory[other][chosen, two.lead : two.lead + size] = copied
