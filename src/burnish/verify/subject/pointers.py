"""What the pointers lead to that a function calls through, as far as types say: followed through its code.

A parameter and a variable have declared types, and so has each member of a structure that is loaded through them. Where
two paths meet only what is the same on both is known. What lies in the frame is not followed.

The code may use a pointer as another type than the one that it is declared with. So what is found here is not certain:
whoever uses it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from burnish.core.code import Block, Function, Label, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import CALLEE_SAVED, CELLS, Cell, cell_of
from burnish.verify.pair import Site
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
    temporaries: dict[Varnode, Pointee] = field(default_factory=dict[Varnode, Pointee])

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
                return None if place is None else loaded(place)
            case OpCode.INT_ADD, (one, other):
                return self._moved(one, other) or self._moved(other, one)
            case _:
                return None

    def _moved(self, base: Varnode, distance: Varnode) -> Pointee | None:
        place = self.at(base) if distance.space is Space.CONST else None
        return None if place is None else place.moved((distance.offset + (1 << 63) & _MASK) - (1 << 63))

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


def _reaching(function: Function, at_entry: _Registers, known: Known) -> Mapping[Label, _Registers]:
    """What registers lead to on all paths to the beginning of each block that control gets to."""
    blocks = {block.label: block for block in function.blocks}
    found: dict[Label, _Registers] = {function.blocks[0].label: at_entry}
    waiting = [function.blocks[0].label]
    while waiting:
        label = waiting.pop()
        flow = _Flow(dict(found[label]), known)
        for operation in blocks[label].operations:
            flow.step(operation)
        for following in successors(blocks[label].terminator):
            earlier = found.get(following)
            both = flow.registers if earlier is None else _common(earlier, flow.registers)
            if both != earlier and following in blocks:
                found[following] = dict(both)
                waiting.append(following)
    return found


def _common(one: _Registers, other: _Registers) -> _Registers:
    return {cell: value for cell, value in one.items() if other.get(cell) == value}
