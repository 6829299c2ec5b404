"""Where DWARF describes functions: their entries, found by address or by name, through pyelftools.

Reading an entry costs more than all else here, so that no more of them are read than it takes: of the units, the one
that has the address; of a unit, what comes before the function. Source: DWARF 5, sections 3.3 and 6.1.2.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from burnish.core.image import FunctionBounds, Image, ImageKind
from burnish.verify.subject.debug_sections import SECTIONS, debug_sections

_Key = tuple[str, int]
_DEPTH = 32
_DECLARED = ("DW_AT_external", "DW_AT_declaration", "DW_AT_prototyped")

_UNREAD = ("debug_frame_sec", "eh_frame_sec", "debug_pubtypes_sec", "debug_pubnames_sec")


class DebugFunctions:
    """The functions that the ELF file with the bytes ``elf`` describes. In a linked file addresses tell them apart; in
    an object file, which has several sections of code, their names and where they begin in one. Raises whatever
    pyelftools raises for damaged tables."""

    def __init__(self, elf: bytes, image: Image) -> None:
        self._image = image
        self._by_place = image.kind is not ImageKind.OBJECT
        self._elf = elf
        self._info: Any = None
        self._units: dict[int, _Unit] = {}

    def of(self, bounds: FunctionBounds) -> Any:
        """The entry of a function that has code; None where there is none."""
        keys = self._keys(bounds)
        for unit in chain(self._at(bounds.address), self._all()):
            if self._by_place and not unit.may_have(bounds.address):
                continue
            entry = unit.function(keys)
            if entry is not None:
                return entry
        return None

    def _keys(self, bounds: FunctionBounds) -> tuple[_Key, ...]:
        if self._by_place:
            return (("", bounds.address),)
        home = next((s for s in self._image.sections if s.address <= bounds.address < s.end), None)
        # Compilers describe parts that they cut out of a function under its name.
        start = bounds.address - (0 if home is None else home.address)
        return tuple((name, start) for name in (bounds.name, *bounds.aliases))

    def declared(self, name: str) -> Any:
        """The entry that declares a function of another file with a prototype, by the name that the linker sees; None
        where there is none."""
        return next((entry for unit in self._all() if (entry := unit.declared(name)) is not None), None)

    def _at(self, address: int) -> Iterator[_Unit]:
        """The unit with an address, where the file has a table of them."""
        info: Any = self._read() if self._by_place else None
        ranges = info and info.get_aranges()
        start = ranges and ranges.cu_offset_at_addr(address)
        if start is not None:
            yield self._unit(info.get_CU_at(start))

    def _all(self) -> Iterator[_Unit]:
        info = self._read()
        if info is not None:
            for unit in info.iter_CUs():
                yield self._unit(unit)

    def _unit(self, unit: Any) -> _Unit:
        if unit.cu_offset not in self._units:
            self._units[unit.cu_offset] = _Unit(unit, self._by_place)
        return self._units[unit.cu_offset]

    def _read(self) -> Any:
        """What pyelftools makes of the file; None without debug information."""
        if self._info is None and self._elf:
            sections = debug_sections(self._elf, relocate=not self._by_place)
            self._info = _from_file(self._elf) if sections is None else _from_sections(sections)
            self._elf = b""
        return self._info


class _Unit:
    """The functions of one unit, read as far as was asked."""

    def __init__(self, unit: Any, by_place: bool) -> None:
        self._by_place = by_place
        self._top = unit.get_top_DIE()
        self._rest = _subprograms(self._top)
        self._known: dict[_Key, Any] = {}
        self._declared: dict[str, Any] = {}

    def may_have(self, address: int) -> bool:
        """False where the unit says that all its code is elsewhere."""
        kinds = self._top.attributes
        if "DW_AT_ranges" in kinds or not ("DW_AT_low_pc" in kinds and "DW_AT_high_pc" in kinds):
            return True
        start, last = kinds["DW_AT_low_pc"].value, kinds["DW_AT_high_pc"]
        end = last.value if last.form.startswith("DW_FORM_addr") else start + last.value
        return start <= address < end

    def function(self, keys: Sequence[_Key]) -> Any:
        """The entry of a function with code, by the first of the keys that it has."""
        while not any(key in self._known for key in keys):
            if not self._more():
                return None
        return next(self._known[key] for key in keys if key in self._known)

    def declared(self, name: str) -> Any:
        """The entry that only declares a function."""
        while name not in self._declared:
            if not self._more():
                return None
        return self._declared[name]

    def _more(self) -> bool:
        """Reads one function more; False where there is none."""
        entry, outside = next(self._rest, (None, False))
        if entry is None:
            return False
        kinds = entry.attributes
        if "DW_AT_low_pc" in kinds:
            name = "" if self._by_place else _linked_name(origin(entry))
            if name is not None:
                self._known.setdefault((name, kinds["DW_AT_low_pc"].value), entry)
        elif outside and all(kind in kinds for kind in _DECLARED):
            name = _linked_name(entry)
            if name is not None:
                self._declared.setdefault(name, entry)
        return True


def _from_file(elf: bytes) -> Any:
    from elftools.elf.elffile import ELFFile

    file: Any = ELFFile(io.BytesIO(elf))
    if not file.has_dwarf_info():
        return None
    relocates = file.header["e_type"] == "ET_REL"
    return file.get_dwarf_info(relocate_dwarf_sections=relocates, follow_links=False)


def _from_sections(sections: Mapping[str, bytes]) -> Any:
    """The same from its parts: pyelftools reads much of a file before it comes to them."""
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo

    if ".debug_info" not in sections:
        return None
    given: dict[str, Any] = dict.fromkeys((*_UNREAD, *(f"{name[1:]}_sec" for name in SECTIONS)))
    for name, data in sections.items():
        given[f"{name[1:]}_sec"] = DebugSectionDescriptor(io.BytesIO(data), name, 0, len(data), 0)
    return DWARFInfo(DwarfConfig(little_endian=True, machine_arch="x64", default_address_size=8), **given)


def origin(entry: Any) -> Any:
    """The entry that declares a function's type."""
    for _ in range(_DEPTH):
        for reference in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if reference in entry.attributes:
                entry = entry.get_DIE_from_attribute(reference)
                break
        else:
            return entry
    return entry


def _subprograms(top: Any) -> Iterator[tuple[Any, bool]]:
    """The functions that a unit describes, each with whether it is outside of all others: last those in namespaces."""
    waiting = [(top, True)]
    while waiting:
        parent, outside = waiting.pop()
        for entry in parent.iter_children():
            if entry.tag == "DW_TAG_subprogram":
                yield entry, outside
            elif entry.tag in ("DW_TAG_namespace", "DW_TAG_module"):
                waiting.append((entry, False))


def _linked_name(entry: Any) -> str | None:
    """The name that the linker sees."""
    name = entry.attributes.get("DW_AT_linkage_name") or entry.attributes.get("DW_AT_name")
    return None if name is None else name.value.decode("utf-8", "replace")
