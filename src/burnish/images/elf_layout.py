"""The bytes of an x86-64 ELF file as patching needs them: header, segments, sections, dynamic entries, notes.

Plain ``struct`` over the bytes, because everything that is written back must keep each byte that it does not
mean to change; LIEF and pyelftools give values but not places. Every offset is checked against the file.

Format: System V ABI, generic part, chapters 4 and 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.errors import ImageError

ET_EXEC, ET_DYN = 2, 3
EM_X86_64 = 62
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_PHDR = 1, 2, 3, 4, 6
PT_GNU_EH_FRAME = 0x6474E550
PF_X, PF_R = 1, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS = 1, 2, 3, 7, 8
SHF_ALLOC, SHF_EXECINSTR = 2, 4
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
DT_FLAGS_1, DF_1_PIE = 0x6FFFFFFB, 0x08000000
PN_XNUM = SHN_LORESERVE = 0xFF00

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC = struct.Struct("<qQ")
_NOTE = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Header:
    """The ELF header. Field names are those of the specification without ``e_``."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int

    def pack(self) -> bytes:
        """The 64 bytes of the header."""
        return _HEADER.pack(
            self.ident, self.type, self.machine, self.version, self.entry, self.phoff, self.shoff, self.flags,
            self.ehsize, self.phentsize, self.phnum, self.shentsize, self.shnum, self.shstrndx,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProgramHeader:
    """A segment. Field names are those of the specification without ``p_``."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int

    SIZE = _SEGMENT.size

    def pack(self) -> bytes:
        """The 56 bytes of the entry."""
        return _SEGMENT.pack(
            self.type, self.flags, self.offset, self.vaddr, self.paddr, self.filesz, self.memsz, self.align
        )


@dataclass(frozen=True, slots=True)
class SectionHeader:
    """A section. Field names are those of the specification without ``sh_``."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int

    SIZE = _SECTION.size

    def pack(self) -> bytes:
        """The 64 bytes of the entry."""
        return _SECTION.pack(
            self.name, self.type, self.flags, self.addr, self.offset, self.size, self.link, self.info,
            self.addralign, self.entsize,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of a ``PT_NOTE`` segment; ``offset`` is where it begins in the file."""

    owner: bytes
    kind: int
    content: bytes = field(repr=False)
    offset: int


@dataclass(frozen=True, slots=True)
class ElfLayout:
    """An executable or shared library. ``sections`` is empty where the file has none (or none that can be
    kept)."""

    data: bytes = field(repr=False)
    header: Header
    segments: tuple[ProgramHeader, ...]
    sections: tuple[SectionHeader, ...]

    @property
    def loads(self) -> tuple[ProgramHeader, ...]:
        return tuple(s for s in self.segments if s.type == PT_LOAD)

    @property
    def delta(self) -> int:
        """Address minus file offset of the first loaded segment, which holds the ELF header."""
        return self.loads[0].vaddr - self.loads[0].offset

    @property
    def is_relocated(self) -> bool:
        """True where the loader chooses the address: a PIE or a shared library."""
        return self.header.type == ET_DYN

    def segment(self, kind: int) -> ProgramHeader | None:
        """The first segment of that type, or None."""
        return next((s for s in self.segments if s.type == kind), None)

    def file_offset(self, address: int, size: int, access: int = 0) -> int | None:
        """Where in the file the ``size`` bytes loaded at ``address`` lie; None if not all of them are in
        it."""
        for segment in self.loads:
            if segment.flags & access != access:
                continue
            if segment.vaddr <= address and address + size <= segment.vaddr + segment.filesz:
                return address - segment.vaddr + segment.offset
        return None

    def section_name(self, section: SectionHeader) -> str:
        """Name of a section; empty if it has none."""
        names = self.sections[self.header.shstrndx]
        return _text(self.data[names.offset : names.offset + names.size], section.name)

    def section_bytes(self, section: SectionHeader) -> bytes:
        """Content of a section in the file."""
        return self.data[section.offset : section.offset + section.size]

    def dynamic(self) -> tuple[tuple[int, int], ...]:
        """``(tag, value)`` of each dynamic entry before the first ``DT_NULL``; empty for a static file."""
        found: list[tuple[int, int]] = []
        segment = self.segment(PT_DYNAMIC)
        if segment is not None:
            whole = segment.filesz - segment.filesz % _DYNAMIC.size
            for tag, value in _DYNAMIC.iter_unpack(self.data[segment.offset : segment.offset + whole]):
                if tag == DT_NULL:
                    break
                found.append((tag, value))
        return tuple(found)

    def dynamic_strings(self) -> bytes:
        """The string table of the dynamic section; empty for a static file."""
        entries = dict(reversed(self.dynamic()))
        size = entries.get(DT_STRSZ, 0)
        offset = self.file_offset(entries.get(DT_STRTAB, 0), size)
        return b"" if offset is None else self.data[offset : offset + size]

    def dynamic_texts(self, tag: int) -> tuple[str, ...]:
        """The strings of all entries with ``tag`` (``DT_NEEDED``, ``DT_SONAME``, ``DT_RPATH`` …), in
        order."""
        strings = self.dynamic_strings()
        return tuple(_text(strings, value) for found, value in self.dynamic() if found == tag)

    def notes(self) -> tuple[Note, ...]:
        """All notes that the ``PT_NOTE`` segments hold, in file order; malformed ones are left out."""
        found: dict[int, Note] = {}
        for segment in self.segments:
            if segment.type == PT_NOTE:
                found.update((note.offset, note) for note in self._notes_in(segment))
        return tuple(found[offset] for offset in sorted(found))

    def _notes_in(self, segment: ProgramHeader) -> list[Note]:
        found: list[Note] = []
        cursor, end = segment.offset, segment.offset + segment.filesz
        unit = 8 if segment.align == 8 else 4
        while cursor + _NOTE.size <= end:
            name_size, size, kind = _NOTE.unpack_from(self.data, cursor)
            start = cursor + _NOTE.size
            content = start + name_size + -name_size % unit
            if content + size > end:
                break
            owner = self.data[start : start + name_size].rstrip(b"\0")
            found.append(Note(owner, kind, self.data[content : content + size], cursor))
            cursor = content + size + -size % unit
        return found


def pack_note(owner: bytes, kind: int, content: bytes) -> bytes:
    """A note entry with four-byte alignment."""
    name = owner + b"\0"
    head = _NOTE.pack(len(name), len(content), kind)
    return head + name + bytes(-len(name) % 4) + content + bytes(-len(content) % 4)


def pack_dynamic(tag: int, value: int) -> bytes:
    """A dynamic entry."""
    return _DYNAMIC.pack(tag, value)


def read_layout(path: Path) -> ElfLayout:
    """Reads ``path`` whole. Raises ``ImageError`` with one sentence for anything but a complete x86-64 ELF
    executable or shared library."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}.") from error
    try:
        return _parse(data, path)
    except (struct.error, OverflowError) as error:
        raise ImageError(f"{path} is a truncated ELF file.") from error


def _parse(data: bytes, path: Path) -> ElfLayout:
    if not data:
        raise ImageError(f"{path} is empty.")
    if data[:4] != b"\x7fELF":
        raise ImageError(f"{path} is not an ELF file.")
    if len(data) < _HEADER.size:
        raise ImageError(f"{path} is a truncated ELF file.")
    header = Header(*_HEADER.unpack_from(data))
    if data[4:6] != b"\x02\x01" or header.machine != EM_X86_64:
        raise ImageError(f"{path} is not a 64-bit x86-64 ELF file.")
    if header.type not in (ET_EXEC, ET_DYN):
        raise ImageError(f"{path} is neither an executable nor a shared library.")
    if header.phnum == 0xFFFF or header.phentsize != ProgramHeader.SIZE or not header.phnum:
        raise ImageError(f"{path} has a program header table that Burnish cannot read.")
    segments = tuple(
        ProgramHeader(*_SEGMENT.unpack_from(data, header.phoff + i * _SEGMENT.size))
        for i in range(header.phnum)
    )
    for segment in segments:
        if segment.type == PT_LOAD and segment.offset + segment.filesz > len(data):
            raise ImageError(f"{path} is a truncated ELF file.")
    if not any(s.type == PT_LOAD for s in segments):
        raise ImageError(f"{path} has nothing to load.")
    return ElfLayout(data, header, segments, _sections(data, header))


def _sections(data: bytes, header: Header) -> tuple[SectionHeader, ...]:
    """The section headers; none where the table is absent, of the extended kind, or points outside the
    file."""
    end = header.shoff + header.shnum * SectionHeader.SIZE
    if not header.shoff or header.shentsize != SectionHeader.SIZE or end > len(data):
        return ()
    sections = tuple(
        SectionHeader(*_SECTION.unpack_from(data, header.shoff + i * SectionHeader.SIZE))
        for i in range(header.shnum)
    )
    if header.shstrndx >= len(sections):
        return ()
    if any(s.type not in (0, SHT_NOBITS) and s.offset + s.size > len(data) for s in sections):
        return ()
    return sections


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    return strings[offset : end if end >= 0 else len(strings)].decode("utf-8", "surrogateescape")
