"""What a function that is run to be learnt from finds around it: memory wherever it looks, and callees.

Runs only suggest relations, which are then proved or dropped: what they run in may be made up, as long as it is the
same for both sides, and differs between them where the two need not agree. So memory holds something everywhere, made
of the address; a callee returns what its name, its arguments and the calls before make; what a call leaves undefined,
and the frame, are each side's own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np

from burnish.core.image import Image
from burnish.core.state import MachineState
from burnish.domains.concrete import Memory
from burnish.machine.registers import GPR_NAMES, INTEGER_ARGUMENTS
from burnish.verify.pair import Side
from burnish.verify.trials.values import constants

_PAGE = 4096
_MASK = (1 << 64) - 1
_TOP = 0x7FFD_0000_F008
DEPTH = 1 << 20
"""Bytes of stack below the entry stack pointer that count as the frame."""
_POOL, _POOL_PAGES = 0x5100_0000_0000, 64
"""Where made-up pointers point to."""
_OBJECTS, _OBJECT_BITS, _JITTER = 0x2200_0000_0000, 24, 1 << 12
"""Where objects lie, each in a span of its own, and of how many places in it."""
_TEXT_PAGES = 0.4
_EMPTY_EVERY = 8
_LETTERS = b"abcxyzABCZ0123456789 \t\n.,-+_/%\\\"'=:;()<>\x7f\xff\x80"
_MOST_TELLING = 96
_FUNCTION = "function "


@dataclass(frozen=True, slots=True)
class Start:
    """A state at entry; ``seed`` makes the memory that it lacks, and what callees return."""

    state: MachineState
    seed: int = 0

    @property
    def top(self) -> int:
        """The entry stack pointer."""
        return self.state.gpr[GPR_NAMES.index("rsp")]


def given(state: MachineState, number: int) -> Start:
    """A state with its stack elsewhere, so that nothing is learnt of where it lies."""
    rsp = GPR_NAMES.index("rsp")
    distance = 4096 * (7919 * number % 4096) + 16 * (number % 16)
    top = state.gpr[rsp]
    memory = tuple(
        replace(region, address=region.address - distance) if region.address <= top <= region.end else region
        for region in state.memory
    )
    gpr = tuple(value - distance if k == rsp else value for k, value in enumerate(state.gpr))
    return Start(replace(state, gpr=gpr, memory=memory), number)


def made_up(count: int, seed: int = 0) -> list[Start]:
    """States with pointers, small numbers and corners for arguments, by ``seed``."""
    source = random.Random(seed)
    return [_start(source, number) for number in range(count)]


def _start(source: random.Random, number: int) -> Start:
    gpr = [source.getrandbits(64) for _ in GPR_NAMES]
    gpr[GPR_NAMES.index("rsp")] = _TOP - 16 * source.randrange(1 << 20)
    last = 0
    for name in INTEGER_ARGUMENTS:
        kind = source.random()
        if kind < 0.45:
            value = _POOL + _PAGE * source.randrange(_POOL_PAGES) + source.randrange(2048)
        elif kind < 0.55:
            value = last + source.choice((1, 2, 4, 8, 16)) * source.randrange(12)
        elif kind < 0.95:
            value = source.choice((source.randrange(4), source.randrange(12), source.randrange(48)))
        else:
            value = source.choice((-1, 0x7FFFFFFF, 0x80000000, 1 << 32, 255)) & _MASK
        gpr[GPR_NAMES.index(name)] = last = value
    xmm = tuple(source.getrandbits(128) for _ in range(16))
    return Start(MachineState(tuple(gpr), xmm, fs_base=_POOL), number)


def word(source: random.Random, size: int, numbers: Sequence[int]) -> int:
    """Something that a callee may return in ``size`` bytes: nothing, a small number, one of ``numbers``, or an
    address."""
    kind = source.random()
    if numbers and source.random() < 0.3:
        return source.choice(numbers) & (1 << 8 * size) - 1
    if kind < 0.25:
        return 0
    if kind < 0.35:
        return (1 << 8 * size) - 1
    if size < 8 or kind < 0.6:
        return source.choice((source.randrange(1, 4), source.randrange(16), source.randrange(256)))
    return _POOL + _PAGE * source.randrange(_POOL_PAGES) + 16 * source.randrange(128)


def telling(sides: Sequence[Side]) -> tuple[int, ...]:
    """Numbers that the code of the sides has in it, and their neighbours: those on which it decides."""
    found = {number + near for number in constants(sides) for near in (-1, 0, 1)}
    found |= {byte for side in sides for data in side.constants.values() for byte in data[:8]}
    return tuple(sorted(number for number in found if 0 < number < 1 << 31))[:_MOST_TELLING]


def _content(seed: int, page: int, numbers: Sequence[int]) -> bytes:
    """A page of words as structures have them, or of text; with ``numbers`` in it. In some runs all is 0: what is
    compared is equal then, and goes on for long."""
    if seed % _EMPTY_EVERY == _EMPTY_EVERY - 1:
        return bytes(_PAGE)
    source = np.random.default_rng((seed, page & 0xFFFF_FFFF, page >> 32))
    if source.random() < _TEXT_PAGES:
        letters = np.frombuffer(_LETTERS, np.uint8)
        told = np.array([n for n in numbers if n < 256] or [255], np.uint8)
        digits = np.frombuffer(b"0123456789", np.uint8)
        few = source.choice(np.concatenate((letters, told, told)), 4)
        theme = (few, digits, told, letters)[source.integers(0, 4)]
        text = np.where(
            source.random(_PAGE) < 0.3, source.choice(letters, _PAGE), source.choice(theme, _PAGE)
        )
        text[source.random(_PAGE) < source.choice((1 / 4, 1 / 9, 1 / 20))] = 0
        return text.tobytes()
    words = _PAGE // 8
    small = source.integers(0, 10, 2 * words, np.uint32)
    wide = source.choice(np.array(numbers or (255,), np.uint32), 2 * words)
    halves = np.where(source.random(2 * words) < 0.25, wide, small)
    where = source.integers(0, _POOL_PAGES, words, np.uint64) * np.uint64(_PAGE)
    pointers = where + source.integers(0, 128, words, np.uint64) * np.uint64(16) + np.uint64(_POOL)
    kind = source.random(words)
    found = np.where(kind < 0.4, pointers, np.where(kind < 0.55, np.uint64(0), halves.view(np.uint64)))
    return found.tobytes()


@dataclass(slots=True)
class Surroundings:
    """What both sides find from one start. ``objects`` has the addresses at which the start's memory has objects, by
    name; runs have them elsewhere, each time. ``numbers`` are worth trying (``telling``)."""

    start: Start
    objects: Mapping[str, int] = field(default_factory=dict[str, int])
    numbers: Sequence[int] = ()
    _pages: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def address_of(self, name: str) -> int:
        """Where an object lies, or a function."""
        mark = crc32(name.encode())
        return _OBJECTS + ((mark & 0xFFFF) << _OBJECT_BITS) + 64 * ((mark ^ 7919 * self.start.seed) % _JITTER)

    def function_address(self, name: str) -> int:
        """Where a function lies, as far as its address is looked at."""
        return self.address_of(_FUNCTION + name)

    def page(self, number: int) -> bytes:
        """What memory holds that nobody gave."""
        found = self._pages.get(number)
        if found is None:
            found = self._pages[number] = _content(self.start.seed, number, self.numbers)
        return found

    def litter(self, mark: int, number: int) -> random.Random:
        """A source for what is each side's own."""
        return random.Random(hash((self.start.seed, mark, number)))


class FilledMemory(Memory):
    """Memory that holds something everywhere: what the start and the constants of ``side`` say, else what is made up.
    ``number`` is 0 for the original, 1 for the rewrite: the frame is that side's own."""

    def __init__(self, surroundings: Surroundings, side: Side, number: int) -> None:
        super().__init__(())
        self.top = surroundings.start.top
        self._surroundings = surroundings
        self._image = side.image
        self._number = number
        self._given: list[tuple[int, bytes]] = [
            (surroundings.address_of(name), data) for name, data in side.constants.items()
        ]
        moved = {address: surroundings.address_of(name) for name, address in surroundings.objects.items()}
        self._given += [
            (moved.get(region.address, region.address), region.data)
            for region in surroundings.start.state.memory
        ]
        self._pages: dict[int, bytearray] = {}

    def load(self, address: int, size: int) -> int:
        """As ``Memory.load``; never fails."""
        at = address & (_PAGE - 1)
        if at + size <= _PAGE:
            page = self._page(address >> 12)
            return int.from_bytes(page[at : at + size], "little")
        return sum(self.load(address + k & _MASK, 1) << 8 * k for k in range(size))

    def store(self, address: int, value: int, size: int) -> None:
        """As ``Memory.store``; never fails."""
        at = address & (_PAGE - 1)
        if at + size <= _PAGE:
            self._page(address >> 12)[at : at + size] = value.to_bytes(size, "little")
            return
        for k in range(size):
            self.store(address + k & _MASK, value >> 8 * k & 0xFF, 1)

    def in_frame(self, address: int) -> bool:
        """True below the entry stack pointer, as far as frames reach."""
        return self.top - DEPTH <= address < self.top

    def _page(self, number: int) -> bytearray:
        found = self._pages.get(number)
        if found is None:
            found = self._pages[number] = self._made(number)
        return found

    def _made(self, number: int) -> bytearray:
        start = number * _PAGE
        page = bytearray(self._surroundings.page(number))
        _lay_image(page, start, self._image)
        for address, data in self._given:
            low, high = max(start, address), min(start + _PAGE, address + len(data))
            if low < high:
                page[low - start : high - start] = data[low - address : high - address]
        low, high = max(start, self.top - DEPTH), min(start + _PAGE, self.top)
        if low < high:
            private = self._surroundings.litter(number, self._number)
            page[low - start : high - start] = private.randbytes(high - low)
        return page


def _lay_image(page: bytearray, start: int, image: Image) -> None:
    """The bytes of an image at its own addresses: jump tables are read there."""
    for segment in image.segments:
        low, high = max(start, segment.address), min(start + _PAGE, segment.end)
        if low < high:
            page[low - start : high - start] = segment.data[low - segment.address : high - segment.address]


def addresses_of(side: Side, surroundings: Surroundings) -> tuple[dict[int, int], dict[int, int]]:
    """What the image addresses in a side's code stand for, and what the words hold that lie at them, if it is an
    address."""
    places = {a: surroundings.address_of(p.data.name) + p.offset & _MASK for a, p in side.places.items()}
    words = {a: surroundings.address_of(p.data.name) + p.offset & _MASK for a, p in side.slots.items()}
    functions = {a: surroundings.function_address(callee.name) for a, callee in side.callees.items()}
    return {**functions, **places}, {**functions, **words}


def names_of(sides: Sequence[Side], surroundings: Surroundings) -> dict[int, str]:
    """The functions by where they lie."""
    names = {callee.name for side in sides for callee in side.callees.values()}
    return {surroundings.function_address(name): name for name in names}
