"""More memory for an input that gets somewhere and faults there: an area is made larger, or the word that was taken for
a pointer is made one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from signal import SIGSEGV

import numpy as np
from numpy.typing import NDArray

from burnish.runtime.batch import StateBatch, Status, Window
from burnish.verify.trials.draw import FIRST_AREA, select
from burnish.verify.trials.shape import ARGUMENTS, Area, Shape, area_end
from burnish.verify.trials.values import Source, Words, contents

_SIZE = 512
"""Bytes of the new area."""
_MOST_AREAS = 14
_DEEPEST = 4
_MOST = 256
"""Words that may be the pointer, at most."""
_LONGER, _LARGEST = 4096, 8192
"""How far behind an area an access may be, and the size from which on none is made longer."""
_POINTED = 0.8
"""Of the states in which a word becomes a pointer."""
_BEFORE, _BEHIND = 256, 8192
"""How far from where a pointer points an access may be."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an input: an argument register, or a word at ``offset`` from where pointers to ``area`` point."""

    register: int | None
    area: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Copies of an input in the layout of a shape with one more area; in each another of ``words`` points to it."""

    shape: Shape
    words: tuple[Word, ...]
    states: StateBatch

    def with_pointer(self, number: int) -> Shape:
        """The shape in which the word of that number is a pointer."""
        word, target = self.words[number], len(self.shape.areas) - 1
        if word.register is not None:
            return replace(self.shape, registers={**self.shape.registers, word.register: target})
        areas = list(self.shape.areas)
        owner = areas[word.area]
        areas[word.area] = replace(owner, slots={**owner.slots, word.offset: target})
        areas[target] = replace(areas[target], depth=owner.depth + 1)
        return replace(self.shape, areas=tuple(areas))


def grown(shape: Shape, state: StateBatch, fault: int, source: Source, pool: Words) -> Grown | None:
    """What may have been a pointer where the one state of ``state`` faults at the address ``fault``; None where
    nothing may."""
    if len(shape.areas) >= _MOST_AREAS:
        return None
    words = tuple(_suspects(shape, state, fault))[:_MOST]
    if not words:
        return None
    wider = replace(shape, areas=(*shape.areas, Area(area_end(len(shape.areas)), _SIZE)))
    states = fitted(select(state, np.zeros(len(words), np.intp)), shape, wider, source, pool)
    gpr, windows = states.gpr.copy(), list(states.windows)
    pointer = np.uint64(wider.areas[-1].pointer)
    for number in range(FIRST_AREA, FIRST_AREA + len(shape.areas)):
        if windows[number].contents.ndim == 2:
            windows[number] = replace(windows[number], contents=windows[number].contents.copy())
    for row, word in enumerate(words):
        _put(gpr, windows, wider, np.array([row]), word, pointer)
    return Grown(wider, words, replace(states, gpr=gpr, windows=tuple(windows)))


def pointed(states: StateBatch, shape: Shape, word: Word, source: Source) -> StateBatch:
    """States in the layout of ``shape`` in most of which a word points to its last area."""
    gpr, windows = states.gpr.copy(), list(states.windows)
    if word.register is None:
        held = windows[FIRST_AREA + word.area]
        windows[FIRST_AREA + word.area] = replace(held, contents=held.contents.copy())
    rows = np.flatnonzero(source.random(len(states)) < _POINTED)
    _put(gpr, windows, shape, rows, word, np.uint64(shape.areas[-1].pointer))
    return replace(states, gpr=gpr, windows=tuple(windows))


def _put(
    gpr: Words, windows: list[Window], shape: Shape, rows: NDArray[np.intp], word: Word, value: np.uint64
) -> None:
    if word.register is not None:
        gpr[rows, word.register] = value
    else:
        at = shape.areas[word.area].lead + word.offset
        held = windows[FIRST_AREA + word.area].contents
        held[rows, at : at + 8] = np.array([value], np.uint64).view(np.uint8)


def fault_of(status: int, number: int, address: int) -> int | None:
    """The address of an access to memory that is not there; None for another end."""
    return address if status == Status.FAULTED and number == SIGSEGV else None


def _suspects(shape: Shape, state: StateBatch, fault: int) -> Iterator[Word]:
    """The words near which the fault lies; those that are not null first."""
    nulls: list[Word] = []
    for word, value in _words(shape, state):
        distance = (fault - value + _BEFORE) % (1 << 64) - _BEFORE
        if distance < _BEHIND:
            if value:
                yield word
            else:
                nulls.append(word)
    yield from nulls


def _words(shape: Shape, state: StateBatch) -> Iterator[tuple[Word, int]]:
    for register in ARGUMENTS:
        if register not in shape.registers:
            yield Word(register), int(state.gpr[0, register])
    for number, area in enumerate(shape.areas):
        held = state.windows[FIRST_AREA + number].contents
        if held.ndim == 1 or area.depth >= _DEEPEST:
            continue
        first = area.lead % 8
        row = np.ascontiguousarray(held[0, first : first + (area.size - first) // 8 * 8]).view(np.uint64)
        for index, value in enumerate(row.tolist()):
            offset = first + 8 * index - area.lead
            if offset not in area.slots:
                yield Word(None, number, offset), value


def lengthened(shape: Shape, fault: int) -> Shape | None:
    """The shape with the bytes behind an area that an access at ``fault`` lacks; None where it is behind none."""
    for number, area in enumerate(shape.areas):
        if not area.name and area.end <= fault < area.end + _LONGER and area.size < _LARGEST:
            areas = list(shape.areas)
            areas[number] = area.grown(fault - area.end + 16, 0)
            return replace(shape, areas=tuple(areas))
    return None


def fitted(states: StateBatch, shape: Shape, wider: Shape, source: Source, pool: Words) -> StateBatch:
    """States of ``shape`` in the layout of one whose areas are longer, or that has more behind the same. Pointers point
    to what they pointed to: areas end where they did."""
    windows = list(states.windows)
    gpr = states.gpr.copy()
    for number, (area, longer) in enumerate(zip(shape.areas, wider.areas, strict=False)):
        if longer.size == area.size:
            continue
        at = FIRST_AREA + number
        held = windows[at].contents
        more = contents(source, len(states), longer.size - area.size, pool)
        windows[at] = Window(longer.start, np.concatenate((held, more), axis=1))
        distance = np.uint64(longer.size - area.size)
        _follow(gpr, area, distance)
        for other in (1, *range(FIRST_AREA, FIRST_AREA + len(shape.areas))):
            if windows[other].contents.ndim == 2 and windows[other].size % 8 == 0:
                words = np.ascontiguousarray(windows[other].contents).view(np.uint64).copy()
                _follow(words, area, distance)
                windows[other] = replace(windows[other], contents=words.view(np.uint8))
    end = FIRST_AREA + len(shape.areas)
    windows[end:end] = [
        Window(area.start, contents(source, len(states), area.size, pool))
        for area in wider.areas[len(shape.areas) :]
    ]
    return replace(states, gpr=gpr, windows=tuple(windows))


def _follow(words: Words, area: Area, distance: np.uint64) -> None:
    """Makes pointers into an area point to the same where that has moved down."""
    inside = (words >= np.uint64(area.start)) & (words <= np.uint64(area.end))
    words[inside] -= distance
