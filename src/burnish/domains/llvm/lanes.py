"""Lane-wise operations in LLVM: whole vectors, never torn lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.core.pcode import FLOAT_OPCODES, OpCode, Operation
from burnish.domains.llvm.convert import Converter
from burnish.domains.llvm.values import Builder, Value, int_type, size_of, vector_type

Handler = Callable[[Builder, Converter, Operation, Sequence[Value]], Value]

_SHIFTS = {OpCode.INT_LEFT: "shl", OpCode.INT_RIGHT: "lshr", OpCode.INT_SRIGHT: "ashr"}
_PLAIN = {
    OpCode.INT_ADD: "add", OpCode.INT_SUB: "sub", OpCode.INT_MULT: "mul",
    OpCode.INT_AND: "and", OpCode.INT_OR: "or", OpCode.INT_XOR: "xor",
    OpCode.FLOAT_ADD: "fadd", OpCode.FLOAT_SUB: "fsub", OpCode.FLOAT_MULT: "fmul", OpCode.FLOAT_DIV: "fdiv",
}  # fmt: skip
_INTRINSICS = {
    OpCode.INT_SMIN: "smin", OpCode.INT_SMAX: "smax", OpCode.INT_UMIN: "umin", OpCode.INT_UMAX: "umax",
    OpCode.INT_SADDSAT: "sadd.sat", OpCode.INT_UADDSAT: "uadd.sat",
    OpCode.INT_SSUBSAT: "ssub.sat", OpCode.INT_USUBSAT: "usub.sat",
}  # fmt: skip
_COMPARE = {
    OpCode.INT_EQUAL: "icmp eq", OpCode.INT_NOTEQUAL: "icmp ne", OpCode.INT_SLESS: "icmp slt",
    OpCode.INT_SLESSEQUAL: "icmp sle", OpCode.INT_LESS: "icmp ult", OpCode.INT_LESSEQUAL: "icmp ule",
    OpCode.FLOAT_EQUAL: "fcmp oeq", OpCode.FLOAT_NOTEQUAL: "fcmp une", OpCode.FLOAT_LESS: "fcmp olt",
    OpCode.FLOAT_LESSEQUAL: "fcmp ole", OpCode.FLOAT_UNORDERED: "fcmp uno",
}  # fmt: skip


def apply_lanes(b: Builder, c: Converter, operation: Operation, arguments: Sequence[Value]) -> Value:
    """The value of a lane-wise operation; raises ``KeyError`` for an opcode without a lane-wise meaning."""
    opcode, lane = operation.opcode, operation.lane
    floating = opcode in FLOAT_OPCODES
    if opcode in _SHIFTS:
        return _shift(b, c, operation, arguments)
    if opcode in _PLAIN:
        x, y = (c.vector(v, lane, floating=floating) for v in arguments)
        return b.emit(x.type, f"{_PLAIN[opcode]} {x.type} {x.text}, {y.text}")
    if opcode in _INTRINSICS:
        x, y = (c.vector(v, lane) for v in arguments)
        return _intrinsic(b, _INTRINSICS[opcode], x, y)
    if opcode in _COMPARE:
        return _compare(b, c, operation, arguments)
    return _OTHER[opcode](b, c, operation, arguments)


def _overload(kind: str) -> str:
    """A type as it is spelled in the name of an overloaded intrinsic."""
    if kind[0] != "<":
        return {"float": "f32", "double": "f64"}.get(kind, kind)
    count, _, lane = kind[1:-1].partition(" x ")
    return f"v{count}{_overload(lane)}"


def _intrinsic(b: Builder, name: str, *values: Value) -> Value:
    kind = values[0].type
    arguments = ", ".join(f"{v.type} {v.text}" for v in values)
    return b.call(kind, f"llvm.{name}.{_overload(kind)}", arguments, ", ".join(v.type for v in values))


def _lanes(kind: str) -> int:
    return int(kind[1:].partition(" x ")[0])


def _mask(b: Builder, condition: Value, lane: int) -> Value:
    kind = vector_type(lane, lane * _lanes(condition.type))
    return b.emit(kind, f"sext {condition.type} {condition.text} to {kind}")


def _compare(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    x, y = (c.vector(v, op.lane, floating=op.opcode in FLOAT_OPCODES) for v in args)
    condition = b.emit(f"<{_lanes(x.type)} x i1>", f"{_COMPARE[op.opcode]} {x.type} {x.text}, {y.text}")
    return _mask(b, condition, op.lane)


def _splat(b: Builder, value: Value, kind: str) -> Value:
    lanes = _lanes(kind)
    first = b.emit(kind, f"insertelement {kind} poison, {value.type} {value.text}, i64 0")
    return b.emit(kind, f"shufflevector {kind} {first.text}, {kind} poison, <{lanes} x i32> zeroinitializer")


def _shift(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    """All lanes by one count; at or beyond the width 0, or the sign."""
    name, bits = _SHIFTS[op.opcode], 8 * op.lane
    x = c.vector(args[0], op.lane)
    lanes, element = _lanes(x.type), int_type(op.lane)
    count = c.integer(args[1])
    if count.const is not None:
        if count.const >= bits and name != "ashr":
            return Value("zeroinitializer", x.type)
        amount = min(count.const, bits - 1)
        vector = "<" + ", ".join(f"{element} {amount}" for _ in range(lanes)) + ">"
        return b.emit(x.type, f"{name} {x.type} {x.text}, {vector}")
    fits = b.emit("i1", f"icmp ult {count.type} {count.text}, {bits}")
    narrow = count
    if size_of(count.type) != op.lane:
        how = "trunc" if size_of(count.type) > op.lane else "zext"
        narrow = b.emit(element, f"{how} {count.type} {count.text} to {element}")
    fallback = bits - 1 if name == "ashr" else 0
    safe = b.emit(element, f"select i1 {fits.text}, {element} {narrow.text}, {element} {fallback}")
    moved = b.emit(x.type, f"{name} {x.type} {x.text}, {_splat(b, safe, x.type).text}")
    if name == "ashr":
        return moved
    return b.emit(x.type, f"select i1 {fits.text}, {x.type} {moved.text}, {x.type} zeroinitializer")


def _average(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    x, y = (c.vector(v, op.lane) for v in args)
    lanes, wide = _lanes(x.type), f"<{_lanes(x.type)} x i{16 * op.lane}>"
    x, y = (b.emit(wide, f"zext {v.type} {v.text} to {wide}") for v in (x, y))
    one = "<" + ", ".join(f"i{16 * op.lane} 1" for _ in range(lanes)) + ">"
    total = b.emit(wide, f"add {wide} {x.text}, {y.text}")
    total = b.emit(wide, f"add {wide} {total.text}, {one}")
    half = b.emit(wide, f"lshr {wide} {total.text}, {one}")
    kind = vector_type(op.lane, op.lane * lanes)
    return b.emit(kind, f"trunc {wide} {half.text} to {kind}")


def _choice(predicate: str) -> Handler:
    def handler(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
        x, y = (c.vector(v, op.lane, floating=True) for v in args)
        mask = f"<{_lanes(x.type)} x i1>"
        holds = b.emit(mask, f"fcmp {predicate} {x.type} {x.text}, {y.text}")
        return b.emit(x.type, f"select {mask} {holds.text}, {x.type} {x.text}, {y.type} {y.text}")

    return handler


def _negate(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    x = c.vector(args[0], op.lane)
    ones = "<" + ", ".join(f"{int_type(op.lane)} -1" for _ in range(_lanes(x.type))) + ">"
    return b.emit(x.type, f"xor {x.type} {x.text}, {ones}")


def _two_complement(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    x = c.vector(args[0], op.lane)
    return b.emit(x.type, f"sub {x.type} zeroinitializer, {x.text}")


def _unary_float(name: str) -> Handler:
    def handler(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
        return _intrinsic(b, name, c.vector(args[0], op.lane, floating=True))

    return handler


def _shuffle(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    """Lanes of the first two inputs by constant index; all ones is a zero lane."""
    x, y = c.vector(args[0], op.lane), c.vector(args[1], op.lane)
    picks = [node.offset for node in op.inputs[2:]]
    zeros = [node.offset == (1 << 8 * node.size) - 1 for node in op.inputs[2:]]
    kind, count = x.type, _lanes(x.type)
    result = f"<{len(picks)} x {int_type(op.lane)}>"
    if any(zeros) and any(not z and p >= count for p, z in zip(picks, zeros, strict=True)):
        mask = ", ".join("i32 poison" if z else f"i32 {p}" for p, z in zip(picks, zeros, strict=True))
        mixed = b.emit(
            result, f"shufflevector {kind} {x.text}, {kind} {y.text}, <{len(picks)} x i32> <{mask}>"
        )
        keep = ", ".join(f"i32 {len(picks) if z else i}" for i, z in enumerate(zeros))
        return b.emit(
            result,
            f"shufflevector {result} {mixed.text}, {result} zeroinitializer, <{len(picks)} x i32> <{keep}>",
        )
    if any(zeros):
        y = Value("zeroinitializer", kind)
        picks = [count if z else p for p, z in zip(picks, zeros, strict=True)]
    mask = ", ".join(f"i32 {p}" for p in picks)
    return b.emit(result, f"shufflevector {kind} {x.text}, {kind} {y.text}, <{len(picks)} x i32> <{mask}>")


def _output_lanes(op: Operation, x: Value) -> str:
    """The vector type of the output: as many lanes as the input has."""
    assert op.output is not None
    lanes = _lanes(x.type)
    return vector_type(op.output.size // lanes, op.output.size)


def _narrow(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    x = c.vector(args[0], op.lane)
    kind = _output_lanes(op, x)
    return b.emit(kind, f"trunc {x.type} {x.text} to {kind}")


def _saturate(*, signed: bool) -> Handler:
    def handler(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
        x = c.vector(args[0], op.lane)
        kind = _output_lanes(op, x)
        lanes, element = _lanes(x.type), int_type(op.lane)
        assert op.output is not None
        bits = 8 * op.output.size // lanes
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        bounds = [
            Value("<" + ", ".join(f"{element} {n}" for _ in range(lanes)) + ">", x.type) for n in (low, high)
        ]
        x = _intrinsic(b, "smax", x, bounds[0])
        x = _intrinsic(b, "smin", x, bounds[1])
        return b.emit(kind, f"trunc {x.type} {x.text} to {kind}")

    return handler


def _extend(name: str) -> Handler:
    def handler(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
        x = c.vector(args[0], op.lane)
        kind = _output_lanes(op, x)
        return b.emit(kind, f"{name} {x.type} {x.text} to {kind}")

    return handler


def _sign_mask(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    x = c.vector(args[0], op.lane)
    lanes = _lanes(x.type)
    negative = b.emit(f"<{lanes} x i1>", f"icmp slt {x.type} {x.text}, zeroinitializer")
    bits = b.emit(f"i{lanes}", f"bitcast {negative.type} {negative.text} to i{lanes}")
    kind = int_type(op.output.size)
    return b.emit(kind, f"zext i{lanes} {bits.text} to {kind}")


def _from_integers(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    x = c.vector(args[0], op.lane)
    kind = vector_type(op.output.size // _lanes(x.type), op.output.size, floating=True)
    return b.emit(kind, f"sitofp {x.type} {x.text} to {kind}")


def _between_floats(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    x = c.vector(args[0], op.lane, floating=True)
    width = op.output.size // _lanes(x.type)
    kind = vector_type(width, op.output.size, floating=True)
    return b.emit(kind, f"{'fpext' if width > op.lane else 'fptrunc'} {x.type} {x.text} to {kind}")


def _to_integers(*, truncate: bool) -> Handler:
    """CVT(T)PS2DQ and CVT(T)PD2DQ by intrinsic, exact out of range as well."""

    def handler(b: Builder, c: Converter, op: Operation, args: Sequence[Value]) -> Value:
        x = c.vector(args[0], op.lane, floating=True)
        convert = "cvtt" if truncate else "cvt"
        if x.type == "<4 x float>":
            return b.call("<4 x i32>", f"llvm.x86.sse2.{convert}ps2dq", f"{x.type} {x.text}", x.type)
        full = b.call("<4 x i32>", f"llvm.x86.sse2.{convert}pd2dq", f"{x.type} {x.text}", x.type)
        assert op.output is not None
        if op.output.size == 16:
            return full
        return b.emit(
            "<2 x i32>", f"shufflevector <4 x i32> {full.text}, <4 x i32> poison, <2 x i32> <i32 0, i32 1>"
        )

    return handler


_OTHER: dict[OpCode, Handler] = {
    OpCode.INT_UAVG: _average,
    OpCode.INT_NEGATE: _negate,
    OpCode.INT_2COMP: _two_complement,
    OpCode.FLOAT_MIN: _choice("olt"),
    OpCode.FLOAT_MAX: _choice("ogt"),
    OpCode.FLOAT_SQRT: _unary_float("sqrt"),
    OpCode.FLOAT_ABS: _unary_float("fabs"),
    OpCode.SHUFFLE: _shuffle,
    OpCode.NARROW: _narrow,
    OpCode.NARROW_SSAT: _saturate(signed=True),
    OpCode.NARROW_USAT: _saturate(signed=False),
    OpCode.INT_ZEXT: _extend("zext"),
    OpCode.INT_SEXT: _extend("sext"),
    OpCode.MASK: _sign_mask,
    OpCode.FLOAT_INT2FLOAT: _from_integers,
    OpCode.FLOAT_FLOAT2FLOAT: _between_floats,
    OpCode.FLOAT_TRUNC_INT: _to_integers(truncate=True),
    OpCode.FLOAT_ROUND_INT: _to_integers(truncate=False),
}
