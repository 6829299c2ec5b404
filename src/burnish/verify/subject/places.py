"""The addresses in the code of one function, and what they point to in its own file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from burnish.core.code import Function, Instruction
from burnish.core.image import ImageKind
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.encoding import decode
from burnish.machine.registers import FS_OFFSET
from burnish.verify.pair import LOWEST
from burnish.verify.subject.inputs import Input
from burnish.verify.subject.regions import Region, Regions, imported_by

_ADDRESSED = frozenset((OpCode.LOAD, OpCode.STORE, OpCode.ADDRESS))
_STACK_GUARD = 0x28
"""Where glibc keeps the stack protector's value, relative to ``fs``: the one word there that is no program's data."""
_FS = Varnode(Space.REGISTER, FS_OFFSET, 8)


@dataclass(frozen=True, slots=True)
class Imported:
    """``offset`` bytes from something that another file defines."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class CodeAddress:
    """The entry of a function of this file, or the address of an import's stub."""

    address: int


@dataclass(frozen=True, slots=True)
class InRegion:
    """``offset`` bytes from the start of an object of this file."""

    region: Region
    offset: int


Target = Imported | CodeAddress | InRegion


class UnclearError(Exception):
    """Code refers to something that cannot be told; the message is a phrase for ``UNKNOWN``."""


@dataclass(frozen=True, slots=True)
class References:
    """What a function's addresses mean: ``targets`` by the address in its code, ``slots`` by the address of a constant
    word that holds an address."""

    targets: dict[int, Target]
    slots: dict[int, Target]


class Finder:
    """Answers for the functions of one file."""

    def __init__(self, source: Input) -> None:
        self.image = source.image
        self.data = source.data
        self.regions = Regions(source.image, source.data)

    def references(self, function: Function) -> References:
        """All that ``function`` refers to. Raises ``UnclearError``."""
        _check_segment_accesses(function)
        exact = self._exact(function)
        if self.image.kind is ImageKind.EXECUTABLE:
            self._check_numbers(function)
        targets: dict[int, Target] = {}
        slots: dict[int, Target] = {}
        for instruction, address, loaded in _addresses(function):
            if self._is_absolute(instruction):
                if self._is_nowhere(instruction, address):
                    continue  # what compilers make of a null pointer: the access faults
                raise UnclearError(f"the code uses {address:#x} as an address, whatever is loaded there")
            target = exact.get(address) or self.target(address)
            if target is None:
                raise UnclearError(f"the code refers to the address {address:#x}, and no data begins there")
            targets[address] = target
            pointee = self.pointee(address) if loaded == 8 else None
            if pointee is not None:
                slots[address] = pointee
        return References(targets, slots)

    def target(self, address: int) -> Target | None:
        """What an image address points to; None for nothing that can be named."""
        if address in self.image.plt:
            return CodeAddress(address)
        if self.image.is_code(address):
            bounds = self.image.bounds_at(address)
            return CodeAddress(address) if bounds is not None and bounds.address == address else None
        found = self.regions.at(address)
        return None if found is None else InRegion(*found)

    def pointee(self, place: int) -> Target | None:
        """What the constant word at an image address points to; None where it is no such word."""
        if not self.image.is_constant(place, 8):
            return None
        imported = imported_by(self.image, place)
        if imported is not None:
            return self.defined(imported) or Imported(imported, 0)
        address = self.image.relative.get(place)
        if address is None or place in self.image.got:
            return None
        return self.target(address)

    def defined(self, name: str) -> Target | None:
        """What this file itself has under the name of an import."""
        for bounds in self.image.functions:
            if name == bounds.name or name in bounds.aliases:
                return CodeAddress(bounds.address)
        found = self.regions.named(name)
        return None if found is None else InRegion(*found)

    def _exact(self, function: Function) -> dict[int, Imported]:
        """From relocations: addresses relative to symbols of other files, which the image cannot place."""
        found: dict[int, Imported] = {}
        places = self.data.references
        if not places:
            self._check_relocated_code(function)
            return found
        own: set[int] = set()
        for instruction in function.instructions:
            relocated = [places[k] for k in range(instruction.address, instruction.end) if k in places]
            if all(one.slot or one.target is not None for one in relocated):
                own.update(_operands(instruction.operations))
            for place in range(instruction.address, instruction.end):
                reference = places.get(place)
                if reference is None or reference.slot:
                    continue
                if not reference.relative:
                    name = reference.name or "data"
                    raise UnclearError(
                        f"the code holds the absolute address of {name} at {place:#x}; compile it with -fPIE"
                    )
                if reference.target is not None or not instruction.operations:
                    continue
                offset = reference.addend + instruction.end - place
                for node in _operands(instruction.operations):
                    target = Imported(reference.name, offset)
                    if found.setdefault(node, target) != target:
                        raise UnclearError(f"the code refers to {reference.name} far outside of it")
        if own & set(found):
            name = next(found[node].name for node in sorted(own & set(found)))
            raise UnclearError(f"the code refers to {name} far outside of it")
        return found

    def _check_relocated_code(self, function: Function) -> None:
        for instruction in function.instructions:
            if self.data.relocated_in(instruction.address, instruction.end):
                raise UnclearError(f"the code at {instruction.address:#x} is changed by relocation")

    def _check_numbers(self, function: Function) -> None:
        """In a file with fixed addresses a number may be one."""
        for block in function.blocks:
            for operation in block.operations:
                skipped = 1 if operation.opcode in _ADDRESSED or operation.opcode is OpCode.CALL else 0
                for node in operation.inputs[skipped:]:
                    if node.space is Space.CONST and node.size >= 4 and self._is_mapped(node.offset):
                        raise UnclearError(
                            f"{node.offset:#x} in the code may be an address or a number, in a program that "
                            "is not position-independent"
                        )

    def _is_mapped(self, value: int) -> bool:
        return self.image.segment_at(value) is not None

    def _is_absolute(self, instruction: Instruction) -> bool:
        """True for a fixed address in a file that may be loaded anywhere."""
        if self.image.kind is ImageKind.EXECUTABLE:
            return False
        shape = decode(self.image.read(instruction.address, instruction.size) or b"")
        return shape is None or not shape.is_rip_relative

    def _is_nowhere(self, instruction: Instruction, address: int) -> bool:
        """True for an address at which nothing ever is, that no linker or loader changes."""
        places = range(instruction.address, instruction.end)
        if self.data.relocated_in(instruction.address, instruction.end):
            return False
        return 0 <= address < LOWEST and not any(place in self.data.references for place in places)


def _operands(operations: tuple[Operation, ...]) -> Iterator[int]:
    for operation in operations:
        if operation.opcode in _ADDRESSED and operation.inputs[0].space is Space.CONST:
            yield operation.inputs[0].offset


def _addresses(function: Function) -> Iterator[tuple[Instruction, int, int]]:
    """Each image address in the code, its instruction, and the bytes that are loaded from there at once (0: none)."""
    for instruction in function.instructions:
        for operation in instruction.operations:
            if operation.opcode in _ADDRESSED and operation.inputs[0].space is Space.CONST:
                load = operation.opcode is OpCode.LOAD and operation.output is not None
                size = operation.output.size if load and operation.output else 0
                yield instruction, operation.inputs[0].offset, size


def _check_segment_accesses(function: Function) -> None:
    """Thread-local data has no addresses that two files agree on."""
    for block in function.blocks:
        for operation in block.operations:
            if _FS not in operation.inputs:
                continue
            numbers = [node.offset for node in operation.inputs if node.space is Space.CONST]
            if operation.opcode is not OpCode.INT_ADD or numbers != [_STACK_GUARD]:
                raise UnclearError("thread-local data")
