"""The types of functions from DWARF, through pyelftools.

Source: DWARF 5, sections 3.3 and 5.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from burnish.core.image import FunctionBounds, Image
from burnish.verify.pair import Local
from burnish.verify.subject.debug_functions import DebugFunctions, origin
from burnish.verify.subject.debug_held import Held, held
from burnish.verify.subject.debug_pointers import Pointee, is_function, led_to, name_of, object_of
from burnish.verify.subject.types import Class, FunctionType, Layout, Part, UnreadableTypeError, scalar

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
_FBREG, _CALL_FRAME_CFA = 0x91, 0x9C
_DEPTH = 32
_OTHER_STACKS = ("stack-boundary", "stackrealign", "-mabi=ms", "-m32", "-mx32")
"""Options of gcc, as it writes them down, under which frames are laid out otherwise."""
_IN_REGISTERS = 16
"""Bytes; what is larger travels in memory (but for vectors that we do not model)."""


class DebugTypes:
    """The types of the functions of one ELF file with the bytes ``elf``. Its entries are read as far as is needed, each
    once."""

    def __init__(self, elf: bytes, image: Image) -> None:
        self._functions = DebugFunctions(elf, image)
        self._types: dict[int, FunctionType | UnreadableTypeError | None] = {}
        self._declared: dict[str, FunctionType | UnreadableTypeError | None] = {}

    def of(self, bounds: FunctionBounds) -> FunctionType | None:
        """The type of a function; None where the file does not say. Raises ``UnreadableTypeError`` for a type that is
        not understood."""
        if bounds.address not in self._types:
            self._types[bounds.address] = self._find(bounds)
        found = self._types[bounds.address]
        if isinstance(found, UnreadableTypeError):
            raise found
        return found

    def declared(self, name: str) -> FunctionType | None:
        """The type of a function that the file only calls: compilers describe those as well. None where there is no
        prototype of it. Raises ``UnreadableTypeError`` for a type that is not understood."""
        if name not in self._declared:
            self._declared[name] = self._find_declared(name)
        found = self._declared[name]
        if isinstance(found, UnreadableTypeError):
            raise found
        return found

    def _find_declared(self, name: str) -> FunctionType | UnreadableTypeError | None:
        try:
            entry = self._functions.declared(name)
            return None if entry is None else self._read(entry, name)
        except UnreadableTypeError as error:
            return error
        except Exception:  # pyelftools raises anything at all for damaged tables
            return None

    def never_returns(self, name: str) -> bool:
        """True if the file declares that a function of another file never returns (``_Noreturn``)."""
        try:
            entry = self._functions.declared(name)
            return entry is not None and "DW_AT_noreturn" in entry.attributes
        except Exception:  # pyelftools raises anything at all for damaged tables
            return False

    def extent(self, name: str) -> int:
        """Bytes of a variable that files share, as the file declares it; 0 where it does not say."""
        try:
            sizes = {
                _extent(_type_of(entry))
                for entry in self._functions.variables(name)
                if "DW_AT_external" in entry.attributes
            }
            return min((size for size in sizes if size), default=0)
        except UnreadableTypeError:
            return 0
        except Exception:  # pyelftools raises anything at all for damaged tables
            return 0

    def locals(self, bounds: FunctionBounds) -> tuple[Local, ...]:
        """The variables in a function's frame, as far as the file says where they are, all the time."""
        try:
            entry = self._functions.of(bounds)
            return () if entry is None else tuple(self._frame_variables(entry))
        except Exception:  # pyelftools raises anything at all for damaged tables
            return ()

    def by_gcc(self, bounds: FunctionBounds) -> bool:
        """True if the file says that gcc compiled a function from C or C++, with the stack aligned as the ABI asks."""
        try:
            entry = self._functions.of(bounds)
            producer = "" if entry is None else entry.cu.get_top_DIE().attributes["DW_AT_producer"].value
            text = producer.decode("utf-8", "replace") if isinstance(producer, bytes) else ""
            return text.startswith("GNU C") and not any(word in text for word in _OTHER_STACKS)
        except Exception:  # pyelftools raises anything at all for damaged tables
            return False

    def pointers(self, bounds: FunctionBounds) -> dict[str, Pointee]:
        """What a function's parameters lead to, by the registers that have them at entry."""
        try:
            entry, kind = self._functions.of(bounds), self.of(bounds)
            if entry is None or kind is None:
                return {}
            children = list(self._functions.parameters(origin(entry)))
            if any("DW_AT_artificial" in child.attributes for child in children[1:]):
                return {}  # some forms of constructors lack parameters that are described
            places = zip(kind.in_integer_registers, children, strict=False)
            found = {place: led_to(_type_of(child), name_of(child)) for place, child in places if place}
            return {place: value for place, value in found.items() if value is not None}
        except Exception:  # pyelftools raises anything at all for damaged tables
            return {}

    def held(self, bounds: FunctionBounds) -> tuple[Held, ...]:
        """Where the function's own variables are that are pointers."""
        try:
            entry = self._functions.of(bounds)
            return () if entry is None else tuple(held(self._functions, bounds, entry))
        except Exception:  # pyelftools raises anything at all for damaged tables
            return ()

    def variable(self, bounds: FunctionBounds, name: str) -> Pointee | None:
        """A variable outside of all functions, in the unit of a function."""
        try:
            entry = self._functions.of(bounds)
            found = None if entry is None else self._functions.variable(entry, name)
            return None if found is None else object_of(_type_of(found), name)
        except Exception:  # pyelftools raises anything at all for damaged tables
            return None

    def result_of(self, function: FunctionBounds | str) -> Pointee | None:
        """What the result of a function leads to; for one of another file by its name."""
        try:
            if isinstance(function, str):
                entry, name = self._functions.declared(function), function
            elif "." not in function.name:
                entry, name = self._functions.of(function), function.name
            else:
                return None
            kind = None if entry is None else origin(entry)
            return (
                None
                if kind is None or "DW_AT_type" not in kind.attributes
                else led_to(_type_of(kind), f"the result of {name}")
            )
        except Exception:  # pyelftools raises anything at all for damaged tables
            return None

    def called(self, pointee: Pointee) -> FunctionType | None:
        """The type of the function that a pointer leads to; None where it does not say all of the arguments."""
        try:
            kind = self._read(pointee.entry, pointee.name) if is_function(pointee) else None
            return None if kind is None or kind.variadic else kind
        except Exception:  # pyelftools raises anything at all for damaged tables
            return None

    def _read(self, entry: Any, name: str) -> FunctionType:
        children = list(self._functions.parameters(entry))
        parameters = tuple(
            _layout(_type_of(child)) for child in children if child.tag == "DW_TAG_formal_parameter"
        )
        variadic = len(parameters) < len(children)
        result = _layout(_type_of(entry)) if "DW_AT_type" in entry.attributes else None
        return FunctionType(name, result, parameters, variadic)

    def _frame_variables(self, entry: Any) -> Iterator[Local]:
        """The variables of a function that lie in its frame from beginning to end: ``DW_OP_fbreg`` with a frame base
        that is the CFA, which is 8 bytes above the stack pointer at entry."""
        base = entry.attributes.get("DW_AT_frame_base")
        if base is None or list(base.value) != [_CALL_FRAME_CFA]:
            return
        for child in self._functions.in_frame(entry):
            offset = _frame_offset(child.attributes["DW_AT_location"].value)
            if offset is None:
                continue
            try:
                layout = _layout(_type_of(child))
            except UnreadableTypeError:
                continue
            alignment = getattr(child.attributes.get("DW_AT_alignment"), "value", 1)
            if layout.size > 0:
                yield Local(offset + 8, layout.size, max(layout.alignment, alignment))

    def _find(self, bounds: FunctionBounds) -> FunctionType | UnreadableTypeError | None:
        if "." in bounds.name:
            return None  # a copy with its arguments changed, whose type nobody wrote down
        try:
            entry = self._functions.of(bounds)
            return None if entry is None else self._read(origin(entry), bounds.name)
        except UnreadableTypeError as error:
            return error
        except Exception:  # pyelftools raises anything at all for damaged tables
            return None


def _type_of(entry: Any) -> Any:
    if "DW_AT_type" not in entry.attributes:
        # Only C++ declarations that were moved have their types elsewhere.
        first = origin(entry)
        if first is entry or "DW_AT_type" not in first.attributes:
            raise UnreadableTypeError("a parameter without a type")
        entry = first
    return entry.get_DIE_from_attribute("DW_AT_type")


def _size_of(entry: Any) -> int:
    size = entry.attributes.get("DW_AT_byte_size")
    if size is None or not isinstance(size.value, int):
        raise UnreadableTypeError(f"the type {name_of(entry) or entry.tag}, whose size is not known")
    return size.value


def _extent(entry: Any, depth: int = 0) -> int:
    """Bytes of what has that type; 0 where they are not known, as of an array that another file has the length of."""
    if depth > _DEPTH:
        raise UnreadableTypeError("a type that contains itself")
    if entry.tag in _POINTERS:
        return 8
    if entry.tag in _QUALIFIERS or entry.tag == "DW_TAG_typedef":
        return _extent(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    if entry.tag == "DW_TAG_array_type":
        return _array_length(entry) * _extent(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
    return 0 if "DW_AT_declaration" in entry.attributes else _size_of(entry)


def _frame_offset(expression: Sequence[int]) -> int | None:
    """The operand of a ``DW_OP_fbreg``, a signed LEB128; None for any other location."""
    if len(expression) < 2 or expression[0] != _FBREG:
        return None
    value = 0
    for index, byte in enumerate(expression[1:]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80 and index + 2 < len(expression):
            return None
        if byte < 0x80:
            return value - (1 << 7 * (index + 1)) if byte & 0x40 else value
    return None


def _layout(entry: Any, depth: int = 0) -> Layout:
    """The layout of the type that a DWARF entry describes."""
    if depth > _DEPTH:
        raise UnreadableTypeError("a type that contains itself")
    tag = entry.tag
    if tag in _POINTERS:
        text = _pointee_text(entry)
        return scalar(f"{text}*" if text.endswith("*") else f"{text} *", 8, Class.INTEGER)
    if tag in _QUALIFIERS:
        inner = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        return replace(inner, text=_QUALIFIERS[tag] + inner.text)
    if tag == "DW_TAG_typedef":
        inner = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
        alignment = entry.attributes.get("DW_AT_alignment")
        aligned = inner.alignment if alignment is None else alignment.value
        return replace(inner, text=name_of(entry) or inner.text, alignment=aligned)
    if tag == "DW_TAG_enumeration_type":
        return scalar(f"enum {name_of(entry)}".strip(), _size_of(entry), Class.INTEGER)
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
    name, size = name_of(entry), _size_of(entry)
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
    element = _layout(entry.get_DIE_from_attribute("DW_AT_type"), depth + 1)
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
        parts += [(offset + at, length, kind) for at, length, kind in inner.parts]
    if not in_memory and any(kind is Class.X87 for _, _, kind in parts):
        raise UnreadableTypeError(f"{text}, which has a long double")
    if any(at + length > size for at, length, _ in parts):
        raise UnreadableTypeError(f"{text}, with a field beyond its end")
    return Layout(text, size, alignment, () if in_memory else tuple(parts), False, in_memory, by_reference)


def _field(child: Any, depth: int) -> tuple[Layout, int]:
    """The type of a field and its offset."""
    inner = _layout(child.get_DIE_from_attribute("DW_AT_type"), depth + 1)
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
