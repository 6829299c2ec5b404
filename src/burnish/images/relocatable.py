"""Reads relocatable ELF objects as LLVM writes them: sections, symbols and relocations.

Only what linking needs, straight from the bytes: LIEF takes longer to open one of these than LLVM to make it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from burnish.core.errors import LinkError

SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 2, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_TLS = 1, 2, 4, 0x400
SHN_UNDEF, SHN_LORESERVE, SHN_ABS, SHN_XINDEX = 0, 0xFF00, 0xFFF1, 0xFFFF
ET_REL, EM_X86_64 = 1, 62
_WIDTHS = {1: 8, 24: 8}  # R_X86_64_64 and R_X86_64_PC64; the others that are supported write four bytes
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QIIq")


@dataclass(frozen=True, slots=True)
class Relocation:
    """``offset`` in its section, psABI ``kind``, index of the symbol, addend."""

    offset: int
    kind: int
    symbol: int
    addend: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """``section`` is the index of a section, ``SHN_UNDEF`` or ``SHN_ABS``; ``value`` is relative to it."""

    name: str
    section: int
    value: int
    size: int
    kind: int
    binding: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section with the relocations that apply to it. ``data`` is empty where the file holds no bytes."""

    name: str
    kind: int
    flags: int
    size: int
    alignment: int
    data: bytes = field(repr=False)
    relocations: tuple[Relocation, ...] = ()


@dataclass(frozen=True, slots=True)
class RelocatableObject:
    """Sections and symbols by their index in the file."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]


def read_object(data: bytes) -> RelocatableObject:
    """Parses ``data``; raises ``LinkError`` if it is not a complete x86-64 relocatable object."""
    try:
        return _read(data)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise LinkError(f"the code generator's object is malformed: {error}") from error


def _read(data: bytes) -> RelocatableObject:
    if data[:6] != b"\x7fELF\x02\x01":
        raise LinkError("the code generator's object is not a 64-bit little-endian ELF file")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if (kind, machine) != (ET_REL, EM_X86_64):
        raise LinkError("the code generator's object is not a relocatable x86-64 file")
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers: list[tuple[int, ...]] = [_SECTION.unpack_from(data, offset + i * size) for i in range(count)]
    bodies = [b"" if h[1] == SHT_NOBITS else _slice(data, h[4], h[5]) for h in headers]
    relocations: dict[int, tuple[Relocation, ...]] = {}
    symbols: tuple[Symbol, ...] = ()
    for header, body in zip(headers, bodies, strict=True):
        if header[1] == SHT_RELA:
            relocations[header[7]] = tuple(
                Relocation(place, info, symbol, addend)
                for place, info, symbol, addend in _RELA.iter_unpack(body)
            )
        elif header[1] == SHT_REL and header[5]:
            raise LinkError("the code generator's object has relocations without addends")
        elif header[1] == SHT_SYMTAB:
            symbols = tuple(_symbols(body, bodies[header[6]]))
    content = RelocatableObject(
        tuple(
            Section(_text(bodies[names], h[0]), h[1], h[2], h[5], max(h[8], 1), body, relocations.get(i, ()))
            for i, (h, body) in enumerate(zip(headers, bodies, strict=True))
        ),
        symbols,
    )
    for section in content.sections:
        _check(section, content)
    return content


def _check(section: Section, content: RelocatableObject) -> None:
    """Whatever uses the object indexes and writes without looking again."""
    if section.flags & (SHF_ALLOC | SHF_WRITE) == SHF_ALLOC and section.kind == SHT_NOBITS and section.size:
        raise LinkError(f"the code generator's object has zero-initialised data in section {section.name}")
    for relocation in section.relocations:
        if relocation.symbol >= len(content.symbols):
            raise ValueError("a relocation without a symbol")
        if relocation.offset + _WIDTHS.get(relocation.kind, 4) > section.size:
            raise ValueError("a relocation outside its section")
    for symbol in content.symbols:
        if symbol.section not in (SHN_UNDEF, SHN_ABS) and symbol.section >= len(content.sections):
            raise ValueError("a symbol outside all sections")


def _symbols(body: bytes, names: bytes) -> list[Symbol]:
    found: list[Symbol] = []
    for name, info, _, section, value, size in _SYMBOL.iter_unpack(body):
        if section >= SHN_LORESERVE and section != SHN_ABS:
            raise LinkError(f"the code generator's object has a symbol of unsupported kind ({section:#x})")
        found.append(Symbol(_text(names, name), section, value, size, info & 15, info >> 4))
    return found


def _slice(data: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise ValueError("a section lies outside the file")
    return data[offset : offset + size]


def _text(names: bytes, offset: int) -> str:
    return names[offset : names.index(b"\0", offset)].decode("utf-8", "surrogateescape")
