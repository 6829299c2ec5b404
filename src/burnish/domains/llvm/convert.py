"""Conversions between the types that one run of bytes can take: integers, pointers, vectors, floats, flags."""

from __future__ import annotations

from burnish.domains.llvm.values import FRAME, SEGMENT, Builder, Value, int_type, size_of, vector_type


class Converter:
    """Gives a value another type of the same size. ``low`` is the frame offset of the frame's first byte."""

    def __init__(self, builder: Builder, low: int) -> None:
        self.b = builder
        self.low = low

    def literal(self, value: int, size: int) -> Value:
        """An integer constant."""
        return Value(str(value), int_type(size), value)

    def integer(self, value: Value) -> Value:
        """As ``iN`` of its size; a flag becomes a byte."""
        kind = value.type
        if kind[0] == "i":
            return self.b.emit("i8", f"zext i1 {value.text} to i8") if kind == "i1" else value
        if kind in ("ptr", FRAME):
            return self.b.emit("i64", f"ptrtoint ptr {self.pointer(value).text} to i64")
        if kind == SEGMENT:
            base = self.b.emit("i64", "load i64, ptr addrspace(257) null, align 8")
            return self.b.emit("i64", f"add i64 {base.text}, {value.text}")
        return self.b.emit(int_type(size_of(kind)), f"bitcast {kind} {value.text} to i{8 * size_of(kind)}")

    def pointer(self, value: Value) -> Value:
        """As ``ptr``."""
        if value.type == "ptr":
            return value
        if value.type == FRAME:
            return Value(self.b.frame_pointer(value.offset, self.low), "ptr")
        number = self.integer(value)
        return self.b.emit("ptr", f"inttoptr i64 {number.text} to ptr")

    def flag(self, value: Value) -> Value:
        """As ``i1``; the byte holds 0 or 1."""
        if value.type == "i1":
            return value
        if value.const is not None:
            return Value("true" if value.const & 1 else "false", "i1", value.const & 1)
        return self.b.emit("i1", f"trunc i8 {self.integer(value).text} to i1")

    def floating(self, value: Value) -> Value:
        """As ``float`` or ``double``."""
        kind = "float" if size_of(value.type) == 4 else "double"
        if value.type == kind:
            return value
        number = self.integer(value)
        return self.b.emit(kind, f"bitcast {number.type} {number.text} to {kind}")

    def vector(self, value: Value, lane: int, *, floating: bool = False) -> Value:
        """As a vector of lanes of ``lane`` bytes."""
        kind = vector_type(lane, size_of(value.type), floating=floating)
        return self.cast(value, kind)

    def cast(self, value: Value, kind: str) -> Value:
        """As any type of the same size."""
        if value.type == kind:
            return value
        if kind == "ptr":
            return self.pointer(value)
        if kind == "i1":
            return self.flag(value)
        if value.const is not None and kind[0] == "<":
            return self._literal_vector(value.const, kind)
        if value.type[0] not in "<fd":
            value = self.integer(value)
            if value.type == kind:
                return value
        return self.b.emit(kind, f"bitcast {value.type} {value.text} to {kind}")

    def _literal_vector(self, number: int, kind: str) -> Value:
        if number == 0:
            return Value("zeroinitializer", kind)
        value = Value(str(number), int_type(size_of(kind)))
        return self.b.emit(kind, f"bitcast {value.type} {value.text} to {kind}")
