"""The type of a function, from DWARF, and where the System V ABI puts what it takes and returns.

Sources: DWARF 5, sections 3.3 and 5; System V ABI, AMD64 supplement, sections 3.2.3 and 3.5.7.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import io
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from burnish.core.image import FunctionBounds, Image, ImageKind
from burnish.core.specification import LiveOut
from burnish.machine.registers import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS


class Class(Enum):
    """The classes of the psABI, section 3.2.3."""

    NONE = "none"
    INTEGER = "integer"
    SSE = "sse"
    SSE_UP = "upper half of a vector"
    MEMORY = "memory"
    X87 = "x87"


class UnreadableTypeError(Exception):
    """A type that is not understood, or whose values travel in registers that are not modelled; the message is a
    phrase."""


Part = tuple[int, Class]
"""(offset in bytes, class) of a scalar in a type; each lies in one eightbyte."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A type as the ABI sees it: ``parts`` are the scalars in it (empty for what travels in memory), ``size`` and
    ``alignment`` are in bytes. ``text`` is how a reader writes it. ``by_reference``: a class of C++ whose copies are
    made by code, so that its address is passed instead."""

    text: str
    size: int
    alignment: int
    parts: tuple[Part, ...]
    is_bool: bool = False
    in_memory: bool = False
    by_reference: bool = False

    @property
    def classes(self) -> tuple[Class, ...]:
        """Those of its eightbytes, or one ``MEMORY``."""
        if self.in_memory:
            return (Class.MEMORY,)
        found = [Class.NONE] * -(-self.size // 8)
        for offset, kind in self.parts:
            at = offset // 8
            if found[at] is Class.NONE:
                found[at] = kind
            elif found[at] is not kind:
                found[at] = Class.X87 if Class.X87 in (found[at], kind) else Class.INTEGER
        return tuple(found)


@dataclass(frozen=True, slots=True)
class FunctionType:
    """A function's type; ``result`` is None for ``void``."""

    name: str
    result: Layout | None
    parameters: tuple[Layout, ...]
    variadic: bool = False

    def __str__(self) -> str:
        taken = [parameter.text for parameter in self.parameters] + (["..."] if self.variadic else [])
        result = "void" if self.result is None else self.result.text
        return f"{result} {self.name}({', '.join(taken) or 'void'})"

    @property
    def shape(self) -> tuple[object, ...]:
        """What of the type matters to a caller's code: functions of one shape are called alike."""
        rows = [(p.size, p.classes, p.is_bool) for p in self.parameters]
        result = None if self.result is None else (self.result.size, self.result.classes, self.result.is_bool)
        return (result, tuple(rows), self.variadic)

    @property
    def live_outs(self) -> tuple[LiveOut, ...]:
        """Where the result is. Raises ``UnreadableTypeError`` for x87 registers."""
        if self.result is None:
            return ()
        if self.result.classes == (Class.MEMORY,):
            return (LiveOut("rax", 8),)
        integers, vectors = iter(("rax", "rdx")), iter(("xmm0", "xmm1"))
        found: list[LiveOut] = []
        left = self.result.size
        for kind in self.result.classes:
            size = min(left, 8)
            left -= size
            if kind is Class.X87:
                raise UnreadableTypeError(f"a result of type {self.result.text}, in an x87 register")
            if kind is Class.SSE_UP:
                found[-1] = LiveOut(found[-1].register, found[-1].size + size)
            elif kind is not Class.NONE:
                found.append(LiveOut(next(integers if kind is Class.INTEGER else vectors), size))
        return tuple(found)

    @property
    def stack_bytes(self) -> int:
        """Extent of the arguments on the stack."""
        return self._placed()[1]

    @property
    def preconditions(self) -> tuple[str, ...]:
        """Conditions on the entry state that callers keep: a ``_Bool`` is 0 or 1."""
        return tuple(
            f"{where} < 2"
            for where, parameter in zip(self._placed()[0], self.parameters, strict=True)
            if parameter.is_bool
        )

    def _placed(self) -> tuple[list[str], int]:
        """Where each parameter is (for what fits one register; empty for others), and the extent of the stack's."""
        integers, vectors = list(INTEGER_ARGUMENTS), list(VECTOR_ARGUMENTS)
        if self.result is not None and self.result.classes == (Class.MEMORY,):
            integers.pop(0)
        stack = 0
        places: list[str] = []
        for parameter in map(_as_passed, self.parameters):
            wanted = [c for c in parameter.classes if c is Class.INTEGER]
            wanted_vectors = [c for c in parameter.classes if c is Class.SSE]
            in_memory = any(c in (Class.MEMORY, Class.X87) for c in parameter.classes)
            if in_memory or len(wanted) > len(integers) or len(wanted_vectors) > len(vectors):
                alignment = max(8, min(parameter.alignment, 16))
                stack += -stack % alignment
                places.append(f"[rsp+{8 + stack}]:{parameter.size}")
                stack += parameter.size + -parameter.size % 8
                continue
            places.append(_LOW_BYTE[integers[0]] if wanted else "")
            del integers[: len(wanted)], vectors[: len(wanted_vectors)]
        return places, stack


def _as_passed(parameter: Layout) -> Layout:
    return _scalar(parameter.text, 8, Class.INTEGER) if parameter.by_reference else parameter


def _scalar(text: str, size: int, kind: Class, is_bool: bool = False) -> Layout:
    """A type of one value, or, for more than 8 bytes, of several of one class."""
    return Layout(text, size, size, tuple((offset, kind) for offset in range(0, size, 8)), is_bool)


_LOW_BYTE = {"rdi": "dil", "rsi": "sil", "rdx": "dl", "rcx": "cl", "r8": "r8b", "r9": "r9b"}

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


def function_type(elf: bytes, image: Image, bounds: FunctionBounds) -> FunctionType | None:
    """The type of a function, from the DWARF in the ELF file with the bytes ``elf``; None where it has none.

    Raises ``UnreadableTypeError`` for a type that DWARF describes and that is not understood.
    """
    from elftools.elf.elffile import ELFFile

    try:
        file: Any = ELFFile(io.BytesIO(elf))
        if not file.has_dwarf_info():
            return None
        info: Any = file.get_dwarf_info(
            relocate_dwarf_sections=file.header["e_type"] == "ET_REL", follow_links=False
        )
        names = {bounds.name, *bounds.aliases}
        if "." in bounds.name:
            return None  # a copy with arguments changed, whose type nobody wrote down
        for unit in info.iter_CUs():
            for entry in unit.iter_DIEs():
                if entry.tag == "DW_TAG_subprogram" and _is_here(entry, image, bounds, names):
                    return _read(_origin(entry), bounds.name)
    except UnreadableTypeError:
        raise
    except Exception:  # pyelftools raises anything at all for damaged tables
        return None
    return None


def _is_here(entry: Any, image: Image, bounds: FunctionBounds, names: set[str]) -> bool:
    low = entry.attributes.get("DW_AT_low_pc")
    if low is None:
        return False
    if image.kind is not ImageKind.OBJECT:
        return low.value == bounds.address
    name = _origin(entry).attributes.get("DW_AT_name")
    linked = _origin(entry).attributes.get("DW_AT_linkage_name")
    return any(one is not None and one.value.decode("utf-8", "replace") in names for one in (name, linked))


def _origin(entry: Any) -> Any:
    """The entry that declares a function's type."""
    for _ in range(_DEPTH):
        for reference in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if reference in entry.attributes:
                entry = entry.get_DIE_from_attribute(reference)
                break
        else:
            return entry
    return entry


def _read(entry: Any, name: str) -> FunctionType:
    children = list(entry.iter_children())
    parameters = tuple(
        _layout(_type_of(child)) for child in children if child.tag == "DW_TAG_formal_parameter"
    )
    variadic = any(child.tag == "DW_TAG_unspecified_parameters" for child in children)
    result = _layout(_type_of(entry)) if "DW_AT_type" in entry.attributes else None
    return FunctionType(name, result, parameters, variadic)


def _type_of(entry: Any) -> Any:
    if "DW_AT_type" not in entry.attributes:
        # Only C++ declarations that were moved have their types elsewhere.
        origin = _origin(entry)
        if origin is entry or "DW_AT_type" not in origin.attributes:
            raise UnreadableTypeError("a parameter without a type")
        entry = origin
    return entry.get_DIE_from_attribute("DW_AT_type")


def _name_of(entry: Any) -> str:
    name = entry.attributes.get("DW_AT_name")
    return "" if name is None else name.value.decode("utf-8", "replace")


def _size_of(entry: Any) -> int:
    size = entry.attributes.get("DW_AT_byte_size")
    if size is None or not isinstance(size.value, int):
        raise UnreadableTypeError(f"the type {_name_of(entry) or entry.tag}, whose size is not known")
    return size.value


def _layout(entry: Any, depth: int = 0) -> Layout:
    """The layout of the type that a DWARF entry describes."""
    if depth > _DEPTH:
        raise UnreadableTypeError("a type that contains itself")
    tag = entry.tag
    if tag in _POINTERS:
        text = _pointee_text(entry)
        return _scalar(f"{text}*" if text.endswith("*") else f"{text} *", 8, Class.INTEGER)
    if tag in _QUALIFIERS:
        inner = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        return replace(inner, text=_QUALIFIERS[tag] + inner.text)
    if tag == "DW_TAG_typedef":
        inner = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        alignment = entry.attributes.get("DW_AT_alignment")
        aligned = inner.alignment if alignment is None else alignment.value
        return replace(inner, text=_name_of(entry) or inner.text, alignment=aligned)
    if tag == "DW_TAG_enumeration_type":
        return _scalar(f"enum {_name_of(entry)}".strip(), _size_of(entry), Class.INTEGER)
    if tag == "DW_TAG_base_type":
        return _base(entry)
    if tag in ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type"):
        return _aggregate(entry, depth)
    if tag == "DW_TAG_array_type":
        return _array(entry, depth)
    if tag == "DW_TAG_unspecified_type":  # decltype(nullptr)
        return _scalar(_name_of(entry), 8, Class.INTEGER)
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
        return f"{prefix}{word}{_name_of(inner) or '…'}"
    except (AttributeError, KeyError):
        return "…"


def _base(entry: Any) -> Layout:
    name, size = _name_of(entry), _size_of(entry)
    encoding = entry.attributes["DW_AT_encoding"].value
    if encoding == _BOOLEAN and size == 1:
        return _scalar(name, 1, Class.INTEGER, True)
    if encoding in _INTEGERS and size in (1, 2, 4, 8, 16):
        return _scalar(name, size, Class.INTEGER)
    if encoding == _FLOAT and size in (2, 4, 8) and "bf16" not in name:
        return _scalar(name, size, Class.SSE)
    if encoding == _FLOAT and size == 16:
        if "128" in name or "quad" in name.lower():
            return Layout(name, 16, 16, ((0, Class.SSE), (8, Class.SSE_UP)))
        return _scalar(name, 16, Class.X87)
    if encoding == _COMPLEX and size in (8, 16):
        return replace(_scalar(name, size, Class.SSE), alignment=size // 2)
    if encoding == _COMPLEX and size == 32:
        return _scalar(name, 32, Class.X87)
    raise UnreadableTypeError(f"the type {name}")


def _array(entry: Any, depth: int) -> Layout:
    element = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    count = 1
    for child in entry.iter_children():
        if child.tag == "DW_TAG_subrange_type":
            if "DW_AT_count" in child.attributes:
                count *= child.attributes["DW_AT_count"].value
            elif isinstance(upper := getattr(child.attributes.get("DW_AT_upper_bound"), "value", None), int):
                count *= upper + 1
            else:
                count = 0
    size = count * element.size
    if "DW_AT_GNU_vector" in entry.attributes:
        if size not in (8, 16):
            raise UnreadableTypeError(f"a vector of {size} bytes")
        halves = ((0, Class.SSE), (8, Class.SSE_UP))
        return Layout(f"{element.text} vector", size, size, halves[: size // 8])
    text = f"{element.text}[{count}]"
    if size > _IN_REGISTERS or element.in_memory:
        return Layout(text, size, element.alignment, (), in_memory=True)
    parts = tuple((k * element.size + offset, kind) for k in range(count) for offset, kind in element.parts)
    return Layout(text, size, element.alignment, parts)


def _aggregate(entry: Any, depth: int) -> Layout:
    word = "union " if entry.tag == "DW_TAG_union_type" else "struct "
    text = word + (_name_of(entry) or "…")
    if "DW_AT_declaration" in entry.attributes:
        raise UnreadableTypeError(f"{text}, which is only declared")
    size = _size_of(entry)
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
        parts += [(offset + at, kind) for at, kind in inner.parts]
    if not in_memory and any(kind is Class.X87 for _, kind in parts):
        raise UnreadableTypeError(f"{text}, which has a long double")
    if any(offset >= size for offset, _ in parts):
        raise UnreadableTypeError(f"{text}, with a field beyond its end")
    return Layout(text, size, alignment, () if in_memory else tuple(parts), False, in_memory, by_reference)


def _field(child: Any, depth: int) -> tuple[Layout, int]:
    """The type of a field and its offset."""
    inner = _layout(child.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    if "DW_AT_data_bit_offset" in child.attributes or "DW_AT_bit_size" in child.attributes:
        bit = child.attributes.get("DW_AT_data_bit_offset")
        if bit is None:
            raise UnreadableTypeError("a bit field as DWARF 3 describes it")
        # The unit in which it lies may begin before it; a field never crosses an eightbyte that its type does not.
        first, last = bit.value // 64, (bit.value + child.attributes["DW_AT_bit_size"].value - 1) // 64
        parts = tuple((8 * at, Class.INTEGER) for at in range(first, last + 1))
        return Layout(inner.text, inner.size, 1, parts), 0
    location = child.attributes.get("DW_AT_data_member_location")
    offset = 0 if location is None else location.value
    if not isinstance(offset, int):
        raise UnreadableTypeError("a virtual base class")
    return inner, offset
