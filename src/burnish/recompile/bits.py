"""Sets of register bytes as integers: one bit a byte of every register cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from burnish.core.pcode import Space, Varnode
from burnish.machine.registers import (
    CALLEE_SAVED,
    CELLS,
    INTEGER_ARGUMENTS,
    RETURNS,
    VECTOR_ARGUMENTS,
    Cell,
    cell_of,
)

BASE: dict[str, int] = {}
_next = 0
for _cell in CELLS.values():
    BASE[_cell.name] = _next
    _next += _cell.size
ALL = (1 << _next) - 1
"""Every byte of every cell."""


def cell_mask(name: str) -> int:
    """All bytes of a cell."""
    return (1 << CELLS[name].size) - 1 << BASE[name]


def cells_mask(names: Iterable[str]) -> int:
    """All bytes of several cells."""
    mask = 0
    for name in names:
        mask |= cell_mask(name)
    return mask


@lru_cache(maxsize=4096)
def varnode_mask(node: Varnode) -> int:
    """The bytes that a varnode covers; 0 unless it is (part of) a cell."""
    if node.space is not Space.REGISTER:
        return 0
    cell = cell_of(node)
    if cell is None:
        return 0
    return (1 << node.size) - 1 << BASE[cell.name] + node.offset - cell.offset


def cells_in(mask: int) -> Iterator[tuple[Cell, int]]:
    """Cells with at least one byte in the set, each with its bytes as a mask from bit 0."""
    for name, base in BASE.items():
        cell = CELLS[name]
        part = mask >> base & (1 << cell.size) - 1
        if part:
            yield cell, part


def low_bytes(mask: int) -> int:
    """How many bytes from the lowest on are in a cell's mask without a gap."""
    return (~mask & mask + 1).bit_length() - 1


STACK_POINTER = cell_mask("rsp")
ARGUMENTS = cells_mask((*INTEGER_ARGUMENTS, *VECTOR_ARGUMENTS))
RETURN_VALUES = cells_mask(RETURNS)
PRESERVED = cells_mask((*CALLEE_SAVED, "rsp", "df"))
CLOBBERED = ALL & ~PRESERVED
"""What a call may change under the System V ABI."""
