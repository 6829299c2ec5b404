"""Types of accesses, and which of them C lets overlap (C11, 6.5, paragraphs 6 and 7; gcc's ``-fstrict-aliasing``).

An object is accessed as what it is, as part of a structure or union that has such a member, or as characters. So two
accesses of which the types have nothing in common are to different memory, as long as the program keeps to that rule.
As gcc does, an access to a member counts as one to the structure that the pointer leads to, too: members of two
structures of which neither contains the other are apart, even characters. But a pointer to what another structure
begins with is often one to that, cast where it is used: so neither may be all that the other begins with, either.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from burnish.verify.subject.debug_pointers import Pointee, name_of, named_type, plain, size_of

_AGGREGATES = {
    "DW_TAG_structure_type": "struct",
    "DW_TAG_class_type": "struct",
    "DW_TAG_union_type": "union",
}
_ANY, _POINTER, _UNKNOWN = "char", "pointer", ""
"""Kinds of scalars: what may be accessed as anything, and anything as that; all pointers, for C has a generic one."""
_CHARACTERS = (6, 8)
"""DW_ATE_signed_char and DW_ATE_unsigned_char."""
_DEPTH = 16
_MOST_ELEMENTS = 64
"""Structures in an array that are looked at one by one."""


_Leaf = tuple[int, int, str]
"""A scalar, or an array of them, in an object: offset, size, kind."""


@dataclass(frozen=True, slots=True)
class Effective:
    """How memory is accessed: ``size`` bytes at an ``offset`` (None: some offset) of an object of the type ``outer``,
    empty where that is no structure and no union. ``scalars`` are the kinds of what lies there, ``inside`` the
    structures and unions that are part of ``outer``, itself among them, and ``shape`` all scalars in it; ``whole`` is
    True for a scalar that lies at a multiple of its size."""

    outer: str
    offset: int | None
    size: int
    scalars: frozenset[str]
    inside: frozenset[str] = field(default=frozenset(), repr=False)
    whole: bool = False
    shape: tuple[_Leaf, ...] = field(default=(), repr=False)

    def may_overlap(self, other: Effective) -> bool:
        """False where C says that the two accesses are to different memory."""
        if self.outer and self.outer == other.outer and self.offset is not None and other.offset is not None:
            # Two objects of one type are the same, or apart.
            return self.offset < other.offset + other.size and other.offset < self.offset + self.size
        if self.outer and other.outer and not self._is_part(other) and not other._is_part(self):
            return False
        return _ANY in self.scalars | other.scalars or bool(self.scalars & other.scalars)

    def _is_part(self, other: Effective) -> bool:
        """True where the object may be part of the other one, or what that begins with."""
        return self.outer in other.inside or self.shape == other.shape[: len(self.shape)]


def is_inside(pointee: Pointee, size: int) -> bool:
    """False where so many bytes there are more than the object has."""
    length = size_of(pointee.entry)
    return not pointee.exact or not length or 0 <= pointee.offset <= length - size


class Layouts:
    """What lies where in the types of one file."""

    def __init__(self) -> None:
        self._leaves: dict[int, tuple[_Leaf, ...]] = {}

    def effective(self, pointee: Pointee, size: int) -> Effective | None:
        """The type of an access of ``size`` bytes where a pointer leads to; None where the debug information does not
        say it. Several members at once are copied as characters, for all that is known."""
        kind = _element(pointee.entry)
        if kind is None or not (length := size_of(kind)):
            return None
        if kind.tag not in _AGGREGATES:
            scalar = _scalar(kind) if size <= length else _UNKNOWN
            return Effective("", None, size, frozenset({scalar}), whole=size == length) if scalar else None
        if not pointee.exact:
            scalars = frozenset(name for _, _, name in self._all(kind))
            found = Effective(_key(kind), None, size, scalars, _inside(kind), shape=self._all(kind))
            return None if _UNKNOWN in scalars else found
        offset = pointee.offset % length if kind is not pointee.entry else pointee.offset
        end = offset + size
        there = [leaf for leaf in self._all(kind) if leaf[0] < end and offset < leaf[0] + leaf[1]]
        scalars = frozenset(name for _, _, name in there)
        if _UNKNOWN in scalars or not any(at <= offset and end <= at + extent for at, extent, _ in there):
            return None
        whole = offset % size == 0 and any((at, extent) == (offset, size) for at, extent, _ in there)
        return Effective(_key(kind), offset, size, scalars, _inside(kind), whole, self._all(kind))

    def _all(self, kind: Any) -> tuple[_Leaf, ...]:
        """All leaves of an object in order; those of an unknown kind reach over all of it."""
        if kind.offset not in self._leaves:
            self._leaves[kind.offset] = tuple(sorted(self._of(kind, 0, 0)))
        return self._leaves[kind.offset]

    def _of(self, kind: Any, start: int, depth: int) -> Iterator[_Leaf]:
        kind = plain(kind)
        size = size_of(kind) if kind is not None else None
        if kind is None or depth > _DEPTH:
            yield 0, 1 << 62, _UNKNOWN
        elif kind.tag == "DW_TAG_array_type":
            yield from self._of_array(kind, start)
        elif kind.tag in _AGGREGATES:
            for child in kind.iter_children():
                if child.tag == "DW_TAG_member":
                    yield from self._of_member(child, start, depth)
        elif size:
            yield start, size, _scalar(kind)
        else:
            yield 0, 1 << 62, _UNKNOWN

    def _of_member(self, member: Any, start: int, depth: int) -> Iterator[_Leaf]:
        bits = member.attributes.get("DW_AT_data_bit_offset")
        if bits is not None:
            width = member.attributes["DW_AT_bit_size"].value
            first, last = bits.value // 8, (bits.value + width - 1) // 8
            yield start + first, last - first + 1, _scalar(plain(named_type(member)))
            return
        place = member.attributes.get("DW_AT_data_member_location")
        yield from self._of(named_type(member), start + (0 if place is None else place.value), depth + 1)

    def _of_array(self, kind: Any, start: int) -> Iterator[_Leaf]:
        """An array's elements; none of one whose end is not known, which is accessed at an index in any case."""
        element, count = _element(kind), _count(kind)
        extent = size_of(element) if element is not None else None
        if element is None or not extent:
            yield 0, 1 << 62, _UNKNOWN
        elif element.tag not in _AGGREGATES:
            yield start, count * extent, _scalar(element)
        elif count <= _MOST_ELEMENTS:
            for k in range(count):
                yield from ((start + k * extent + at, size, name) for at, size, name in self._all(element))
        else:
            yield from ((start, count * extent, name) for name in {name for _, _, name in self._all(element)})


def _count(kind: Any) -> int:
    """The elements of an array of one or more dimensions; 0 where the last index is not known."""
    count = 1
    for child in kind.iter_children():
        if child.tag == "DW_TAG_subrange_type":
            upper = child.attributes.get("DW_AT_upper_bound")
            count *= upper.value + 1 if upper is not None and isinstance(upper.value, int) else 0
    return count


def _element(kind: Any) -> Any:
    """The type of an array's elements, or of what is none."""
    for _ in range(_DEPTH):
        if kind is None or kind.tag != "DW_TAG_array_type":
            return kind
        kind = plain(named_type(kind))
    return None


def _key(kind: Any) -> str:
    """A name for a structure or union, the same in all units of a file."""
    name = name_of(kind)
    if not name:
        members = (name_of(child) for child in kind.iter_children() if child.tag == "DW_TAG_member")
        name = "{" + ",".join(members) + "}"
    return f"{_AGGREGATES[kind.tag]} {name} of {size_of(kind)} bytes"


def _scalar(kind: Any) -> str:
    """The kind of a scalar, the same for signed and unsigned (C11, 6.5, paragraph 7)."""
    if kind is None:
        return _UNKNOWN
    match kind.tag:
        case "DW_TAG_pointer_type":
            return _POINTER
        case "DW_TAG_enumeration_type":
            return "int" if size_of(kind) == 4 else f"enumeration of {size_of(kind)} bytes"
        case "DW_TAG_base_type":
            if kind.attributes["DW_AT_encoding"].value in _CHARACTERS:
                return _ANY
            return name_of(kind).replace("unsigned ", "")
        case _:
            return _UNKNOWN


def _inside(kind: Any) -> frozenset[str]:
    """The structures and unions that an object is made of, itself among them."""
    found: set[str] = set()
    waiting = [kind]
    while waiting:
        one = _element(plain(waiting.pop()))
        if one is not None and one.tag in _AGGREGATES and (key := _key(one)) not in found:
            found.add(key)
            waiting += [named_type(child) for child in one.iter_children() if child.tag == "DW_TAG_member"]
    return frozenset(found)
