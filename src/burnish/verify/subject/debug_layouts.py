"""How values of types are passed, from DWARF (System V ABI, AMD64, section 3.2.3)."""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

from burnish.verify.subject.debug_functions import origin
from burnish.verify.subject.debug_pointers import name_of
from burnish.verify.subject.types import Class, Layout, Part, UnreadableTypeError, scalar

_POINTERS = (
    "DW_TAG_pointer_type",
    "DW_TAG_reference_type",
    "DW_TAG_rvalue_reference_type",
)
_QUALIFIERS = {
    "DW_TAG_const_type": "const ",
    "DW_TAG_volatile_type": "volatile ",
    "DW_TAG_restrict_type": "",
    "DW_TAG_atomic_type": "_Atomic ",
    "DW_TAG_immutable_type": "",
}
_BOOLEAN, _COMPLEX, _FLOAT = 2, 3, 4
_INTEGERS = (5, 6, 7, 8, 16)
"""DW_ATE_signed, signed_char, unsigned, unsigned_char, UTF."""
_PASS_BY_REFERENCE = 4
_DEPTH = 32
_IN_REGISTERS = 16
"""Bytes; what is larger travels in memory (but for vectors that we do not model)."""


def type_of(entry: Any) -> Any:
    """The entry of the type of a parameter or a result. Raises ``UnreadableTypeError`` where there is none."""
    if "DW_AT_type" not in entry.attributes:
        # Only C++ declarations that were moved have their types elsewhere.
        first = origin(entry)
        if first is entry or "DW_AT_type" not in first.attributes:
            raise UnreadableTypeError("a parameter without a type")
        entry = first
    return entry.get_DIE_from_attribute("DW_AT_type")


def _bytes_of(entry: Any) -> int:
    size = entry.attributes.get("DW_AT_byte_size")
    if size is None or not isinstance(size.value, int):
        raise UnreadableTypeError(f"the type {name_of(entry) or entry.tag}, whose size is not known")
    return size.value


def extent_of(entry: Any, depth: int = 0) -> int:
    """Bytes of what has that type; 0 where they are not known, as of an array that another file has the length of."""
    if depth > _DEPTH:
        raise UnreadableTypeError("a type that contains itself")
    if entry.tag in _POINTERS:
        return 8
    if entry.tag in _QUALIFIERS or entry.tag == "DW_TAG_typedef":
        return extent_of(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    if entry.tag == "DW_TAG_array_type":
        return _array_length(entry) * extent_of(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    return 0 if "DW_AT_declaration" in entry.attributes else _bytes_of(entry)


def layout_of(entry: Any, depth: int = 0) -> Layout:
    """The layout of the type that a DWARF entry describes."""
    if depth > _DEPTH:
        raise UnreadableTypeError("a type that contains itself")
    tag = entry.tag
    if tag in _POINTERS:
        text = _pointee_text(entry)
        return scalar(f"{text}*" if text.endswith("*") else f"{text} *", 8, Class.INTEGER)
    if tag in _QUALIFIERS:
        inner = layout_of(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        return replace(inner, text=_QUALIFIERS[tag] + inner.text)
    if tag == "DW_TAG_typedef":
        inner = layout_of(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        alignment = entry.attributes.get("DW_AT_alignment")
        aligned = inner.alignment if alignment is None else alignment.value
        return replace(inner, text=name_of(entry) or inner.text, alignment=aligned)
    if tag == "DW_TAG_enumeration_type":
        return scalar(f"enum {name_of(entry)}".strip(), _bytes_of(entry), Class.INTEGER)
    if tag == "DW_TAG_base_type":
        return _base(entry)
    if tag in ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type"):
        return _aggregate(entry, depth)
    if tag == "DW_TAG_array_type":
        return _array(entry, depth)
    if tag == "DW_TAG_unspecified_type":  # decltype(nullptr)
        return scalar(name_of(entry), 8, Class.INTEGER)
    raise UnreadableTypeError(f"a type of the kind {tag.removeprefix('DW_TAG_')}")


def _pointee_text(entry: Any) -> str:
    if "DW_AT_type" not in entry.attributes:
        return "void"
    try:
        inner = entry.get_DIE_from_attribute("DW_AT_type")
        prefix = ""
        while inner.tag in _QUALIFIERS:
            prefix += _QUALIFIERS[inner.tag]
            if "DW_AT_type" not in inner.attributes:
                return f"{prefix}void"
            inner = inner.get_DIE_from_attribute("DW_AT_type")
        if inner.tag in _POINTERS:
            return f"{prefix}{_pointee_text(inner)} *"
        word = {"DW_TAG_structure_type": "struct ", "DW_TAG_union_type": "union "}.get(inner.tag, "")
        return f"{prefix}{word}{name_of(inner) or '…'}"
    except (AttributeError, KeyError):
        return "…"


def _base(entry: Any) -> Layout:
    name, size = name_of(entry), _bytes_of(entry)
    encoding = entry.attributes["DW_AT_encoding"].value
    if encoding == _BOOLEAN and size == 1:
        return scalar(name, 1, Class.INTEGER, True)
    if encoding in _INTEGERS and size in (1, 2, 4, 8, 16):
        return scalar(name, size, Class.INTEGER)
    if encoding == _FLOAT and size in (2, 4, 8) and "bf16" not in name:
        return scalar(name, size, Class.SSE)
    if encoding == _FLOAT and size == 16:
        if "128" in name or "quad" in name.lower():
            return Layout(name, 16, 16, ((0, 8, Class.SSE), (8, 8, Class.SSE_UP)))
        return scalar(name, 16, Class.X87)
    if encoding == _COMPLEX and size in (8, 16):
        return replace(scalar(name, size, Class.SSE), alignment=size // 2)
    if encoding == _COMPLEX and size == 32:
        return scalar(name, 32, Class.X87)
    raise UnreadableTypeError(f"the type {name}")


def _array(entry: Any, depth: int) -> Layout:
    element = layout_of(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    count = _array_length(entry)
    size = count * element.size
    if "DW_AT_GNU_vector" in entry.attributes:
        if size not in (8, 16):
            raise UnreadableTypeError(f"a vector of {size} bytes")
        halves = ((0, 8, Class.SSE), (8, 8, Class.SSE_UP))
        return Layout(f"{element.text} vector", size, size, halves[: size // 8])
    text = f"{element.text}[{count}]"
    if size > _IN_REGISTERS or element.in_memory:
        return Layout(text, size, element.alignment, (), in_memory=True)
    parts = tuple(
        (k * element.size + at, length, kind) for k in range(count) for at, length, kind in element.parts
    )
    return Layout(text, size, element.alignment, parts)


def _array_length(entry: Any) -> int:
    """The number of elements in all dimensions; 0 where one is not known."""
    count = 1
    for child in entry.iter_children():
        if child.tag == "DW_TAG_subrange_type":
            if "DW_AT_count" in child.attributes:
                count *= child.attributes["DW_AT_count"].value
            elif isinstance(upper := getattr(child.attributes.get("DW_AT_upper_bound"), "value", None), int):
                count *= upper + 1
            else:
                count = 0
    return count


def _aggregate(entry: Any, depth: int) -> Layout:
    word = "union " if entry.tag == "DW_TAG_union_type" else "struct "
    text = word + (name_of(entry) or "…")
    if "DW_AT_declaration" in entry.attributes:
        raise UnreadableTypeError(f"{text}, which is only declared")
    size = _bytes_of(entry)
    convention = entry.attributes.get("DW_AT_calling_convention")
    by_reference = convention is not None and convention.value == _PASS_BY_REFERENCE
    alignment = getattr(entry.attributes.get("DW_AT_alignment"), "value", 1)
    parts: list[Part] = []
    in_memory = by_reference or size > _IN_REGISTERS
    for child in entry.iter_children():
        if child.tag not in ("DW_TAG_member", "DW_TAG_inheritance") or "DW_AT_external" in child.attributes:
            continue
        inner, offset = _field(child, depth)
        alignment = max(alignment, inner.alignment)
        in_memory = in_memory or inner.in_memory or offset % max(inner.alignment, 1) != 0
        parts += [(offset + at, length, kind) for at, length, kind in inner.parts]
    if not in_memory and any(kind is Class.X87 for _, _, kind in parts):
        raise UnreadableTypeError(f"{text}, which has a long double")
    if any(at + length > size for at, length, _ in parts):
        raise UnreadableTypeError(f"{text}, with a field beyond its end")
    return Layout(text, size, alignment, () if in_memory else tuple(parts), False, in_memory, by_reference)


def _field(child: Any, depth: int) -> tuple[Layout, int]:
    """The type of a field and its offset."""
    inner = layout_of(child.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    if "DW_AT_data_bit_offset" in child.attributes or "DW_AT_bit_size" in child.attributes:
        bit = child.attributes.get("DW_AT_data_bit_offset")
        if bit is None:
            raise UnreadableTypeError("a bit field as DWARF 3 describes it")
        first, last = bit.value // 8, (bit.value + child.attributes["DW_AT_bit_size"].value - 1) // 8
        parts = tuple(
            (max(8 * at, first), min(8 * at + 7, last) - max(8 * at, first) + 1, Class.INTEGER)
            for at in range(first // 8, last // 8 + 1)
        )
        return Layout(inner.text, inner.size, 1, parts), 0
    location = child.attributes.get("DW_AT_data_member_location")
    offset = 0 if location is None else location.value
    if not isinstance(offset, int):
        raise UnreadableTypeError("a virtual base class")
    return inner, offset
