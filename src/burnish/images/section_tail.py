"""The end of a patched file: copies of its symbol, name and section header tables that also know the new
code.

Nothing at run time reads them; they are there for objdump, readelf, gdb and perf.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.core.deployment import PatchedFunction
from burnish.images.elf_layout import (
    SHF_ALLOC,
    SHN_LORESERVE,
    SHT_PROGBITS,
    SHT_STRTAB,
    SHT_SYMTAB,
    ElfLayout,
    SectionHeader,
)

_SYMBOL = struct.Struct("<IBBHQQ")
_GLOBAL_FUNCTION = 1 << 4 | 2
SUFFIX = ".burnish"
"""What the symbol of a rebuilt function has behind the name of the original."""


@dataclass(frozen=True, slots=True)
class NewSection:
    """A loaded part of the new segment that gets a section header. Sizes and alignment in bytes."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    alignment: int


@dataclass(frozen=True, slots=True)
class Tail:
    """``data`` goes at the file offset that was asked for; the rest are the new fields of the ELF header."""

    data: bytes
    shoff: int
    shnum: int


def section_tail(
    layout: ElfLayout,
    offset: int,
    added: Sequence[NewSection],
    moved: Mapping[str, tuple[int, int, int]],
    functions: Sequence[PatchedFunction],
    frames: bytes,
) -> Tail | None:
    """The tables for the file ``layout`` with the sections ``added``, to be written at ``offset``.

    ``moved`` gives loaded sections, by name, a new ``(address, offset, size)``. ``functions`` become symbols
    (with ``SUFFIX``);
    they lie in ``added[0]``. ``frames`` is the
    ``.debug_frame`` of the new code. None if the file has no section headers, or too many.
    """
    if not layout.sections or len(layout.sections) + len(added) + 2 >= SHN_LORESERVE:
        return None
    tables = _Tables(layout, offset)
    for index, section in enumerate(layout.sections):
        new = moved.get(layout.section_name(section)) if section.flags & SHF_ALLOC else None
        if new is not None:
            tables.sections[index] = replace(section, addr=new[0], offset=new[1], size=new[2])
    code = len(tables.sections)
    for new in added:
        place = (new.flags, new.address, new.offset, new.size)
        tables.add(new.name, SectionHeader(0, new.type, *place, 0, 0, new.alignment, 0))
    if functions:
        tables.add_symbols(functions, code)
    if frames and ".debug_frame" not in map(layout.section_name, layout.sections):
        tables.add_content(".debug_frame", SectionHeader(0, SHT_PROGBITS, 0, 0, 0, 0, 0, 0, 8, 0), frames)
    return tables.finish()


class _Tables:
    """Section headers in the making, with the string tables that grow; ``finish`` lays everything out."""

    def __init__(self, layout: ElfLayout, offset: int) -> None:
        self.sections = list(layout.sections)
        self._layout = layout
        self._offset = offset
        self._data = bytearray()
        self._names = layout.header.shstrndx
        self._strings: dict[int, bytearray] = {}

    def add(self, name: str, section: SectionHeader) -> int:
        """Appends a section of that name; gives its index."""
        self.sections.append(replace(section, name=self._string(self._names, name)))
        return len(self.sections) - 1

    def add_content(self, name: str, section: SectionHeader, content: bytes) -> None:
        """Appends a section that is not loaded, with its bytes."""
        self._place(self.add(name, section), content)

    def add_symbols(self, functions: Sequence[PatchedFunction], code: int) -> None:
        """Global symbols, at the end of the symbol table so that local ones keep their places; a file without
        a symbol table gets one. Left out where the table is in a shape that linkers do not make."""
        kinds = [section.type for section in self.sections]
        if SHT_SYMTAB in kinds:
            index = kinds.index(SHT_SYMTAB)
            table = self.sections[index]
            strings = table.link
            if strings >= len(self._layout.sections) or self.sections[strings].type != SHT_STRTAB:
                return
            if (table.flags | self.sections[strings].flags) & SHF_ALLOC or table.entsize != _SYMBOL.size:
                return
            content = bytearray(self._layout.section_bytes(table))
        else:
            strings = self.add(".strtab", SectionHeader(0, SHT_STRTAB, 0, 0, 0, 0, 0, 0, 1, 0))
            self._strings[strings] = bytearray(1)
            fresh = SectionHeader(0, SHT_SYMTAB, 0, 0, 0, 0, strings, 1, 8, _SYMBOL.size)
            index = self.add(".symtab", fresh)
            content = bytearray(_SYMBOL.size)
        for function in functions:
            name = self._string(strings, function.name + SUFFIX)
            content += _SYMBOL.pack(name, _GLOBAL_FUNCTION, 0, code, function.new_address, function.new_size)
        self._place(index, bytes(content))

    def finish(self) -> Tail:
        """Lays out the string tables and the section headers."""
        for index, content in self._strings.items():
            self._place(index, bytes(content))
        start = self._append(b"".join(section.pack() for section in self.sections))
        return Tail(bytes(self._data), start, len(self.sections))

    def _string(self, table: int, text: str) -> int:
        if table not in self._strings:
            self._strings[table] = bytearray(self._layout.section_bytes(self._layout.sections[table]))
        strings = self._strings[table]
        start = len(strings)
        strings += text.encode("utf-8", "surrogateescape") + b"\0"
        return start

    def _place(self, index: int, content: bytes) -> None:
        start = self._append(content)
        self.sections[index] = replace(self.sections[index], offset=start, size=len(content))

    def _append(self, content: bytes) -> int:
        self._data += bytes(-(self._offset + len(self._data)) % 8)
        start = self._offset + len(self._data)
        self._data += content
        return start
