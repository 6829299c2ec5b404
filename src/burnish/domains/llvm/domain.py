"""The LLVM domain: p-code operations become LLVM instructions.

Addresses stay pointers: a sum of a pointer and a number is a ``getelementptr``, so that LLVM's alias analysis and
vectoriser see what they would see in compiled C. Accesses are unaligned and not volatile unless the driver asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from burnish.core.pcode import Operation
from burnish.domains.llvm.convert import Converter
from burnish.domains.llvm.lanes import apply_lanes
from burnish.domains.llvm.scalar import apply_scalar
from burnish.domains.llvm.values import FRAME, SEGMENT, Builder, Value, int_type, vector_type
from burnish.domains.walker import Walker
from burnish.machine.registers import Cell

IMAGE = "@__burnish_image"
"""The symbol that stands for image address 0."""


class Hooks(Protocol):
    """What the driver of the walk decides: it knows the function, the domain does not."""

    def initial(self, cell: Cell, offset: int, size: int) -> Value:
        """Part of a register at the start of the current block."""
        ...

    def effect(self, operation: Operation, walker: Walker[Value]) -> None:
        """Calls and string operations."""
        ...

    def load_type(self, size: int) -> str:
        """The type to load the current operation's ``size`` bytes as."""
        ...

    def volatile(self) -> bool:
        """Whether the current access must not be moved or removed."""
        ...

    def accesses(self, address: Value, space: str, pointer: str) -> None:
        """The current operation is about to access memory at ``address``, which is ``pointer`` of type ``space``."""
        ...

    def accessed(self, address: Value, space: str, pointer: str, value: Value, size: int) -> None:
        """It has been accessed, and its ``size`` bytes are ``value``."""
        ...


class LlvmDomain:
    """See the module. ``low`` is the frame offset (relative to the stack pointer at entry) of the frame's first
    byte; offsets from 8 on are stack arguments."""

    def __init__(self, builder: Builder, low: int, hooks: Hooks) -> None:
        self.b = builder
        self.convert = Converter(builder, low)
        self.hooks = hooks
        self.differences: dict[str, tuple[str, str, str]] = {}
        """Result of a subtraction -> (type, minuend, subtrahend)."""
        self._extracts: dict[tuple[str, int, int], Value] = {}

    def begin_block(self) -> None:
        """Forget what is only known to dominate within one block."""
        self.differences.clear()
        self._extracts.clear()

    def constant(self, value: int, size: int) -> Value:
        return Value(str(value), int_type(size), value)

    def initial(self, cell: Cell, offset: int, size: int) -> Value:
        return self.hooks.initial(cell, offset, size)

    def segment_base(self, name: str) -> Value:
        if name != "fs":
            raise ValueError(f"segment {name} is refused when lifting")
        return Value("0", SEGMENT)

    def apply(self, operation: Operation, arguments: Sequence[Value]) -> Value:
        if operation.lane:
            return apply_lanes(self.b, self.convert, operation, arguments)
        return apply_scalar(self, operation, arguments)

    def effect(self, operation: Operation, walker: Walker[Value]) -> None:
        self.hooks.effect(operation, walker)

    def address(self, value: Value) -> tuple[str, str]:
        """``(pointer type, pointer)`` for an access."""
        if value.type == SEGMENT:
            number = value.text
            if number.lstrip("-").isdigit():
                return "ptr addrspace(257)", f"inttoptr (i64 {number} to ptr addrspace(257))"
            made = self.b.emit("ptr", f"inttoptr i64 {number} to ptr addrspace(257)")
            return "ptr addrspace(257)", made.text
        if value.const is not None:
            return "ptr", self.image_address(value.const).text
        return "ptr", self.convert.pointer(value).text

    def image_address(self, address: int) -> Value:
        """The pointer to an image address."""
        return Value(f"getelementptr (i8, ptr {IMAGE}, i64 {address})", "ptr")

    def load(self, address: Value, size: int) -> Value:
        kind = self.hooks.load_type(size)
        space, pointer = self.address(address)
        self.hooks.accesses(address, space, pointer)
        volatile = "volatile " if self.hooks.volatile() else ""
        value = self.b.emit(kind, f"load {volatile}{kind}, {space} {pointer}, align 1")
        self.hooks.accessed(address, space, pointer, value, size)
        return value

    def store(self, address: Value, value: Value, size: int) -> None:
        if value.type == "i1" or value.type == SEGMENT:
            value = self.convert.integer(value)
        elif value.type == FRAME:
            value = self.convert.pointer(value)
        space, pointer = self.address(address)
        self.hooks.accesses(address, space, pointer)
        self.b.do(f"store {value.type} {value.text}, {space} {pointer}, align 1")
        self.hooks.accessed(address, space, pointer, value, size)

    def extract(self, value: Value, size: int, offset: int, part: int) -> Value:
        if value.const is not None:
            number = value.const >> 8 * offset & (1 << 8 * part) - 1
            return Value(str(number), int_type(part), number)
        key = (value.text, offset, part)
        known = self._extracts.get(key) if value.type != FRAME else None
        if known is None:
            known = self._extract(value, size, offset, part)
            if value.type != FRAME:
                self._extracts[key] = known
        return known

    def _extract(self, value: Value, size: int, offset: int, part: int) -> Value:
        if size == 16 and part in (1, 2, 4, 8) and offset % part == 0:
            floating = (value.type, part) in (("<4 x float>", 4), ("<2 x double>", 8))
            kind = vector_type(part, 16, floating=floating)
            vector = self.convert.cast(value, kind)
            element = kind[1:-1].partition(" x ")[2]
            return self.b.emit(element, f"extractelement {kind} {vector.text}, i32 {offset // part}")
        number = self.convert.integer(value)
        if offset:
            number = self.b.emit(number.type, f"lshr {number.type} {number.text}, {8 * offset}")
        return self.b.emit(int_type(part), f"trunc {number.type} {number.text} to i{8 * part}")

    def concat(self, parts: Sequence[tuple[Value, int]]) -> Value:
        size = sum(n for _, n in parts)
        if size == 16:
            lane = min(n for _, n in parts)
            return self._concat_lanes(
                [
                    (part if n == lane else self.extract(part, n, o, lane), lane)
                    for part, n in parts
                    for o in range(0, n, lane)
                ]
            )
        return self._concat_bits(parts, size)

    def _concat_lanes(self, parts: Sequence[tuple[Value, int]]) -> Value:
        lane = parts[0][1]
        floating = all(v.type in ("float", "double") for v, _ in parts)
        kind = vector_type(lane, 16, floating=floating)
        element = kind[1:-1].partition(" x ")[2]
        result = Value("poison", kind)
        for i, (part, _) in enumerate(parts):
            lane_value = self.convert.cast(part, element)
            result = self.b.emit(
                kind,
                f"insertelement {kind} {result.text}, {element} {lane_value.text}, i32 {i}",
            )
        return result

    def _concat_bits(self, parts: Sequence[tuple[Value, int]], size: int) -> Value:
        kind = int_type(size)
        result: Value | None = None
        offset = 0
        for part, length in parts:
            number = self.convert.integer(part)
            if number.type != kind:
                number = self.b.emit(kind, f"zext {number.type} {number.text} to {kind}")
            if offset:
                number = self.b.emit(kind, f"shl {kind} {number.text}, {8 * offset}")
            result = (
                number
                if result is None
                else self.b.emit(kind, f"or disjoint {kind} {result.text}, {number.text}")
            )
            offset += length
        assert result is not None
        return result
