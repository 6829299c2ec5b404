"""BMI1 and BMI2: general instructions that are coded with a VEX prefix.

Operands have 32 or 64 bits (``VEX.W``); a 32-bit result clears the upper half. What has no row is refused: PDEP and
PEXT, and forms on which the processor faults.

Source: Intel SDM volume 2, "ANDN" to "BZHI", "MULX" to "SARX/SHLX/SHRX"; section 2.3 for which prefixes fault.
"""

from __future__ import annotations

from burnish.core.pcode import OpCode, Space, Varnode
from burnish.machine.emit import CF, SF, ZF, Emitter, const, general
from burnish.machine.encoding import Encoding, Map
from burnish.machine.scalars import Speller


def _sign_and_zero(emitter: Emitter, result: Varnode) -> None:
    emitter.into(SF, OpCode.INT_SLESS, result, const(0, result.size))
    emitter.into(ZF, OpCode.INT_EQUAL, result, const(0, result.size))


def _andn(emitter: Emitter) -> bool:
    size = emitter.encoding.operand_size
    kept = emitter.new(size, OpCode.INT_NEGATE, emitter.vex_register(size))
    result = emitter.new(size, OpCode.INT_AND, kept, emitter.rm(size))
    _sign_and_zero(emitter, result)
    emitter.constant_flags(cf=0, of=0)
    emitter.set_general(emitter.reg(size), result)
    return True


_BLSR, _BLSMSK, _BLSI = 1, 2, 3


def _lowest_bit(emitter: Emitter) -> bool:
    """BLSR, BLSMSK and BLSI, by ModRM's middle field. CF tells whether the source is zero; of BLSI, whether not."""
    size, kind = emitter.encoding.operand_size, emitter.encoding.extension
    source, zero = emitter.rm(size), const(0, size)
    if kind == _BLSI:
        other, combine = emitter.new(size, OpCode.INT_2COMP, source), OpCode.INT_AND
    else:
        other = emitter.new(size, OpCode.INT_SUB, source, const(1, size))
        combine = OpCode.INT_AND if kind == _BLSR else OpCode.INT_XOR
    result = emitter.new(size, combine, other, source)
    emitter.into(CF, OpCode.INT_NOTEQUAL if kind == _BLSI else OpCode.INT_EQUAL, source, zero)
    _sign_and_zero(emitter, result)
    emitter.constant_flags(of=0)
    emitter.set_general(emitter.vex_register(size), result)
    return True


def _low_bits(emitter: Emitter, value: Varnode, count: Varnode) -> Varnode:
    """The lowest ``count`` bits of a value: all, from its width on."""
    above = emitter.new(value.size, OpCode.INT_LEFT, const(-1, value.size), count)
    mask = emitter.new(value.size, OpCode.INT_NEGATE, above)
    return emitter.new(value.size, OpCode.INT_AND, value, mask)


def _bzhi(emitter: Emitter) -> bool:
    size = emitter.encoding.operand_size
    count = emitter.vex_register(1)
    result = _low_bits(emitter, emitter.rm(size), count)
    emitter.into(CF, OpCode.INT_LESS, const(8 * size - 1, 1), count)
    _sign_and_zero(emitter, result)
    emitter.constant_flags(of=0)
    emitter.set_general(emitter.reg(size), result)
    return True


def _bextr(emitter: Emitter) -> bool:
    """The first byte of the second source is where the field starts, the next its length."""
    size = emitter.encoding.operand_size
    start = emitter.vex_register(1)
    length = Varnode(Space.REGISTER, start.offset + 1, 1)
    result = _low_bits(emitter, emitter.new(size, OpCode.INT_RIGHT, emitter.rm(size), start), length)
    emitter.into(ZF, OpCode.INT_EQUAL, result, const(0, size))
    emitter.constant_flags(cf=0, of=0)
    emitter.set_general(emitter.reg(size), result)
    return True


def _shift(opcode: OpCode) -> Speller:
    """SHLX, SHRX and SARX: no flags, and the count in any register."""

    def speller(emitter: Emitter) -> bool:
        size = emitter.encoding.operand_size
        count = emitter.new(1, OpCode.INT_AND, emitter.vex_register(1), const(8 * size - 1, 1))
        emitter.set_general(emitter.reg(size), emitter.new(size, opcode, emitter.rm(size), count))
        return True

    return speller


def _rorx(emitter: Emitter) -> bool:
    size = emitter.encoding.operand_size
    value, count = emitter.rm(size), emitter.encoding.immediate & 8 * size - 1
    if count:
        low = emitter.new(size, OpCode.INT_RIGHT, value, const(count, 1))
        high = emitter.new(size, OpCode.INT_LEFT, value, const(8 * size - count, 1))
        value = emitter.new(size, OpCode.INT_OR, low, high)
    emitter.set_general(emitter.reg(size), value)
    return True


def _mulx(emitter: Emitter) -> bool:
    """The upper half is written last, which matters where both destinations are one register."""
    size = emitter.encoding.operand_size
    factors = [emitter.new(2 * size, OpCode.INT_ZEXT, each) for each in (general(2, size), emitter.rm(size))]
    product = emitter.new(2 * size, OpCode.INT_MULT, *factors)
    low, high = (emitter.new(size, OpCode.SUBPIECE, product, const(at, 4)) for at in (0, size))
    emitter.set_general(emitter.vex_register(size), low)
    emitter.set_general(emitter.reg(size), high)
    return True


_SPELLERS: dict[tuple[Map, int, int], Speller] = {
    (Map.VEX_38, 0xF2, 0): _andn,
    (Map.VEX_38, 0xF3, 0): _lowest_bit,
    (Map.VEX_38, 0xF5, 0): _bzhi,
    (Map.VEX_38, 0xF6, 0xF2): _mulx,
    (Map.VEX_38, 0xF7, 0): _bextr,
    (Map.VEX_38, 0xF7, 0x66): _shift(OpCode.INT_LEFT),
    (Map.VEX_38, 0xF7, 0xF2): _shift(OpCode.INT_RIGHT),
    (Map.VEX_38, 0xF7, 0xF3): _shift(OpCode.INT_SRIGHT),
    (Map.VEX_3A, 0xF0, 0xF2): _rorx,
}
"""By opcode map, opcode and mandatory prefix."""

VEX_UNDEFINED_FLAGS: dict[tuple[Map, int, int], frozenset[str]] = {
    (Map.VEX_38, 0xF2, 0): frozenset({"pf"}),
    (Map.VEX_38, 0xF3, 0): frozenset({"pf"}),
    (Map.VEX_38, 0xF5, 0): frozenset({"pf"}),
    (Map.VEX_38, 0xF7, 0): frozenset({"pf", "sf"}),
}
"""What they leave undefined beside the auxiliary carry, with the same keys."""

_FAULTING = frozenset(b"\x66\xf2\xf3\xf0")
"""Legacy prefixes that make the processor fault before VEX."""


def vex_speller(encoding: Encoding) -> Speller | None:
    """What writes an instruction that is coded with VEX; None where it has no row, or where the processor faults on
    this form of it."""
    vex = encoding.vex
    if vex is None or vex.length or not _FAULTING.isdisjoint(encoding.prefixes):
        return None
    speller = _SPELLERS.get((encoding.map, encoding.opcode, vex.mandatory))
    if speller is _lowest_bit and encoding.extension not in (_BLSR, _BLSMSK, _BLSI):
        return None
    if speller is _rorx and vex.source:
        return None
    return speller
