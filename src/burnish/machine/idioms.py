"""Better spellings of scalar instructions than SLEIGH's.

``spell`` writes an instruction from its encoding alone, without SLEIGH: where that is faster (``scalars``), and where
SLEIGH loops (bit scans, ``rep``), jumps inside the instruction (``cmov``), puts a 128-bit dividend together, is wrong
(``xadd``) or spells flags at great length (``shifts``). What it does not know is left to SLEIGH, and ``normalise``
brings that into the house's form:

* a memory operand is one ``LOAD``; a fixed address is the constant input of a ``LOAD``, ``STORE`` or ``ADDRESS``;
* a call is one ``CALL`` or ``CALLIND``, and the push of the return address is implied; a return is one ``RETURN``,
  and the pop of the return address is implied;
* no lifted instruction jumps inside itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.bit_manipulation import vex_speller
from burnish.machine.bits import BIT_SPELLERS
from burnish.machine.emit import CF, OF, Emitter, const, general
from burnish.machine.encoding import Encoding, Map
from burnish.machine.memory_operands import explicit_memory, single_loads
from burnish.machine.refusals import TRAPS
from burnish.machine.registers import RIP_OFFSET, gpr
from burnish.machine.scalars import SCALAR_SPELLERS, Speller, unary_group
from burnish.machine.shifts import DOUBLE_SHIFTS, SHIFTS, double_shift, shift

_RSP, _RAX, _RCX, _RDX, _RSI, _RDI = (gpr(n) for n in ("rsp", "rax", "rcx", "rdx", "rsi", "rdi"))
_RIP = Varnode(Space.REGISTER, RIP_OFFSET, 8)


class UnspeakableError(Exception):
    """SLEIGH's form of an instruction cannot be brought into the house's form. Caught by the lifter."""


def spell(emitter: Emitter) -> bool:
    """Write the instruction's operations, or return False and write nothing."""
    encoding = emitter.encoding
    speller = (
        _SPELLERS.get((encoding.map, encoding.opcode)) if encoding.vex is None else vex_speller(encoding)
    )
    return speller is not None and speller(emitter)


def normalise(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """SLEIGH's operations in the house's form; raises ``UnspeakableError`` where they jump inside the instruction."""
    ops = single_loads(explicit_memory(operations))
    if not ops:
        return ()
    last = ops[-1].opcode
    if any(op.opcode in _JUMPS for op in ops[:-1]) or (
        last in _JUMPS and ops[-1].inputs[0].space is Space.CONST
    ):
        raise UnspeakableError("a jump inside the instruction")
    match last:
        case OpCode.CALL | OpCode.CALLIND:
            return _call(ops)
        case OpCode.RETURN:
            ops = [op for op in ops if op.output not in (_RIP, _RSP) and op.opcode is not OpCode.RETURN]
            return (*ops, Operation(OpCode.RETURN, None, ()))
        case _:
            return tuple(ops)


_JUMPS = frozenset(
    (OpCode.BRANCH, OpCode.CBRANCH, OpCode.BRANCHIND, OpCode.CALL, OpCode.CALLIND, OpCode.RETURN)
)


def _call(ops: Sequence[Operation]) -> tuple[Operation, ...]:
    """Without the push of the return address."""
    return tuple(
        op for op in ops if op.output != _RSP and not (op.opcode is OpCode.STORE and op.inputs[0] == _RSP)
    )


# One function a family. Each returns False before it has written anything, where the form is not its own.


def _nothing(_: Emitter) -> bool:
    return True


def _nop(emitter: Emitter) -> bool:
    return not emitter.encoding.rex & 1


def _prefetch_by_extension(emitter: Emitter) -> bool:
    return not emitter.encoding.is_register


def _xadd(emitter: Emitter) -> bool:
    """XADD without LOCK: the sum goes to the second operand last, which matters where both are one register."""
    size = emitter.encoding.operand_size if emitter.encoding.opcode & 1 else 1
    register = emitter.reg(size)
    value, old = emitter.rm(size), emitter.new(size, OpCode.COPY, register)
    before = emitter.new(size, OpCode.COPY, value)
    total = emitter.new(size, OpCode.INT_ADD, before, old)
    emitter.into(CF, OpCode.INT_CARRY, before, old)
    emitter.into(OF, OpCode.INT_SCARRY, before, old)
    emitter.result_flags(total)
    if not emitter.encoding.is_register:  # the address may use the register
        emitter.set_rm(total)
    emitter.set_general(register, before)
    if emitter.encoding.is_register:
        emitter.set_rm(total)
    return True


def _movbe(emitter: Emitter) -> bool:
    encoding = emitter.encoding
    if encoding.is_register:
        return False
    size = encoding.operand_size
    if encoding.opcode == 0xF0:
        emitter.set_general(emitter.reg(size), emitter.new(size, OpCode.BSWAP, emitter.load(size)))
    else:
        emitter.set_rm(emitter.new(size, OpCode.BSWAP, emitter.reg(size)))
    return True


def _group3(emitter: Emitter) -> bool:
    """DIV and IDIV: a dividend of twice the operand's width. Of the group's other members, the multiplications are
    SLEIGH's."""
    encoding = emitter.encoding
    if encoding.extension < 6:
        return unary_group(emitter)
    size = encoding.operand_size if encoding.opcode & 1 else 1
    low = general(0, size)
    high = general(4, 1, rex=0) if size == 1 else general(2, size)
    divisor = emitter.rm(size)
    quotient, remainder = (
        (OpCode.WIDE_SDIV, OpCode.WIDE_SREM)
        if encoding.extension == 7
        else (OpCode.WIDE_DIV, OpCode.WIDE_REM)
    )
    results = [emitter.new(size, opcode, high, low, divisor) for opcode in (quotient, remainder)]
    for register, value in zip((low, high), results, strict=True):
        emitter.set_general(register, value)
    return True


# String instructions. The direction flag is clear: the ABI says so, and what would set it is refused.


def _element(encoding: Encoding) -> int:
    return encoding.operand_size if encoding.opcode & 1 else 1


def _advance(emitter: Emitter, register: Varnode, size: int) -> None:
    emitter.into(register, OpCode.INT_ADD, register, const(size, 8))


def _movs(emitter: Emitter) -> bool:
    size = _element(emitter.encoding)
    if emitter.encoding.repeats:
        emitter.into(None, OpCode.REP_MOVS, _RDI, _RSI, _RCX, const(size, 8))
        return True
    emitter.into(None, OpCode.STORE, _RDI, emitter.new(size, OpCode.LOAD, _RSI))
    _advance(emitter, _RSI, size)
    _advance(emitter, _RDI, size)
    return True


def _stos(emitter: Emitter) -> bool:
    size = _element(emitter.encoding)
    if emitter.encoding.repeats:
        emitter.into(None, OpCode.REP_STOS, _RDI, _RAX, _RCX, const(size, 8))
        return True
    emitter.into(None, OpCode.STORE, _RDI, general(0, size))
    _advance(emitter, _RDI, size)
    return True


def _lods(emitter: Emitter) -> bool:
    size = _element(emitter.encoding)
    emitter.set_general(general(0, size), emitter.new(size, OpCode.LOAD, _RSI))
    _advance(emitter, _RSI, size)
    return True


def _scas(emitter: Emitter) -> bool:
    size = _element(emitter.encoding)
    emitter.compare(general(0, size), emitter.new(size, OpCode.LOAD, _RDI))
    _advance(emitter, _RDI, size)
    return True


def _cmps(emitter: Emitter) -> bool:
    size = _element(emitter.encoding)
    left = emitter.new(size, OpCode.LOAD, _RSI)
    emitter.compare(left, emitter.new(size, OpCode.LOAD, _RDI))
    _advance(emitter, _RSI, size)
    _advance(emitter, _RDI, size)
    return True


def _pairs(opcode: int, speller: Speller) -> dict[tuple[Map, int], Speller]:
    """The byte form and the wider form of a one-byte opcode."""
    return {(Map.ONE, opcode): speller, (Map.ONE, opcode + 1): speller}


_SPELLERS: dict[tuple[Map, int], Speller] = {
    **SCALAR_SPELLERS,
    **BIT_SPELLERS,
    **{(Map.TWO, opcode): _nothing for opcode in range(0x19, 0x20)},
    (Map.TWO, 0x0D): _prefetch_by_extension,
    (Map.TWO, 0x18): _prefetch_by_extension,
    **dict.fromkeys(TRAPS, _nothing),
    (Map.ONE, 0x90): _nop,
    (Map.TWO, 0xC0): _xadd,
    (Map.TWO, 0xC1): _xadd,
    (Map.THREE_38, 0xF0): _movbe,
    (Map.THREE_38, 0xF1): _movbe,
    **_pairs(0xF6, _group3),
    **_pairs(0xA4, _movs),
    **_pairs(0xA6, _cmps),
    **_pairs(0xAA, _stos),
    **_pairs(0xAC, _lods),
    **_pairs(0xAE, _scas),
    **{(Map.ONE, opcode): shift for opcode in SHIFTS},
    **{(Map.TWO, opcode): double_shift for opcode in DOUBLE_SHIFTS},
}
