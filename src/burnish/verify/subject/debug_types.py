"""The types of functions from DWARF, through pyelftools.

Source: DWARF 5, sections 3.3 and 5.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from burnish.core.image import FunctionBounds, Image
from burnish.verify.pair import Local
from burnish.verify.subject.debug_functions import DebugFunctions, origin
from burnish.verify.subject.debug_held import Held, held
from burnish.verify.subject.debug_layouts import extent_of, layout_of, type_of
from burnish.verify.subject.debug_pointers import Pointee, is_function, led_to, name_of, object_of
from burnish.verify.subject.types import FunctionType, UnreadableTypeError

_FBREG, _CALL_FRAME_CFA = 0x91, 0x9C
_OTHER_STACKS = ("stack-boundary", "stackrealign", "-mabi=ms", "-m32", "-mx32")
"""Options of gcc, as it writes them down, under which frames are laid out otherwise."""


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
                extent_of(type_of(entry))
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
        text = self._producer(bounds)
        return text.startswith("GNU C") and not any(word in text for word in _OTHER_STACKS)

    def by_strict_gcc(self, bounds: FunctionBounds) -> bool:
        """True if the file says that gcc compiled a function from C, and nobody told it to leave C's rule on types."""
        text = self._producer(bounds)
        return (
            text.startswith(("GNU C1", "GNU C2", "GNU C8", "GNU C9")) and "-fno-strict-aliasing" not in text
        )

    def _producer(self, bounds: FunctionBounds) -> str:
        """What the file says of the compiler of a function, with its options."""
        try:
            entry = self._functions.of(bounds)
            producer = "" if entry is None else entry.cu.get_top_DIE().attributes["DW_AT_producer"].value
            return producer.decode("utf-8", "replace") if isinstance(producer, bytes) else ""
        except Exception:  # pyelftools raises anything at all for damaged tables
            return ""

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
            found = {place: led_to(type_of(child), name_of(child)) for place, child in places if place}
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
            return None if found is None else object_of(type_of(found), name)
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
                else led_to(type_of(kind), f"the result of {name}")
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
            layout_of(type_of(child)) for child in children if child.tag == "DW_TAG_formal_parameter"
        )
        variadic = len(parameters) < len(children)
        result = layout_of(type_of(entry)) if "DW_AT_type" in entry.attributes else None
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
                layout = layout_of(type_of(child))
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
