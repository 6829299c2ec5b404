"""Shifts and rotations, with their flags.

The count is masked to 5 bits (6 for 64-bit operands); a count of zero leaves every flag as it was, but a 32-bit
destination is still zero-extended. Where the manual leaves a flag undefined (``flags.undefined_flags``) any value
would do; what is written here is what is cheapest.

Source: Intel SDM volume 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD".
"""

from __future__ import annotations

from burnish.core.pcode import OpCode, Varnode
from burnish.machine.emit import CF, OF, PF, SF, ZF, Emitter, const, general

SHIFTS = (0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3)
"""One-byte opcodes; ModRM's middle field says which operation."""

DOUBLE_SHIFTS = (0xA4, 0xA5, 0xAC, 0xAD)
"""Two-byte opcodes of SHLD and SHRD."""

_ROL, _ROR, _RCL, _RCR, _SHL, _SHR, _SAL, _SAR = range(8)
_CL = general(1, 1)


def shift(emitter: Emitter) -> bool:
    """ROL, ROR, SHL, SHR and SAR by anything; RCL and RCR by one."""
    encoding = emitter.encoding
    kind = encoding.extension
    size = encoding.operand_size if encoding.opcode & 1 else 1
    limit = 0x3F if size == 8 else 0x1F
    value = emitter.rm(size)
    source = emitter.new(size, OpCode.COPY, value)
    if encoding.opcode in (0xD2, 0xD3):
        count = emitter.new(1, OpCode.INT_AND, _CL, const(limit, 1))
        _by_register(emitter, kind, source, count)
        return True
    count = encoding.immediate & limit if encoding.immediate_size else 1
    if count == 0:
        emitter.set_rm(source)
    elif kind in (_RCL, _RCR):
        if count != 1:
            emitter.operations.clear()
            return False
        _through_carry(emitter, kind, source)
    else:
        result = _shifted(emitter, kind, source, const(count, 1))
        emitter.set_rm(result)
        carry = _carry(emitter, kind, source, const(count - 1, 1), result)
        if count == 1:
            emitter.into(OF, OpCode.COPY, _overflow(emitter, kind, source, result, carry))
        emitter.into(CF, OpCode.COPY, carry)
        if kind not in (_ROL, _ROR):
            emitter.result_flags(result)
    return True


def _by_register(emitter: Emitter, kind: int, source: Varnode, count: Varnode) -> None:
    """A count in CL: every flag is chosen between its new and its old value."""
    less_one = emitter.new(1, OpCode.INT_SUB, count, const(1, 1))
    result = _shifted(emitter, kind, source, count)
    emitter.set_rm(result)
    some = emitter.new(1, OpCode.INT_NOTEQUAL, count, const(0, 1))
    carry = _carry(emitter, kind, source, less_one, result)
    overflow = _overflow(emitter, kind, source, result, carry)
    new = [(CF, carry), (OF, overflow)]
    if kind not in (_ROL, _ROR):
        zero = const(0, result.size)
        new.append((SF, emitter.new(1, OpCode.INT_SLESS, result, zero)))
        new.append((ZF, emitter.new(1, OpCode.INT_EQUAL, result, zero)))
        new.append((PF, emitter.parity(result)))
    for flag, value in new:
        emitter.into(flag, OpCode.SELECT, some, value, flag)


def _shifted(emitter: Emitter, kind: int, source: Varnode, count: Varnode) -> Varnode:
    """The result for a count below the mask (a shift by the width or more gives 0, or copies of the sign)."""
    size = source.size
    match kind:
        case 4 | 6:
            return emitter.new(size, OpCode.INT_LEFT, source, count)
        case 5:
            return emitter.new(size, OpCode.INT_RIGHT, source, count)
        case 7:
            return emitter.new(size, OpCode.INT_SRIGHT, source, count)
        case _:
            forward = emitter.new(1, OpCode.INT_AND, count, const(8 * size - 1, 1))
            negated = emitter.new(1, OpCode.INT_SUB, const(0, 1), count)
            back = emitter.new(1, OpCode.INT_AND, negated, const(8 * size - 1, 1))
            out, into = (
                (OpCode.INT_LEFT, OpCode.INT_RIGHT) if kind == _ROL else (OpCode.INT_RIGHT, OpCode.INT_LEFT)
            )
            return emitter.new(
                size,
                OpCode.INT_OR,
                emitter.new(size, out, source, forward),
                emitter.new(size, into, source, back),
            )


def _carry(emitter: Emitter, kind: int, source: Varnode, less_one: Varnode, result: Varnode) -> Varnode:
    """The last bit that left the operand (shifts) or went round (rotations)."""
    size = source.size
    top = 8 * size - 1
    match kind:
        case 0:
            return emitter.bit(result, 0)
        case 1:
            return emitter.bit(result, top)
        case 4 | 6:
            return emitter.bit(emitter.new(size, OpCode.INT_LEFT, source, less_one), top)
        case 5:
            return emitter.bit(emitter.new(size, OpCode.INT_RIGHT, source, less_one), 0)
        case _:
            return emitter.bit(emitter.new(size, OpCode.INT_SRIGHT, source, less_one), 0)


def _overflow(emitter: Emitter, kind: int, source: Varnode, result: Varnode, carry: Varnode) -> Varnode:
    """OF as for a count of one; for others it is undefined."""
    top = 8 * source.size - 1
    match kind:
        case 0 | 4 | 6:
            return emitter.new(1, OpCode.BOOL_XOR, emitter.bit(result, top), carry)
        case 1:
            return emitter.new(1, OpCode.BOOL_XOR, emitter.bit(result, top), emitter.bit(result, top - 1))
        case 5:
            return emitter.bit(source, top)
        case _:
            return const(0, 1)


def _through_carry(emitter: Emitter, kind: int, source: Varnode) -> None:
    """RCL and RCR by one."""
    size = source.size
    top = 8 * size - 1
    incoming = emitter.new(size, OpCode.INT_ZEXT, CF) if size > 1 else emitter.new(1, OpCode.COPY, CF)
    one, wide = const(1, 1), const(top, 1)
    if kind == _RCL:
        moved = emitter.new(size, OpCode.INT_LEFT, source, one)
        carry = emitter.bit(source, top)
    else:
        incoming = emitter.new(size, OpCode.INT_LEFT, incoming, wide)
        moved = emitter.new(size, OpCode.INT_RIGHT, source, one)
        carry = emitter.bit(source, 0)
    result = emitter.new(size, OpCode.INT_OR, moved, incoming)
    other = carry if kind == _RCL else emitter.bit(result, top - 1)
    overflow = emitter.new(1, OpCode.BOOL_XOR, emitter.bit(result, top), other)
    emitter.set_rm(result)
    emitter.into(OF, OpCode.COPY, overflow)
    emitter.into(CF, OpCode.COPY, carry)


def double_shift(emitter: Emitter) -> bool:
    """SHLD and SHRD of 32 and 64 bits. (16-bit ones have undefined results, and are refused.)"""
    encoding = emitter.encoding
    size = encoding.operand_size
    left = encoding.opcode in (0xA4, 0xA5)
    destination = emitter.new(size, OpCode.COPY, emitter.rm(size))
    source = emitter.reg(size)
    mask = 8 * size - 1
    if encoding.opcode in (0xA4, 0xAC):
        count = encoding.immediate & mask
        if count == 0:
            emitter.set_rm(destination)
            return True
        result, new = _double(emitter, left, destination, source, const(count, 1), const(8 * size - count, 1))
        emitter.set_rm(result)
        for flag, value in new:
            emitter.into(flag, OpCode.COPY, value)
        return True
    amount = emitter.new(1, OpCode.INT_AND, _CL, const(mask, 1))
    back = emitter.new(1, OpCode.INT_SUB, const(8 * size, 1), amount)
    result, new = _double(emitter, left, destination, source, amount, back)
    emitter.set_rm(result)
    some = emitter.new(1, OpCode.INT_NOTEQUAL, amount, const(0, 1))
    for flag, value in new:
        emitter.into(flag, OpCode.SELECT, some, value, flag)
    return True


def _double(
    emitter: Emitter, left: bool, destination: Varnode, source: Varnode, count: Varnode, back: Varnode
) -> tuple[Varnode, list[tuple[Varnode, Varnode]]]:
    """The result, and the flags as for a count that is not zero. ``back`` is the width less the count."""
    size = destination.size
    top = 8 * size - 1
    out, into = (OpCode.INT_LEFT, OpCode.INT_RIGHT) if left else (OpCode.INT_RIGHT, OpCode.INT_LEFT)
    result = emitter.new(
        size, OpCode.INT_OR, emitter.new(size, out, destination, count), emitter.new(size, into, source, back)
    )
    less_one = emitter.new(1, OpCode.INT_SUB, count, const(1, 1))
    carry = emitter.bit(emitter.new(size, out, destination, less_one), top if left else 0)
    signs = emitter.new(size, OpCode.INT_XOR, result, destination)
    zero = const(0, size)
    return result, [
        (OF, emitter.bit(signs, top)),
        (CF, carry),
        (SF, emitter.new(1, OpCode.INT_SLESS, result, zero)),
        (ZF, emitter.new(1, OpCode.INT_EQUAL, result, zero)),
        (PF, emitter.parity(result)),
    ]
