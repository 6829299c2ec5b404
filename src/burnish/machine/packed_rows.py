"""The shapes that rows of the packed table share: how operands go in and results come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from burnish.core.pcode import OpCode, Varnode
from burnish.machine.emit import Emitter, const
from burnish.machine.encoding import Map

Key = tuple[int, Map, int]
Row = Callable[[Emitter], bool]
"""Writes an instruction; returns False where this form of it has no row."""

ZERO_LANE = 0xFFFF_FFFF
"""The index of a lane of zeros in a ``SHUFFLE`` (four bytes, as all its indices)."""


def rows(prefix: int, table: dict[int, Row], opcode_map: Map = Map.TWO) -> dict[Key, Row]:
    """Rows of one mandatory prefix, keyed by opcode."""
    return {(prefix, opcode_map, opcode): row for opcode, row in table.items()}


def same_registers(e: Emitter) -> bool:
    """True where both operands are one register: ``pxor xmm0, xmm0``."""
    return e.encoding.is_register and e.encoding.reg == e.encoding.rm


def binary(opcode: OpCode, lane: int) -> Row:
    """``x = x op xm`` in each lane."""

    def row(e: Emitter) -> bool:
        e.into(e.x(), opcode, e.x(), e.xm(), lane=lane)
        return True

    return row


def clearing(opcode: OpCode, lane: int) -> Row:
    """As ``binary``, where an operand with itself gives zero: the idiom for zero, which reads nothing."""
    plain = binary(opcode, lane)

    def row(e: Emitter) -> bool:
        if same_registers(e):
            e.into(e.x(), OpCode.COPY, const(0, 16))
            return True
        return plain(e)

    return row


def shuffled(e: Emitter, output: Varnode, a: Varnode, b: Varnode, lane: int, indices: Iterable[int]) -> None:
    """``output`` = lanes of ``a`` then ``b``, by index."""
    e.into(output, OpCode.SHUFFLE, a, b, *(const(index, 4) for index in indices), lane=lane)


def shuffle(lane: int, *indices: int) -> Row:
    """``x`` = lanes picked from ``x`` then ``xm``."""

    def row(e: Emitter) -> bool:
        shuffled(e, e.x(), e.x(), e.xm(), lane, indices)
        return True

    return row
