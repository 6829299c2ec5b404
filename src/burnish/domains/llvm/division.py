"""Division in LLVM: C's own, and x86's of a double-width dividend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from burnish.core.pcode import OpCode, Operation
from burnish.domains.llvm.handler import Handler
from burnish.domains.llvm.values import Value, int_type, size_of

if TYPE_CHECKING:
    from burnish.domains.llvm.domain import LlvmDomain


def _division(name: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = (d.convert.integer(v) for v in args)
        return d.b.emit(a.type, f"{name} {a.type} {a.text}, {b.text}")

    return handler


def _wide_division(name: str, *, signed: bool, quotient: bool) -> Handler:
    """DIV and IDIV. Where the high half only extends the low one this is C's own division; else the instruction
    itself, since the quotient may not fit and then it faults."""

    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        high, low, divisor = args
        low, divisor = d.convert.integer(low), d.convert.integer(divisor)
        kind = low.type
        if signed:
            plain = high.origin == ("sign-fill", low.text)
        else:
            plain = high.const == 0
        if plain:
            return d.b.emit(kind, f"{name} {kind} {low.text}, {divisor.text}")
        high = d.convert.integer(high)
        size = size_of(kind)
        if size < 8:
            return _double_width(d, name, high, low, divisor, size)
        instruction = "idivq" if signed else "divq"
        pair = d.b.emit(
            "{ i64, i64 }",
            f'call {{ i64, i64 }} asm sideeffect "{instruction} $4", '
            f'"={{ax}},={{dx}},{{ax}},{{dx}},r,~{{flags}}"'
            f"(i64 {low.text}, i64 {high.text}, i64 {divisor.text})",
        )
        return d.b.emit("i64", f"extractvalue {{ i64, i64 }} {pair.text}, {0 if quotient else 1}")

    return handler


def _double_width(d: LlvmDomain, name: str, high: Value, low: Value, divisor: Value, size: int) -> Value:
    """Division of a pair by way of the integer of twice the size."""
    wide, narrow = int_type(2 * size), int_type(size)
    extend = "sext" if name[0] == "s" else "zext"
    upper = d.b.emit(wide, f"zext {narrow} {high.text} to {wide}")
    upper = d.b.emit(wide, f"shl {wide} {upper.text}, {8 * size}")
    lower = d.b.emit(wide, f"zext {narrow} {low.text} to {wide}")
    dividend = d.b.emit(wide, f"or disjoint {wide} {upper.text}, {lower.text}")
    by = d.b.emit(wide, f"{extend} {narrow} {divisor.text} to {wide}")
    result = d.b.emit(wide, f"{name} {wide} {dividend.text}, {by.text}")
    return d.b.emit(narrow, f"trunc {wide} {result.text} to {narrow}")


DIVISION: dict[OpCode, Handler] = {
    OpCode.INT_DIV: _division("udiv"),
    OpCode.INT_SDIV: _division("sdiv"),
    OpCode.INT_REM: _division("urem"),
    OpCode.INT_SREM: _division("srem"),
    OpCode.WIDE_DIV: _wide_division("udiv", signed=False, quotient=True),
    OpCode.WIDE_REM: _wide_division("urem", signed=False, quotient=False),
    OpCode.WIDE_SDIV: _wide_division("sdiv", signed=True, quotient=True),
    OpCode.WIDE_SREM: _wide_division("srem", signed=True, quotient=False),
}
