"""What DWARF says of pointers: which member of a structure lies where, and the type of a function that one leads to.

Source: DWARF 5, sections 5.3 to 5.10.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

_SAME = frozenset(
    (
        "DW_TAG_typedef",
        "DW_TAG_const_type",
        "DW_TAG_volatile_type",
        "DW_TAG_restrict_type",
        "DW_TAG_atomic_type",
    )
)
"""Types that are laid out as the one that they name."""
_DEPTH = 32
_POINTER_SIZE = 8


@dataclass(frozen=True, slots=True)
class Pointee:
    """What a pointer leads to: ``offset`` bytes into an object whose type is the entry at ``at``. ``name`` is that of
    the variable or member that holds the pointer. ``whole`` where the object is no part of a larger one, and not the
    header of something: a variable."""

    at: int
    offset: int
    entry: Any = field(repr=False, compare=False)
    name: str = field(default="", compare=False)
    exact: bool = True
    whole: bool = False

    def moved(self, distance: int) -> Pointee:
        """As many bytes further on."""
        return replace(self, offset=self.offset + distance)

    def somewhere(self) -> Pointee:
        """At an index that is not known."""
        inside = not self.exact or 0 <= self.offset < (size_of(self.entry) or 1)
        return replace(self, offset=0, exact=False, whole=self.whole and inside)


def led_to(kind: Any, name: str) -> Pointee | None:
    """What a value of a type leads to that ``name`` holds; None where it is no pointer, or one to ``void``."""
    kind = plain(kind)
    if kind is None or kind.tag != "DW_TAG_pointer_type":
        return None
    return object_of(named_type(kind), name)


def object_of(kind: Any, name: str) -> Pointee | None:
    """The beginning of an object of a type."""
    found = plain(kind)
    return None if found is None else Pointee(found.offset, 0, found, name)


def loaded(pointee: Pointee, *, unions: bool = True) -> Pointee | None:
    """What the pointer leads to that lies where another leads; None where the debug information has none there, or
    where there may be something else as well: in a union that is not a function, which is the one with ``unions``."""
    kind, offset, name = pointee.entry, pointee.offset, pointee.name
    if not pointee.exact and kind is not None and kind.tag != "DW_TAG_pointer_type":
        return None
    for _ in range(_DEPTH):
        if kind is None or offset < 0:
            return None
        match kind.tag:
            case "DW_TAG_pointer_type":
                return led_to(kind, name) if offset == 0 else None
            case "DW_TAG_structure_type" | "DW_TAG_class_type":
                size = size_of(kind)
                member = _member(kind, offset) if size is not None and offset < size else None
                if member is None:
                    return None
                entry, start = member
                kind, offset, name = plain(named_type(entry)), offset - start, name_of(entry)
            case "DW_TAG_array_type":
                kind = plain(named_type(kind))
                size = None if kind is None else size_of(kind)
                if not size:
                    return None
                offset %= size
            case "DW_TAG_union_type":
                return _loaded_from_union(kind, offset) if unions else None
            case _:
                return None
    return None


def _loaded_from_union(kind: Any, offset: int) -> Pointee | None:
    """The same where one of several things lies: a function if only one of them leads to one."""
    found: dict[int, Pointee] = {}
    for child in kind.iter_children():
        inside = object_of(named_type(child), name_of(child)) if child.tag == "DW_TAG_member" else None
        pointee = None if inside is None else loaded(inside.moved(offset))
        if pointee is not None:
            found.setdefault(pointee.at, pointee)
    functions = [one for one in found.values() if one.entry.tag == "DW_TAG_subroutine_type"]
    chosen = functions or [*found.values()]
    return chosen[0] if len(chosen) == 1 else None


def is_function(pointee: Pointee) -> bool:
    """True for a function whose type says which arguments it takes."""
    known = pointee.entry.tag == "DW_TAG_subroutine_type" and "DW_AT_prototyped" in pointee.entry.attributes
    return known and pointee.offset == 0


def _member(kind: Any, offset: int) -> tuple[Any, int] | None:
    """The last member that begins at or before an offset, and where it does."""
    found: tuple[Any, int] | None = None
    for child in kind.iter_children():
        if child.tag == "DW_TAG_inheritance":
            return None
        start = child.attributes.get("DW_AT_data_member_location")
        if child.tag != "DW_TAG_member" or start is None or not isinstance(start.value, int):
            continue
        if start.value <= offset and (found is None or start.value >= found[1]):
            found = child, start.value
    return found


def plain(kind: Any) -> Any:
    """A type without its other names and qualifiers; None where it is ``void``."""
    for _ in range(_DEPTH):
        if kind is None or kind.tag not in _SAME:
            return kind
        kind = named_type(kind)
    return None


def named_type(entry: Any) -> Any:
    """The entry of the type that an entry names; None for ``void``."""
    return entry.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in entry.attributes else None


def size_of(kind: Any) -> int | None:
    """Bytes of an object of a plain type; None where they are not known."""
    if kind.tag == "DW_TAG_pointer_type":
        return _POINTER_SIZE
    size = kind.attributes.get("DW_AT_byte_size")
    return None if size is None or not isinstance(size.value, int) else size.value


def name_of(entry: Any) -> str:
    """The name of an entry; empty where it has none."""
    name = entry.attributes.get("DW_AT_name")
    return "" if name is None else name.value.decode("utf-8", "replace")
