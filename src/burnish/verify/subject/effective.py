"""Types of accesses, and which of them C lets overlap (C11, 6.5 paragraphs 6 and 7; gcc's ``-fstrict-aliasing``).

An object is accessed as what its type has where the access lies, or as ``char``. So two accesses of which the types
have nothing in common are to different memory, as long as the program keeps to that rule: which nobody can see in its
code, and a verdict that rests on it says so.
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
_ANY = "char"
"""What may be accessed as anything, and anything as that."""
_POINTER = "pointer"
_CHARACTERS = (6, 8)
"""DW_ATE_signed_char and DW_ATE_unsigned_char."""
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Effective:
    """How memory is accessed: ``size`` bytes at an ``offset`` (None: some offset) of an object of the type ``outer``,
    empty where that is no structure and no union. ``scalars`` are the kinds of what lies there, ``inside`` the
    structures and unions that are part of ``outer``, itself among them."""

    outer: str
    offset: int | None
    size: int
    scalars: frozenset[str]
    inside: frozenset[str] = field(repr=False)
    text: str = field(compare=False)
    whole: bool = False
    """True for a scalar that lies at a multiple of its size."""

    def may_overlap(self, other: Effective) -> bool:
        """False where C says that the two accesses are to different memory."""
        if self.outer and self.outer == other.outer and self.offset is not None and other.offset is not None:
            # Two objects of one type are the same, or apart.
            return self.offset < other.offset + other.size and other.offset < self.offset + self.size
        if self.outer and other.outer and self.outer not in other.inside and other.outer not in self.inside:
            return False
        if _ANY in self.scalars or _ANY in other.scalars:
            return True
        return bool(self.scalars & other.scalars)


def is_inside(pointee: Pointee, size: int) -> bool:
    """False where so many bytes there are more than the object has."""
    length = size_of(pointee.entry)
    return not pointee.exact or not length or 0 <= pointee.offset <= length - size


def effective(pointee: Pointee, size: int) -> Effective | None:
    """The type of an access of ``size`` bytes where a pointer leads to; None where the debug information does not say
    it."""
    kind = pointee.entry
    outer = _element(kind)
    if outer is None:
        return None
    length = size_of(outer)
    if not length:
        return None
    if outer.tag not in _AGGREGATES:
        found = _scalar(outer) if size <= length else None
        scalars = frozenset({found}) if found else frozenset[str]()
        return Effective("", None, size, scalars, frozenset(), found or "", size == length) if found else None
    if outer is not kind:
        offset = None if not pointee.exact else pointee.offset % length
    else:
        offset = pointee.offset if pointee.exact else None
    if offset is None:
        scalars = frozenset(name for _, _, name in _leaves(outer))
        if "" in scalars:
            return None
        return Effective(_key(outer), None, size, scalars, _inside(outer), _text(outer, None))
    if not 0 <= offset <= length - size:
        return None
    there = [one for one in _leaves(outer) if one[0] < offset + size and offset < one[0] + one[1]]
    scalars = frozenset(name for _, _, name in there)
    if "" in scalars or not any(at <= offset and offset + size <= at + extent for at, extent, _ in there):
        # Several members at once are copied as characters, for all that is known.
        return None
    whole = any((at, extent) == (offset, size) for at, extent, _ in there) and offset % size == 0
    return Effective(_key(outer), offset, size, scalars, _inside(outer), _text(outer, offset), whole)


def _element(kind: Any) -> Any:
    """The type of an array's elements, or of what is none."""
    for _ in range(_DEPTH):
        if kind is None or kind.tag != "DW_TAG_array_type":
            return kind
        kind = plain(named_type(kind))
    return None


_keys: dict[tuple[int, int], str] = {}


def _key(kind: Any) -> str:
    name = name_of(kind)
    word = _AGGREGATES[kind.tag]
    if name:
        return f"{word} {name} {size_of(kind)}"
    members = ",".join(name_of(child) for child in kind.iter_children() if child.tag == "DW_TAG_member")
    return f"{word} {{{members}}} {size_of(kind)}"


def _scalar(kind: Any) -> str | None:
    match kind.tag:
        case "DW_TAG_pointer_type":
            return _POINTER
        case "DW_TAG_enumeration_type":
            return "int" if size_of(kind) == 4 else f"enum {size_of(kind)}"
        case "DW_TAG_base_type":
            if kind.attributes["DW_AT_encoding"].value in _CHARACTERS:
                return _ANY
            return name_of(kind).replace("unsigned ", "")
        case _:
            return None


_memo: dict[tuple[int, int, str], tuple[tuple[int, int, str], ...]] = {}


def _leaves(kind: Any) -> tuple[tuple[int, int, str], ...]:
    """``(offset, size, kind)`` of all scalars of an object; of kind "" where it is not known."""
    key = id(kind.cu.dwarfinfo), kind.offset, kind.tag
    if key not in _memo:
        _memo[key] = tuple(_leaves_at(kind, 0, 0))
    return _memo[key]


def _leaves_at(kind: Any, start: int, depth: int) -> Iterator[tuple[int, int, str]]:
    kind = plain(kind)
    size = 0 if kind is None else size_of(kind) or 0
    if kind is None or depth > _DEPTH:
        yield start, 1 << 20, ""
    elif kind.tag == "DW_TAG_array_type":
        element = _element(kind)
        count = 1
        for child in kind.iter_children():
            if child.tag == "DW_TAG_subrange_type":
                upper = child.attributes.get("DW_AT_upper_bound")
                count *= upper.value + 1 if upper is not None and isinstance(upper.value, int) else 0
        extent = 0 if element is None else size_of(element) or 0
        if element is not None and extent and count:
            whole = (
                {name for _, _, name in _leaves(element)}
                if element.tag in _AGGREGATES
                else {_scalar(element) or ""}
            )
            if element.tag in _AGGREGATES and count <= 64:
                for k in range(count):
                    yield from (
                        (start + k * extent + at, length, name) for at, length, name in _leaves(element)
                    )
            else:
                for name in whole:
                    yield start, count * extent, name
    elif kind.tag in _AGGREGATES:
        for child in kind.iter_children():
            if child.tag != "DW_TAG_member":
                continue
            place = child.attributes.get("DW_AT_data_member_location")
            bits = child.attributes.get("DW_AT_data_bit_offset")
            if bits is not None:
                width = child.attributes["DW_AT_bit_size"].value
                first = bits.value // 8
                # Bit fields are accessed as any of the units that hold them.
                yield (
                    start + first,
                    (bits.value + width - 1) // 8 - first + 1,
                    _scalar(plain(named_type(child))) or "",
                )
                continue
            at = 0 if place is None else place.value
            yield from _leaves_at(named_type(child), start + at, depth + 1)
    else:
        yield start, size, _scalar(kind) or ""


def _inside(kind: Any) -> frozenset[str]:
    found: set[str] = set()
    waiting = [kind]
    while waiting:
        one = _element(plain(waiting.pop()))
        if one is None or one.tag not in _AGGREGATES:
            continue
        key = _key(one)
        if key in found:
            continue
        found.add(key)
        waiting += [named_type(child) for child in one.iter_children() if child.tag == "DW_TAG_member"]
    return frozenset(found)


def _text(kind: Any, offset: int | None) -> str:
    return f"{name_of(kind) or _AGGREGATES[kind.tag]}" + ("" if offset is None else f"+{offset}")
