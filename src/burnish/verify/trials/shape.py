"""What memory a function needs: areas that its arguments point to, and pointers in them to further areas.

Found by running (``discovery``); inputs are drawn for a shape (``inputs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from burnish.machine.registers import GPR_NAMES, INTEGER_ARGUMENTS

PAGE = 4096
RSP, DIRECTION = 4, 0x400
ARGUMENTS = tuple(GPR_NAMES.index(name) for name in INTEGER_ARGUMENTS)
"""Numbers of the registers that hold integer arguments, in order."""
VECTOR_ARGUMENTS = 8

AREA_BASE, SPAN = 0x2000_0000_0000, 1 << 32
"""Area ``k`` lies in the span ``k`` from here on and ends ``_MIDDLE`` bytes in, so that what runs over its end
faults."""
PROBE_BASE = 0x3000_0000_0000
"""Values that tell, when an access to them faults, which register or word they were taken from. Each has a span of
its own; where its low half is taken for a count, that is not too large. The sum of two of them, or of one and an
area's address, is in neither space."""
_MIDDLE = 0x10000
_FAR = 1 << 20
"""An access further behind a probe than that was not made with the probe alone."""
STACK_END = 0x7FFD_0001_0000
FS_BASE = 0x1000_0000_0000
FS_SIZE = 128
"""Thread-local memory, on both sides of where fs points."""
NOWHERE = -1
"""The target of a word that holds a pointer of which no more is made than null."""

_STACK_PROBES = 16
_FIRST_AREA_PROBE = 144
_MOST = 8192


@dataclass(frozen=True, slots=True)
class Area:
    """Memory of its own. Pointers to it point ``lead`` bytes behind its start; ``slots`` has the offsets (from
    there) of words that are pointers, with the number of the area that they point to, or ``NOWHERE``."""

    end: int
    size: int
    lead: int = 0
    slots: Mapping[int, int] = field(default_factory=dict[int, int])
    depth: int = 0
    name: str = ""
    """Of the object that it is; empty for memory that only pointers lead to."""

    @property
    def start(self) -> int:
        return self.end - self.size

    @property
    def pointer(self) -> int:
        """What a pointer to it holds."""
        return self.start + self.lead

    def grown(self, behind: int, before: int) -> Area:
        """With more bytes at its end and before its start, whole words; for memory without a name."""
        behind, before = (behind + 15) & -16, (before + 15) & -16
        return replace(self, size=self.size + behind + before, lead=self.lead + before)


@dataclass(frozen=True, slots=True)
class Shape:
    """``registers`` has the area that each pointer among the arguments points to; ``bounded`` are arguments of which
    large values make it run on or out of its memory. ``below`` and ``above`` are bytes of stack below the stack
    pointer at entry and above the return address, of which ``stack_slots`` are pointers, by offset. Vector
    arguments of code that does not use vector registers are random. ``calls`` where there are calls of stubs."""

    areas: tuple[Area, ...] = ()
    registers: Mapping[int, int] = field(default_factory=dict[int, int])
    bounded: frozenset[int] = frozenset()
    below: int = 256
    above: int = 32
    stack_bytes: int = 0
    stack_slots: Mapping[int, int] = field(default_factory=dict[int, int])
    uses_fs: bool = False
    uses_vectors: bool = True
    calls: bool = False

    @property
    def rsp(self) -> int:
        """The stack pointer at entry."""
        return STACK_END - self.above - 8

    @property
    def size(self) -> int:
        """Bytes of memory for one input."""
        return sum(area.size for area in self.areas) + self.below + self.above + 8


def area_end(number: int) -> int:
    """Where the area of that number ends."""
    return AREA_BASE + number * SPAN + _MIDDLE


def register_probe(register: int) -> int:
    """The value that tells that this register is a pointer."""
    return _probe(register)


def stack_probe(offset: int) -> int:
    """The same for the word of the stack at ``offset`` bytes above the stack pointer at entry."""
    return _probe(_STACK_PROBES + offset // 8)


def area_probes(shape: Shape, number: int) -> range:
    """The same for each word of an area, from its start on: as many as there are numbers for."""
    first = _FIRST_AREA_PROBE + sum(area.size // 8 for area in shape.areas[:number])
    last = min(first + shape.areas[number].size // 8, _MOST)
    return range(_probe(first), _probe(max(first, last)), SPAN)


def _probe(number: int) -> int:
    return PROBE_BASE + number * SPAN + _MIDDLE


@dataclass(frozen=True, slots=True)
class Source:
    """Where a probe was taken from: a register, or a word at ``offset`` from where pointers to an area point (None: in
    the stack, from the stack pointer at entry)."""

    register: int | None = None
    area: int | None = None
    offset: int = 0


def probe_source(shape: Shape, address: int) -> Source | None:
    """The source of the probe near ``address``; None where that is none."""
    number, distance = divmod(address - PROBE_BASE, SPAN)
    if not 0 <= number < _MOST or distance > _MIDDLE + _FAR:
        return None
    if number < _STACK_PROBES:
        return Source(register=number) if number < 16 else None
    if number < _FIRST_AREA_PROBE:
        return Source(offset=(number - _STACK_PROBES) * 8)
    number -= _FIRST_AREA_PROBE
    for index, area in enumerate(shape.areas):
        if number < area.size // 8:
            return Source(area=index, offset=number * 8 - area.lead)
        number -= area.size // 8
    return None
