"""What the pointers lead to that a function calls through, as far as types say: followed through its code.

A parameter and a variable have declared types, and so has each member of a structure that is loaded through them. Where
two paths meet only what is the same on both is known. What lies in the frame is not followed.

The code may use a pointer as another type than the one that it is declared with. So what is found here is not certain:
whoever uses it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.core.code import Block, Function, Label, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import CALLEE_SAVED, CELLS, Cell, cell_of
from burnish.verify.pair import Site
from burnish.verify.subject.debug_held import Held
from burnish.verify.subject.debug_pointers import Pointee, loaded

_CALLS = frozenset((OpCode.CALL, OpCode.CALLIND))
_STRINGS = frozenset((OpCode.REP_STOS, OpCode.REP_MOVS))
_KEPT = frozenset(CELLS[name] for name in CALLEE_SAVED)
_RESULT = CELLS["rax"]
_MASK = (1 << 64) - 1
_POINTER_SIZE = 8

_Registers = dict[Cell, Pointee]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file: the ``variable`` at an image address, and what the ``result`` leads to of a function
    that begins at one."""

    variable: Callable[[int], Pointee | None]
    result: Callable[[int], Pointee | None]


@dataclass(slots=True)
class _Flow:
    """What registers lead to at one place in a block."""

    registers: _Registers
    known: Known
    indexing: bool = False
    temporaries: dict[Varnode, Pointee] = field(default_factory=dict[Varnode, Pointee])
    words: dict[tuple[Cell, int], Pointee] = field(default_factory=dict[tuple[Cell, int], Pointee])
    """What words in memory lead to, by a register and the distance from where that leads."""
    sums: dict[Varnode, tuple[Cell, int]] = field(default_factory=dict[Varnode, tuple[Cell, int]])
    """The temporaries of an instruction that are such addresses."""
    scaled: set[Varnode] = field(default_factory=set[Varnode])
    """The temporaries of an instruction that are an index times the size of something."""
    claims: dict[Cell, tuple[Pointee, ...]] = field(default_factory=dict[Cell, tuple[Pointee, ...]])
    """What a register leads to that is used as several things."""

    def meet(self, here: Sequence[Held]) -> None:
        """What variables say of registers, and of words in memory, before an instruction."""
        self.words = {(one.register, one.offset): one.pointee for one in here if one.in_memory}
        self.sums, self.claims, self.scaled = {}, {}, set()
        said: dict[Cell, dict[int, Pointee]] = {}
        for one in here:
            if not one.in_memory and not one.offset:
                said.setdefault(one.register, {})[one.pointee.at] = one.pointee
        for cell, pointees in said.items():
            known = self.registers.get(cell)
            pointee = next(iter(pointees.values()))
            if len(pointees) > 1 or (known is not None and known.at != pointee.at):
                own = () if known is None else (known,)
                self.claims[cell] = tuple({one.at: one for one in (*own, *pointees.values())}.values())
                self.registers.pop(cell, None)
            elif known is None or not known.exact:
                self.registers[cell] = pointee

    def step(self, operation: Operation) -> None:
        """Past an operation."""
        if operation.opcode in _CALLS:
            self.registers = {cell: value for cell, value in self.registers.items() if cell in _KEPT}
            direct = operation.opcode is OpCode.CALL
            result = self.known.result(operation.inputs[0].offset) if direct else None
            if result is not None:
                self.registers[_RESULT] = result
        elif operation.opcode is OpCode.CALLOTHER:
            self.registers = {}
        elif operation.opcode in _STRINGS:
            for name in ("rdi", "rsi", "rcx"):
                self.registers.pop(CELLS[name], None)
        elif operation.output is not None:
            self._write(operation.output, self._result(operation))
            self._note(operation)

    def _note(self, operation: Operation) -> None:
        """Notes a sum of a register and a number, and what is scaled."""
        output = operation.output
        assert output is not None
        if not self.indexing or output.space is not Space.UNIQUE:
            return
        if operation.opcode is OpCode.INT_MULT:
            self.scaled.add(output)
        elif operation.opcode is OpCode.INT_ADD:
            base, distance = operation.inputs
            cell = self._sum(base)
            if cell is not None and distance.space is Space.CONST:
                self.sums[output] = cell[0], cell[1] + (distance.offset + (1 << 63) & _MASK) - (1 << 63)

    def at(self, node: Varnode) -> Pointee | None:
        """What a value leads to."""
        if node.space is Space.UNIQUE:
            return self.temporaries.get(node)
        cell = cell_of(node) if node.space is Space.REGISTER and node.size == _POINTER_SIZE else None
        return None if cell is None else self.registers.get(cell)

    def _result(self, operation: Operation) -> Pointee | None:
        assert operation.output is not None
        if operation.output.size != _POINTER_SIZE or operation.lane:
            return None
        match operation.opcode, operation.inputs:
            case OpCode.COPY, (source,):
                return self.at(source)
            case OpCode.ADDRESS, (address,):
                return self.known.variable(address.offset)
            case OpCode.LOAD, (address,):
                place = (
                    self.known.variable(address.offset) if address.space is Space.CONST else self.at(address)
                )
                found = None if place is None else loaded(place, unions=not self.indexing)
                word = self._sum(address)
                return found if found is not None or word is None else self.words.get(word)
            case OpCode.INT_ADD, (one, other):
                return self._moved(one, other) or self._moved(other, one) or self._element(one, other)
            case _:
                return None

    def places(self, node: Varnode) -> tuple[Pointee, ...]:
        """All that an address may lead to, as far as it is known."""
        one, place = self.at(node), self._sum(node)
        if one is not None or place is None:
            return () if one is None else (one,)
        return tuple(claim.moved(place[1]) for claim in self.claims.get(place[0], ()))

    def _sum(self, address: Varnode) -> tuple[Cell, int] | None:
        """An address as a register and a distance."""
        if (
            address.space is Space.REGISTER
            and address.size == _POINTER_SIZE
            and (cell := cell_of(address)) is not None
        ):
            return cell, 0
        return self.sums.get(address)

    def _moved(self, base: Varnode, distance: Varnode) -> Pointee | None:
        place = self.at(base) if distance.space is Space.CONST else None
        return None if place is None else place.moved((distance.offset + (1 << 63) & _MASK) - (1 << 63))

    def _element(self, base: Varnode, index: Varnode) -> Pointee | None:
        """An element of an array. A distance in bytes may lead to another object, and to what is of another type."""
        found = self.at(base) if index in self.scaled else None
        return None if found is None else found.somewhere()

    def _write(self, node: Varnode, value: Pointee | None) -> None:
        if node.space is Space.UNIQUE:
            end = node.offset + node.size
            for other in [t for t in self.temporaries if t.offset < end and node.offset < t.offset + t.size]:
                del self.temporaries[other]
            if value is not None:
                self.temporaries[node] = value
            return
        cell = cell_of(node) if node.space is Space.REGISTER else None
        if cell is not None:
            self.claims.pop(cell, None)
            self.registers.pop(cell, None)
            if value is not None and cell.size == _POINTER_SIZE:
                self.registers[cell] = value


def called_through(
    function: Function, at_entry: Mapping[str, Pointee], known: Known
) -> Iterator[tuple[Site, Pointee]]:
    """Each call by an address of which it is known what the pointer leads to. ``at_entry`` has that for registers."""
    before = _reaching(function, {CELLS[name]: value for name, value in at_entry.items()}, known)
    for block in function.blocks:
        if block.label in before:
            yield from _called(block, _Flow(before[block.label], known))


def held_at(function: Function, held: Sequence[Held]) -> dict[int, list[Held]]:
    """Where variables are before each instruction."""
    found: dict[int, list[Held]] = {}
    for at in (instruction.address for instruction in function.instructions):
        here = [one for one in held if one.first <= at < one.end]
        if here:
            found[at] = here
    return found


@dataclass(frozen=True, slots=True)
class Accessed:
    """An access by the instruction at an address: of how many bytes, and to one of several things, if it is known."""

    at: int
    places: tuple[Pointee, ...]
    size: int
    write: bool
    vector: bool
    """True where the instruction uses a vector register."""


def accessed(
    function: Function, at_entry: Mapping[str, Pointee], known: Known, held: Mapping[int, Sequence[Held]]
) -> Iterator[Accessed]:
    """Each access in the code that control gets to."""
    before = _reaching(function, {CELLS[name]: value for name, value in at_entry.items()}, known, held)
    vectors = {one.address for one in function.instructions if any(map(_uses_vectors, one.operations))}
    converting = {one.address for one in function.instructions if any(map(_is_of_integers, one.operations))}
    for block in function.blocks:
        if block.label not in before:
            continue
        flow = _Flow(before[block.label], known, True)
        marks = {index: address for address, index in block.marks}
        address = block.label.address
        for index, operation in enumerate(block.operations):
            if index in marks:
                address = marks[index]
                flow.meet(held.get(address, ()))
            if operation.opcode in (OpCode.LOAD, OpCode.STORE):
                node = operation.inputs[0]
                variable = known.variable(node.offset) if node.space is Space.CONST else None
                places = flow.places(node) if variable is None else (variable,)
                places = places if address not in converting else ()
                write = operation.output is None
                size = operation.inputs[1].size if operation.output is None else operation.output.size
                yield Accessed(address, places, size, write, address in vectors)
            flow.step(operation)


def _uses_vectors(operation: Operation) -> bool:
    nodes = (*operation.inputs, *(() if operation.output is None else (operation.output,)))
    cells = (cell_of(node) for node in nodes if node.space is Space.REGISTER)
    return any(cell is not None and cell.size > _POINTER_SIZE for cell in cells)


def _is_of_integers(operation: Operation) -> bool:
    """True for what makes a floating-point number of an integer, whatever register that is in."""
    return operation.opcode is OpCode.FLOAT_INT2FLOAT


def calls_by_address(function: Function) -> bool:
    """True if a function has calls, or jumps out of it, of which the code does not say where they lead."""
    return any(
        (isinstance(block.terminator, TailCall) and block.terminator.target.space is not Space.RAM)
        or any(operation.opcode is OpCode.CALLIND for operation in block.operations)
        for block in function.blocks
    )


def _called(block: Block, flow: _Flow) -> Iterator[tuple[Site, Pointee]]:
    for index, operation in enumerate(block.operations):
        if operation.opcode is OpCode.CALLIND and (found := flow.at(operation.inputs[0])) is not None:
            yield (block.label, index), found
        flow.step(operation)
    if isinstance(block.terminator, TailCall) and (found := flow.at(block.terminator.target)) is not None:
        yield (block.label, len(block.operations)), found


def _reaching(
    function: Function, at_entry: _Registers, known: Known, held: Mapping[int, Sequence[Held]] | None = None
) -> Mapping[Label, _Registers]:
    """What registers lead to on all paths to the beginning of each block that control gets to."""
    blocks = {block.label: block for block in function.blocks}
    found: dict[Label, _Registers] = {function.blocks[0].label: at_entry}
    waiting = [function.blocks[0].label]
    while waiting:
        label = waiting.pop()
        flow = _Flow(dict(found[label]), known, held is not None)
        marks = {index: address for address, index in blocks[label].marks}
        for index, operation in enumerate(blocks[label].operations):
            if held is not None and index in marks:
                flow.meet(held.get(marks[index], ()))
            flow.step(operation)
        for following in successors(blocks[label].terminator):
            earlier = found.get(following)
            both = (
                flow.registers
                if earlier is None
                else _common(earlier, flow.registers, widening=flow.indexing)
            )
            if both != earlier and following in blocks:
                found[following] = dict(both)
                waiting.append(following)
    return found


def _common(one: _Registers, other: _Registers, *, widening: bool) -> _Registers:
    """What is the same on two paths; ``widening``, of one that leads to several places of an object, that it does."""
    found: _Registers = {}
    for cell, value in one.items():
        second = other.get(cell)
        if second == value:
            found[cell] = value
        elif widening and second is not None and second.at == value.at:
            found[cell] = replace(value.somewhere(), whole=False)
    return found
