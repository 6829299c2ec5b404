"""Rows of the packed table that compute on integers."""

from __future__ import annotations

from burnish.core.pcode import OpCode, Varnode
from burnish.machine.emit import Emitter, const, vector
from burnish.machine.encoding import Map
from burnish.machine.packed_moves import byte_shift_left, byte_shift_right
from burnish.machine.packed_rows import Key, Row, binary, clearing, rows, same_registers, shuffled


def _pandn(e: Emitter) -> bool:
    inverted = e.new(16, OpCode.INT_NEGATE, e.x(), lane=8)
    e.into(e.x(), OpCode.INT_AND, inverted, e.xm(), lane=8)
    return True


def _equal(lane: int) -> Row:
    """``pcmpeq``; of a register with itself the idiom for all ones."""
    plain = binary(OpCode.INT_EQUAL, lane)

    def row(e: Emitter) -> bool:
        if same_registers(e):
            e.into(e.x(), OpCode.COPY, const(-1, 16))
            return True
        return plain(e)

    return row


def _greater(lane: int) -> Row:
    """``pcmpgt``: signed, and p-code has only "less"."""

    def row(e: Emitter) -> bool:
        e.into(e.x(), OpCode.INT_SLESS, e.xm(), e.x(), lane=lane)
        return True

    return row


def _wide_product(extension: OpCode, shift: OpCode) -> Row:
    """``pmulhw`` and ``pmulhuw``: the high halves of 16-bit products."""

    def row(e: Emitter) -> bool:
        a = e.new(32, extension, e.x(), lane=2)
        b = e.new(32, extension, e.xm(), lane=2)
        product = e.new(32, OpCode.INT_MULT, a, b, lane=4)
        high = e.new(32, shift, product, const(16, 4), lane=4)
        e.into(e.x(), OpCode.NARROW, high, lane=4)
        return True

    return row


def _pmuludq(e: Emitter) -> bool:
    """Products of the even 32-bit lanes."""
    low = const(0x00000000FFFFFFFF_00000000FFFFFFFF, 16)
    a = e.new(16, OpCode.INT_AND, e.x(), low, lane=8)
    b = e.new(16, OpCode.INT_AND, e.xm(), low, lane=8)
    e.into(e.x(), OpCode.INT_MULT, a, b, lane=8)
    return True


def _pmaddwd(e: Emitter) -> bool:
    """Sums of adjacent signed 16-bit products."""
    a = e.new(32, OpCode.INT_SEXT, e.x(), lane=2)
    b = e.new(32, OpCode.INT_SEXT, e.xm(), lane=2)
    product = e.new(32, OpCode.INT_MULT, a, b, lane=4)
    parts: list[Varnode] = []
    for first in (0, 1):
        indices = [const(first + 2 * k, 4) for k in range(4)]
        parts.append(e.new(16, OpCode.SHUFFLE, product, product, *indices, lane=4))
    e.into(e.x(), OpCode.INT_ADD, *parts, lane=4)
    return True


def _psadbw(e: Emitter) -> bool:
    """Sums of absolute differences of eight bytes, by adding neighbours three times."""
    a, b = e.x(), e.xm()
    most = e.new(16, OpCode.INT_UMAX, a, b, lane=1)
    least = e.new(16, OpCode.INT_UMIN, a, b, lane=1)
    total = e.new(16, OpCode.INT_SUB, most, least, lane=1)
    for lane in (2, 4, 8):
        half = 4 * lane
        mask = const(sum(((1 << half) - 1) << 8 * lane * k for k in range(16 // lane)), 16)
        low = e.new(16, OpCode.INT_AND, total, mask, lane=lane)
        high = e.new(16, OpCode.INT_RIGHT, total, const(half, 4), lane=lane)
        total = e.new(16, OpCode.INT_ADD, low, high, lane=lane)
    e.into(e.x(), OpCode.COPY, total)
    return True


def _pack(opcode: OpCode, lane: int) -> Row:
    """``packss`` and ``packus``: lanes of ``x`` then ``xm``, halved with saturation."""

    def row(e: Emitter) -> bool:
        both = e.new(32, OpCode.PIECE, e.xm(), e.x())
        e.into(e.x(), opcode, both, lane=lane)
        return True

    return row


def _shift(opcode: OpCode, lane: int) -> Row:
    """By a count in the low half of ``xm``."""

    def row(e: Emitter) -> bool:
        if e.encoding.is_register:
            count = vector(e.encoding.rm, 8)
        else:
            count = e.new(8, OpCode.SUBPIECE, e.load(16), const(0, 4))
        e.into(e.x(), opcode, e.x(), count, lane=lane)
        return True

    return row


def _shift_group(lane: int) -> Row:
    """Opcodes 71 to 73: by an immediate count; ModRM's middle field says which."""
    table: dict[int, OpCode] = {2: OpCode.INT_RIGHT, 6: OpCode.INT_LEFT}
    if lane < 8:
        table[4] = OpCode.INT_SRIGHT

    def row(e: Emitter) -> bool:
        if not e.encoding.is_register:
            return False
        extension = e.encoding.extension
        if lane == 8 and extension in (3, 7):
            return byte_shift_right(e) if extension == 3 else byte_shift_left(e)
        opcode = table.get(extension)
        if opcode is None:
            return False
        register = vector(e.encoding.rm)
        e.into(register, opcode, register, const(e.encoding.immediate & 0xFF, 4), lane=lane)
        return True

    return row


def _absolute(lane: int) -> Row:
    """``pabs`` (SSSE3): the most negative number stays as it is."""

    def row(e: Emitter) -> bool:
        value = e.xm()
        negated = e.new(16, OpCode.INT_2COMP, value, lane=lane)
        # As unsigned numbers the absolute value is the smaller of the two.
        e.into(e.x(), OpCode.INT_UMIN, value, negated, lane=lane)
        return True

    return row


def _extend(opcode: OpCode, lane: int, wide: int) -> Row:
    """``pmovsx`` and ``pmovzx`` (SSE4.1)."""

    def row(e: Emitter) -> bool:
        e.into(e.x(), opcode, e.xm(16 * lane // wide), lane=lane)
        return True

    return row


def _blend(lane: int) -> Row:
    """``blendps``, ``blendpd`` and ``pblendw`` (SSE4.1)."""
    count = 16 // lane

    def row(e: Emitter) -> bool:
        chosen = e.encoding.immediate
        shuffled(e, e.x(), e.x(), e.xm(), lane, [k + count * (chosen >> k & 1) for k in range(count)])
        return True

    return row


_ADD, _SUB = OpCode.INT_ADD, OpCode.INT_SUB
_SADD, _UADD, _SSUB, _USUB = (
    OpCode.INT_SADDSAT, OpCode.INT_UADDSAT, OpCode.INT_SSUBSAT, OpCode.INT_USUBSAT,
)  # fmt: skip
_LEFT, _RIGHT, _SRIGHT = OpCode.INT_LEFT, OpCode.INT_RIGHT, OpCode.INT_SRIGHT
_SEXT, _ZEXT = OpCode.INT_SEXT, OpCode.INT_ZEXT

INTEGER_ROWS: dict[Key, Row] = {
    **rows(0x66, {
        0xFC: binary(_ADD, 1), 0xFD: binary(_ADD, 2), 0xFE: binary(_ADD, 4), 0xD4: binary(_ADD, 8),
        0xF8: clearing(_SUB, 1), 0xF9: clearing(_SUB, 2), 0xFA: clearing(_SUB, 4), 0xFB: clearing(_SUB, 8),
        0xEC: binary(_SADD, 1), 0xED: binary(_SADD, 2), 0xDC: binary(_UADD, 1), 0xDD: binary(_UADD, 2),
        0xE8: binary(_SSUB, 1), 0xE9: binary(_SSUB, 2), 0xD8: binary(_USUB, 1), 0xD9: binary(_USUB, 2),
        0xDB: binary(OpCode.INT_AND, 8), 0xDF: _pandn, 0xEB: binary(OpCode.INT_OR, 8),
        0xEF: clearing(OpCode.INT_XOR, 8),
        0x74: _equal(1), 0x75: _equal(2), 0x76: _equal(4), 0x64: _greater(1), 0x65: _greater(2), 0x66: _greater(4),
        0xDA: binary(OpCode.INT_UMIN, 1), 0xDE: binary(OpCode.INT_UMAX, 1),
        0xEA: binary(OpCode.INT_SMIN, 2), 0xEE: binary(OpCode.INT_SMAX, 2),
        0xE0: binary(OpCode.INT_UAVG, 1), 0xE3: binary(OpCode.INT_UAVG, 2),
        0xD5: binary(OpCode.INT_MULT, 2), 0xE5: _wide_product(_SEXT, _SRIGHT), 0xE4: _wide_product(_ZEXT, _RIGHT),
        0xF4: _pmuludq, 0xF5: _pmaddwd, 0xF6: _psadbw,
        0x63: _pack(OpCode.NARROW_SSAT, 2), 0x6B: _pack(OpCode.NARROW_SSAT, 4), 0x67: _pack(OpCode.NARROW_USAT, 2),
        0xD1: _shift(_RIGHT, 2), 0xD2: _shift(_RIGHT, 4), 0xD3: _shift(_RIGHT, 8),
        0xE1: _shift(_SRIGHT, 2), 0xE2: _shift(_SRIGHT, 4),
        0xF1: _shift(_LEFT, 2), 0xF2: _shift(_LEFT, 4), 0xF3: _shift(_LEFT, 8),
        0x71: _shift_group(2), 0x72: _shift_group(4), 0x73: _shift_group(8),
    }),
    **rows(0x66, {
        0x1C: _absolute(1), 0x1D: _absolute(2), 0x1E: _absolute(4),
        0x20: _extend(_SEXT, 1, 2), 0x21: _extend(_SEXT, 1, 4), 0x22: _extend(_SEXT, 1, 8),
        0x23: _extend(_SEXT, 2, 4), 0x24: _extend(_SEXT, 2, 8), 0x25: _extend(_SEXT, 4, 8),
        0x30: _extend(_ZEXT, 1, 2), 0x31: _extend(_ZEXT, 1, 4), 0x32: _extend(_ZEXT, 1, 8),
        0x33: _extend(_ZEXT, 2, 4), 0x34: _extend(_ZEXT, 2, 8), 0x35: _extend(_ZEXT, 4, 8),
        0x29: _equal(8), 0x37: _greater(8), 0x2B: _pack(OpCode.NARROW_USAT, 4), 0x40: binary(OpCode.INT_MULT, 4),
        0x38: binary(OpCode.INT_SMIN, 1), 0x39: binary(OpCode.INT_SMIN, 4),
        0x3A: binary(OpCode.INT_UMIN, 2), 0x3B: binary(OpCode.INT_UMIN, 4),
        0x3C: binary(OpCode.INT_SMAX, 1), 0x3D: binary(OpCode.INT_SMAX, 4),
        0x3E: binary(OpCode.INT_UMAX, 2), 0x3F: binary(OpCode.INT_UMAX, 4),
    }, Map.THREE_38),
    **rows(0x66, {0x0C: _blend(4), 0x0D: _blend(8), 0x0E: _blend(2)}, Map.THREE_3A),
}  # fmt: skip
"""By mandatory prefix and opcode. SSE2, and what SSSE3 and SSE4 add in the same shapes."""
