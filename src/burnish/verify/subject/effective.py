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
_CHARACTERS, _COMPLEX = (6, 8), 3
"""DW_ATE_signed_char and DW_ATE_unsigned_char; DW_ATE_complex_float."""
_IN_VECTORS = ("float", "double")
"""What is loaded into vector registers, and alone is."""
_INTEGERS = {1: _ANY, 2: "short int", 4: "int", 8: "long int"}
"""What an enumeration of so many bytes is compatible with."""
_DEPTH = 16
_MOST_ELEMENTS = 64
"""Structures in an array that are looked at one by one."""


@dataclass(frozen=True, slots=True, order=True)
class _Leaf:
    """A scalar, or an array of them, in an object: ``size`` bytes, ``unit`` of them for each scalar."""

    offset: int
    size: int
    kind: str
    unit: int


_UNREADABLE = _Leaf(0, 1 << 62, _UNKNOWN, 0)
"""What may be anything, anywhere in the object."""


@dataclass(frozen=True, slots=True)
class Effective:
    """How memory is accessed: ``size`` bytes at an ``offset`` (None: some offset) of an object of the type ``outer``,
    empty where that is no structure and no union, or is not known. ``scalars`` are the kinds of what lies there,
    ``inside`` the structures and unions that are part of ``outer``, itself among them, and ``shape`` all scalars in it.
    """

    outer: str
    offset: int | None
    size: int
    scalars: frozenset[str]
    inside: frozenset[str] = field(default=frozenset(), repr=False)
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

    def effective(self, pointee: Pointee, size: int, *, vector: bool) -> Effective | None:
        """The type of an access of ``size`` bytes where a pointer leads to, by an instruction that uses ``vector``
        registers or none; None where the debug information does not say it, or where the access is not one of a scalar
        there as compilers make it: that may be a copy, or an access by a pointer that was cast."""
        kind = _element(pointee.entry)
        if kind is None or not (length := size_of(kind)):
            return None
        if kind.tag not in _AGGREGATES:
            scalar = _scalar(kind)
            fits = size == length and scalar and (scalar in _IN_VECTORS) is vector
            return Effective("", None, size, frozenset({scalar})) if fits else None
        leaves = self._all(kind)
        offset = None if not pointee.exact else pointee.offset
        if offset is not None and kind is not pointee.entry:
            offset %= length
        if offset is not None:
            leaves = tuple(
                one for one in leaves if one.offset < offset + size and offset < one.offset + one.size
            )
        fitting = [
            one
            for one in leaves
            if one.unit == size
            and (one.kind in _IN_VECTORS) is vector
            and (offset is None or (offset - one.offset) % size == 0)
        ]
        if not fitting or any(one.kind == _UNKNOWN for one in leaves):
            return None
        if offset is None:
            kinds = frozenset(one.kind for one in fitting)
            # Elements behind a structure are often those of another type; behind a variable nothing is.
            if not pointee.whole:
                return Effective("", None, size, kinds)
            return Effective(_key(kind), None, size, kinds, _inside(kind), self._all(kind))
        scalars = frozenset(one.kind for one in leaves)
        return Effective(_key(kind), offset, size, scalars, _inside(kind), self._all(kind))

    def _all(self, kind: Any) -> tuple[_Leaf, ...]:
        """All leaves of an object in order."""
        if kind.offset not in self._leaves:
            self._leaves[kind.offset] = tuple(sorted(self._of(kind, 0, 0)))
        return self._leaves[kind.offset]

    def _of(self, kind: Any, start: int, depth: int) -> Iterator[_Leaf]:
        kind = plain(kind)
        size = size_of(kind) if kind is not None else None
        if kind is None or depth > _DEPTH:
            yield _UNREADABLE
        elif kind.tag == "DW_TAG_array_type":
            yield from self._of_array(kind, start)
        elif kind.tag in _AGGREGATES:
            for child in kind.iter_children():
                if child.tag == "DW_TAG_member":
                    yield from self._of_member(child, start, depth)
        elif size:
            yield _Leaf(start, size, _scalar(kind), size)
        else:
            yield _UNREADABLE

    def _of_member(self, member: Any, start: int, depth: int) -> Iterator[_Leaf]:
        bits = member.attributes.get("DW_AT_data_bit_offset")
        if bits is not None:
            # Bit fields are accessed in units of the compiler's choice.
            first, last = bits.value // 8, (bits.value + member.attributes["DW_AT_bit_size"].value - 1) // 8
            yield _Leaf(start + first, last - first + 1, _UNKNOWN, 0)
            return
        place = member.attributes.get("DW_AT_data_member_location")
        yield from self._of(named_type(member), start + (0 if place is None else place.value), depth + 1)

    def _of_array(self, kind: Any, start: int) -> Iterator[_Leaf]:
        """An array's elements; of one whose end is not known they are anywhere behind its beginning."""
        element, count = _element(kind), _count(kind)
        extent = size_of(element) if element is not None else None
        if element is None or not extent or "DW_AT_GNU_vector" in kind.attributes:
            yield _UNREADABLE
        elif element.tag not in _AGGREGATES:
            yield _Leaf(start, count * extent, _scalar(element), extent)
        elif 0 < count <= _MOST_ELEMENTS:
            for k in range(count):
                for one in self._all(element):
                    yield _Leaf(start + k * extent + one.offset, one.size, one.kind, one.unit)
        else:
            for kind_, unit in sorted({(one.kind, one.unit) for one in self._all(element)}):
                yield _Leaf(start, count * extent, kind_, unit)


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
            return _INTEGERS.get(size_of(kind) or 0, _UNKNOWN)
        case "DW_TAG_base_type":
            encoding = kind.attributes["DW_AT_encoding"].value
            if encoding in _CHARACTERS:
                return _ANY
            words = [word for word in name_of(kind).split() if word != "unsigned"]
            return _UNKNOWN if encoding == _COMPLEX else " ".join(words)
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
