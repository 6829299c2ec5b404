"""Where addresses come from: the frame, the image, or a pointer that the function was given or loaded.

A light domain over the same walker. It answers, before any LLVM is written:

* which registers hold a known distance from the stack pointer at entry, and where (so that the frame becomes one
  ``alloca`` and the stack pointer disappears);
* which values are pointers (what is used as the base of an address), so that they stay ``ptr``;
* whether the function keeps the System V convention: callee-saved registers saved, restored, and not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.core.code import Label
from burnish.core.pcode import OpCode, Operation, Space
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, Cell


@dataclass(frozen=True, slots=True)
class Number:
    """A value that is no address, as far as can be seen. ``scaled`` if it was multiplied or shifted."""

    scaled: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: int


@dataclass(frozen=True, slots=True)
class FrameAddress:
    """The stack pointer at entry plus ``offset``."""

    offset: int


@dataclass(frozen=True, slots=True)
class FrameDerived:
    """A frame address plus something unknown."""


@dataclass(frozen=True, slots=True)
class ImageAddress:
    """An address in the image, or one plus something unknown."""


@dataclass(frozen=True, slots=True)
class EntryValue:
    """What a register that carries no argument held at entry."""

    register: str


Leaf = tuple[Label, str | int]
"""(block, register) for a register at the block's start; (block, operation index) for a loaded value."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """``leaf`` plus a constant."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Sum:
    """Two leaves added: either may be the pointer."""

    left: Leaf
    right: Leaf


Shape = Number | Constant | FrameAddress | FrameDerived | ImageAddress | EntryValue | Unknown | Sum
_SLOT = "slot"
NUMBER = Number()
SCALED = Number(scaled=True)
_MASK = (1 << 64) - 1


Event = tuple[str, int, int]
"""``("read" | "pop" | "write", frame offset, size)``, ``("call", stack pointer, operation index)``, or ``("fill", frame
offset, operation index)``: the operation was handed the address of an object and may have written all of it."""


@dataclass(slots=True)
class Evidence:
    """What the walk over one block found. Offsets are relative to the stack pointer at entry."""

    pointers: set[Leaf] = field(default_factory=set[Leaf])
    sums: set[tuple[Leaf, Leaf]] = field(default_factory=set[tuple[Leaf, Leaf]])
    """Pairs whose sum is an address, and of which either may be the pointer."""
    frame_reads: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    frame_writes: list[tuple[int, int, Shape]] = field(default_factory=list[tuple[int, int, Shape]])
    events: list[Event] = field(default_factory=list[Event])
    """In order, see ``Event``."""
    escapes: set[int] = field(default_factory=set[int])
    indexed: set[int] = field(default_factory=set[int])
    """Frame offsets to which something unknown is added."""
    indexed_write: bool = False
    crossed: bool = False
    """True where a constant leads from the stack arguments down into the frame."""
    opaque: bool = False
    """True where a frame address is subtracted from or by something unknown: then an address may be the sum of
    another object's pointer and such a difference, and LLVM must not think the frame is out of its reach."""
    misuse: tuple[str, int] | None = None
    """A register whose entry value is read though it carries no argument, and the operation's index."""
    stack_lost: int | None = None
    """Index of the operation that made the stack pointer unknown."""


class ProvenanceDomain:
    """See the module. One instance walks one block: ``facts`` are the shapes of registers at its start, and of the
    frame slots that hold entry values (``slot_name``)."""

    def __init__(self, label: Label, facts: dict[str, Shape]) -> None:
        self.label = label
        self.facts = facts
        self.saved = {
            int(name.removeprefix(_SLOT)): shape.register
            for name, shape in facts.items()
            if name.startswith(_SLOT) and isinstance(shape, EntryValue)
        }
        """Frame slots that hold entry values now: offset to register."""
        self.found = Evidence()
        self.index = 0
        self.pops = False
        """True while the operation at hand is the load of a ``pop``."""

    def constant(self, value: int, size: int) -> Shape:
        return Constant(value)

    def initial(self, cell: Cell, offset: int, size: int) -> Shape:
        if cell.size != 8:
            return NUMBER
        fact = self.facts.get(cell.name)
        if size == 8:
            return fact or Unknown((self.label, cell.name))
        if isinstance(fact, EntryValue) and offset:
            # What lies above a byte that was written: compilers let it be carried along, and never look at it.
            return NUMBER
        return NUMBER if fact is None else self._partial(fact)

    def segment_base(self, name: str) -> Shape:
        return NUMBER

    def apply(self, operation: Operation, arguments: Sequence[Shape]) -> Shape:
        opcode, size = operation.opcode, operation.output.size if operation.output else 0
        if opcode is OpCode.ADDRESS:
            return ImageAddress()
        if size == 8 and not operation.lane:
            if opcode is OpCode.INT_ADD:
                return self._sum(arguments[0], arguments[1])
            if opcode is OpCode.INT_SUB:
                return self._difference(operation, arguments[0], arguments[1])
            if opcode is OpCode.SELECT:
                return self._merge(arguments[1], arguments[2])
        known = [a.value for a in arguments if isinstance(a, Constant)]
        if len(known) == 2 and opcode is OpCode.INT_MULT:
            return Constant(known[0] * known[1] & _MASK)
        for argument in arguments:
            self.use(argument)
        if opcode in (OpCode.INT_MULT, OpCode.INT_LEFT):
            return SCALED
        return NUMBER

    def load(self, address: Shape, size: int) -> Shape:
        self._access(address, size, "pop" if self.pops else "read")
        if isinstance(address, FrameAddress):
            self.found.frame_reads.append((address.offset, size))
            if size == 8 and address.offset in self.saved:
                return EntryValue(self.saved[address.offset])
        return Unknown((self.label, self.index)) if size == 8 else NUMBER

    def store(self, address: Shape, value: Shape, size: int) -> None:
        self._access(address, size, "write")
        if isinstance(address, FrameAddress):
            self.found.frame_writes.append((address.offset, size, value))
            for slot in [s for s in self.saved if address.offset < s + 8 and s < address.offset + size]:
                del self.saved[slot]
            if isinstance(value, EntryValue) and size == 8:
                self.saved[address.offset] = value.register
                return
        self.use(value)

    def extract(self, value: Shape, size: int, offset: int, part: int) -> Shape:
        return self._partial(value)

    def concat(self, parts: Sequence[tuple[Shape, int]]) -> Shape:
        for part, _ in parts:
            self.use(part)
        return NUMBER

    def effect(self, operation: Operation, walker: Walker[Shape]) -> None:
        if operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
            self._string_operation(operation, walker)
        else:
            raise AssertionError("calls are the driver's business")

    def use(self, value: Shape) -> None:
        """A value is read as data: a frame address escapes, an entry value is misused."""
        match value:
            case FrameAddress(offset):
                self.found.escapes.add(offset)
            case EntryValue(register):
                if self.found.misuse is None:
                    self.found.misuse = (register, self.index)
            case _:
                pass

    def _partial(self, value: Shape) -> Shape:
        self.use(value)
        return Constant(value.value) if isinstance(value, Constant) else NUMBER

    def _access(self, address: Shape, size: int, how: str) -> None:
        match address:
            case FrameAddress(offset):
                self.found.events.append((how, offset, size))
            case Unknown(leaf):
                self.found.pointers.add(leaf)
            case Sum(left, right):
                self.found.sums.add((left, right))
            case EntryValue():
                self.use(address)
            case FrameDerived():
                self.found.indexed_write = self.found.indexed_write or how not in ("read", "pop")
            case _:
                pass

    def _sum(self, a: Shape, b: Shape) -> Shape:
        match a, b:
            case Constant(x), Constant(y):
                return Constant((x + y) & _MASK)
            case (FrameAddress(offset), Constant(value)) | (Constant(value), FrameAddress(offset)):
                return self._moved(offset, value)
            case (Constant(), other) | (other, Constant()) if isinstance(
                other, Unknown | Sum | ImageAddress | FrameDerived
            ):
                return other
            case _:
                pass
        for mine, other in ((a, b), (b, a)):
            if isinstance(mine, FrameAddress | FrameDerived):
                if isinstance(mine, FrameAddress):
                    self.found.indexed.add(mine.offset)
                self.use(other)
                return FrameDerived()
        for mine, other in ((a, b), (b, a)):
            if isinstance(mine, ImageAddress):
                self.use(other)
                return ImageAddress()
        for mine, other in ((a, b), (b, a)):
            if isinstance(mine, Unknown) and isinstance(other, Number):
                if other.scaled:
                    self.found.pointers.add(mine.leaf)
                return mine
        if isinstance(a, Unknown) and isinstance(b, Unknown):
            return Sum(a.leaf, b.leaf)
        self.use(a)
        self.use(b)
        return NUMBER

    def _moved(self, offset: int, distance: int) -> Shape:
        moved = FrameAddress(offset + (distance - (1 << 64) if distance >> 63 else distance))
        self.found.crossed = self.found.crossed or moved.offset < 8 <= offset
        return moved

    def _difference(self, operation: Operation, a: Shape, b: Shape) -> Shape:
        match a, b:
            case Constant(x), Constant(y):
                return Constant((x - y) & _MASK)
            case FrameAddress(offset), Constant(value):
                return self._moved(offset, -value & _MASK)
            case ((Unknown() | Sum() | ImageAddress() | FrameDerived()), Constant()):
                return a
            case _:
                pass
        same = operation.inputs[0] == operation.inputs[1] and operation.inputs[0].space is Space.REGISTER
        if same:
            return Constant(0)
        if isinstance(a, FrameAddress | FrameDerived) != isinstance(b, FrameAddress | FrameDerived):
            self.found.opaque = True
        self.use(a)
        self.use(b)
        return a if isinstance(a, Unknown | ImageAddress) and isinstance(b, Number) else NUMBER

    def _merge(self, a: Shape, b: Shape) -> Shape:
        if a == b:
            return a
        self.use(a)
        self.use(b)
        match a, b:
            case (Unknown() as known, _) | (_, Unknown() as known):
                return known
            case _:
                return NUMBER

    def _string_operation(self, operation: Operation, walker: Walker[Shape]) -> None:
        nodes = operation.inputs
        pointers = (0, 1) if operation.opcode is OpCode.REP_MOVS else (0,)
        for i, node in enumerate(nodes[:3]):
            shape = walker.read(node)
            if i in pointers:
                self._access(shape, 0, "string")
                if i == 0 and isinstance(shape, FrameAddress):
                    self.found.events.append(("fill", shape.offset, self.index))
                if isinstance(shape, FrameAddress):
                    self.found.escapes.add(shape.offset)
            else:
                self.use(shape)
        for i in (*pointers, 2):
            walker.write(nodes[i], Unknown((self.label, -self.index - 1 - i)) if i in pointers else NUMBER)


def slot_name(offset: int) -> str:
    """The name under which facts hold what is in a frame slot."""
    return f"{_SLOT}{offset}"


def entry_facts() -> dict[str, Shape]:
    """Shapes of the general registers when a function is entered."""
    facts: dict[str, Shape] = {"rsp": FrameAddress(0)}
    for name in ("rax", "rbx", "rbp", "r10", "r11", "r12", "r13", "r14", "r15"):
        facts[name] = EntryValue(name)
    return facts


GENERAL = tuple(cell for cell in CELLS.values() if cell.size == 8)
"""Cells that can hold an address."""
