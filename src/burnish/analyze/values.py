"""The values of a function as a graph: static single assignment over registers, flags and the frame's slots.

Phis are made where a value is first asked for (Braun and others, "Simple and efficient construction of static single
assignment form", 2013), and in just the bytes that are read: parts of registers need no rules of their own. A place at
a fixed distance from the stack pointer is a register here: recordings have no accesses to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from burnish.core.code import Label
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.domains.integers import DivisionError, compute
from burnish.machine.registers import Cell


class Kind(Enum):
    """What a node is."""

    CONSTANT = "constant"
    """``value`` is it."""
    ENTRY = "entry"
    """What a place held when the function was entered, or the base of a segment."""
    FRAME = "frame"
    """The stack pointer at entry plus ``value``."""
    PHI = "phi"
    """A value for each way into the block: ``sources`` are where ``arguments`` come from."""
    OPERATION = "operation"
    """A pure one; parts of values are ``SUBPIECE`` and ``PIECE``, whose arguments here begin with the lowest."""
    LOAD = "load"
    """``arguments`` are the address, and values of places in the frame that it may be to."""
    STORE = "store"
    """``arguments`` are address and value."""
    CALL = "call"
    """A call, or a string instruction: all that it reads. Of a call ``value`` is the address called, or 0."""
    CHANGED = "changed"
    """What a call leaves in a place, or a store through a pointer, which may be to another one: ``arguments`` are it,
    and what was there before."""


@dataclass(eq=False, slots=True)
class Node:
    """A value, or an effect. ``block`` is None where it is the same in all of the function; ``address`` is the
    instruction's. ``place`` is what a phi, ``ENTRY`` or ``CHANGED`` is the value of: a cell and the first byte."""

    kind: Kind
    size: int
    arguments: list[Node] = field(default_factory=list["Node"])
    block: Label | None = None
    address: int = 0
    opcode: OpCode = OpCode.COPY
    lane: int = 0
    value: int = 0
    place: tuple[Cell, int] | None = None
    sources: list[Label] = field(default_factory=list[Label])
    perhaps: frozenset[int] = frozenset()
    """Indices of arguments of a call that it may not read at all."""

    def operation(self) -> Operation:
        """The same as p-code on made-up operands, to be computed."""
        output = Varnode(Space.UNIQUE, 0, self.size)
        inputs = tuple(
            Varnode(Space.CONST, node.value, node.size)
            if node.kind is Kind.CONSTANT
            else Varnode(Space.UNIQUE, 16 * (k + 1), node.size)
            for k, node in enumerate(self.arguments)
        )
        return Operation(self.opcode, output, inputs, self.lane)


_SIGN = 1 << 63
_EXTENSIONS = (OpCode.INT_ZEXT, OpCode.INT_SEXT)


class ValueDomain:
    """Makes nodes for the walk over a block (``domains.walker.Domain``): ``label`` and ``address`` say where it is.
    ``facts`` are the registers that hold a known distance from the stack pointer at entry, by block."""

    def __init__(self, facts: Mapping[Label, Mapping[str, int]]) -> None:
        self.label = Label(0)
        self.address = 0
        self.facts = facts
        self.nodes: list[Node] = []
        self.phis: list[Node] = []
        self._constants: dict[tuple[int, int], Node] = {}
        self._frames: dict[int, Node] = {}
        self._initial: dict[tuple[Label, str, int, int], Node] = {}
        self._entries: dict[tuple[str, int, int], Node] = {}

    def constant(self, value: int, size: int) -> Node:
        """A literal."""
        key = (value, size)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = Node(Kind.CONSTANT, size, value=value)
        return found

    def frame_address(self, distance: int) -> Node:
        """The stack pointer at entry plus ``distance``."""
        found = self._frames.get(distance)
        if found is None:
            found = self._frames[distance] = Node(Kind.FRAME, 8, value=distance)
        return found

    def entry(self, cell: Cell, offset: int, size: int) -> Node:
        """What a place held at entry."""
        key = (cell.name, offset, size)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Node(Kind.ENTRY, size, place=(cell, offset))
        return found

    def initial(self, cell: Cell, offset: int, size: int) -> Node:
        """Part of a place at the start of the block at hand: a phi whose arguments are found later."""
        return self.at_start(self.label, cell, offset, size)

    def at_start(self, label: Label, cell: Cell, offset: int, size: int) -> Node:
        """The same for the start of any block."""
        distance = self.facts[label].get(cell.name)
        if distance is not None and offset == 0 and size == cell.size:
            return self.frame_address(distance)
        key = (label, cell.name, offset, size)
        found = self._initial.get(key)
        if found is None:
            found = self._initial[key] = Node(Kind.PHI, size, [], label, label.address, place=(cell, offset))
            self.phis.append(found)
            self.nodes.append(found)
        return found

    def segment_base(self, name: str) -> Node:
        """The base of a segment."""
        return self.entry(Cell(name, 0, 8), 0, 8)

    def made(self, kind: Kind, size: int, arguments: Sequence[Node], value: int = 0) -> Node:
        """A node at the place at hand that is no operation."""
        node = Node(kind, size, list(arguments), self.label, self.address, value=value)
        self.nodes.append(node)
        return node

    def apply(self, operation: Operation, arguments: Sequence[Node]) -> Node:
        """The result of a pure operation."""
        opcode, output, _, lane = operation
        assert output is not None
        moved = _moved(opcode, output.size, lane, arguments)
        if moved is not None:
            return self.frame_address(moved)
        if opcode is OpCode.PIECE and not lane:
            return self.concat([(node, node.size) for node in reversed(arguments)])
        if opcode is OpCode.SUBPIECE and not lane and arguments[1].kind is Kind.CONSTANT:
            return self.extract(arguments[0], arguments[0].size, arguments[1].value, output.size)
        return self.operation(opcode, output.size, arguments, lane)

    def operation(self, opcode: OpCode, size: int, arguments: Sequence[Node], lane: int = 0) -> Node:
        """A pure operation, computed where all is constant."""
        node = Node(Kind.OPERATION, size, list(arguments), self.label, self.address, opcode=opcode, lane=lane)
        constant = all(argument.kind is Kind.CONSTANT for argument in arguments)
        if constant and opcode not in (OpCode.ADDRESS, OpCode.PIECE):
            try:
                return self.constant(
                    compute(node.operation(), [argument.value for argument in arguments]), size
                )
            except (DivisionError, KeyError, ValueError):
                pass
        self.nodes.append(node)
        return node

    def load(self, address: Node, size: int) -> Node:
        """``size`` bytes of memory that is no place in the frame."""
        return self.made(Kind.LOAD, size, (address,))

    def store(self, address: Node, value: Node, size: int) -> None:
        """Write memory that is no place in the frame."""
        self.made(Kind.STORE, size, (address, value))

    def extract(self, value: Node, size: int, offset: int, part: int) -> Node:
        """``part`` bytes at ``offset`` of a value."""
        if offset == 0 and part == value.size:
            return value
        match value.kind:
            case Kind.CONSTANT:
                return self.constant(value.value >> 8 * offset & (1 << 8 * part) - 1, part)
            case Kind.PHI if value.block is not None and value.place is not None:
                cell, first = value.place
                return self.at_start(value.block, cell, first + offset, part)
            case Kind.ENTRY if value.place is not None:
                return self.entry(value.place[0], value.place[1] + offset, part)
            case Kind.OPERATION if not value.lane:
                found = self._part_of(value, offset, part)
                if found is not None:
                    return found
            case _:
                pass
        return self.operation(OpCode.SUBPIECE, part, (value, self.constant(offset, 4)))

    def _part_of(self, value: Node, offset: int, part: int) -> Node | None:
        inner = value.arguments[0]
        if value.opcode in _EXTENSIONS:
            if offset + part <= inner.size:
                return self.extract(inner, inner.size, offset, part)
            if value.opcode is OpCode.INT_ZEXT and offset >= inner.size:
                return self.constant(0, part)
            return None
        if value.opcode is OpCode.SUBPIECE:
            return self.extract(inner, inner.size, offset + value.arguments[1].value, part)
        if value.opcode is OpCode.PIECE:
            start = 0
            for argument in value.arguments:
                if start <= offset and offset + part <= start + argument.size:
                    return self.extract(argument, argument.size, offset - start, part)
                start += argument.size
        return None

    def concat(self, parts: Sequence[tuple[Node, int]]) -> Node:
        """A value of several parts, least significant first; parts that lay side by side are one again."""
        joined: list[Node] = []
        for node, _ in parts:
            last = joined.pop() if joined else None
            both = self._side_by_side(last, node) if last is not None else None
            if both is not None:
                joined.append(both)
            else:
                joined += [node] if last is None else [last, node]
        if len(joined) == 1:
            return joined[0]
        return self.operation(OpCode.PIECE, sum(node.size for node in joined), joined)

    def _side_by_side(self, low: Node, high: Node) -> Node | None:
        size = low.size + high.size
        if low.kind is Kind.CONSTANT and high.kind is Kind.CONSTANT:
            return self.constant(low.value | high.value << 8 * low.size, size)
        if low.kind is high.kind is Kind.PHI and low.block == high.block and low.block is not None:
            if low.place is None or high.place is None:
                return None
            (cell, first), (other, then) = low.place, high.place
            if cell is other and first + low.size == then:
                return self.at_start(low.block, cell, first, size)
        if low.kind is high.kind is Kind.OPERATION and low.opcode is high.opcode is OpCode.SUBPIECE:
            whole, start = low.arguments[0], low.arguments[1].value
            if whole is high.arguments[0] and start + low.size == high.arguments[1].value:
                return self.extract(whole, whole.size, start, size)
        return None

    def effect(self, operation: Operation, walker: object) -> None:
        """Calls and string instructions are the business of who walks."""
        raise AssertionError(f"{operation} is no pure operation")


def _moved(opcode: OpCode, size: int, lane: int, arguments: Sequence[Node]) -> int | None:
    """The distance that a sum of an address in the frame and a constant has."""
    if size != 8 or lane or opcode not in (OpCode.INT_ADD, OpCode.INT_SUB) or len(arguments) != 2:
        return None
    a, b = arguments
    if opcode is OpCode.INT_ADD and a.kind is Kind.CONSTANT:
        a, b = b, a
    if a.kind is not Kind.FRAME or b.kind is not Kind.CONSTANT:
        return None
    by = b.value - (1 << 64) if b.value & _SIGN else b.value
    return a.value + by if opcode is OpCode.INT_ADD else a.value - by


def closure(roots: Iterable[Node]) -> set[Node]:
    """All that nodes are computed from, and they."""
    found = set(roots)
    work = list(found)
    while work:
        for argument in work.pop().arguments:
            if argument not in found:
                found.add(argument)
                work.append(argument)
    return found
