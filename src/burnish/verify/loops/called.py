"""What callees do in runs from which relations are learnt (``surroundings``)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from burnish.domains.concrete import ConcreteDomain
from burnish.domains.walker import Walker
from burnish.machine.registers import CALLER_SAVED, CELLS, INTEGER_ARGUMENTS
from burnish.verify.loops.placed import Placed
from burnish.verify.loops.surroundings import FilledMemory, Surroundings, names_of, word
from burnish.verify.pair import BY_ADDRESS, Callee, Side

_LONGEST = 4096
"""Bytes that one callee goes through."""
_IN_FRAME = 77
"""Stands for any address in a frame, where frames differ."""


class StoppedError(Exception):
    """A callee that does not return, or goes on for too long (``overlong``)."""

    def __init__(self, *, overlong: bool) -> None:
        super().__init__()
        self.overlong = overlong


def _strlen(memory: FilledMemory, text: int, _: int, __: int) -> int:
    for k in range(_LONGEST):
        if memory.load(text + k, 1) == 0:
            return k
    raise StoppedError(overlong=True)


def _strcmp(memory: FilledMemory, one: int, other: int, _: int) -> int:
    for k in range(_LONGEST):
        first, second = memory.load(one + k, 1), memory.load(other + k, 1)
        if first != second or not first:
            return first - second & 0xFFFFFFFF
    raise StoppedError(overlong=True)


def _memcmp(memory: FilledMemory, one: int, other: int, count: int) -> int:
    for k in range(_counted(count)):
        first, second = memory.load(one + k, 1), memory.load(other + k, 1)
        if first != second:
            return first - second & 0xFFFFFFFF
    return 0


def _strchr(memory: FilledMemory, text: int, wanted: int, _: int) -> int:
    for k in range(_LONGEST):
        byte = memory.load(text + k, 1)
        if byte == wanted & 0xFF:
            return text + k
        if not byte:
            return 0
    raise StoppedError(overlong=True)


def _memchr(memory: FilledMemory, text: int, wanted: int, count: int) -> int:
    found = (k for k in range(_counted(count)) if memory.load(text + k, 1) == wanted & 0xFF)
    at = next(found, None)
    return 0 if at is None else text + at


def _memcpy(memory: FilledMemory, into: int, source: int, count: int) -> int:
    held = [memory.load(source + k, 1) for k in range(_counted(count))]
    for k, byte in enumerate(held):
        memory.store(into + k, byte, 1)
    return into


def _memset(memory: FilledMemory, into: int, value: int, count: int) -> int:
    for k in range(_counted(count)):
        memory.store(into + k, value & 0xFF, 1)
    return into


def _counted(count: int) -> int:
    if count > _LONGEST:
        raise StoppedError(overlong=True)
    return count


_REAL: dict[str, Callable[[FilledMemory, int, int, int], int]] = {
    "strlen": _strlen,
    "strcmp": _strcmp,
    "strchr": _strchr,
    "memchr": _memchr,
    "memcmp": _memcmp,
    "bcmp": _memcmp,
    "memcpy": _memcpy,
    "memmove": _memcpy,
    "memset": _memset,
}
"""Functions that compilers put in place of loops, or loops in place of, as they are defined (ISO C 7.24)."""


@dataclass(slots=True)
class Calls:
    """Answers the calls of one side in one run. ``ledger`` stands for all that was called so far that may change
    memory, with its arguments: 0 where nothing was."""

    side: Side
    surroundings: Surroundings
    memory: FilledMemory
    number: int
    locals: Placed
    ledger: int = 0
    _count: int = 0
    _names: Mapping[int, str] = field(default_factory=dict[int, str])
    _by_name: Mapping[str, Callee] = field(default_factory=dict[str, Callee])

    def __post_init__(self) -> None:
        self._names = names_of([self.side], self.surroundings)
        self._by_name = {callee.name: callee for callee in self.side.callees.values()}

    def __call__(self, target: int, domain: ConcreteDomain, walker: Walker[int]) -> None:
        """See ``domains.concrete.Call``. Raises ``StoppedError`` where the callee does not return."""
        del domain
        callee = self.side.callees.get(target) or self._by_name.get(self._names.get(target, ""))
        mark = self._mark(callee, target, walker)
        callee = callee or BY_ADDRESS
        if not callee.pure and not callee.reads_only:
            self.ledger = mark
        if not callee.returns:
            raise StoppedError(overlong=False)
        results = self._results(callee, mark, walker)
        self._count += 1
        litter = self.surroundings.litter(-1 - self._count, self.number)
        for name in CALLER_SAVED:
            size = CELLS[name].size
            value = litter.getrandbits(1 if size == 1 else 8 * size)
            if name in results:
                low, known = results[name]
                value = value >> 8 * low << 8 * low | known
            walker.write_cell(CELLS[name], 0, size, value)

    def _mark(self, callee: Callee | None, target: int, walker: Walker[int]) -> int:
        """A number for the call, its arguments and those before."""
        if callee is None:
            return crc32(repr((target, self.ledger)).encode())
        arguments = [self._argument(name, size, walker) for name, size in callee.arguments or ()]
        return crc32(repr((callee.name, arguments, self.ledger)).encode())

    def _argument(self, name: str, size: int, walker: Walker[int]) -> int:
        value = walker.read_cell(CELLS[name], 0, CELLS[name].size) & (1 << 8 * size) - 1
        if size == 8:
            value = self.locals.outward(value)
        return _IN_FRAME if size == 8 and self.memory.in_frame(value) else value

    def _results(self, callee: Callee, mark: int, walker: Walker[int]) -> dict[str, tuple[int, int]]:
        """The size and the value of what is returned, by register."""
        real = _REAL.get(callee.name)
        if real is None and not callee.pure and not callee.reads_only:
            wide = [name for name, size in callee.arguments or () if size == 8]
            names = INTEGER_ARGUMENTS if callee.arguments is None else wide
            pointers = [walker.read_cell(CELLS[name], 0, 8) for name in names if name in INTEGER_ARGUMENTS]
            self.locals.fill(pointers, mark, self.memory)
        if real is not None:
            first, second, third = (walker.read_cell(CELLS[name], 0, 8) for name in ("rdi", "rsi", "rdx"))
            value = real(self.memory, first, second, third)
            return {name: (size, value & (1 << 8 * size) - 1) for name, size in callee.results}
        source = random.Random(mark ^ self.surroundings.start.seed)
        found = {name: (size, word(source, size, self.surroundings.numbers)) for name, size in callee.results}
        if callee.returned:
            found["rax"] = 8, walker.read_cell(CELLS[callee.returned], 0, 8)
        return found
