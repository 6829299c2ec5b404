"""Code as text: assembly with the names of what it refers to, and p-code block by block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from burnish.core.code import Branch, Function, Jump, Return, Switch, TailCall, Terminator, Unreachable
from burnish.core.deployment import ObjectCode
from burnish.core.image import Image
from burnish.core.pcode import Operation, Space, Varnode
from burnish.images.relocatable import SHF_EXECINSTR, read_object
from burnish.machine.disassemble import AssemblyLine, Syntax, disassemble
from burnish.machine.registers import cell_of

_RAW_WIDTH = 3 * 8


class View(Enum):
    """What of a function is shown."""

    ASM = "asm"
    """Its machine code."""
    PCODE = "pcode"
    """What that means."""
    EMITTED = "emitted"
    """The LLVM IR that is made of it."""
    LLVM = "llvm"
    """The same after LLVM's pipeline."""
    RECOMPILED = "recompiled"
    """The new machine code."""


@dataclass(frozen=True, slots=True)
class ListingLine:
    """One line of a listing.

    ``address`` is that of the instruction that it belongs to, if to one, and ``raw`` that instruction's bytes, in
    assembly; ``refers_to`` names what its operand points to.
    """

    text: str
    address: int | None = None
    raw: bytes = b""
    refers_to: str = ""

    def __str__(self) -> str:
        if self.address is None and not self.raw:
            return self.text
        where = "" if self.address is None else f"{self.address:#x}"
        bytes_column = f"  {self.raw.hex(' '):<{_RAW_WIDTH}}" if self.raw else ""
        note = f"  # {self.refers_to}" if self.refers_to else ""
        return f"{where:>10}{bytes_column}  {self.text}{note}"


def assembly_listing(image: Image, lines: Iterable[AssemblyLine]) -> Iterator[ListingLine]:
    """One line an instruction, with the name of what it refers to."""
    for line in lines:
        name = None if line.target is None else name_at(image, line.target)
        yield ListingLine(line.text, line.address, line.raw, name or "")


def pcode_listing(function: Function) -> Iterator[ListingLine]:
    """Each block's label, its operations, and where it goes.

    Each operation carries the address of the machine instruction that it belongs to.
    """
    for block in function.blocks:
        yield ListingLine(f"block {block.label}")
        begins = {index: address for address, index in block.marks}
        address = block.label.address
        for index, operation in enumerate(block.operations):
            address = begins.get(index, address)
            yield ListingLine(operation_text(operation), address)
        last = block.marks[-1][0] if block.marks else address
        yield ListingLine(terminator_text(block.terminator), last)


def object_listing(image: Image, code: ObjectCode, syntax: Syntax) -> Iterator[ListingLine]:
    """The executable sections of a rebuilt function. Addresses count from the start of each section; what a
    relocation fills in is named."""
    content = read_object(code.data)
    for section in content.sections:
        if not section.flags & SHF_EXECINSTR or not section.data:
            continue
        yield ListingLine(f"section {section.name}")
        symbols = {r.offset: content.symbols[r.symbol].name or "constants" for r in section.relocations}
        for line in disassemble(section.data, 0, syntax):
            places = range(line.address, line.address + len(line.raw))
            names = [_symbol_text(image, symbols[place]) for place in places if place in symbols]
            yield ListingLine(line.text, line.address, line.raw, ", ".join(names))


def _symbol_text(image: Image, symbol: str) -> str:
    """What a reader calls the symbol of a relocation: see ``ObjectCode``."""
    place = re.fullmatch(r"__burnish_at_([0-9a-f]+)", symbol)
    if place is None:
        return symbol
    address = int(place[1], 16)
    return name_at(image, address) or f"{address:#x}"


def name_at(image: Image, address: int) -> str | None:
    """What a reader calls ``address``: an import, or a function and the offset in it; None for the rest."""
    if (stub := image.plt.get(address)) is not None:
        return f"{stub.name}@plt"
    if (slot := image.bound_import(address)) is not None:
        return f"{slot.name}@got"
    bounds = image.bounds_at(address)
    if bounds is None:
        return None
    offset = address - bounds.address
    return f"{bounds.name}+{offset:#x}" if offset else bounds.name


def operation_text(operation: Operation) -> str:
    """As ``str(operation)``, with registers by name."""
    name = operation.opcode.name if not operation.lane else f"{operation.opcode.name}.{operation.lane}"
    text = f"{name} {', '.join(map(varnode_text, operation.inputs))}".rstrip()
    return text if operation.output is None else f"{varnode_text(operation.output)} = {text}"


def varnode_text(varnode: Varnode) -> str:
    """``rax:8``, ``rax[1]:1`` for a part that does not begin at the low end, or as ``str(varnode)``."""
    cell = cell_of(varnode) if varnode.space is Space.REGISTER else None
    if cell is None:
        return str(varnode)
    start = varnode.offset - cell.offset
    return f"{cell.name}[{start}]:{varnode.size}" if start else f"{cell.name}:{varnode.size}"


def terminator_text(terminator: Terminator) -> str:
    """The terminator, with arrows to where control goes."""
    match terminator:
        case Jump(target):
            return f"-> {target}"
        case Branch(condition, taken, fallthrough):
            return f"if {varnode_text(condition)} -> {taken} else -> {fallthrough}"
        case Switch(selector, targets):
            return f"switch {varnode_text(selector)} -> {', '.join(map(str, targets))}"
        case Return():
            return "return"
        case TailCall(target):
            return f"tail call {varnode_text(target)}"
        case Unreachable(trap):
            return "trap" if trap else "unreachable"
        case _:
            assert_never(terminator)
