"""Words of memory that relations speak of as of registers: those that a loop loads or stores each time at the same
address.

Where C's rule on types is taken for granted a load of the original finds each time what it found before, whatever is
stored in between as something else (``pair.Unseen``). A compiler that builds on the rule loads it once, before the
loop, and may keep what follows from it instead. What is stored in each round may be stored once, after the loop: until
then memory differs there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from burnish.core.code import Block, Function, Label
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import Cell, cell_of
from burnish.recompile.bits import cell_mask
from burnish.verify.engine.addresses import OBJECT
from burnish.verify.loops.align import Node
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.values import Value, word
from burnish.verify.loops.written import written_by
from burnish.verify.pair import Pair, Side, Unseen, untyped

_MOST = 6
"""Words of one loop."""
_HALF = 1 << 63
_SIZES = (1, 2, 4, 8)


def words_of(function: Function, unseen: Unseen) -> dict[Label, tuple[Value, ...]]:
    """For each loop head: words at fixed distances from registers that the loop does not change."""
    blocks = {block.label: block for block in function.blocks}
    found: dict[Label, tuple[Value, ...]] = {}
    for loop in loops_of(function) if unseen.loads else ():
        body = [blocks[label] for label in sorted(loop.body)]
        written = written_by(body)
        loads = (one for block in body for one in _loads(block, unseen))
        loads = (one for one in loads if not written & cell_mask(one.base.name))
        values = dict.fromkeys(word("a", one.base.name, one.offset, one.kind, one.size) for one in loads)
        found[loop.head] = tuple(values)[:_MOST]
    return found


@dataclass(frozen=True, slots=True)
class Apart:
    """Where memories may differ at a pair of cuts: ``words``, as values of the original; ``seen`` are those that some
    loads of the original see otherwise, since they do not see what is stored there."""

    words: tuple[Value, ...] = ()
    seen: tuple[Value, ...] = ()


def words_apart(pair: Pair, unseen: Unseen, node: Node) -> Apart:
    """The words that the loops at a pair of cuts store on one side alone, at objects, or at distances from registers of
    the original that its loop does not change."""
    first, second = _stored(pair.original, unseen, node.a), _stored(pair.rewrite, untyped(()), node.b)
    words = [one for one in first if one not in second]
    words += [one for one in second if one not in first and _of_object(one)]
    chosen = words[:_MOST]
    seen = [replace(one, cell=f"{one.cell}as{kind}") for one in chosen for kind in sorted(first.get(one, ()))]
    return Apart(tuple(chosen), tuple(seen))


def _of_object(value: Value) -> bool:
    return value.word is not None and value.word.base.startswith(OBJECT)


def _stored(side: Side, unseen: Unseen, head: Label | None) -> dict[Value, set[int]]:
    """What is stored in the loops of which a head is part, at the same address in each round, with the classes of loads
    that do not see one of the stores."""
    blocks = {block.label: block for block in side.function.blocks}
    found: dict[Value, set[int]] = {}
    for loop in loops_of(side.function) if head is not None else ():
        if head in loop.body:
            body = [blocks[label] for label in sorted(loop.body)]
            written = written_by(body)
            for at, base, offset, size in (one for block in body for one in _stores(block, side)):
                if isinstance(base, str) or not written & cell_mask(base.name):
                    value = word("a", base if isinstance(base, str) else base.name, offset, None, size)
                    found.setdefault(value, set()).update(unseen.stores.get(at, ()))
    return found


def _stores(block: Block, side: Side) -> Iterator[tuple[int, Cell | str, int, int]]:
    """Stores at the address of an object, or at a register's value and a distance: the instruction, that, and how many
    bytes."""
    marks = {index: address for address, index in block.marks}
    at, sums = block.label.address, dict[Varnode, tuple[Cell, int]]()
    for index, operation in enumerate(block.operations):
        if index in marks:
            at, sums = marks[index], {}
        if operation.opcode is OpCode.STORE:
            address, size = operation.inputs[0], operation.inputs[1].size
            place = side.places.get(address.offset) if address.space is Space.CONST else None
            where = _place(address, sums)
            if place is not None and size in _SIZES:
                yield at, OBJECT + place.data.name, _signed(place.offset), size
            elif where is not None and size in _SIZES:
                yield at, *where, size
        elif operation.opcode is OpCode.INT_ADD and operation.output is not None:
            _note(operation, sums)


def _note(operation: Operation, sums: dict[Varnode, tuple[Cell, int]]) -> None:
    """Notes a sum that is a register and a distance."""
    where, distance = _place(operation.inputs[0], sums), operation.inputs[1]
    if where is not None and distance.space is Space.CONST and operation.output is not None:
        sums[operation.output] = where[0], where[1] + _signed(distance.offset)


def _signed(number: int) -> int:
    return (number + _HALF) % (2 * _HALF) - _HALF


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
        if operation.opcode is OpCode.LOAD and operation.output.size in _SIZES:
            yield _Load(*where, operation.output.size, kind)
        elif operation.opcode is OpCode.INT_ADD:
            _note(operation, sums)


def _place(node: Varnode, sums: dict[Varnode, tuple[Cell, int]]) -> tuple[Cell, int] | None:
    """An address as a register and a distance."""
    if node.space is Space.REGISTER and node.size == 8:
        cell = cell_of(node)
        return None if cell is None or cell.name == "rsp" else (cell, 0)
    return sums.get(node)
