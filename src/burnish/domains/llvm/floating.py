"""Scalar floating point in LLVM. Never fast-math: every result is the one that the CPU gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from burnish.core.pcode import OpCode, Operation
from burnish.domains.llvm.handler import Handler
from burnish.domains.llvm.values import Value

if TYPE_CHECKING:
    from burnish.domains.llvm.domain import LlvmDomain


def _float_binary(name: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = (d.convert.floating(v) for v in args)
        return d.b.emit(a.type, f"{name} {a.type} {a.text}, {b.text}")

    return handler


def _float_compare(predicate: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a = d.convert.floating(args[0])
        b = a if len(args) == 1 else d.convert.floating(args[1])
        return d.b.emit("i1", f"fcmp {predicate} {a.type} {a.text}, {b.text}")

    return handler


def _float_choice(predicate: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a, b = (d.convert.floating(v) for v in args)
        holds = d.b.emit("i1", f"fcmp {predicate} {a.type} {a.text}, {b.text}")
        return d.b.emit(a.type, f"select i1 {holds.text}, {a.type} {a.text}, {a.type} {b.text}")

    return handler


def _float_unary(text: str) -> Handler:
    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        a = d.convert.floating(args[0])
        if text == "fneg":
            return d.b.emit(a.type, f"fneg {a.type} {a.text}")
        suffix = "f32" if a.type == "float" else "f64"
        return d.b.call(a.type, f"llvm.{text}.{suffix}", f"{a.type} {a.text}", a.type)

    return handler


def _from_integer(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    kind = "float" if op.output.size == 4 else "double"
    number = d.convert.integer(args[0])
    return d.b.emit(kind, f"sitofp {number.type} {number.text} to {kind}")


def _between_floats(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
    assert op.output is not None
    value = d.convert.floating(args[0])
    kind = "float" if op.output.size == 4 else "double"
    if value.type == kind:
        return value
    how = "fptrunc" if kind == "float" else "fpext"
    return d.b.emit(kind, f"{how} {value.type} {value.text} to {kind}")


def _to_integer(convert: str) -> Handler:
    """CVTT…2SI and CVT…2SI by intrinsic: LLVM's own conversion is undefined out of range, x86's is not."""

    def handler(d: LlvmDomain, op: Operation, args: Sequence[Value]) -> Value:
        assert op.output is not None
        value = d.convert.floating(args[0])
        single = value.type == "float"
        kind = "<4 x float>" if single else "<2 x double>"
        vector = d.b.emit(kind, f"insertelement {kind} zeroinitializer, {value.type} {value.text}, i32 0")
        wide = op.output.size == 8
        name = f"llvm.x86.{'sse' if single else 'sse2'}.{convert}{'ss' if single else 'sd'}2si"
        result = "i64" if wide else "i32"
        return d.b.call(result, name + ("64" if wide else ""), f"{kind} {vector.text}", kind)

    return handler


FLOATING: dict[OpCode, Handler] = {
    OpCode.FLOAT_EQUAL: _float_compare("oeq"),
    OpCode.FLOAT_NOTEQUAL: _float_compare("une"),
    OpCode.FLOAT_LESS: _float_compare("olt"),
    OpCode.FLOAT_LESSEQUAL: _float_compare("ole"),
    OpCode.FLOAT_NAN: _float_compare("uno"),
    OpCode.FLOAT_UNORDERED: _float_compare("uno"),
    OpCode.FLOAT_ADD: _float_binary("fadd"),
    OpCode.FLOAT_SUB: _float_binary("fsub"),
    OpCode.FLOAT_MULT: _float_binary("fmul"),
    OpCode.FLOAT_DIV: _float_binary("fdiv"),
    OpCode.FLOAT_MIN: _float_choice("olt"),
    OpCode.FLOAT_MAX: _float_choice("ogt"),
    OpCode.FLOAT_NEG: _float_unary("fneg"),
    OpCode.FLOAT_ABS: _float_unary("fabs"),
    OpCode.FLOAT_SQRT: _float_unary("sqrt"),
    OpCode.FLOAT_INT2FLOAT: _from_integer,
    OpCode.FLOAT_FLOAT2FLOAT: _between_floats,
    OpCode.FLOAT_TRUNC: _to_integer("cvtt"),
    OpCode.FLOAT_TRUNC_INT: _to_integer("cvtt"),
    OpCode.FLOAT_ROUND_INT: _to_integer("cvt"),
}
