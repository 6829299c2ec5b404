"""Rows of the packed table that compute on floating-point numbers, and the scalar forms beside them.

A scalar form works on the low 4 or 8 bytes of its registers and keeps the rest.
"""

from __future__ import annotations

from burnish.core.pcode import OpCode, Varnode
from burnish.machine.emit import CF, OF, PF, SF, ZF, Emitter, const
from burnish.machine.packed_rows import Key, Row, binary, clearing, rows


def _scalar(opcode: OpCode, size: int) -> Row:
    def row(e: Emitter) -> bool:
        e.into(e.x(size), opcode, e.x(size), e.xm(size))
        return True

    return row


def _packed_root(size: int) -> Row:
    def row(e: Emitter) -> bool:
        e.into(e.x(), OpCode.FLOAT_SQRT, e.xm(), lane=size)
        return True

    return row


def _scalar_unary(opcode: OpCode, source: int, output: int) -> Row:
    """Square roots, and conversions between scalars."""

    def row(e: Emitter) -> bool:
        e.into(e.x(output), opcode, e.xm(source))
        return True

    return row


def _andn(lane: int) -> Row:
    def row(e: Emitter) -> bool:
        inverted = e.new(16, OpCode.INT_NEGATE, e.x(), lane=lane)
        e.into(e.x(), OpCode.INT_AND, inverted, e.xm(), lane=lane)
        return True

    return row


_PREDICATES = (
    (OpCode.FLOAT_EQUAL, False), (OpCode.FLOAT_LESS, False), (OpCode.FLOAT_LESSEQUAL, False),
    (OpCode.FLOAT_UNORDERED, False), (OpCode.FLOAT_EQUAL, True), (OpCode.FLOAT_LESS, True),
    (OpCode.FLOAT_LESSEQUAL, True), (OpCode.FLOAT_UNORDERED, True),
)  # fmt: skip
"""The eight comparisons of CMPPS: what is computed, and whether it is negated ("not less" is true of a NaN)."""


def _compare(lane: int, size: int) -> Row:
    """Masks of all ones or zeros in each lane of the low ``size`` bytes."""

    def row(e: Emitter) -> bool:
        immediate = e.encoding.immediate & 0xFF
        if immediate > 7:
            return False
        opcode, negated = _PREDICATES[immediate]
        if not negated:
            e.into(e.x(size), opcode, e.x(size), e.xm(size), lane=lane)
            return True
        holds = e.new(size, opcode, e.x(size), e.xm(size), lane=lane)
        e.into(e.x(size), OpCode.INT_NEGATE, holds, lane=lane)
        return True

    return row


def _compare_to_flags(size: int) -> Row:
    """COMISS, UCOMISS and the double forms (they differ in exceptions that nothing here reads)."""

    def row(e: Emitter) -> bool:
        a, b = e.x(size), e.xm(size)
        unordered = e.new(1, OpCode.FLOAT_UNORDERED, a, b)
        equal = e.new(1, OpCode.FLOAT_EQUAL, a, b)
        less = e.new(1, OpCode.FLOAT_LESS, a, b)
        e.into(ZF, OpCode.BOOL_OR, equal, unordered)
        e.into(CF, OpCode.BOOL_OR, less, unordered)
        e.into(PF, OpCode.COPY, unordered)
        for flag in (OF, SF):
            e.into(flag, OpCode.COPY, const(0, 1))
        return True

    return row


def _from_general(size: int) -> Row:
    """CVTSI2SS, CVTSI2SD."""

    def row(e: Emitter) -> bool:
        e.into(e.x(size), OpCode.FLOAT_INT2FLOAT, e.rm(8 if e.encoding.rex & 8 else 4))
        return True

    return row


def _to_general(opcode: OpCode, size: int) -> Row:
    """CVTTSD2SI and its kin."""

    def row(e: Emitter) -> bool:
        width = 8 if e.encoding.rex & 8 else 4
        e.set_general(e.reg(width), e.new(width, opcode, e.xm(size)))
        return True

    return row


def _convert(opcode: OpCode, lane: int, source: int, output: int) -> Row:
    """Lane-wise conversions of ``source`` bytes into ``output`` bytes; what is above those is cleared."""

    def row(e: Emitter) -> bool:
        value: Varnode = e.xm(source)
        if output == 16:
            e.into(e.x(), opcode, value, lane=lane)
        else:
            e.into(e.x(), OpCode.INT_ZEXT, e.new(output, opcode, value, lane=lane))
        return True

    return row


_ARITHMETIC = {
    0x58: OpCode.FLOAT_ADD, 0x59: OpCode.FLOAT_MULT, 0x5C: OpCode.FLOAT_SUB, 0x5D: OpCode.FLOAT_MIN,
    0x5E: OpCode.FLOAT_DIV, 0x5F: OpCode.FLOAT_MAX,
}  # fmt: skip
_TO_FLOAT, _RESIZE = OpCode.FLOAT_INT2FLOAT, OpCode.FLOAT_FLOAT2FLOAT
_ROUND, _TRUNCATE = OpCode.FLOAT_ROUND_INT, OpCode.FLOAT_TRUNC_INT


def _logic(lane: int) -> dict[int, Row]:
    return {
        0x54: binary(OpCode.INT_AND, lane), 0x55: _andn(lane), 0x56: binary(OpCode.INT_OR, lane),
        0x57: clearing(OpCode.INT_XOR, lane),
    }  # fmt: skip


FLOAT_ROWS: dict[Key, Row] = {
    **rows(0, {opcode: binary(meaning, 4) for opcode, meaning in _ARITHMETIC.items()}),
    **rows(0x66, {opcode: binary(meaning, 8) for opcode, meaning in _ARITHMETIC.items()}),
    **rows(0xF3, {opcode: _scalar(meaning, 4) for opcode, meaning in _ARITHMETIC.items()}),
    **rows(0xF2, {opcode: _scalar(meaning, 8) for opcode, meaning in _ARITHMETIC.items()}),
    **rows(0, {
        **_logic(4), 0x51: _packed_root(4), 0xC2: _compare(4, 16), 0x2E: _compare_to_flags(4),
        0x2F: _compare_to_flags(4), 0x5A: _convert(_RESIZE, 4, 8, 16), 0x5B: _convert(_TO_FLOAT, 4, 16, 16),
    }),
    **rows(0x66, {
        **_logic(8), 0x51: _packed_root(8), 0xC2: _compare(8, 16), 0x2E: _compare_to_flags(8),
        0x2F: _compare_to_flags(8), 0x5A: _convert(_RESIZE, 8, 16, 8), 0x5B: _convert(_ROUND, 4, 16, 16),
        0xE6: _convert(_TRUNCATE, 8, 16, 8),
    }),
    **rows(0xF3, {
        0x51: _scalar_unary(OpCode.FLOAT_SQRT, 4, 4), 0xC2: _compare(4, 4), 0x5A: _scalar_unary(_RESIZE, 4, 8),
        0x5B: _convert(_TRUNCATE, 4, 16, 16), 0xE6: _convert(_TO_FLOAT, 4, 8, 16),
        0x2A: _from_general(4), 0x2C: _to_general(_TRUNCATE, 4), 0x2D: _to_general(_ROUND, 4),
    }),
    **rows(0xF2, {
        0x51: _scalar_unary(OpCode.FLOAT_SQRT, 8, 8), 0xC2: _compare(8, 8), 0x5A: _scalar_unary(_RESIZE, 8, 4),
        0xE6: _convert(_ROUND, 8, 16, 8),
        0x2A: _from_general(8), 0x2C: _to_general(_TRUNCATE, 8), 0x2D: _to_general(_ROUND, 8),
    }),
}  # fmt: skip
"""By mandatory prefix and opcode."""
