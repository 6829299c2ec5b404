"""The domain of terms: p-code on bit-vectors, for straight code."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.pcode import Operation
from burnish.domains.smt import build as t
from burnish.domains.smt.meaning import MeaninglessError, apply, faults
from burnish.domains.smt.terms import Term
from burnish.domains.walker import Walker
from burnish.machine.registers import FLAG_CELLS, Cell

SEGMENT_BASE = "fs_base"
"""The name of the variable that is the base of ``fs``."""

_FLAGS = frozenset(cell.name for cell in FLAG_CELLS)


def entry_value(cell: Cell) -> Term:
    """A register before anything is written to it: a variable of its name; flags are 0 or 1."""
    if cell.name in _FLAGS:
        return t.zext(t.var(cell.name, 1), 8)
    return t.var(cell.name, 8 * cell.size)


class SmtDomain:
    """Values are terms of the value's width. ``memory`` is memory as it is now, one array for everything; ``fault`` is
    true where a division so far has faulted. Accesses do not fault here."""

    def __init__(self, memory: Term) -> None:
        self.memory = memory
        self.fault = t.FALSE

    def constant(self, value: int, size: int) -> Term:
        return t.const(value, 8 * size)

    def initial(self, cell: Cell, offset: int, size: int) -> Term:
        return t.extract(entry_value(cell), 8 * offset, 8 * size)

    def segment_base(self, name: str) -> Term:
        if name != "fs":
            raise MeaninglessError(f"segment {name}")
        return t.var(SEGMENT_BASE, 64)

    def apply(self, operation: Operation, arguments: Sequence[Term]) -> Term:
        fault = faults(operation, arguments)
        if fault is not t.FALSE:
            self.fault = t.or_(self.fault, fault)
        return apply(operation, arguments)

    def load(self, address: Term, size: int) -> Term:
        return t.load(self.memory, address, size)

    def store(self, address: Term, value: Term, size: int) -> None:
        del size
        self.memory = t.store_word(self.memory, address, value)

    def extract(self, value: Term, size: int, offset: int, part: int) -> Term:
        del size
        return t.extract(value, 8 * offset, 8 * part)

    def concat(self, parts: Sequence[tuple[Term, int]]) -> Term:
        return t.concat(*(part for part, _ in reversed(parts)))

    def effect(self, operation: Operation, walker: Walker[Term]) -> None:
        """Raises ``MeaninglessError``: what is no straight code has no term."""
        del walker
        raise MeaninglessError(operation.opcode.name)
