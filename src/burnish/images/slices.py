"""What a varnode holds, by looking backwards from a place in the code.

``Slices.value`` looks back to the start of a block and gives a term over what held there; ``Slices.before`` rewrites
such a term for one of the blocks before. Calls are taken to follow the System V convention: they keep RSP and the
callee-saved registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
from burnish.machine.registers import CALLEE_SAVED, cell_of, gpr

_CALLS = (OpCode.CALL, OpCode.CALLIND)
_STRINGS = (OpCode.REP_MOVS, OpCode.REP_STOS)
_OPAQUE = (OpCode.CALLOTHER, OpCode.REP_MOVS, OpCode.REP_STOS, *_CALLS)
_KEPT = frozenset((*CALLEE_SAVED, "rsp"))
_STRING_REGISTERS = frozenset(gpr(name).offset for name in ("rdi", "rsi", "rcx"))
_DEPTH = 48
"""Operations in a row that a term may stand for; beyond that a value is unknown."""

HEAVY = 64
"""Nodes of a term beyond which it is of no use for an address."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Answers about the blocks of one function. Terms are remembered."""

    blocks: dict[Label, Block]
    entry: Label
    predecessors: dict[Label, list[Block]]
    _values: dict[tuple[Label, int, Varnode], Term] = field(
        default_factory=dict[tuple[Label, int, Varnode], Term]
    )

    @staticmethod
    def of(blocks: Sequence[Block]) -> Slices:
        """Of blocks as ``cut_blocks`` gives them, the entry first."""
        predecessors: dict[Label, list[Block]] = {block.label: [] for block in blocks}
        for block in blocks:
            for label in successors(block.terminator):
                predecessors[label].append(block)
        return Slices({block.label: block for block in blocks}, blocks[0].label, predecessors)

    def at_end(self, block: Block, node: Varnode) -> Term:
        """The value of ``node`` where ``block`` ends, over what held where it began."""
        return self.value(block, len(block.operations), node)

    def value(self, block: Block, index: int, node: Varnode, depth: int = 0) -> Term:
        """The value of ``node`` before operation ``index`` of ``block``."""
        if node.space is Space.CONST:
            return Const(node.offset, node.size)
        key = (block.label, index, node)
        found = self._values.get(key)
        if found is None:
            found = self._value(block, index, node, depth)
            if depth == 0:
                self._values[key] = found
        return found

    def _value(self, block: Block, index: int, node: Varnode, depth: int) -> Term:
        if node.space is Space.RAM or depth > _DEPTH:
            return Unknown(_instant(block, index), node)
        for i in range(index - 1, -1, -1):
            op = block.operations[i]
            output = op.output
            if output is not None:
                if not _overlap(output, node):
                    continue
                if _covers(output, node):
                    return subpiece(self._result(block, i, op, depth), node.offset - output.offset, node.size)
                if output.offset != node.offset or not _covers(node, output):
                    return _unknown(_instant(block, i), node)
                whole = self.value(block, i, node, depth + 1)
                low, high = output.size, node.size - output.size
                return piece(subpiece(whole, low, high), self._result(block, i, op, depth))
            if op.opcode in _OPAQUE and _changes(op, node):
                return _unknown(_instant(block, i), node)
        cell = cell_of(node) if node.space is Space.REGISTER else None
        if cell is None:
            # Temporaries live within one instruction; registers that we do not model are never of interest.
            return Unknown(_instant(block, 0), node)
        return subpiece(Input(cell.varnode), node.offset - cell.offset, node.size)

    def _result(self, block: Block, index: int, op: Operation, depth: int) -> Term:
        """The value of the output of the operation at ``index``."""
        assert op.output is not None
        if op.lane or op.opcode in _OPAQUE:
            return Unknown(_instant(block, index), op.output)
        operands = tuple(self.value(block, index, node, depth + 1) for node in op.inputs)
        if op.opcode is OpCode.LOAD:
            return self._loaded(block, index, operands[0], op.output.size, depth)
        found = apply(op.opcode, operands, op.output.size)
        return found if weight(found) <= HEAVY else Unknown(_instant(block, index), op.output)

    def _loaded(self, block: Block, index: int, address: Term, size: int, depth: int) -> Term:
        """What ``size`` bytes of memory at ``address`` hold before operation ``index``."""
        for i in range(index - 1, -1, -1):
            op = block.operations[i]
            if op.opcode is OpCode.STORE:
                stored_size = op.inputs[1].size
                gap = difference(address, self.value(block, i, op.inputs[0], depth + 1))
                if gap is None:
                    return Memory(address, size, _instant(block, i))
                if gap >= stored_size or -gap >= size:
                    continue
                if gap >= 0 and gap + size <= stored_size:
                    return subpiece(self.value(block, i, op.inputs[1], depth + 1), gap, size)
                return Memory(address, size, _instant(block, i))
            if op.opcode in _OPAQUE:
                return Memory(address, size, _instant(block, i))
        return Memory(address, size)

    def before(self, term: Term, block: Block) -> Term:
        """``term``, over what held after ``block``, as a term over what held before it."""
        match term:
            case Const():
                return term
            case Input(node):
                return self.at_end(block, node)
            case Unknown(moment, node):
                return Unknown(_older(moment), node)
            case Memory(address, size, moment):
                earlier = self.before(address, block)
                if moment is None:
                    return self._loaded(block, len(block.operations), earlier, size, 0)
                return Memory(earlier, size, _older(moment))
            case Sum(constant, parts, size):
                return add(size, constant, [(self.before(part, block), factor) for part, factor in parts])
            case Apply(opcode, operands, size):
                return apply(opcode, tuple(self.before(operand, block) for operand in operands), size)

    def fact(self, block: Block, successor: Label) -> Fact | None:
        """What the way from ``block`` to ``successor`` says about a condition, over what held before ``block``."""
        match block.terminator:
            case Branch(condition, taken, fallthrough) if taken != fallthrough:
                return Fact(self.at_end(block, condition), successor == taken)
            case _:
                return None


def _unknown(moment: Instant, node: Varnode) -> Term:
    """What a register holds since ``moment``: the same unknown for each of its parts."""
    cell = cell_of(node) if node.space is Space.REGISTER else None
    if cell is None:
        return Unknown(moment, node)
    return subpiece(Unknown(moment, cell.varnode), node.offset - cell.offset, node.size)


def _instant(block: Block, index: int) -> Instant:
    return Instant(block.label.address, index)


def _older(moment: Instant) -> Instant:
    """Instants of this block's operations are new each time that it runs; those further back must stay apart."""
    return Instant(moment.block, moment.index, moment.age + 1)


def _overlap(left: Varnode, right: Varnode) -> bool:
    return (
        left.space is right.space
        and left.offset < right.offset + right.size
        and right.offset < left.offset + left.size
    )


def _covers(outer: Varnode, inner: Varnode) -> bool:
    return outer.offset <= inner.offset and inner.offset + inner.size <= outer.offset + outer.size


def _changes(op: Operation, node: Varnode) -> bool:
    """True if an operation without an output may change ``node``."""
    if node.space is not Space.REGISTER:
        return False
    cell = cell_of(node)
    if op.opcode in _STRINGS:
        return cell is None or cell.offset in _STRING_REGISTERS
    return cell is None or cell.name not in _KEPT
