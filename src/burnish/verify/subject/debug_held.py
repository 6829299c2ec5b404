"""Where the pointers among a function's variables are at each place of its code, as the debug information tells
(DWARF 5, section 2.6)."""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.core.image import FunctionBounds
from burnish.machine.registers import CELLS, Cell
from burnish.verify.subject.debug_functions import DebugFunctions, origin
from burnish.verify.subject.debug_pointers import Pointee, led_to, name_of, named_type

_REGISTERS = "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()  # noqa: SIM905
"""By their numbers in DWARF (System V ABI, AMD64, figure 3.36)."""
_REG0, _BREG0 = 0x50, 0x70
_LISTS = ("DW_FORM_sec_offset", "DW_FORM_loclistx", "DW_FORM_data4")


@dataclass(frozen=True, slots=True)
class Held:
    """From the address ``first`` on, up to ``end``, a variable leads to ``pointee``: it is what ``register`` holds and
    ``offset`` more; or, ``in_memory``, what lies ``offset`` bytes from where that register leads."""

    first: int
    end: int
    register: Cell
    offset: int
    in_memory: bool
    pointee: Pointee


def held(functions: DebugFunctions, bounds: FunctionBounds, entry: Any) -> Iterator[Held]:
    """Of all variables and parameters of a function. Raises what pyelftools does for damaged tables."""
    base = functions.base_of(bounds)
    top = entry.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    lists = entry.cu.dwarfinfo.location_lists()
    for variable in functions.variables_of(entry):
        location, kind = variable.attributes["DW_AT_location"], origin(variable)
        pointee = led_to(named_type(kind), name_of(kind))
        if location.form not in _LISTS or pointee is None:
            continue
        start = 0 if top is None else top.value
        for one in lists.get_location_list_at_offset(location.value, variable):
            if not hasattr(one, "loc_expr"):
                start = getattr(one, "base_address", start)
                continue
            place = _place(one.loc_expr)
            if place is not None:
                number, offset, in_memory = place
                shift = base if one.is_absolute else base + start
                first, end = shift + one.begin_offset, shift + one.end_offset
                yield Held(first, end, CELLS[_REGISTERS[number]], offset, in_memory, pointee)


def _place(expression: Sequence[int]) -> tuple[int, int, bool] | None:
    """The register's number, an offset, and whether it is in memory there; None for other expressions."""
    code = expression[0] if expression else 0
    if _REG0 <= code < _REG0 + 16 and len(expression) == 1:
        return code - _REG0, 0, False
    if not _BREG0 <= code < _BREG0 + 16:
        return None
    offset, size = _signed(expression[1:])
    match list(expression[1 + size :]):
        case []:
            return code - _BREG0, offset, True
        case [0x9F]:  # DW_OP_stack_value
            return code - _BREG0, offset, False
        case _:
            return None


def _signed(data: Sequence[int]) -> tuple[int, int]:
    """A number in LEB128, and its bytes."""
    value = 0
    for size, byte in enumerate(data, 1):
        value |= (byte & 0x7F) << 7 * (size - 1)
        if byte < 0x80:
            return value - (1 << 7 * size if byte & 0x40 else 0), size
    raise ValueError("a number that does not end")
