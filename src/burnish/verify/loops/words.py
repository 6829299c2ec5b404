"""Words of memory that relations speak of as of registers: those that the original loads in a loop, each time from the
same address.

Where C's rule on types is taken for granted such a load finds each time what it found before, whatever is stored in
between as something else (``pair.Unseen``). A compiler that builds on the rule loads it once, before the loop, and may
keep what follows from it instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from burnish.core.code import Block, Function, Label
from burnish.core.pcode import OpCode, Space, Varnode
from burnish.machine.registers import Cell, cell_of
from burnish.recompile.bits import cell_mask
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.values import Value, word
from burnish.verify.loops.written import written_by
from burnish.verify.pair import Unseen

_MOST = 6
"""Words of one loop."""
_HALF = 1 << 63


def words_of(function: Function, unseen: Unseen) -> dict[Label, tuple[Value, ...]]:
    """For each loop head: words at fixed distances from registers that the loop does not change."""
    blocks = {block.label: block for block in function.blocks}
    found: dict[Label, tuple[Value, ...]] = {}
    for loop in loops_of(function) if unseen.loads else ():
        body = [blocks[label] for label in sorted(loop.body)]
        written = written_by(body)
        loads = (one for block in body for one in _loads(block, unseen))
        loads = (one for one in loads if not written & cell_mask(one.base.name))
        values = dict.fromkeys(word(one.base.name, one.offset, one.kind, one.size) for one in loads)
        found[loop.head] = tuple(values)[:_MOST]
    return found


@dataclass(frozen=True, slots=True)
class _Load:
    """A load of a class from a register's value and a distance."""

    base: Cell
    offset: int
    size: int
    kind: int


def _loads(block: Block, unseen: Unseen) -> Iterator[_Load]:
    marks = {index: address for address, index in block.marks}
    kind: int | None = None
    sums: dict[Varnode, tuple[Cell, int]] = {}
    for index, operation in enumerate(block.operations):
        if index in marks:
            kind, sums = unseen.loads.get(marks[index]), {}
        if kind is None or operation.output is None:
            continue
        where = _place(operation.inputs[0], sums) if operation.inputs else None
        if where is None:
            continue
        if operation.opcode is OpCode.LOAD and operation.output.size in (1, 2, 4, 8):
            yield _Load(*where, operation.output.size, kind)
        elif operation.opcode is OpCode.INT_ADD and operation.inputs[1].space is Space.CONST:
            distance = (operation.inputs[1].offset + _HALF) % (2 * _HALF) - _HALF
            sums[operation.output] = where[0], where[1] + distance


def _place(node: Varnode, sums: dict[Varnode, tuple[Cell, int]]) -> tuple[Cell, int] | None:
    """An address as a register and a distance."""
    if node.space is Space.REGISTER and node.size == 8:
        cell = cell_of(node)
        return None if cell is None or cell.name == "rsp" else (cell, 0)
    return sums.get(node)
