"""Data of an image: what its symbols name, what relocation fills in, and which symbol each operand of code refers to.

An ``Image`` has addresses; proofs need objects: two functions are compared with their data where it may lie anywhere.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.image import Image, ImageKind
from burnish.images.elf import parse
from burnish.images.file_check import read_elf
from burnish.images.objects import (
    ObjectLayout,
    address_of,
    allocate_imports,
    find_section,
    place_sections,
    relocation_kind,
)
from burnish.images.symbols import Binding, text

if TYPE_CHECKING:
    import lief

_SHF_EXECUTE, _SHF_MERGE, _SHF_STRINGS = 0x4, 0x10, 0x20
_COMMON, _RESERVED = 0xFFF2, 0xFF00
_R_PC32, _R_PLT32, _R_GOTPCREL, _R_PC64 = 2, 4, 9, 24
_RELATIVE = (_R_PC32, _R_PLT32, _R_PC64)
_THROUGH_GOT = (_R_GOTPCREL, 41, 42)
_PT_TLS = 7
_ALIGNED = 64
"""A file that is loaded as a whole promises no more than this of its addresses, as far as we rely on them."""

_LINKER_MADE_NAMES = """
_end end _edata edata _etext etext __bss_start __data_start data_start __dso_handle _DYNAMIC _GLOBAL_OFFSET_TABLE_
__TMC_END__ _IO_stdin_used __FRAME_END__ __GNU_EH_FRAME_HDR
"""
_LINKER_MADE = frozenset(_LINKER_MADE_NAMES.split())


@dataclass(frozen=True, slots=True)
class DataSymbol:
    """A named place in data. ``size`` is 0 for a bare label."""

    name: str
    address: int
    size: int
    binding: Binding

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Mergeable:
    """A section of constants that the linker may merge: strings of characters of ``entry_size`` bytes that end with a
    zero, or, without ``strings``, constants of that size."""

    start: int
    end: int
    entry_size: int
    strings: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A relocation in code. ``name`` is the symbol, empty for a section; ``target`` its image address, None where it
    is not in the file. The operand means ``symbol + addend`` where ``relative`` is False, and that plus the distance
    from the relocated field to the next instruction where it is True. ``slot`` where it is the address of a GOT
    slot."""

    name: str
    target: int | None
    addend: int
    relative: bool
    slot: bool


@dataclass(frozen=True, slots=True)
class ImageData:
    """See the module. Addresses are image addresses. ``relocated`` has the places, in order, of data of up to
    8 bytes that depends on where files are loaded; ``references`` the relocations in the code of an object, by the
    address of the relocated field."""

    symbols: tuple[DataSymbol, ...] = ()
    relocated: tuple[int, ...] = ()
    references: Mapping[int, Reference] = field(default_factory=dict[int, Reference])
    mergeable: tuple[Mergeable, ...] = ()
    alignments: tuple[tuple[int, int, int], ...] = ()
    """``(start, end, alignment)`` of an object's sections."""
    thread_local: bool = False
    """True where the file has thread-local data."""

    def relocated_in(self, start: int, end: int) -> tuple[int, ...]:
        """The relocated places that reach into a range."""
        low, high = bisect_left(self.relocated, start - 7), bisect_left(self.relocated, end)
        return self.relocated[low:high]

    def alignment_at(self, address: int) -> int:
        """What is sure of an address wherever the file is loaded: a power of two that divides it."""
        for start, end, alignment in self.alignments:
            if start <= address < end:
                offset = address - start
                return min(alignment, offset & -offset) if offset else alignment
        return 1 if self.alignments else min(address & -address, _ALIGNED) or _ALIGNED


def read_data(image: Image, data: bytes) -> ImageData:
    """The data of ``image``, which was loaded from the ELF file with the bytes ``data``. Raises ``ImageError``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # LIEF's, about enumerators that it does not know
        binary = parse(image.path, data)
        if image.kind is ImageKind.OBJECT:
            return _of_object(image.path, binary)
        return _of_linked(image, binary)


def linked_symbols(path: Path) -> tuple[DataSymbol, ...]:
    """The data symbols of an executable or shared library. Raises ``ImageError``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return _linked_symbols(parse(path, read_elf(path)))


def _linked_symbols(binary: lief.ELF.Binary) -> tuple[DataSymbol, ...]:
    symbols = [*binary.symtab_symbols, *binary.dynamic_symbols]
    return tuple(_data_symbols(symbols, lambda symbol: symbol.value if symbol.shndx < _RESERVED else None))


def _of_linked(image: Image, binary: lief.ELF.Binary) -> ImageData:
    places = [r.address for r in (*binary.dynamic_relocations, *binary.pltgot_relocations)]
    known = {*image.relative, *image.got, *image.ifuncs}
    return ImageData(
        _linked_symbols(binary),
        tuple(sorted(known.union(places))),
        thread_local=any(int(s.type) & 0xFFFF == _PT_TLS for s in binary.segments),
    )


def _of_object(path: Path, binary: lief.ELF.Binary) -> ImageData:
    layout = place_sections(path, binary)
    relocations = list(binary.object_relocations)
    allocate_imports(layout, relocations)
    references: dict[int, Reference] = {}
    relocated: set[int] = set()
    for relocation in relocations:
        section = relocation.section
        placed = None if section is None else find_section(layout, section.offset, text(section.name))
        if placed is None:
            continue
        address = placed.address + relocation.address
        if placed.flags & _SHF_EXECUTE:
            found = _reference(layout, relocation)
            if found is not None:
                references[address] = found
        else:
            relocated.add(address)
    return ImageData(
        tuple(_data_symbols(binary.symtab_symbols, lambda symbol: _place_in(layout, symbol))),
        tuple(sorted(relocated)),
        references,
        tuple(
            Mergeable(s.address, s.end, max(s.entry_size, 1), bool(s.flags & _SHF_STRINGS))
            for s in layout.sections
            if s.flags & _SHF_MERGE
        ),
        tuple((s.address, s.end, s.alignment) for s in layout.sections if s.data),
    )


def _reference(layout: ObjectLayout, relocation: lief.ELF.Relocation) -> Reference | None:
    symbol = relocation.symbol
    kind = relocation_kind(relocation)
    if symbol is None or kind == 0:
        return None
    target = address_of(layout, symbol) if symbol.shndx else None
    slot = kind in _THROUGH_GOT
    return Reference(text(symbol.name), target, relocation.addend, kind in _RELATIVE or slot, slot)


def _place_in(layout: ObjectLayout, symbol: lief.ELF.Symbol) -> int | None:
    if symbol.shndx == _COMMON:
        return layout.common[text(symbol.name)]
    section = layout.section(symbol.shndx)
    return None if section is None or section.flags & _SHF_EXECUTE else section.address + symbol.value


def _data_symbols(
    symbols: Iterable[lief.ELF.Symbol], place: Callable[[lief.ELF.Symbol], int | None]
) -> Iterator[DataSymbol]:
    """Symbols of data, each once; ``place`` gives the address of one, or None."""
    import lief

    types, bindings = lief.ELF.Symbol.TYPE, lief.ELF.Symbol.BINDING
    kinds = (types.OBJECT, types.NOTYPE, types.COMMON)
    order = {int(bindings.WEAK): Binding.WEAK, int(bindings.LOCAL): Binding.LOCAL}
    seen: set[DataSymbol] = set()
    for symbol in symbols:
        name = text(symbol.name).partition("@")[0]
        if symbol.type not in kinds or not symbol.shndx or not name or name in _LINKER_MADE:
            continue
        address = place(symbol)
        if address is None:
            continue
        found = DataSymbol(name, address, symbol.size, order.get(int(symbol.binding), Binding.GLOBAL))
        if found not in seen:
            seen.add(found)
            yield found
