"""Rows of the packed table that move data: loads, stores, shuffles, and transfers to general registers."""

from __future__ import annotations

from burnish.core.pcode import OpCode, Varnode
from burnish.machine.emit import Emitter, general, vector
from burnish.machine.encoding import Map
from burnish.machine.packed_rows import Key, Row, rows, shuffle, shuffled


def _load(e: Emitter) -> bool:
    """``movups x, xm`` and its kin: all 16 bytes."""
    e.into(e.x(), OpCode.COPY, e.xm())
    return True


def _store(e: Emitter) -> bool:
    if e.encoding.is_register:
        e.into(vector(e.encoding.rm), OpCode.COPY, e.x())
    else:
        e.into(None, OpCode.STORE, e.address(), e.x())
    return True


def _store_only(e: Emitter) -> bool:
    """Non-temporal stores: a hint apart, plain stores."""
    return not e.encoding.is_register and _store(e)


def _load_only(e: Emitter) -> bool:
    return not e.encoding.is_register and _load(e)


def _scalar_load(size: int) -> Row:
    """``movss`` and ``movsd``: from memory the upper part is cleared, from a register it is kept."""

    def row(e: Emitter) -> bool:
        if e.encoding.is_register:
            e.into(e.x(size), OpCode.COPY, e.xm(size))
        else:
            e.into(e.x(), OpCode.INT_ZEXT, e.load(size))
        return True

    return row


def _scalar_store(size: int) -> Row:
    def row(e: Emitter) -> bool:
        if e.encoding.is_register:
            e.into(vector(e.encoding.rm, size), OpCode.COPY, e.x(size))
        else:
            e.into(None, OpCode.STORE, e.address(), e.x(size))
        return True

    return row


def _half_load(offset: int, register_form: Row | None = None) -> Row:
    """Eight bytes of memory into one half, the other kept."""

    def row(e: Emitter) -> bool:
        if e.encoding.is_register:
            return register_form is not None and register_form(e)
        e.into(e.x(8, offset), OpCode.COPY, e.load(8))
        return True

    return row


def _half_store(offset: int) -> Row:
    def row(e: Emitter) -> bool:
        if e.encoding.is_register:
            return False
        e.into(None, OpCode.STORE, e.address(), e.x(8, offset))
        return True

    return row


def _movd_to_vector(e: Emitter) -> bool:
    e.into(e.x(), OpCode.INT_ZEXT, e.rm(8 if e.encoding.rex & 8 else 4))
    return True


def _movd_from_vector(e: Emitter) -> bool:
    e.set_rm(e.x(8 if e.encoding.rex & 8 else 4))
    return True


def _movq_load(e: Emitter) -> bool:
    e.into(e.x(), OpCode.INT_ZEXT, e.xm(8))
    return True


def _movq_store(e: Emitter) -> bool:
    if e.encoding.is_register:
        e.into(vector(e.encoding.rm), OpCode.INT_ZEXT, e.x(8))
    else:
        e.into(None, OpCode.STORE, e.address(), e.x(8))
    return True


def _mask(lane: int) -> Row:
    """The sign bits into a general register, which is cleared above them."""

    def row(e: Emitter) -> bool:
        if not e.encoding.is_register:
            return False
        e.into(e.reg(8), OpCode.MASK, e.xm(), lane=lane)
        return True

    return row


def _two_bits(immediate: int, base: int = 0) -> list[int]:
    """Four indices of two bits each."""
    return [base + (immediate >> 2 * k & 3) for k in range(4)]


def _pshufd(e: Emitter) -> bool:
    source = e.xm()
    shuffled(e, e.x(), source, source, 4, _two_bits(e.encoding.immediate))
    return True


def _pshuflw(e: Emitter) -> bool:
    source = e.xm()
    shuffled(e, e.x(), source, source, 2, [*_two_bits(e.encoding.immediate), 4, 5, 6, 7])
    return True


def _pshufhw(e: Emitter) -> bool:
    source = e.xm()
    shuffled(e, e.x(), source, source, 2, [0, 1, 2, 3, *_two_bits(e.encoding.immediate, 4)])
    return True


def _shufps(e: Emitter) -> bool:
    a, b, c, d = _two_bits(e.encoding.immediate)
    shuffled(e, e.x(), e.x(), e.xm(), 4, [a, b, 4 + c, 4 + d])
    return True


def _shufpd(e: Emitter) -> bool:
    immediate = e.encoding.immediate
    shuffled(e, e.x(), e.x(), e.xm(), 8, [immediate & 1, 2 + (immediate >> 1 & 1)])
    return True


def _insert_at(e: Emitter, value: Varnode, index: int) -> None:
    """``value`` in place of lane ``index`` of the destination."""
    lane = value.size
    count = 16 // lane
    wide = e.new(16, OpCode.INT_ZEXT, value)
    shuffled(e, e.x(), e.x(), wide, lane, [count if k == index else k for k in range(count)])


def _pinsrw(e: Emitter) -> bool:
    value = general(e.encoding.rm, 2) if e.encoding.is_register else e.load(2)
    _insert_at(e, value, e.encoding.immediate & 7)
    return True


def _pextrw(e: Emitter) -> bool:
    if not e.encoding.is_register:
        return False
    e.into(e.reg(8), OpCode.INT_ZEXT, vector(e.encoding.rm, 2, 2 * (e.encoding.immediate & 7)))
    return True


def _byte_shift(e: Emitter, left: bool) -> bool:
    """``pslldq`` and ``psrldq``: lanes of one byte move, zeros come in."""
    if not e.encoding.is_register:
        return False
    count = min(e.encoding.immediate & 0xFF, 16)
    register = vector(e.encoding.rm)
    source = [k - count if left else k + count for k in range(16)]
    shuffled(e, register, register, register, 1, [k if 0 <= k < 16 else -1 for k in source])
    return True


def _pinsr(e: Emitter) -> bool:
    """``pinsrd`` and ``pinsrq`` (SSE4.1)."""
    size = 8 if e.encoding.rex & 8 else 4
    _insert_at(e, e.rm(size), e.encoding.immediate & (16 // size - 1))
    return True


def _pextr(e: Emitter) -> bool:
    """``pextrd`` and ``pextrq`` (SSE4.1)."""
    size = 8 if e.encoding.rex & 8 else 4
    e.set_rm(e.x(size, size * (e.encoding.immediate & (16 // size - 1))))
    return True


def _palignr(e: Emitter) -> bool:
    """``palignr`` (SSSE3): 16 bytes of ``x:xm`` from a byte on."""
    first = e.encoding.immediate & 0xFF
    indices = [k if k < 32 else -1 for k in range(first, first + 16)]
    shuffled(e, e.x(), e.xm(), e.x(), 1, indices)
    return True


def byte_shift_left(e: Emitter) -> bool:
    """PSLLDQ."""
    return _byte_shift(e, left=True)


def byte_shift_right(e: Emitter) -> bool:
    """PSRLDQ."""
    return _byte_shift(e, left=False)


def _broadcast_low(e: Emitter) -> bool:
    """``movddup`` (SSE3)."""
    wide = e.new(16, OpCode.INT_ZEXT, e.xm(8))
    shuffled(e, e.x(), wide, wide, 8, [0, 0])
    return True


def _repeat(*indices: int) -> Row:
    """``movsldup`` and ``movshdup`` (SSE3)."""

    def row(e: Emitter) -> bool:
        source = e.xm()
        shuffled(e, e.x(), source, source, 4, indices)
        return True

    return row


def _interleave(lane: int, high: bool) -> Row:
    count = 16 // lane
    half = range(count // 2, count) if high else range(count // 2)
    return shuffle(lane, *(index for k in half for index in (k, count + k)))


MOVE_ROWS: dict[Key, Row] = {
    **rows(0, {
        0x10: _load, 0x11: _store, 0x28: _load, 0x29: _store, 0x2B: _store_only,
        0x12: _half_load(0, shuffle(8, 3, 1)), 0x13: _half_store(0),
        0x16: _half_load(8, shuffle(8, 0, 2)), 0x17: _half_store(8),
        0x14: _interleave(4, high=False), 0x15: _interleave(4, high=True),
        0x50: _mask(4), 0xC6: _shufps,
    }),
    **rows(0x66, {
        0x10: _load, 0x11: _store, 0x28: _load, 0x29: _store, 0x2B: _store_only, 0xE7: _store_only,
        0x6F: _load, 0x7F: _store,
        0x12: _half_load(0), 0x13: _half_store(0), 0x16: _half_load(8), 0x17: _half_store(8),
        0x14: _interleave(8, high=False), 0x15: _interleave(8, high=True),
        0x60: _interleave(1, high=False), 0x61: _interleave(2, high=False),
        0x62: _interleave(4, high=False), 0x6C: _interleave(8, high=False),
        0x68: _interleave(1, high=True), 0x69: _interleave(2, high=True),
        0x6A: _interleave(4, high=True), 0x6D: _interleave(8, high=True),
        0x6E: _movd_to_vector, 0x7E: _movd_from_vector, 0xD6: _movq_store,
        0x50: _mask(8), 0xD7: _mask(1),
        0x70: _pshufd, 0xC6: _shufpd, 0xC4: _pinsrw, 0xC5: _pextrw,
    }),
    **rows(0xF3, {
        0x10: _scalar_load(4), 0x11: _scalar_store(4), 0x6F: _load, 0x7F: _store, 0x7E: _movq_load,
        0x70: _pshufhw, 0x12: _repeat(0, 0, 2, 2), 0x16: _repeat(1, 1, 3, 3),
    }),
    **rows(0xF2, {
        0x10: _scalar_load(8), 0x11: _scalar_store(8), 0x70: _pshuflw, 0xF0: _load_only, 0x12: _broadcast_low,
    }),
    **rows(0x66, {0x0F: _palignr, 0x16: _pextr, 0x22: _pinsr}, Map.THREE_3A),
}  # fmt: skip
"""By mandatory prefix and opcode."""
