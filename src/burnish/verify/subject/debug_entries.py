"""Entries of debug information, read as they are asked for.

pyelftools has the same and more, but reads each entry through a general parser, and all abbreviations before the first:
for one function out of a file that is most of what a verdict costs. What is here has its names and its shape, as far as
types and variables need it; what is rarer (64-bit DWARF, units in files of their own, type units, compression) is left
to it. Source: DWARF 5, sections 7.4 and 7.5.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

_WHOLE_UNITS = (1, 3)
"""DW_UT_compile and DW_UT_partial."""
_FIXED = {
    "DW_FORM_addr": 8, "DW_FORM_data1": 1, "DW_FORM_data2": 2, "DW_FORM_data4": 4, "DW_FORM_data8": 8,
    "DW_FORM_data16": 16, "DW_FORM_flag": 1, "DW_FORM_flag_present": 0, "DW_FORM_implicit_const": 0,
    "DW_FORM_strp": 4, "DW_FORM_line_strp": 4, "DW_FORM_strp_sup": 4, "DW_FORM_GNU_strp_alt": 4,
    "DW_FORM_ref1": 1, "DW_FORM_ref2": 2, "DW_FORM_ref4": 4, "DW_FORM_ref8": 8, "DW_FORM_ref_sig8": 8,
    "DW_FORM_ref_sup4": 4, "DW_FORM_ref_sup8": 8, "DW_FORM_GNU_ref_alt": 4, "DW_FORM_ref_addr": 4,
    "DW_FORM_sec_offset": 4, "DW_FORM_strx1": 1, "DW_FORM_strx2": 2, "DW_FORM_strx3": 3, "DW_FORM_strx4": 4,
    "DW_FORM_addrx1": 1, "DW_FORM_addrx2": 2, "DW_FORM_addrx3": 3, "DW_FORM_addrx4": 4,
}  # fmt: skip
"""Bytes of the forms that have one size."""
_LENGTHS = {"DW_FORM_block1": 1, "DW_FORM_block2": 2, "DW_FORM_block4": 4}
_NUMBERS = ("DW_FORM_udata", "DW_FORM_ref_udata", "DW_FORM_strx", "DW_FORM_addrx", "DW_FORM_loclistx",
            "DW_FORM_rnglistx")  # fmt: skip
_IN_UNIT = ("DW_FORM_ref1", "DW_FORM_ref2", "DW_FORM_ref4", "DW_FORM_ref8", "DW_FORM_ref_udata")


class DamagedError(ValueError):
    """Debug information that is not as it should be."""


class Attribute(NamedTuple):
    """The form of a value, by its name in the standard, and the value: a number, a truth, or bytes."""

    form: str
    value: Any


class _Shape(NamedTuple):
    """An abbreviation. ``attributes`` are forms and constants by name, in order; ``size`` is that of all values, None
    where it differs from entry to entry. ``places`` has where values begin that do so in every entry."""

    tag: str | int
    has_children: bool
    attributes: dict[str | int, tuple[str, int]]
    size: int | None
    places: dict[str | int, int]


class Unit:
    """One unit of the section ``.debug_info``: the entries between ``start`` and ``end``, of which ``first`` is the
    first."""

    def __init__(self, home: Units, start: int, end: int, first: int, abbreviations: int) -> None:
        self.home = home
        self.start = start
        self.end = end
        self._first = first
        self._abbreviations = abbreviations

    def get_top_DIE(self) -> Entry:  # noqa: N802 (pyelftools' name)
        """The entry of the unit itself."""
        return Entry(self, self._first)

    def shape(self, code: int) -> _Shape:
        """An abbreviation of the unit. Raises ``DamagedError``."""
        found = self.home.shapes(self._abbreviations).get(code)
        if found is None:
            raise DamagedError("an entry without an abbreviation")
        return found

    def base(self, name: str, default: int) -> int:
        """Where the unit's part of a table of indirections begins."""
        code, at = _unsigned(self.home.info, self._first)
        for known, (form, constant) in self.shape(code).attributes.items():
            value, at = _value(self, form, constant, at, plainly=True)
            if known == name:
                return value
        return default


class _Values(Mapping["str | int", Attribute]):
    """The attributes of an entry by name, each read when it is asked for."""

    __slots__ = ("_at", "_shape", "_unit")

    def __init__(self, unit: Unit, shape: _Shape, at: int) -> None:
        self._unit = unit
        self._shape = shape
        self._at = at

    def __contains__(self, name: object) -> bool:
        return name in self._shape.attributes

    def __iter__(self) -> Iterator[str | int]:
        return iter(self._shape.attributes)

    def __len__(self) -> int:
        return len(self._shape.attributes)

    def __getitem__(self, name: str | int) -> Attribute:
        form, constant = self._shape.attributes[name]
        place = self._shape.places.get(name)
        at = self._walk(name) if place is None else self._at + place
        return Attribute(form, _value(self._unit, form, constant, at)[0])

    def end(self) -> int:
        """Where the last of them ends."""
        size = self._shape.size
        return self._walk(None) if size is None else self._at + size

    def _walk(self, until: str | int | None) -> int:
        """Where an attribute begins, or all end."""
        at = self._at
        for name, (form, constant) in self._shape.attributes.items():
            if name == until:
                break
            at = _value(self._unit, form, constant, at, plainly=True)[1]
        return at


class Entry:
    """One entry. ``tag`` is its kind, and ``attributes`` are the values by the names of the standard."""

    __slots__ = ("_values", "attributes", "has_children", "offset", "tag", "unit")

    def __init__(self, unit: Unit, offset: int) -> None:
        if not unit.start <= offset < unit.end:
            raise DamagedError("an entry outside of its unit")
        code, at = _unsigned(unit.home.info, offset)
        shape = unit.shape(code)
        self.unit = unit
        self.offset = offset
        self.tag = shape.tag
        self.has_children = shape.has_children
        self._values = _Values(unit, shape, at)
        self.attributes: Mapping[str | int, Attribute] = self._values

    def iter_children(self) -> Iterator[Entry]:
        """The entries below it."""
        if not self.has_children:
            return
        at = self._values.end()
        while self.unit.home.info[at]:
            child = Entry(self.unit, at)
            yield child
            at = child.after()

    def after(self) -> int:
        """Where what follows it and its children begins."""
        if not self.has_children:
            return self._values.end()
        sibling = self.attributes.get("DW_AT_sibling")
        if sibling is not None and sibling.form in _IN_UNIT:
            at = self.unit.start + sibling.value
            if at <= self.offset:
                raise DamagedError("an entry that is followed by one before it")
            return at
        at = self._values.end()
        while self.unit.home.info[at]:
            at = Entry(self.unit, at).after()
        return at + 1

    def get_DIE_from_attribute(self, name: str) -> Entry:  # noqa: N802 (pyelftools' name)
        """The entry that an attribute refers to. Raises ``DamagedError``."""
        form, value = self.attributes[name]
        if form in _IN_UNIT:
            return Entry(self.unit, self.unit.start + value)
        if form == "DW_FORM_ref_addr":
            return Entry(self.unit.home.at(value), value)
        raise DamagedError(f"an attribute that refers to no entry: {form}")


class Units:
    """The sections that describe types and variables, as a linker leaves them. Raises ``DamagedError`` for what is
    left to others."""

    def __init__(self, sections: Mapping[str, bytes]) -> None:
        if ".debug_types" in sections or ".debug_info" not in sections or ".debug_abbrev" not in sections:
            raise DamagedError("not in one section of entries")
        self.info = sections[".debug_info"]
        self.sections = sections
        self._shapes: dict[int, dict[int, _Shape]] = {}
        self._units = list(self._headers())
        self._starts = [unit.start for unit in self._units]

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units)

    def at(self, offset: int) -> Unit:
        """The unit in which an entry lies."""
        return self._units[bisect_right(self._starts, offset) - 1]

    def shapes(self, offset: int) -> Mapping[int, _Shape]:
        """The abbreviations by code that begin at an offset."""
        found = self._shapes.get(offset)
        if found is None:
            found = self._shapes[offset] = _shapes(self.sections[".debug_abbrev"], offset)
        return found

    def number(self, section: str, at: int, size: int) -> int:
        """An unsigned number. Raises ``DamagedError``."""
        data = self.sections.get(section, b"")
        if not 0 <= at <= len(data) - size:
            raise DamagedError(f"a place beyond the end of {section}")
        return int.from_bytes(data[at : at + size], "little")

    def text(self, section: str, at: int) -> bytes:
        """A string, without the zero at its end. Raises ``DamagedError``."""
        data = self.sections.get(section, b"")
        end = data.find(b"\0", at)
        if not 0 <= at < len(data) or end < 0:
            raise DamagedError(f"a string beyond the end of {section}")
        return data[at:end]

    def _headers(self) -> Iterator[Unit]:
        at = 0
        while at < len(self.info):
            length, version = self.number(".debug_info", at, 4), self.number(".debug_info", at + 4, 2)
            end = at + 4 + length
            old = 2 < version < 5
            if not (old or version == 5) or length >= 0xFFFF_FFF0 or end > len(self.info):
                raise DamagedError("a unit that is not known here")
            kind, size = (1, at + 10) if old else (self.info[at + 6], at + 7)
            if kind not in _WHOLE_UNITS or self.info[size] != 8:
                raise DamagedError("a unit that is not known here")
            table = self.number(".debug_info", at + (6 if old else 8), 4)
            yield Unit(self, at, end, at + (11 if old else 12), table)
            at = end


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128, and where it ends."""
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _signed(data: bytes, at: int) -> tuple[int, int]:
    """A signed LEB128, and where it ends."""
    value, end = _unsigned(data, at)
    bits = 7 * (end - at)
    return (value - (1 << bits) if value >> (bits - 1) else value), end


@cache
def _names(kind: str) -> dict[int, str]:
    from elftools.dwarf import enums

    table: dict[str, Any] = getattr(enums, f"ENUM_DW_{kind}")
    return {code: name for name, code in table.items() if isinstance(code, int)}


def _shapes(data: bytes, at: int) -> dict[int, _Shape]:
    tags, names, forms = _names("TAG"), _names("AT"), _names("FORM")
    found: dict[int, _Shape] = {}
    while True:
        code, at = _unsigned(data, at)
        if code == 0:
            return found
        tag, at = _unsigned(data, at)
        has_children = data[at] != 0
        at += 1
        attributes: dict[str | int, tuple[str, int]] = {}
        places: dict[str | int, int] = {}
        size: int | None = 0
        while True:
            name, at = _unsigned(data, at)
            number, at = _unsigned(data, at)
            if not name and not number:
                break
            form, key = forms.get(number, ""), names.get(name, name)
            constant = 0
            if form == "DW_FORM_implicit_const":
                constant, at = _signed(data, at)
            if size is not None:
                places[key] = size
                size = size + _FIXED[form] if form in _FIXED else None
            attributes[key] = form, constant
        found[code] = _Shape(tags.get(tag, tag), has_children, attributes, size, places)


def _value(unit: Unit, form: str, constant: int, at: int, *, plainly: bool = False) -> tuple[Any, int]:
    """A value, and where it ends; where ``plainly``, places in tables as numbers. Raises ``DamagedError``."""
    home = unit.home
    size = _FIXED.get(form)
    if size is not None:
        end = at + size
        if end > unit.end:
            raise DamagedError("a value beyond the end of its unit")
        number = int.from_bytes(home.info[at:end], "little")
        return number if plainly else _fixed(unit, form, number, constant, home.info[at:end]), end
    if form in _NUMBERS:
        number, end = _unsigned(home.info, at)
        return number if plainly else _indirect(unit, form, number), end
    if form == "DW_FORM_sdata":
        return _signed(home.info, at)
    if form == "DW_FORM_string":
        text = home.text(".debug_info", at)
        return text, at + len(text) + 1
    if form in ("DW_FORM_exprloc", "DW_FORM_block"):
        length, at = _unsigned(home.info, at)
        return home.info[at : at + length], at + length
    if form in _LENGTHS:
        start = at + _LENGTHS[form]
        end = start + int.from_bytes(home.info[at:start], "little")
        return home.info[start:end], end
    if form == "DW_FORM_indirect":
        number, at = _unsigned(home.info, at)
        if _names("FORM").get(number) != "DW_FORM_indirect":
            return _value(unit, _names("FORM").get(number, ""), 0, at, plainly=plainly)
    raise DamagedError("a value in a form that is not known here")


def _fixed(unit: Unit, form: str, number: int, constant: int, raw: bytes) -> Any:
    match form:
        case "DW_FORM_strp":
            return unit.home.text(".debug_str", number)
        case "DW_FORM_line_strp":
            return unit.home.text(".debug_line_str", number)
        case "DW_FORM_flag":
            return number != 0
        case "DW_FORM_flag_present":
            return True
        case "DW_FORM_implicit_const":
            return constant
        case "DW_FORM_data16":
            return raw
        case _:
            return _indirect(unit, form, number)


def _indirect(unit: Unit, form: str, number: int) -> Any:
    """What a number stands for that is a place in a table."""
    if form.startswith("DW_FORM_strx"):
        base = unit.base("DW_AT_str_offsets_base", 8)
        return unit.home.text(".debug_str", unit.home.number(".debug_str_offsets", base + 4 * number, 4))
    if form.startswith("DW_FORM_addrx"):
        return unit.home.number(".debug_addr", unit.base("DW_AT_addr_base", 8) + 8 * number, 8)
    return number
