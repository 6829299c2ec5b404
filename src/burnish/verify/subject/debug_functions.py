"""Where DWARF describes functions: their entries, found by address or by name, through pyelftools.

Reading an entry costs more than all else here, so that no more of them are read than it takes: the others are stepped
over. Source: DWARF 5, sections 3.3 and 6.1.2.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from burnish.core.image import FunctionBounds, Image, ImageKind
from burnish.verify.subject.debug_entries import Entries, Shape
from burnish.verify.subject.debug_sections import debug_sections

_Key = tuple[str, int]
_DEPTH = 32
_FORMAL_PARAMETER, _LEXICAL_BLOCK, _UNSPECIFIED, _INLINED, _VARIABLE = 0x05, 0x0B, 0x18, 0x1D, 0x34
_MODULE, _SUBPROGRAM, _NAMESPACE = 0x1E, 0x2E, 0x39
"""Tags (``DW_TAG``)."""
_LOCATION, _NAME, _LOW_PC, _LINKAGE_NAME = 0x02, 0x03, 0x11, 0x6E
_DECLARED = frozenset((0x3F, 0x3C, 0x27))
"""Attributes (``DW_AT``); those of declarations are external, declaration, prototyped."""
_ADDR, _STRING, _STRP, _EXPRLOC, _LINE_STRP = 0x01, 0x08, 0x0E, 0x18, 0x1F
"""Forms (``DW_FORM``)."""
_FBREG = 0x91


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

    def parameters(self, entry: Any) -> Iterator[Any]:
        """What a function's entry says of its parameters, and where there are more of them than it says."""
        return self._unit(entry.cu).below(entry, (_FORMAL_PARAMETER, _UNSPECIFIED))

    def in_frame(self, entry: Any) -> Iterator[Any]:
        """The variables and parameters of a function that are placed relative to its frame."""
        return self._unit(entry.cu).in_frame(entry)

    def variables_of(self, entry: Any) -> Iterator[Any]:
        """The variables and parameters of a function, those of functions in line among them."""
        return self._unit(entry.cu).variables_of(entry)

    def base_of(self, bounds: FunctionBounds) -> int:
        """What the addresses in the entry of a function are counted from."""
        if self._by_place:
            return 0
        home = next((s for s in self._image.sections if s.address <= bounds.address < s.end), None)
        return 0 if home is None else home.address

    def variable(self, entry: Any, name: str) -> Any:
        """The entry of a variable outside of all functions, in the unit of an entry; None where there is none."""
        return self._unit(entry.cu).variable(name)

    def variables(self, name: str) -> Iterator[Any]:
        """The entries of variables of that name outside of all functions, one of each unit that has one."""
        for unit in self._all():
            entry = unit.variable(name)
            if entry is not None:
                yield entry

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
            # Only here, since pyelftools takes its time to import.
            from burnish.verify.subject.debug_information import from_file, from_sections

            sections = debug_sections(self._elf, relocate=not self._by_place)
            self._info = from_file(self._elf) if sections is None else from_sections(sections)
            self._elf = b""
        return self._info


class _Unit:
    """The functions of one unit of pyelftools."""

    def __init__(self, unit: Any, by_place: bool) -> None:
        from burnish.verify.subject.debug_information import shapes_of

        self._unit = unit
        self._by_place = by_place
        self._top = unit.get_top_DIE()
        self._data: bytes = unit.dwarfinfo.debug_info_sec.stream.getvalue()
        self._entries = Entries(self._data, unit.cu_offset, unit.cu_offset + unit.size, shapes_of(unit))

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
        for name, start in keys:
            for at in self._functions[0].get(start, ()):
                entry = self._read(at)
                if self._by_place or _linked_name(origin(entry)) == name:
                    return entry
        return None

    def declared(self, name: str) -> Any:
        """The entry that only declares a function."""
        at = self._declared.get(name)
        return None if at is None else self._read(at)

    def variable(self, name: str) -> Any:
        """The entry of a variable outside of all functions."""
        at = self._variables.get(name)
        return None if at is None else self._read(at)

    @cached_property
    def _variables(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for at, shape, fields in self._entries.children(self._top.offset):
            if shape.tag == _VARIABLE and (name := self._name(at, shape, fields)) is not None:
                found.setdefault(name, at)
        return found

    def below(self, entry: Any, tags: Container[int]) -> Iterator[Any]:
        """The entries of those tags right below another."""
        for at, shape, _ in self._entries.children(entry.offset):
            if shape.tag in tags:
                yield self._read(at)

    def in_frame(self, entry: Any) -> Iterator[Any]:
        """The variables and parameters of a function that are placed relative to its frame."""
        for at, shape, fields in self._within(entry):
            found = self._entries.field(shape, fields, _LOCATION)
            # After the length, which takes a byte where there is no more than an offset.
            if found and found[0] == _EXPRLOC and self._data[found[1] + 1] == _FBREG:
                yield self._read(at)

    def variables_of(self, entry: Any) -> Iterator[Any]:
        """The variables and parameters of a function that are somewhere, those of functions in line among them."""
        return (self._read(at) for at, shape, _ in self._within(entry) if _LOCATION in shape.has)

    def _within(self, entry: Any) -> Iterator[tuple[int, Shape, int]]:
        """All variables and parameters in a function: the offset of each, its shape, and where its fields begin."""
        waiting = [entry.offset]
        while waiting:
            for at, shape, fields in self._entries.children(waiting.pop()):
                if shape.tag in (_LEXICAL_BLOCK, _INLINED):
                    waiting.append(at)
                elif shape.tag in (_VARIABLE, _FORMAL_PARAMETER):
                    yield at, shape, fields

    def _read(self, at: int) -> Any:
        return self._unit.get_DIE_from_refaddr(at)

    @cached_property
    def _functions(self) -> tuple[dict[int, list[int]], list[tuple[int, Shape, int]]]:
        """The offsets of functions that have code, by where it begins; and those that are declared: outside of all
        others come first, those in namespaces last."""
        with_code: dict[int, list[int]] = {}
        declared: list[tuple[int, Shape, int]] = []
        waiting = [(self._top.offset, True)]
        while waiting:
            parent, outside = waiting.pop()
            for at, shape, fields in self._entries.children(parent):
                if shape.tag in (_NAMESPACE, _MODULE):
                    waiting.append((at, False))
                elif shape.tag == _SUBPROGRAM and _LOW_PC in shape.has:
                    with_code.setdefault(self._start(at, shape, fields), []).append(at)
                elif shape.tag == _SUBPROGRAM and outside and shape.has >= _DECLARED:
                    declared.append((at, shape, fields))
        return with_code, declared

    @cached_property
    def _declared(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for at, shape, fields in self._functions[1]:
            name = self._name(at, shape, fields)
            if name is not None:
                found.setdefault(name, at)
        return found

    def _start(self, at: int, shape: Shape, fields: int) -> int:
        found = self._entries.field(shape, fields, _LOW_PC)
        if found is None or found[0] != _ADDR:
            return self._read(at).attributes["DW_AT_low_pc"].value
        size = self._unit.structs.address_size
        return int.from_bytes(self._data[found[1] : found[1] + size], "little")

    def _name(self, at: int, shape: Shape, fields: int) -> str | None:
        """The name that the linker sees."""
        attribute = _LINKAGE_NAME if _LINKAGE_NAME in shape.has else _NAME
        found = self._entries.field(shape, fields, attribute)
        info = self._unit.dwarfinfo
        tables: dict[int, Any] = {
            _STRING: None,
            _STRP: info.debug_str_sec,
            _LINE_STRP: info.debug_line_str_sec,
        }
        if found is None or found[0] not in tables:
            return _linked_name(self._read(at))
        table, place = self._data, found[1]
        if tables[found[0]] is not None:
            table = tables[found[0]].stream.getvalue()
            place = int.from_bytes(self._data[place : place + self._unit.structs.dwarf_format // 8], "little")
        return table[place : table.index(b"\0", place)].decode("utf-8", "replace")


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


def _linked_name(entry: Any) -> str | None:
    """The name that the linker sees."""
    name = entry.attributes.get("DW_AT_linkage_name") or entry.attributes.get("DW_AT_name")
    return None if name is None else name.value.decode("utf-8", "replace")
