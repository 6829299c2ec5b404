"""The walk over p-code, written once.

A ``Domain`` says what a value is and what each operation does to it; the ``Walker`` keeps track of where values
live: register cells, the temporaries of an instruction, parts of either. Control flow between blocks is the
business of whoever drives the walker, since that is where domains differ most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import FS_OFFSET, GS_OFFSET, Cell, cell_of

V = TypeVar("V")


class Domain(Protocol[V]):
    """What values mean. ``size`` and ``offset`` are in bytes; offset 0 is the least significant byte."""

    def constant(self, value: int, size: int) -> V:
        """A literal."""
        ...

    def initial(self, cell: Cell, offset: int, size: int) -> V:
        """Part of a register cell that nothing in this walk has written yet."""
        ...

    def segment_base(self, name: str) -> V:
        """The address that ``fs`` or ``gs`` stands for (8 bytes)."""
        ...

    def apply(self, operation: Operation, arguments: Sequence[V]) -> V:
        """The result of a pure operation."""
        ...

    def load(self, address: V, size: int) -> V:
        """``size`` bytes of memory."""
        ...

    def store(self, address: V, value: V, size: int) -> None:
        """Write ``size`` bytes to memory."""
        ...

    def extract(self, value: V, size: int, offset: int, part: int) -> V:
        """``part`` bytes at ``offset`` of a value of ``size`` bytes."""
        ...

    def concat(self, parts: Sequence[tuple[V, int]]) -> V:
        """The value made of ``(part, size)``, least significant first, without gaps."""
        ...

    def effect(self, operation: Operation, walker: Walker[V]) -> None:
        """Carry out an operation with effects beyond one output: calls, ``REP_MOVS``, ``REP_STOS``,
        ``CALLOTHER``. Reads and writes registers through ``walker``."""
        ...


_EFFECTS = frozenset((OpCode.CALL, OpCode.CALLIND, OpCode.CALLOTHER, OpCode.REP_MOVS, OpCode.REP_STOS))

Piece = tuple[int, int, V]
"""(offset, size, value): a part of a cell."""


def chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """``(offset, size)`` of the aligned powers of two that make up a range of bytes, so that the parts of a vector
    register stay whole lanes."""
    while start < stop:
        size = start & -start or 16
        while size > stop - start:
            size //= 2
        yield start, size
        start += size


class Walker(Generic[V]):
    """Executes operations in a domain, one after another.

    ``registers`` maps a cell to the pieces of it that were written, sorted and without overlap; what no piece
    covers still has the domain's ``initial`` value.
    """

    def __init__(self, domain: Domain[V]) -> None:
        self.domain = domain
        self.registers: dict[Cell, list[Piece[V]]] = {}
        self._temporaries: dict[int, tuple[int, V]] = {}

    def step(self, operation: Operation) -> None:
        """Execute one operation that is not a jump."""
        opcode, output, inputs, _ = operation
        domain = self.domain
        if opcode is OpCode.LOAD:
            assert output is not None
            self.write(output, domain.load(self.read(inputs[0]), output.size))
        elif opcode is OpCode.STORE:
            domain.store(self.read(inputs[0]), self.read(inputs[1]), inputs[1].size)
        elif opcode is OpCode.COPY:
            assert output is not None
            self.write(output, self.read(inputs[0]))
        elif opcode in _EFFECTS:
            domain.effect(operation, self)
        else:
            assert output is not None
            self.write(output, domain.apply(operation, [self.read(node) for node in inputs]))

    def read(self, node: Varnode) -> V:
        """The value of a varnode."""
        space, offset, size = node
        if space is Space.CONST:
            return self.domain.constant(offset, size)
        if space is Space.UNIQUE:
            return self._read_temporary(offset, size)
        cell = cell_of(node)
        if cell is None:
            if offset in (FS_OFFSET, GS_OFFSET):
                return self.domain.segment_base("fs" if offset == FS_OFFSET else "gs")
            raise KeyError(f"register at {offset:#x} is not modelled")
        return self.read_cell(cell, offset - cell.offset, size)

    def write(self, node: Varnode, value: V) -> None:
        """Give a varnode a value."""
        space, offset, size = node
        if space is Space.UNIQUE:
            self._temporaries[offset] = (size, value)
            return
        cell = cell_of(node)
        if cell is None:
            raise KeyError(f"register at {offset:#x} is not modelled")
        self.write_cell(cell, offset - cell.offset, size, value)

    def read_cell(self, cell: Cell, offset: int, size: int) -> V:
        """Part of a cell, put together from what was written and what was there before."""
        pieces = self.registers.get(cell)
        if not pieces:
            return self.domain.initial(cell, offset, size)
        end = offset + size
        parts: list[tuple[V, int]] = []
        for start, length, value in pieces:
            stop = start + length
            if stop <= offset or start >= end:
                continue
            if start <= offset and end <= stop:
                if length == size:
                    return value
                return self.domain.extract(value, length, offset - start, size)
            low, high = max(start, offset), min(stop, end)
            gap = offset + sum(n for _, n in parts)
            parts.extend((self.domain.initial(cell, o, n), n) for o, n in chunks(gap, low))
            whole = low == start and high == stop
            part = value if whole else self.domain.extract(value, length, low - start, high - low)
            parts.append((part, high - low))
        covered = offset + sum(n for _, n in parts)
        if covered == offset:
            return self.domain.initial(cell, offset, size)
        parts.extend((self.domain.initial(cell, o, n), n) for o, n in chunks(covered, end))
        return self.domain.concat(parts)

    def write_cell(self, cell: Cell, offset: int, size: int, value: V) -> None:
        """Replace part of a cell."""
        if size == cell.size:
            self.registers[cell] = [(0, size, value)]
            return
        end = offset + size
        kept: list[Piece[V]] = [(offset, size, value)]
        for start, length, old in self.registers.get(cell, ()):
            stop = start + length
            if stop <= offset or start >= end:
                kept.append((start, length, old))
                continue
            for o, n in (*chunks(start, min(offset, stop)), *chunks(max(end, start), stop)):
                kept.append((o, n, self.domain.extract(old, length, o - start, n)))
        kept.sort(key=lambda piece: piece[0])
        self.registers[cell] = kept

    @property
    def temporaries(self) -> Mapping[int, tuple[int, V]]:
        """What the temporaries hold: offset to ``(size, value)``."""
        return self._temporaries

    def forget_temporaries(self) -> None:
        """Drop the temporaries: nothing reads them after the instruction that wrote them."""
        self._temporaries.clear()

    def _read_temporary(self, offset: int, size: int) -> V:
        """A temporary, or its low part: lifted code reads no other (``tests/machine/test_lift.py``)."""
        found = self._temporaries.get(offset)
        if found is None or found[0] < size:
            raise KeyError(f"temporary at {offset:#x} is read before it is written")
        length, value = found
        return value if length == size else self.domain.extract(value, length, 0, size)
