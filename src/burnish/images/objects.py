"""Relocatable objects as images: sections laid out one after another, relocations applied.

What the object takes from elsewhere gets a stub in a section ``.plt`` and a slot in a section ``.got`` of our own, as
a linker would make them, so that calls to it look as they do in a linked file. Relocations: System V ABI, AMD64
supplement, section 4.4.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError
from burnish.core.image import Access, Image, ImageKind, Import, Section, Segment
from burnish.images.functions import function_bounds, name_of
from burnish.images.labels import function_labels
from burnish.images.plt import plt_stubs
from burnish.images.symbols import Binding, FunctionSymbol, object_symbols, text

if TYPE_CHECKING:
    import lief

_BASE = 0x10000
_PAGE = 0x1000
_STUB = 16
_FAR = 1 << 14
"""Bytes on either side of an undefined symbol for which there is room, at most."""
_WRITE, _ALLOC, _EXECUTE, _TLS = 1, 2, 4, 0x400
_ABSOLUTE, _COMMON = 0xFFF1, 0xFFF2
_CONSTANT_AFTER_RELOCATION = ".data.rel.ro"

_R_64, _R_PC32, _R_GOT32, _R_PLT32, _R_GOTPCREL, _R_32, _R_32S = 1, 2, 3, 4, 9, 10, 11
_R_16, _R_PC16, _R_8, _R_PC8, _R_PC64, _R_GOTPCRELX, _R_REX_GOTPCRELX = 12, 13, 14, 15, 24, 41, 42
_THROUGH_GOT = (_R_GOTPCREL, _R_GOTPCRELX, _R_REX_GOTPCRELX)
_FORMATS = {
    _R_64: "<Q", _R_PC64: "<q", _R_32: "<I", _R_32S: "<i", _R_PC32: "<i", _R_PLT32: "<i", _R_GOTPCREL: "<i",
    _R_GOTPCRELX: "<i", _R_REX_GOTPCRELX: "<i", _R_16: "<H", _R_PC16: "<h", _R_8: "<B", _R_PC8: "<b",
}  # fmt: skip
_RELATIVE_TO_PLACE = (_R_PC32, _R_PLT32, _R_PC64, _R_PC16, _R_PC8, *_THROUGH_GOT)


@dataclass(slots=True)
class PlacedSection:
    """A section at its address, while relocations are applied."""

    name: str
    index: int
    offset: int
    address: int
    flags: int
    data: bytearray
    alignment: int = 1
    entry_size: int = 0

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(slots=True)
class ObjectLayout:
    """The whole object being laid out. ``stubs`` and ``slots`` are offsets by the name of an import."""

    path: Path
    sections: list[PlacedSection]
    common: dict[str, int] = field(default_factory=dict[str, int])
    stubs: dict[str, int] = field(default_factory=dict[str, int])
    slots: dict[str, int] = field(default_factory=dict[str, int])
    stub_base: int = 0
    slot_base: int = 0
    got: dict[int, Import] = field(default_factory=dict[int, Import])
    relative: dict[int, int] = field(default_factory=dict[int, int])

    def section(self, index: int) -> PlacedSection | None:
        """The section of that number in the file, or None."""
        return next((s for s in self.sections if s.index == index), None)


def load_object(path: Path, binary: lief.ELF.Binary) -> Image:
    """The image of a relocatable object. Raises ``ImageError`` for relocations of thread-local data and others that
    compilers do not emit for x86-64 in the small code model."""
    layout = place_sections(path, binary)
    relocations = list(binary.object_relocations)
    allocate_imports(layout, relocations)
    for relocation in relocations:
        _apply(layout, relocation)
    stubs, slots = _import_sections(layout)
    placed = [*layout.sections, stubs, slots]
    image = Image(
        path=path,
        kind=ImageKind.OBJECT,
        segments=tuple(
            Segment(s.address, bytes(s.data), _access(s) if s is not stubs else Access(7))
            for s in placed
            if s.data
        ),
        functions=(),
        got=layout.got,
        relative=layout.relative,
        constant=tuple(
            (s.address, s.end) for s in placed if s.name.startswith(_CONSTANT_AFTER_RELOCATION) or s is slots
        ),
        sections=tuple(Section(s.name, s.address, len(s.data)) for s in placed if s.data),
    )
    image = replace(image, plt=plt_stubs(image))
    return replace(image, functions=function_bounds(image, _symbols(layout, binary)))


def place_sections(path: Path, binary: lief.ELF.Binary) -> ObjectLayout:
    """The sections of an object at their addresses, without relocation. Raises ``ImageError``."""
    import lief

    placed: list[PlacedSection] = []
    cursor = _BASE
    for index, section in enumerate(binary.sections):
        flags = int(section.flags)
        if not flags & _ALLOC:
            continue
        if flags & _TLS:
            raise ImageError(f"{path} has thread-local data; link it into a program or library first")
        # LIEF gives what lies in the file at that place for a section that has no content.
        content = b"" if section.type == lief.ELF.Section.TYPE.NOBITS else bytes(section.content)
        data = bytearray(content) if content else bytearray(section.size)
        # A page between sections, as between segments of a linked file: nothing can be read across.
        cursor += -cursor % max(section.alignment, _PAGE)
        placed.append(
            PlacedSection(
                text(section.name),
                index,
                section.offset,
                cursor,
                flags,
                data,
                max(section.alignment, 1),
                section.entry_size,
            )
        )
        cursor += len(data)
    layout = ObjectLayout(path, placed)
    common = PlacedSection(".bss.common", _COMMON, -1, cursor + -cursor % _PAGE, _ALLOC | _WRITE, bytearray())
    for symbol in binary.symtab_symbols:
        if symbol.shndx == _COMMON:
            common.data.extend(bytes(-len(common.data) % max(symbol.value, 1)))
            layout.common[text(symbol.name)] = common.address + len(common.data)
            common.data.extend(bytes(symbol.size))
    if common.data:
        placed.append(common)
    if not any(s.flags & _EXECUTE and s.data for s in placed):
        raise ImageError(f"{path} holds no machine code")
    return layout


def allocate_imports(layout: ObjectLayout, relocations: Sequence[lief.ELF.Relocation]) -> None:
    """A stub for each undefined symbol, a GOT slot for each symbol that is reached through one. Around a stub there is
    room for what is addressed relative to the symbol, which may be data: addresses of two symbols are never one."""
    rooms: dict[str, tuple[int, int]] = {}
    for relocation in relocations:
        symbol = relocation.symbol
        if symbol is None:
            continue
        name = text(symbol.name)
        undefined = symbol.shndx == 0 and bool(name)
        if undefined:
            before, after = rooms.get(name, (0, _STUB))
            offset = relocation.addend + (4 if relocation_kind(relocation) in _RELATIVE_TO_PLACE else 0)
            rooms[name] = max(before, min(-offset, _FAR)), max(after, min(offset + _STUB, _FAR))
        if undefined or relocation_kind(relocation) in _THROUGH_GOT:
            layout.slots.setdefault(_slot_key(symbol), 8 * len(layout.slots))
    size = 0
    for name, (before, after) in rooms.items():
        layout.stubs[name] = size + before + -before % _STUB
        size = layout.stubs[name] + after + -after % _STUB
    end = max(s.end for s in layout.sections)
    layout.stub_base = end + -end % _PAGE + _PAGE
    layout.slot_base = layout.stub_base + size + -size % _PAGE + _PAGE


def _slot_key(symbol: lief.ELF.Symbol) -> str:
    """Local symbols of one name are told apart by where they are."""
    return text(symbol.name) if symbol.shndx == 0 else f"{text(symbol.name)}@{symbol.shndx}+{symbol.value:#x}"


def relocation_kind(relocation: lief.ELF.Relocation) -> int:
    """The number of the relocation type, without LIEF's mark of the architecture."""
    return int(relocation.type) & 0xFF


def _apply(layout: ObjectLayout, relocation: lief.ELF.Relocation) -> None:
    section = relocation.section
    place = None if section is None else find_section(layout, section.offset, text(section.name))
    kind = relocation_kind(relocation)
    if place is None or kind == 0:
        return
    symbol, layout_format = relocation.symbol, _FORMATS.get(kind)
    if layout_format is None or symbol is None:
        name = str(relocation.type).rpartition(".")[2]  # or a number that LIEF has no name for
        raise ImageError(
            f"{layout.path} has a relocation of a kind that Burnish does not apply ({name});"
            " link it into a program or library first"
        )
    address = place.address + relocation.address
    target = address_of(layout, symbol)
    if kind in _THROUGH_GOT:
        slot = layout.slot_base + layout.slots[_slot_key(symbol)]
        if symbol.shndx:
            layout.relative[slot] = target
        target = slot
    elif kind == _R_64:
        if symbol.shndx:
            layout.relative[address] = target + relocation.addend
        else:
            layout.got[address] = Import(text(symbol.name), offset=relocation.addend)
    value = target + relocation.addend - (address if kind in _RELATIVE_TO_PLACE else 0)
    try:
        struct.pack_into(layout_format, place.data, relocation.address, value)
    except (struct.error, IndexError) as error:
        raise ImageError(f"{layout.path} is damaged: a relocation in {place.name} does not fit") from error


def find_section(layout: ObjectLayout, offset: int, name: str) -> PlacedSection | None:
    """The section of that file offset and name, or None."""
    return next((s for s in layout.sections if s.offset == offset and s.name == name), None)


def address_of(layout: ObjectLayout, symbol: lief.ELF.Symbol) -> int:
    """Where a symbol is; what is undefined is at its stub. Raises ``ImageError``."""
    index, name = symbol.shndx, text(symbol.name)
    if index == 0:
        return layout.stub_base + layout.stubs[name] if name else 0
    if index == _ABSOLUTE:
        return symbol.value
    if index == _COMMON:
        return layout.common[name]
    section = layout.section(index)
    if section is None:
        raise ImageError(f"{layout.path} refers to the symbol {name} in a section that is not loaded")
    return section.address + symbol.value


def _import_sections(layout: ObjectLayout) -> tuple[PlacedSection, PlacedSection]:
    """``.plt`` and ``.got``. The stubs stand for data that is imported as well, so nothing may take their bytes for
    constants: they are writable."""
    stubs = PlacedSection(".plt", -1, -1, layout.stub_base, _ALLOC | _EXECUTE | _WRITE, bytearray())
    for name, offset in layout.stubs.items():
        stubs.data.extend(b"\xcc" * (offset - len(stubs.data)))
        after = layout.stub_base + offset + 6
        slot = layout.slot_base + layout.slots[name]
        stubs.data.extend(b"\xff\x25" + struct.pack("<i", slot - after) + b"\xcc" * (_STUB - 6))
        layout.got[slot] = Import(name)
    slots = PlacedSection(".got", -1, -1, layout.slot_base, _ALLOC | _WRITE, bytearray(8 * len(layout.slots)))
    for address, target in layout.relative.items():
        if layout.slot_base <= address < slots.end:
            struct.pack_into("<Q", slots.data, address - layout.slot_base, target)
    return stubs, slots


def _access(section: PlacedSection) -> Access:
    access = Access.READ
    if section.flags & _WRITE:
        access |= Access.WRITE
    return access | Access.EXECUTE if section.flags & _EXECUTE else access


def _symbols(layout: ObjectLayout, binary: lief.ELF.Binary) -> list[FunctionSymbol]:
    """Function symbols at their addresses. Where a section with code has none, labels that look like functions count,
    and where it has none of these, its start does."""
    found: list[FunctionSymbol] = []
    candidates = object_symbols(binary)
    for section in layout.sections:
        if not section.flags & _EXECUTE or not section.data:
            continue
        inside = [s for s in candidates if s.section == section.index]
        named = [s for s in inside if s.typed or s.binding is not Binding.LOCAL]
        if not named:
            begins = function_labels(bytes(section.data), {s.address for s in inside})
            named = [s for s in inside if s.address in begins]
        for symbol in named:
            shown = symbol.binding is not Binding.LOCAL
            found.append(symbol._replace(address=section.address + symbol.address, exported=shown))
        if not named:
            found.append(
                FunctionSymbol(name_of(section.address), section.address, 0, Binding.LOCAL, False, True, -1)
            )
    return found
