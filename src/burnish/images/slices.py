"""What varnodes hold where a block ends, and what that means for the blocks before.

``Slices.at_end`` gives a term over what held where the block began; ``Slices.before`` rewrites a term for one of the
blocks before. Calls are taken to follow the System V convention: they keep RSP and the callee-saved registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from burnish.core.code import Block, Branch, Label, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.images.intervals import Fact
from burnish.images.terms import (
    Apply,
    Const,
    Input,
    Instant,
    Memory,
    Sum,
    Term,
    Unknown,
    add,
    apply,
    difference,
    piece,
    subpiece,
    weight,
)
from burnish.machine.registers import CALLEE_SAVED, CELLS, GPR_CELLS, Cell, cell_of

_CALLS = (OpCode.CALL, OpCode.CALLIND, OpCode.CALLOTHER)
_KEPT = tuple(CELLS[name].offset for name in (*CALLEE_SAVED, "rsp"))
_STRING_REGISTERS = tuple(CELLS[name] for name in ("rdi", "rsi", "rcx"))

HEAVY = 64
"""Nodes of a term beyond which it is of no use for an address."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Answers about the blocks of one function; each block is evaluated once, when it is first asked about."""

    blocks: dict[Label, Block]
    entry: Label
    predecessors: dict[Label, list[Block]]
    _memory: Memo

    @staticmethod
    def of(blocks: Sequence[Block], memory: Memo) -> Slices:
        """Of blocks as ``cut_blocks`` gives them, the entry first. ``memory`` is kept by the caller for the blocks of
        the same function as they grow; it starts empty."""
        predecessors: dict[Label, list[Block]] = {block.label: [] for block in blocks}
        for block in blocks:
            for label in successors(block.terminator):
                predecessors[label].append(block)
        return Slices({block.label: block for block in blocks}, blocks[0].label, predecessors, memory)

    def at_end(self, block: Block, node: Varnode) -> Term:
        """The value of ``node`` where ``block`` ends, over what held where it began."""
        return self._evaluation(block).read(node)

    def registers_at_end(self, block: Block) -> tuple[tuple[Varnode, Term], ...]:
        """The values of all general registers where ``block`` ends."""
        return self._evaluation(block).registers

    def before(self, term: Term, block: Block) -> Term:
        """``term``, over what held after ``block``, as a term over what held before it."""
        return self._evaluation(block).before(term)

    def fact(self, block: Block, successor: Label) -> Fact | None:
        """What the way from ``block`` to ``successor`` says about a condition, over what held before ``block``."""
        match block.terminator:
            case Branch(condition, taken, fallthrough) if taken != fallthrough:
                return Fact(self.at_end(block, condition), successor == taken)
            case _:
                return None

    def _evaluation(self, block: Block) -> _Evaluation:
        key = (block.label, len(block.operations))  # two blocks of one start and length are the same code
        found = self._memory.get(key)
        if found is None:
            found = self._memory[key] = _Evaluation(block)
        return found


class _Evaluation:
    """The state where a block ends, by evaluating its operations in order."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._cells: dict[int, Term] = {}
        """By offset of the register; one that is absent has not changed since ``_clobbered``."""
        self._clobbered: Instant | None = None
        self._temporaries: dict[Varnode, Term] = {}
        self._stores: list[tuple[Term, Term] | None] = []
        """Address and value, in order; None for what may write anywhere."""
        self._count = 0
        starts = {index for _, index in block.marks}
        for index, op in enumerate(block.operations):
            if index in starts:
                self._temporaries.clear()  # they live within one instruction
            self._count = index + 1
            self._execute(op)

    def _execute(self, op: Operation) -> None:
        match op.opcode:
            case OpCode.STORE:
                self._stores.append((self.read(op.inputs[0]), self.read(op.inputs[1])))
            case OpCode.CALL | OpCode.CALLIND | OpCode.CALLOTHER:
                kept = {offset: self._cell_at(offset) for offset in _KEPT}
                self._cells, self._clobbered = kept, self._now()
                self._stores.append(None)
            case OpCode.REP_MOVS | OpCode.REP_STOS:
                for cell in _STRING_REGISTERS:
                    self._cells[cell.offset] = Unknown(self._now(), cell.varnode)
                self._stores.append(None)
            case _:
                pass
        if op.output is not None:
            self._write(op.output, self._result(op, op.output))

    def _result(self, op: Operation, output: Varnode) -> Term:
        if op.lane or op.opcode in _CALLS:
            return Unknown(self._now(), output)
        operands = tuple(map(self.read, op.inputs))
        if op.opcode is OpCode.LOAD:
            return self._load(operands[0], output.size)
        found = apply(op.opcode, operands, output.size)
        return found if weight(found) <= HEAVY else Unknown(self._now(), output)

    def _now(self) -> Instant:
        """After the operation that is being evaluated."""
        return Instant(self._block.label.address, self._count)

    @cached_property
    def registers(self) -> tuple[tuple[Varnode, Term], ...]:
        """The values of all general registers."""
        return tuple((cell.varnode, self._cell_at(cell.offset)) for cell in GPR_CELLS)

    def read(self, node: Varnode) -> Term:
        """The value of ``node`` now."""
        match node.space:
            case Space.CONST:
                return Const(node.offset, node.size)
            case Space.REGISTER:
                cell = cell_of(node)
                if cell is None:  # a register that we do not model
                    return self._unread(node)
                return subpiece(self._cell_at(cell.offset), node.offset - cell.offset, node.size)
            case Space.UNIQUE:
                return self._temporary(node)
            case Space.RAM:
                return self._unread(node)

    def _unread(self, node: Varnode) -> Term:
        """A value that the block has not written, nor is it a register's; negative moments keep it apart from what
        the operation at hand writes."""
        return Unknown(Instant(self._block.label.address, -self._count), node)

    def _cell_at(self, offset: int) -> Term:
        found = self._cells.get(offset)
        if found is None:
            node = _CELL_NODES[offset]
            found = Input(node) if self._clobbered is None else Unknown(self._clobbered, node)
            self._cells[offset] = found
        return found

    def _temporary(self, node: Varnode) -> Term:
        found = self._temporaries.get(node)
        if found is not None:
            return found
        for other, value in self._temporaries.items():
            skip = node.offset - other.offset
            if skip >= 0 and skip + node.size <= other.size:
                return subpiece(value, skip, node.size)
        return self._unread(node)

    def _write(self, node: Varnode, value: Term) -> None:
        if node.space is Space.UNIQUE:
            stale = [t for t in self._temporaries if _overlap(t, node)]
            for other in stale:
                del self._temporaries[other]
            self._temporaries[node] = value
        elif node.space is Space.REGISTER and (cell := cell_of(node)) is not None:
            self._cells[cell.offset] = self._with_part(cell, node, value)

    def _with_part(self, cell: Cell, node: Varnode, value: Term) -> Term:
        """The whole register after a write to a part of it."""
        if node.size == cell.size:
            return value
        if node.offset != cell.offset:
            return Unknown(self._now(), cell.varnode)
        high = subpiece(self._cell_at(cell.offset), node.size, cell.size - node.size)
        found = piece(high, value)
        return found if weight(found) <= HEAVY else Unknown(self._now(), cell.varnode)

    def _load(self, address: Term, size: int) -> Term:
        """What ``size`` bytes of memory at ``address`` hold now."""
        for i in range(len(self._stores) - 1, -1, -1):
            store = self._stores[i]
            gap = None if store is None else difference(address, store[0])
            if store is None or gap is None:
                return self._memory_since(i, address, size)
            value = store[1]
            if gap >= value.size or -gap >= size:
                continue
            if gap >= 0 and gap + size <= value.size:
                return subpiece(value, gap, size)
            return self._memory_since(i, address, size)
        return Memory(address, size)

    def _memory_since(self, store: int, address: Term, size: int) -> Term:
        """Memory as the store of that number left it."""
        return Memory(address, size, Instant(self._block.label.address, store))

    def before(self, term: Term) -> Term:
        """See ``Slices.before``."""
        match term:
            case Const():
                return term
            case Input(node):
                return self.read(node)
            case Unknown(moment, node):
                return Unknown(_older(moment), node)
            case Memory(address, size, moment):
                earlier = self.before(address)
                return self._load(earlier, size) if moment is None else Memory(earlier, size, _older(moment))
            case Sum(constant, parts, size):
                return add(size, constant, [(self.before(part), factor) for part, factor in parts])
            case Apply(opcode, operands, size):
                return apply(opcode, tuple(map(self.before, operands)), size)


Memo = dict[tuple[Label, int], _Evaluation]
"""What is known of blocks, by label and number of operations."""

_CELL_NODES = {cell.offset: cell.varnode for cell in CELLS.values()}


def _older(moment: Instant) -> Instant:
    """Instants of a block's operations are new each time that it runs; those further back must stay apart."""
    return Instant(moment.block, moment.index, moment.age + 1)


def _overlap(left: Varnode, right: Varnode) -> bool:
    return left.offset < right.offset + right.size and right.offset < left.offset + left.size
