"""Scalar operations in LLVM: one table from opcode to the function that writes it. Integers are here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from burnish.core.pcode import OpCode, Operation
from burnish.domains.llvm.division import DIVISION
from burnish.domains.llvm.floating import FLOATING
from burnish.domains.llvm.handler import Handler
from burnish.domains.llvm.values import FRAME, SEGMENT, Value, int_type, size_of

if TYPE_CHECKING:
    from burnish.domains.llvm.domain import LlvmDomain


def apply_scalar(domain: LlvmDomain, operation: Operation, arguments: Sequence[Value]) -> Value:
    """The value of a scalar operation; raises ``KeyError`` for an opcode without a meaning here."""
    return SCALAR[operation.opcode](domain, operation, arguments)


def _mask(size: int) -> int:
    return (1 << 8 * size) - 1


def _signed(number: int, size: int) -> int:
    return number - (1 << 8 * size) if number >> (8 * size - 1) & 1 else number


def _add(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    a, b = args
    size = op.output.size if op.output else 8
    if a.const is not None and b.const is not None:
        return d.constant((a.const + b.const) & _mask(size), size)
    if size == 8:
        if a.type not in (FRAME, "ptr", SEGMENT) and b.type in (FRAME, "ptr", SEGMENT):
            a, b = b, a
        if a.type in (FRAME, "ptr", SEGMENT):
            return _displace(d, a, b)
    a, b = d.convert.integer(a), d.convert.integer(b)
    if b.const == 0:
        return a
    return d.b.emit(a.type, f"add {a.type} {a.text}, {b.text}")


def _displace(d: LlvmDomain, base: Value, distance: Value) -> Value:
    """A pointer, frame address or segment address moved by a number of bytes."""
    if base.type == FRAME:
        if distance.const is not None:
            return Value("", FRAME, offset=base.offset + _signed(distance.const, 8))
        base = d.convert.pointer(base)
    distance = d.convert.integer(distance)
    if base.type == SEGMENT:
        if distance.const is not None and base.text.lstrip("-").isdigit():
            return Value(str(int(base.text) + _signed(distance.const, 8)), SEGMENT)
        total = d.b.emit("i64", f"add i64 {base.text}, {distance.text}")
        return Value(total.text, SEGMENT)
    if distance.const == 0:
        return base
    text = distance.text if distance.const is None else str(_signed(distance.const, 8))
    return d.b.emit("ptr", f"getelementptr i8, ptr {base.text}, i64 {text}")


def _sub(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    a, b = args
    size = op.output.size if op.output else 8
    if a.const is not None and b.const is not None:
        return d.constant((a.const - b.const) & _mask(size), size)
    if a.type == FRAME and b.type == FRAME:
        return d.constant((a.offset - b.offset) & _mask(8), 8)
    if size == 8 and a.type in (FRAME, "ptr") and b.type not in (FRAME, "ptr", SEGMENT):
        if b.const is not None:
            return _displace(d, a, d.constant(-b.const & _mask(8), 8))
        negative = d.b.emit("i64", f"sub i64 0, {d.convert.integer(b).text}")
        moved = _displace(d, a, negative)
        d.differences[moved.text] = ("i64", d.convert.integer(a).text, d.convert.integer(b).text)
        return moved
    a, b = d.convert.integer(a), d.convert.integer(b)
    result = d.b.emit(a.type, f"sub {a.type} {a.text}, {b.text}")
    d.differences[result.text] = (a.type, a.text, b.text)
    return result


def _binary(name: str) -> Handler:
    folds: dict[str, Callable[[int, int], int]] = {
        "and": int.__and__, "or": int.__or__, "xor": int.__xor__, "mul": int.__mul__,
    }  # fmt: skip
    fold = folds.get(name)

    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = args
        size = op.output.size if op.output else 8
        if fold is not None and a.const is not None and b.const is not None:
            return d.constant(fold(a.const, b.const) & _mask(size), size)
        if name in ("and", "or", "xor") and a.type == "i1" and b.type == "i1":
            return d.b.emit("i1", f"{name} i1 {a.text}, {b.text}")
        if name in ("and", "or", "xor") and size == 16 and (a.type[0] == "<" or b.type[0] == "<"):
            va, vb = d.convert.vector(a, 8), d.convert.vector(b, 8)
            return d.b.emit(va.type, f"{name} {va.type} {va.text}, {vb.text}")
        if name == "xor" and a is b:
            return d.constant(0, size)
        a, b = d.convert.integer(a), d.convert.integer(b)
        return d.b.emit(a.type, f"{name} {a.type} {a.text}, {b.text}")

    return handler


def _shift(name: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        value, count = d.convert.integer(args[0]), d.convert.integer(args[1])
        kind, bits = value.type, 8 * size_of(value.type)
        if count.const is not None:
            if count.const >= bits and name != "ashr":
                return d.constant(0, bits // 8)
            amount = min(count.const, bits - 1)
            if value.const is not None and name != "ashr":
                moved = value.const << amount if name == "shl" else value.const >> amount
                return d.constant(moved & _mask(bits // 8), bits // 8)
            return d.b.emit(kind, f"{name} {kind} {value.text}, {amount}") if amount else value
        fits = d.b.emit("i1", f"icmp ult {count.type} {count.text}, {bits}")
        wide = _resize(d, count, kind)
        if name == "ashr":
            safe = d.b.emit(kind, f"select i1 {fits.text}, {kind} {wide.text}, {kind} {bits - 1}")
            return d.b.emit(kind, f"ashr {kind} {value.text}, {safe.text}")
        moved_value = d.b.emit(kind, f"{name} {kind} {value.text}, {wide.text}")
        return d.b.emit(kind, f"select i1 {fits.text}, {kind} {moved_value.text}, {kind} 0")

    return handler


def _resize(d: LlvmDomain, value: Value, kind: str) -> Value:
    """Zero-extend or truncate an integer."""
    have, want = size_of(value.type), size_of(kind)
    if have == want:
        return value
    how = "zext" if have < want else "trunc"
    return d.b.emit(kind, f"{how} {value.type} {value.text} to {kind}")


def _compare(predicate: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = args
        if a.type == "i1" and b.type == "i1" and predicate in ("eq", "ne"):
            joined = _signed_comparison(d, predicate, a, b)
            return joined or d.b.emit("i1", f"icmp {predicate} i1 {a.text}, {b.text}")
        size = op.inputs[0].size
        if predicate == "slt" and b.const == 0 and a.text in d.differences:
            number = d.convert.integer(a)
            result = d.b.emit("i1", f"icmp slt {number.type} {number.text}, 0")
            result.origin = ("sign", *d.differences[a.text])
            return result
        if predicate in ("eq", "ne") and b.const == 0 and a.text in d.differences:
            kind, left, right = d.differences[a.text]
            return d.b.emit("i1", f"icmp {predicate} {kind} {left}, {right}")
        if a.type == "ptr" and b.type in ("ptr", FRAME) and predicate in ("eq", "ne", "ult", "ule"):
            b = d.convert.pointer(b)
            return d.b.emit("i1", f"icmp {predicate} ptr {a.text}, {b.text}")
        a, b = d.convert.integer(a), d.convert.integer(b)
        return d.b.emit("i1", f"icmp {predicate} {int_type(size)} {a.text}, {b.text}")

    return handler


def _signed_comparison(d: LlvmDomain, predicate: str, a: Value, b: Value) -> Value | None:
    """``SF != OF`` and ``SF == OF`` of one subtraction as one signed comparison."""
    if a.origin[:1] == ("overflow",):
        a, b = b, a
    if a.origin[:1] != ("sign",) or b.origin[:1] != ("overflow",) or a.origin[1:] != b.origin[1:]:
        return None
    _, kind, left, right = a.origin
    return d.b.emit("i1", f"icmp {'slt' if predicate == 'ne' else 'sge'} {kind} {left}, {right}")


def _carry(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    a, b = (d.convert.integer(v) for v in args)
    total = d.b.emit(a.type, f"add {a.type} {a.text}, {b.text}")
    return d.b.emit("i1", f"icmp ult {a.type} {total.text}, {a.text}")


def _signed_carry(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    a, b = (d.convert.integer(v) for v in args)
    kind = a.type
    pair = d.b.call(
        f"{{ {kind}, i1 }}",
        f"llvm.sadd.with.overflow.{kind}",
        f"{kind} {a.text}, {kind} {b.text}",
        f"{kind}, {kind}",
    )
    return d.b.emit("i1", f"extractvalue {pair.type} {pair.text}, 1")


def _signed_borrow(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    """Overflow of a subtraction, as "less, or else negative": where a later block compares it with the sign of the
    same difference, which is what jl and jg do, LLVM is left with the comparison."""
    a, b = (d.convert.integer(v) for v in args)
    kind = a.type
    less = d.b.emit("i1", f"icmp slt {kind} {a.text}, {b.text}")
    difference = d.b.emit(kind, f"sub {kind} {a.text}, {b.text}")
    negative = d.b.emit("i1", f"icmp slt {kind} {difference.text}, 0")
    result = d.b.emit("i1", f"xor i1 {less.text}, {negative.text}")
    result.origin = ("overflow", kind, a.text, b.text)
    return result


def _extend(name: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        assert op.output is not None
        value, kind = args[0], int_type(op.output.size)
        if value.const is not None:
            number = value.const if name == "zext" else _signed(value.const, op.inputs[0].size)
            return d.constant(number & _mask(op.output.size), op.output.size)
        if value.type != "i1" or name == "sext":
            value = d.convert.integer(value)
        if value.type == kind:
            return value
        result = d.b.emit(kind, f"{name} {value.type} {value.text} to {kind}")
        if name == "sext":
            result.origin = ("sext", value.text)
        return result

    return handler


def _subpiece(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    size, offset, part = op.inputs[0].size, op.inputs[1].offset, op.output.size
    available = size - offset
    if available < part:
        low = d.extract(args[0], size, offset, available)
        return d.b.emit(int_type(part), f"zext {low.type} {d.convert.integer(low).text} to i{8 * part}")
    if offset == 0 and part == size:
        return args[0]
    result = d.extract(args[0], size, offset, part)
    if offset == part and size == 2 * part and args[0].origin[:1] == ("sext",):
        result.origin = ("sign-fill", args[0].origin[1])
    return result


def _piece(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    return d.concat([(args[1], op.inputs[1].size), (args[0], op.inputs[0].size)])


def _negate(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    value = d.convert.integer(args[0])
    return d.b.emit(value.type, f"xor {value.type} {value.text}, -1")


def _two_complement(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    value = d.convert.integer(args[0])
    return d.b.emit(value.type, f"sub {value.type} 0, {value.text}")


def _not(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    flag = d.convert.flag(args[0])
    return d.b.emit("i1", f"xor i1 {flag.text}, true")


def _boolean(name: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = (d.convert.flag(v) for v in args)
        return d.b.emit("i1", f"{name} i1 {a.text}, {b.text}")

    return handler


def _count(name: str, extra: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        assert op.output is not None
        value = d.convert.integer(args[0])
        kind = value.type
        parameters = kind + (", i1" if extra else "")
        count = d.b.call(kind, f"llvm.{name}.{kind}", f"{kind} {value.text}{extra}", parameters)
        return _resize(d, count, int_type(op.output.size))

    return handler


def _select(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    condition, yes, no = d.convert.flag(args[0]), args[1], args[2]
    if "ptr" in (yes.type, no.type) or FRAME in (yes.type, no.type):
        yes, no = d.convert.pointer(yes), d.convert.pointer(no)
    elif yes.type != no.type or yes.type == SEGMENT:
        yes, no = d.convert.integer(yes), d.convert.integer(no)
    text = f"select i1 {condition.text}, {yes.type} {yes.text}, {no.type} {no.text}"
    return d.b.emit(yes.type, text)


def _address(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    pointer = d.image_address(op.inputs[0].offset)
    if op.output is not None and op.output.size < 8:
        number = d.convert.integer(pointer)
        return _resize(d, number, int_type(op.output.size))
    return pointer


def _byte_swap(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    value = d.convert.integer(args[0])
    return d.b.call(value.type, f"llvm.bswap.{value.type}", f"{value.type} {value.text}", value.type)


SCALAR: dict[OpCode, Handler] = {
    OpCode.INT_EQUAL: _compare("eq"),
    OpCode.INT_NOTEQUAL: _compare("ne"),
    OpCode.INT_SLESS: _compare("slt"),
    OpCode.INT_SLESSEQUAL: _compare("sle"),
    OpCode.INT_LESS: _compare("ult"),
    OpCode.INT_LESSEQUAL: _compare("ule"),
    OpCode.INT_ZEXT: _extend("zext"),
    OpCode.INT_SEXT: _extend("sext"),
    OpCode.INT_ADD: _add,
    OpCode.INT_SUB: _sub,
    OpCode.INT_CARRY: _carry,
    OpCode.INT_SCARRY: _signed_carry,
    OpCode.INT_SBORROW: _signed_borrow,
    OpCode.INT_2COMP: _two_complement,
    OpCode.INT_NEGATE: _negate,
    OpCode.INT_XOR: _binary("xor"),
    OpCode.INT_AND: _binary("and"),
    OpCode.INT_OR: _binary("or"),
    OpCode.INT_LEFT: _shift("shl"),
    OpCode.INT_RIGHT: _shift("lshr"),
    OpCode.INT_SRIGHT: _shift("ashr"),
    OpCode.INT_MULT: _binary("mul"),
    OpCode.BOOL_NEGATE: _not,
    OpCode.BOOL_XOR: _boolean("xor"),
    OpCode.BOOL_AND: _boolean("and"),
    OpCode.BOOL_OR: _boolean("or"),
    OpCode.PIECE: _piece,
    OpCode.SUBPIECE: _subpiece,
    OpCode.POPCOUNT: _count("ctpop", ""),
    OpCode.LZCOUNT: _count("ctlz", ", i1 false"),
    OpCode.TZCOUNT: _count("cttz", ", i1 false"),
    OpCode.SELECT: _select,
    OpCode.BSWAP: _byte_swap,
    OpCode.ADDRESS: _address,
    **DIVISION,
    **FLOATING,
}
