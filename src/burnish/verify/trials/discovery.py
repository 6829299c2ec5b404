"""Finds the shape of a function's memory by running it.

Arguments and words of memory hold probes: values near which nothing is mapped, each in a span of its own. An access
that faults there tells which of them is a pointer; memory is made for it, and the function runs again, further.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from signal import SIGSEGV

import numpy as np

from burnish.runtime.batch import BatchResult, StateBatch, Status, Window
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.draw import draw
from burnish.verify.trials.shape import (
    AREA_BASE,
    ARGUMENTS,
    NOWHERE,
    RSP,
    SPAN,
    STACK_END,
    Area,
    Shape,
    area_end,
    probe_source,
)
from burnish.verify.trials.values import Source, Words, integers

_ROWS = 48
_ROUNDS = 40
_QUIET = 2
"""Rounds without news after which the shape is believed to be whole."""
_FIRST_SIZE = 64
_NEAR = 32
_LARGEST_RUN = 256
"""An area that an execution runs over, byte by byte, is not made larger: other inputs will run less far."""
_LARGEST = 8192
_MOST_LEAD = 256
_MOST_AREAS = 14
_DEEPEST = 3
_DEEPEST_STACK = 1 << 20
_ENOUGH = 0.5
_HOPELESS = 0.05
_WILD_ROWS = 6


@dataclass(slots=True)
class _Findings:
    """What the faults of one round tell: pointers, and bytes that areas and the stack lack."""

    registers: set[int]
    words: set[tuple[int | None, int]]
    behind: dict[int, Counter[int]]
    before: dict[int, int]
    below: int = 0
    finished: float = 0.0


def discover(
    code: bytes,
    shape: Shape,
    constants: Sequence[Window],
    bench: Bench,
    source: Source,
    pool: Words,
    seconds: float,
) -> Shape:
    """The shape in which ``code`` mostly comes to its return, from a first one that has its named objects. As far as
    it is found within ``seconds``."""
    deadline = time.monotonic() + seconds
    quiet = 0
    for number in range(_ROUNDS):
        batch = draw(shape, _ROWS, source, pool, probing=0.5 if number < 2 else 0.15)
        result = bench.run(code, _with(batch, constants))
        found = _read(shape, batch, result)
        grown = shape
        if found.finished < _ENOUGH or found.registers or found.words:
            grown = _grow(shape, found)
        quiet = quiet + 1 if grown == shape else 0
        if quiet == _QUIET or time.monotonic() > deadline:
            break
        shape = grown
    return replace(shape, bounded=_bounded(code, shape, constants, bench, source, pool))


def _with(batch: StateBatch, constants: Sequence[Window]) -> StateBatch:
    return replace(batch, windows=(*batch.windows, *constants))


def _read(shape: Shape, batch: StateBatch, result: BatchResult) -> _Findings:
    found = _Findings(set(), set(), {}, {})
    found.finished = np.count_nonzero(result.status == Status.FINISHED) / len(result)
    faults = (result.status == Status.FAULTED) & (result.number == SIGSEGV)
    for address in result.address[faults].tolist():
        source = probe_source(shape, address)
        if source is not None:
            if source.register is not None:
                found.registers.add(source.register)
            elif source.area is None or _has_word(shape, source.area, source.offset):
                found.words.add((source.area, source.offset))
        elif AREA_BASE <= address < AREA_BASE + _MOST_AREAS * SPAN:
            _note_area(shape, (address - AREA_BASE) // SPAN, address, found)
        elif STACK_END - _DEEPEST_STACK <= address < shape.rsp - shape.below:
            found.below = max(found.below, shape.rsp - address)
    return found


def _has_word(shape: Shape, number: int, offset: int) -> bool:
    if number >= len(shape.areas):
        return False
    area = shape.areas[number]
    return 0 <= area.lead + offset <= area.size - 8 and offset not in area.slots


def _note_area(shape: Shape, number: int, address: int, found: _Findings) -> None:
    if number >= len(shape.areas) or shape.areas[number].name:
        return
    area = shape.areas[number]
    if area.end <= address < area.end + _LARGEST:
        found.behind.setdefault(number, Counter())[address - area.end + 16] += 1
    elif area.start - _LARGEST <= address < area.start:
        found.before[number] = max(found.before.get(number, 0), area.start - address)


def _grow(shape: Shape, found: _Findings) -> Shape:
    areas = list(shape.areas)
    registers = dict(shape.registers)
    stack_slots = dict(shape.stack_slots)
    for number, needs in found.behind.items():
        areas[number] = _grown_behind(areas[number], needs, found.finished < _HOPELESS)
    for number, need in found.before.items():
        if areas[number].lead < _MOST_LEAD:
            areas[number] = areas[number].grown(0, min(need, _MOST_LEAD))
    for register in sorted(found.registers - registers.keys()):
        if len(areas) < _MOST_AREAS:
            registers[register] = len(areas)
            areas.append(Area(area_end(len(areas)), _FIRST_SIZE))
    for number, offset in sorted(found.words, key=str):
        owner = None if number is None else areas[number]
        depth = 1 if owner is None else owner.depth + 1
        target = NOWHERE
        if depth <= _DEEPEST and len(areas) < _MOST_AREAS:
            target = len(areas)
            areas.append(Area(area_end(target), _FIRST_SIZE, depth=depth))
        if number is None:
            stack_slots[offset] = target
        else:
            areas[number] = replace(areas[number], slots={**areas[number].slots, offset: target})
    below = shape.below
    if found.below:
        below = min(_DEEPEST_STACK, -(-2 * found.below // 64) * 64)
    return replace(shape, areas=tuple(areas), registers=registers, stack_slots=stack_slots, below=below)


def _grown_behind(area: Area, needs: Counter[int], needed: bool) -> Area:
    """The area with what half of the executions lack that ran over its end; ``needed`` where hardly any returns."""
    wanted = sorted(needs.elements())[needs.total() // 2]
    if wanted <= _NEAR:
        enough = area.size >= (_LARGEST if needed else _LARGEST_RUN)
        return area if enough else area.grown(area.size // 2, 0)
    return area.grown(wanted, 0) if area.size + wanted <= _LARGEST else area


def _bounded(
    code: bytes, shape: Shape, constants: Sequence[Window], bench: Bench, source: Source, pool: Words
) -> frozenset[int]:
    """Arguments of which large values make an execution, that finishes otherwise, fault or run on."""
    batch = draw(replace(shape, bounded=frozenset(ARGUMENTS)), 4 * _WILD_ROWS, source, pool)
    calm = bench.run(code, _with(batch, constants))
    good = np.flatnonzero(calm.status == Status.FINISHED)
    plain = [register for register in ARGUMENTS if register not in shape.registers and register != RSP]
    if not len(good) or not plain:
        return frozenset()
    rows = good[np.arange(_WILD_ROWS * len(plain)) % len(good)]
    gpr = batch.gpr[rows].copy()
    wild = integers(source, (len(rows),), pool) | np.uint64(1 << 20)
    for place, register in enumerate(plain):
        chosen = slice(place * _WILD_ROWS, (place + 1) * _WILD_ROWS)
        gpr[chosen, register] = wild[chosen] & np.uint64(0x7FFF_FFFF)
    windows = tuple(
        window if window.contents.ndim == 1 else replace(window, contents=window.contents[rows])
        for window in batch.windows
    )
    tried = StateBatch(gpr, batch.xmm[rows], batch.flags[rows], windows, fs_base=batch.fs_base)
    status = bench.run(code, _with(tried, constants)).status.reshape(len(plain), _WILD_ROWS)
    return frozenset(
        register for place, register in enumerate(plain) if np.mean(status[place] != Status.FINISHED) >= 0.5
    )
