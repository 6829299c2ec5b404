"""Links rebuilt functions: lays their objects out at an address and applies relocations.

The result is one run of bytes that is only read and executed, so the same code serves three placements: a new
segment of an ELF file, this process, and another process. It works in two steps, because the address often
depends on the size: ``Layout`` knows the size, ``Layout.place`` the address. ``link`` does both.

Relocations are those of the System V ABI, AMD64 supplement, section 4.4; GOT loads are relaxed as its
appendix B describes, since there is no GOT.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.core.deployment import LinkedCode, LinkedFunction, ObjectCode
from burnish.core.errors import LinkError
from burnish.core.image import FunctionBounds
from burnish.images.memory_functions import NAMES, memory_functions
from burnish.images.relocatable import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_TLS,
    SHF_WRITE,
    SHN_ABS,
    SHN_UNDEF,
    RelocatableObject,
    Relocation,
    Section,
    read_object,
)
from burnish.images.unwind import read_frames

IMAGE_SYMBOL = "__burnish_image"
_AT = re.compile(r"__burnish_at_([0-9a-f]{1,16})\Z")
_LINE = 64
_FUNCTION_SYMBOL, _SECTION_SYMBOL = 2, 3
_UNWIND = 0x70000001  # SHT_X86_64_UNWIND

_R_64, _R_PC32, _R_PLT32, _R_32, _R_32S, _R_PC64 = 1, 2, 4, 10, 11, 24
_R_GOTPCRELX, _R_REX_GOTPCRELX = 41, 42

Resolver = Callable[[str], int | None]


def address_symbol(address: int) -> str:
    """The symbol by which rebuilt code calls whatever lies at an image address."""
    return f"__burnish_at_{address:x}"


def image_resolver(base: int = 0) -> Resolver:
    """Resolves the symbols of the contract for an image that is loaded ``base`` above its image addresses."""

    def resolve(name: str) -> int | None:
        if name == IMAGE_SYMBOL:
            return base
        match = _AT.match(name)
        return None if match is None else base + int(match[1], 16)

    return resolve


def link(
    objects: Sequence[ObjectCode], address: int, resolve: Resolver, *, relocated: bool = False
) -> LinkedCode:
    """Lays ``objects`` out at ``address``; see ``Layout`` and ``Layout.place``."""
    return Layout.of(objects).place(address, resolve, relocated=relocated)


@dataclass(frozen=True, slots=True)
class _Input:
    """An object and where its sections lie in the result, by section index; absent ones are not kept."""

    code: ObjectCode | None
    content: RelocatableObject = field(repr=False)
    offsets: dict[int, int]

    @property
    def culprit(self) -> int | None:
        return None if self.code is None else self.code.address


@dataclass(frozen=True, slots=True)
class Layout:
    """Objects laid out one after another: all code, then all constants, then all unwind records.

    ``size`` and ``text_size`` in bytes; the address must be a multiple of ``alignment``.
    """

    inputs: tuple[_Input, ...]
    size: int
    text_size: int
    frames_offset: int
    alignment: int

    @staticmethod
    def of(objects: Sequence[ObjectCode]) -> Layout:
        """Reads and lays out ``objects``. Raises ``LinkError`` for a malformed object, one with writable or
        thread-local data, two for one address, and one that does not define its symbol."""
        contents: list[tuple[ObjectCode | None, RelocatableObject]] = []
        taken: set[int] = set()
        for code in objects:
            if code.address in taken:
                raise LinkError(f"two objects replace the function at {code.address:#x}", code.address)
            taken.add(code.address)
            contents.append((code, _checked(code)))
        if any(_needs_memory_functions(content) for _, content in contents):
            contents.append((None, read_object(memory_functions())))
        offsets: list[dict[int, int]] = [{} for _ in contents]
        cursor = 0
        ends: list[int] = []
        alignment = _LINE
        for wanted in (_is_code, _is_constant, _is_frames):
            cursor = -cursor % _LINE + cursor
            start = cursor
            for (_, content), placed in zip(contents, offsets, strict=True):
                for index, section in enumerate(content.sections):
                    if wanted(section):
                        step = 4 if wanted is _is_frames else section.alignment
                        cursor += -cursor % step
                        placed[index] = cursor
                        cursor += section.size
                        alignment = max(alignment, section.alignment)
            ends.extend((start, cursor))
        inputs = tuple(_Input(*pair, placed) for pair, placed in zip(contents, offsets, strict=True))
        # Four zero bytes end the unwind records.
        return Layout(inputs, cursor + 4, ends[1], ends[4], alignment)

    def place(self, address: int, resolve: Resolver, *, relocated: bool = False) -> LinkedCode:
        """The code at ``address``.

        ``resolve`` gives the address of each symbol that the objects leave undefined, or None; where it gives
        None the linker's own memory functions are used. Calls to a function that another of the objects
        replaces go straight to the new code. ``relocated`` says that the result will be moved after linking
        (a PIE or shared library): absolute addresses are then an error.

        Raises ``LinkError`` for an unknown symbol and for a relocation that is unsupported or out of reach.
        """
        if address % self.alignment:
            raise LinkError(f"the address {address:#x} is not a multiple of {self.alignment}")
        known = self._symbols(address, resolve)
        image = bytearray(b"\xcc" * self.text_size).ljust(self.size, b"\0")
        for source in self.inputs:
            for index, offset in source.offsets.items():
                body = source.content.sections[index].data
                image[offset : offset + len(body)] = body
            for index, offset in source.offsets.items():
                for relocation in source.content.sections[index].relocations:
                    target = _target(source, relocation, address, known)
                    _apply(image, address, offset, relocation, target, relocated, source.culprit)
        data = bytes(image)
        return LinkedCode(
            address,
            data,
            tuple(self._functions(address)),
            self.text_size,
            self.frames_offset,
            read_frames(data[self.frames_offset :], address + self.frames_offset),
        )

    def _functions(self, address: int) -> list[LinkedFunction]:
        found: list[LinkedFunction] = []
        for source in self.inputs:
            if source.code is None:
                continue
            for symbol in source.content.symbols:
                if symbol.name == source.code.symbol and symbol.section in source.offsets:
                    place = address + source.offsets[symbol.section] + symbol.value
                    # All code of the object is this function's: helpers that it alone calls stand behind it.
                    size = source.content.sections[symbol.section].size - symbol.value
                    found.append(LinkedFunction(symbol.name, source.code.address, place, size))
                    break
        return found

    def memory_functions(self, address: int) -> dict[str, int]:
        """Where the linker's own memory functions lie in code at ``address``, by name; empty if it needs none."""
        return {
            symbol.name: address + source.offsets[symbol.section] + symbol.value
            for source in self.inputs
            if source.code is None
            for symbol in source.content.symbols
            if symbol.name in NAMES and symbol.section in source.offsets
        }

    def parts(self, address: int) -> list[FunctionBounds]:
        """Each function in the objects for code at ``address``, helpers that only one of them calls among them."""
        return [
            FunctionBounds(
                symbol.name, address + source.offsets[symbol.section] + symbol.value, symbol.size, "symbol"
            )
            for source in self.inputs
            if source.code is not None
            for symbol in source.content.symbols
            if symbol.kind == _FUNCTION_SYMBOL and symbol.section in source.offsets
        ]

    def _symbols(self, address: int, resolve: Resolver) -> Callable[[str], int | None]:
        replaced = {address_symbol(f.original): f.address for f in self._functions(address)}
        own = self.memory_functions(address)

        def lookup(name: str) -> int | None:
            if name in replaced:
                return replaced[name]
            found = resolve(name)
            return own.get(name) if found is None else found

        return lookup


def _is_code(section: Section) -> bool:
    return bool(section.flags & SHF_ALLOC and section.flags & SHF_EXECINSTR)


def _is_frames(section: Section) -> bool:
    return bool(section.flags & SHF_ALLOC) and (section.kind == _UNWIND or section.name == ".eh_frame")


def _is_constant(section: Section) -> bool:
    return bool(section.flags & SHF_ALLOC) and not _is_code(section) and not _is_frames(section)


def _checked(code: ObjectCode) -> RelocatableObject:
    try:
        content = read_object(code.data)
    except LinkError as error:
        raise LinkError(str(error), code.address) from error
    for section in content.sections:
        if section.flags & SHF_ALLOC and section.size and section.flags & (SHF_WRITE | SHF_TLS):
            message = f"{code.symbol} has writable data of its own in section {section.name}"
            raise LinkError(message, code.address)
        if section.alignment > 4096:
            raise LinkError(f"{code.symbol} wants data aligned to {section.alignment} bytes", code.address)
    kept = {i for i, section in enumerate(content.sections) if _is_code(section)}
    if not any(s.name == code.symbol and s.section in kept and s.binding for s in content.symbols):
        raise LinkError(f"the object for {code.address:#x} does not define {code.symbol}", code.address)
    return content


def _needs_memory_functions(content: RelocatableObject) -> bool:
    return any(s.section == SHN_UNDEF and s.name in NAMES for s in content.symbols)


def _target(source: _Input, relocation: Relocation, address: int, known: Callable[[str], int | None]) -> int:
    """The value S of the psABI: the address of the relocation's symbol."""
    symbol = source.content.symbols[relocation.symbol]
    if symbol.section == SHN_ABS:
        return symbol.value
    if symbol.section != SHN_UNDEF:
        if symbol.section not in source.offsets:
            name = source.content.sections[symbol.section].name
            raise LinkError(f"rebuilt code refers to its section {name}, which is not loaded", source.culprit)
        return address + source.offsets[symbol.section] + symbol.value
    target = known(symbol.name)
    if target is None:
        raise LinkError(
            f"rebuilt code refers to {symbol.name or 'no symbol'}, which is unknown", source.culprit
        )
    return target


def _apply(
    image: bytearray,
    address: int,
    section: int,
    relocation: Relocation,
    target: int,
    relocated: bool,
    culprit: int | None,
) -> None:
    place = section + relocation.offset
    value = target + relocation.addend
    match relocation.kind:
        case kind if kind in (_R_GOTPCRELX, _R_REX_GOTPCRELX):
            place = _relax(image, section, place, culprit)
            form, value = "<i", value - (address + place)
        case kind if kind in (_R_PC32, _R_PLT32):
            form, value = "<i", value - (address + place)
        case kind if kind == _R_PC64:
            form, value = "<q", value - (address + place)
        case kind if kind in (_R_64, _R_32, _R_32S):
            if relocated:
                raise LinkError("rebuilt position-independent code holds an absolute address", culprit)
            form = {_R_64: "<Q", _R_32: "<I", _R_32S: "<i"}[kind]
        case kind:
            raise LinkError(f"relocation {kind} is not supported", culprit)
    try:
        struct.pack_into(form, image, place, value)
    except struct.error as error:
        raise LinkError(
            f"the address {target:#x} is out of reach of code at {address:#x}", culprit
        ) from error


def _relax(image: bytearray, section: int, place: int, culprit: int | None) -> int:
    """Turns an access through the GOT into a direct one; returns where its 32-bit distance lies now."""
    opcode = bytes(image[place - 2 : place]) if place - 2 >= section else b""
    if (
        opcode[:1] == b"\x8b" and opcode[1] & 0xC7 == 0x05
    ):  # mov sym@GOTPCREL(%rip), %reg -> lea sym(%rip), %reg
        image[place - 2] = 0x8D
        return place
    if opcode == b"\xff\x15":  # call *sym@GOTPCREL(%rip) -> addr32 call sym
        image[place - 2 : place] = b"\x67\xe8"
        return place
    if opcode == b"\xff\x25":  # jmp *sym@GOTPCREL(%rip) -> jmp sym; nop
        image[place - 2 : place + 4] = b"\xe9\0\0\0\0\x90"
        return place - 1
    raise LinkError(f"an access through the GOT with opcode {opcode.hex(' ')} is not supported", culprit)
