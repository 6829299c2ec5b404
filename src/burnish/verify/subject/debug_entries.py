"""Where the entries of a unit of DWARF are, found without reading them.

Of thousands of entries a verdict needs a few dozen. pyelftools reads each that it passes, which takes some fifty times
as long as stepping over it. So here is only what it takes to step from one to the next; what an entry says is read by
pyelftools. Source: DWARF 5, sections 7.5.2 to 7.5.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_ADDRESS, _OFFSET, _REFERENCE = -1, -2, -3
"""Sizes that the unit says: of addresses, of offsets, and of references between units."""
_LEB, _STRING, _BLOCK, _BLOCK1, _BLOCK2, _BLOCK4, _INDIRECT = -4, -5, -6, -7, -8, -9, -10
"""Sizes that the value itself says."""
_SIZES = {
    0x01: _ADDRESS, 0x03: _BLOCK2, 0x04: _BLOCK4, 0x05: 2, 0x06: 4, 0x07: 8, 0x08: _STRING, 0x09: _BLOCK, 0x0A: _BLOCK1,
    0x0B: 1, 0x0C: 1, 0x0D: _LEB, 0x0E: _OFFSET, 0x0F: _LEB, 0x10: _REFERENCE, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8,
    0x15: _LEB, 0x16: _INDIRECT, 0x17: _OFFSET, 0x18: _BLOCK, 0x19: 0, 0x1A: _LEB, 0x1B: _LEB, 0x1C: 4, 0x1D: _OFFSET,
    0x1E: 16, 0x1F: _OFFSET, 0x20: 8, 0x21: 0, 0x22: _LEB, 0x23: _LEB, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4,
    0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4, 0x1F01: _LEB, 0x1F02: _LEB, 0x1F20: _OFFSET, 0x1F21: _OFFSET,
}  # fmt: skip
"""Of each form (``DW_FORM``), how many bytes a value takes in the entry."""
IMPLICIT = 0x21
_SIBLING = 0x01
_RELATIVE = {0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8}
"""Forms of references from the beginning of the unit, with their bytes."""
_LEB_BITS = 112
_NUMBER = rb"[\x80-\xff]*[\x00-\x7f]"
_ABBREVIATION = re.compile(
    rb"(?>((?!\x00)%(number)s)%(number)s.(?>(?!\x00\x00)%(number)s(?>\x21%(number)s|%(number)s))*\x00\x00)"
    % {b"number": _NUMBER},
    re.DOTALL,
)
"""A code that is not 0, a tag, whether there are children, and pairs of an attribute and a form up to two zeros; after
the form of constants in the abbreviation the constant."""


class Field(NamedTuple):
    """An attribute as an abbreviation has it."""

    attribute: int
    form: int
    size: int
    """Bytes, or how they are told."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all entries of one abbreviation have in common. ``at`` is where it stands in its section. ``size`` is that
    of an entry without its code, -1 where it differs. ``has`` are its attributes."""

    at: int
    tag: int
    children: bool
    fields: tuple[Field, ...]
    has: frozenset[int]
    size: int


class Shapes(dict[int, Shape]):
    """The abbreviations of the table at ``at`` of a section, by their codes, for units whose addresses, offsets and
    references between units have those ``sizes``. Each is read when it is asked for. Raises ``KeyError``,
    ``ValueError`` and ``IndexError`` for damaged ones."""

    def __init__(self, section: bytes, at: int, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        self._section = section
        self._own: dict[int, int] = dict(zip((_ADDRESS, _OFFSET, _REFERENCE), sizes, strict=True))
        self._places: dict[int, int] = {}
        while (found := _ABBREVIATION.match(section, at)) is not None:
            self._places[leb(section, at)[0]] = found.end(1)
            at = found.end()

    def __missing__(self, code: int) -> Shape:
        section, at = self._section, self._places[code]
        start = at
        tag, at = leb(section, at)
        children = section[at] != 0
        at += 1
        fields: list[Field] = []
        while True:
            attribute, at = leb(section, at)
            form, at = leb(section, at)
            if not attribute and not form:
                break
            if form == IMPLICIT:
                at = leb(section, at)[1]
            if form not in _SIZES:
                raise ValueError(f"the form {form:#x}")
            size = _SIZES[form]
            fields.append(Field(attribute, form, self._own.get(size, size)))
        sizes = [field.size for field in fields]
        size = -1 if min(sizes, default=0) < 0 else sum(sizes)
        has = frozenset([field.attribute for field in fields])
        found = self[code] = Shape(start, tag, children, tuple(fields), has, size)
        return found


class Entries:
    """The entries of the unit at ``unit`` of the section ``data``, up to ``end``. Offsets are those in the section.
    Its methods raise ``ValueError``, ``IndexError`` and ``KeyError`` for damaged tables."""

    def __init__(self, data: bytes, unit: int, end: int, known: Shapes) -> None:
        self._data = data
        self._unit = unit
        self._end = end
        self._shapes = known

    def children(self, entry: int) -> Iterator[tuple[int, Shape, int]]:
        """The offset of each entry right below another, its shape, and where its fields begin."""
        code, at = leb(self._data, entry)
        shape = self._shapes[code]
        if not shape.children:
            return
        at = self._behind(shape, at)
        data, known = self._data, self._shapes
        while at < self._end:
            start = at
            code = data[at]
            at += 1
            if code >= 0x80:
                code, at = leb(data, start)
            if not code:
                return
            shape = known[code]
            yield start, shape, at
            if not shape.children:
                at = at + shape.size if shape.size >= 0 else self._behind(shape, at)
            else:
                at = self._after(shape, at)
        raise ValueError("entries without an end")

    def field(self, shape: Shape, at: int, attribute: int) -> tuple[int, int] | None:
        """The form of an attribute and where its value lies, of an entry whose fields begin at ``at``; None where it
        has no such attribute."""
        if attribute not in shape.has:
            return None
        for field in shape.fields:
            if field.attribute == attribute:
                return field.form, at
            at = at + field.size if field.size >= 0 else self._step(field.size, at)
        return None

    def _behind(self, shape: Shape, at: int) -> int:
        """Where an entry's fields end."""
        if shape.size >= 0:
            return at + shape.size
        for field in shape.fields:
            at = at + field.size if field.size >= 0 else self._step(field.size, at)
        return at

    def _after(self, shape: Shape, at: int) -> int:
        """Where the entry behind one with children and all that is below it begins."""
        found = self.field(shape, at, _SIBLING)
        if found is not None and found[0] in _RELATIVE:
            place, size = found[1], _RELATIVE[found[0]]
            after = self._unit + int.from_bytes(self._data[place : place + size], "little")
            if not at < after <= self._end:
                raise ValueError("an entry that is followed by one before it")
            return after
        at = self._behind(shape, at)
        depth = 1
        while depth:
            if at >= self._end:
                raise ValueError("entries without an end")
            code, at = leb(self._data, at)
            if code:
                below = self._shapes[code]
                at = self._behind(below, at)
                depth += below.children
            else:
                depth -= 1
        return at

    def _step(self, size: int, at: int) -> int:
        """Where a value ends that says its size itself."""
        if size == _LEB:
            return leb(self._data, at)[1]
        if size == _STRING:
            return self._data.index(b"\0", at) + 1
        if size == _BLOCK:
            length, at = leb(self._data, at)
            return at + length
        if size not in _LENGTHS:
            raise ValueError("a value that says its form")
        wide = _LENGTHS[size]
        return at + wide + int.from_bytes(self._data[at : at + wide], "little")


_LENGTHS = {_BLOCK1: 1, _BLOCK2: 2, _BLOCK4: 4}


def leb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of variable length (LEB128), and where it ends. Of one with a sign the end is the same."""
    value = shift = 0
    while shift < _LEB_BITS:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number without an end")
