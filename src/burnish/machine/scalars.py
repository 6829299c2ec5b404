"""The scalar instructions that most code is made of: moves, pushes, arithmetic and logic, conditional jumps and sets.

SLEIGH has all of these, and right; spelling them here is ten times faster, for they are half of all templates.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.emit import CF, OF, PF, SF, ZF, Emitter, const, general
from burnish.machine.encoding import Encoding, Map

Speller = Callable[[Emitter], bool]
"""Writes an instruction; returns False, and has written nothing, where the form is not its own."""

_RSP = general(4, 8)


def _size(encoding: Encoding) -> int:
    """Operand size where the opcode's lowest bit tells bytes from the rest."""
    return encoding.operand_size if encoding.opcode & 1 else 1


# Moves.


def _store(e: Emitter) -> bool:
    e.set_rm(e.reg(_size(e.encoding)))
    return True


def _load(e: Emitter) -> bool:
    size = _size(e.encoding)
    register = e.reg(size)
    if size == 4 or e.encoding.is_register:
        e.set_general(register, e.rm(size))
    else:
        e.into(register, OpCode.LOAD, e.address())
    return True


def _immediate_to_register(e: Emitter) -> bool:
    encoding = e.encoding
    size = 1 if encoding.opcode < 0xB8 else encoding.operand_size
    register = general((encoding.opcode & 7) | (encoding.rex & 1) << 3, size, encoding.rex)
    if size == 4:
        register = Varnode(Space.REGISTER, register.offset, 8)
        e.into(register, OpCode.COPY, const(encoding.immediate & 0xFFFF_FFFF, 8))
    else:
        e.into(register, OpCode.COPY, const(encoding.immediate, size))
    return True


def _immediate_to_rm(e: Emitter) -> bool:
    if e.encoding.extension != 0:
        return False
    e.set_rm(const(e.encoding.immediate, _size(e.encoding)))
    return True


def _extended(opcode: OpCode) -> Speller:
    """MOVZX and MOVSX from 1 byte (even opcodes) or 2."""

    def speller(e: Emitter) -> bool:
        source = e.rm(2 if e.encoding.opcode & 1 else 1)
        size = e.encoding.operand_size
        if source.size == size:
            e.set_general(e.reg(size), source)
        elif opcode is OpCode.INT_ZEXT and size == 4:
            e.into(e.reg(8), opcode, source)
        elif size == 4:
            e.set_general(e.reg(4), e.new(4, opcode, source))
        else:
            e.into(e.reg(size), opcode, source)
        return True

    return speller


def _movsxd(e: Emitter) -> bool:
    if e.encoding.operand_size != 8:
        return False
    e.into(e.reg(8), OpCode.INT_SEXT, e.rm(4))
    return True


def _lea(e: Emitter) -> bool:
    """LEA of a fixed place is ``ADDRESS``, so that addresses can be told from numbers."""
    encoding = e.encoding
    if encoding.is_register or 0x64 in encoding.prefixes:
        return False
    size = encoding.operand_size
    where = e.address()
    if encoding.is_rip_relative:
        if size == 8:
            e.into(e.reg(8), OpCode.ADDRESS, where)
            return True
        where = e.new(8, OpCode.ADDRESS, where)
    if size == 8:
        e.into(e.reg(8), OpCode.COPY, where)
    else:
        e.set_general(e.reg(size), e.new(size, OpCode.SUBPIECE, where, const(0, 4)))
    return True


def _opcode_register(encoding: Encoding) -> Varnode:
    return general((encoding.opcode & 7) | (encoding.rex & 1) << 3, 8)


def _push_value(e: Emitter, value: Varnode) -> None:
    e.into(_RSP, OpCode.INT_SUB, _RSP, const(8, 8))
    e.into(None, OpCode.STORE, _RSP, value)


def _push(e: Emitter) -> bool:
    if e.encoding.operand_size == 2:
        return False
    register = _opcode_register(e.encoding)
    _push_value(e, e.new(8, OpCode.COPY, register) if register == _RSP else register)
    return True


def _push_immediate(e: Emitter) -> bool:
    if e.encoding.operand_size == 2:
        return False
    _push_value(e, const(e.encoding.immediate, 8))
    return True


def _pop(e: Emitter) -> bool:
    if e.encoding.operand_size == 2:
        return False
    value = e.new(8, OpCode.LOAD, _RSP)
    e.into(_RSP, OpCode.INT_ADD, _RSP, const(8, 8))
    e.into(_opcode_register(e.encoding), OpCode.COPY, value)
    return True


# Arithmetic and logic.

_ADD, _OR, _ADC, _SBB, _AND, _SUB, _XOR, _CMP = range(8)
_LOGIC = {_OR: OpCode.INT_OR, _AND: OpCode.INT_AND, _XOR: OpCode.INT_XOR}


def _arithmetic(e: Emitter) -> bool:
    """The six two-operand forms of each operation: the opcode's low three bits say which operands."""
    encoding = e.encoding
    kind, form = encoding.opcode >> 3, encoding.opcode & 7
    if kind in (_ADC, _SBB):
        return False
    size = _size(encoding)
    if form >= 4:
        register = general(0, size)
        result = _computed(e, kind, register, const(encoding.immediate, size))
        if result is not None:
            e.set_general(register, result)
        return True
    same = encoding.is_register and encoding.reg == encoding.rm
    if same and kind in (_SUB, _XOR):  # the idiom for zero reads nothing
        e.constant_flags(cf=0, of=0, sf=0, zf=1, pf=1)
        e.set_general(e.reg(size), const(0, size))
        return True
    rm, reg = e.rm(size), e.reg(size)
    left, right = (rm, reg) if form < 2 else (reg, rm)
    result = _computed(e, kind, left, right)
    if result is None:
        return True
    if form < 2:
        e.set_rm(result)
    else:
        e.set_general(reg, result)
    return True


def _arithmetic_immediate(e: Emitter) -> bool:
    encoding = e.encoding
    if encoding.extension in (_ADC, _SBB):
        return False
    size = _size(encoding)
    result = _computed(e, encoding.extension, e.rm(size), const(encoding.immediate, size))
    if result is not None:
        e.set_rm(result)
    return True


def _computed(e: Emitter, kind: int, left: Varnode, right: Varnode) -> Varnode | None:
    """The result, with the flags written; None for CMP, which has only flags."""
    size = left.size
    if kind == _ADD:
        e.into(CF, OpCode.INT_CARRY, left, right)
        e.into(OF, OpCode.INT_SCARRY, left, right)
        result = e.new(size, OpCode.INT_ADD, left, right)
    elif kind in (_SUB, _CMP):
        e.into(CF, OpCode.INT_LESS, left, right)
        e.into(OF, OpCode.INT_SBORROW, left, right)
        result = e.new(size, OpCode.INT_SUB, left, right)
    else:
        result = e.new(size, _LOGIC[kind], left, right)
        e.constant_flags(cf=0, of=0)
    e.result_flags(result)
    return None if kind == _CMP else result


def _test(e: Emitter) -> bool:
    encoding = e.encoding
    size = _size(encoding)
    if encoding.modrm < 0:
        left, right = general(0, size), const(encoding.immediate, size)
    else:
        left, right = e.rm(size), e.reg(size)
    _test_flags(e, left, right)
    return True


def _test_flags(e: Emitter, left: Varnode, right: Varnode) -> None:
    e.constant_flags(cf=0, of=0)
    e.result_flags(left if left == right else e.new(left.size, OpCode.INT_AND, left, right))


def unary_group(e: Emitter) -> bool:
    """TEST with an immediate, NOT and NEG of the group F6, F7; the others are not spelled here."""
    encoding = e.encoding
    size = _size(encoding)
    match encoding.extension:
        case 0 | 1:
            _test_flags(e, e.rm(size), const(encoding.immediate, size))
        case 2:
            e.set_rm(e.new(size, OpCode.INT_NEGATE, e.rm(size)))
        case 3:
            value, zero = e.rm(size), const(0, size)
            result = e.new(size, OpCode.INT_2COMP, value)
            e.into(CF, OpCode.INT_NOTEQUAL, value, zero)
            e.into(OF, OpCode.INT_SBORROW, zero, value)
            e.result_flags(result)
            e.set_rm(result)
        case _:
            return False
    return True


def _increment(e: Emitter) -> bool:
    """INC and DEC, which keep CF; the other members of the group are not spelled here."""
    encoding = e.encoding
    if encoding.extension > 1:
        return False
    size = _size(encoding)
    up = encoding.extension == 0
    value, one = e.rm(size), const(1, size)
    result = e.new(size, OpCode.INT_ADD if up else OpCode.INT_SUB, value, one)
    e.into(OF, OpCode.INT_SCARRY if up else OpCode.INT_SBORROW, value, one)
    e.result_flags(result)
    e.set_rm(result)
    return True


# Conditions.


def condition(e: Emitter, code: int) -> Varnode:
    """The even one of a pair of conditions (``code & ~1``), as a boolean."""
    match code >> 1:
        case 0:
            return OF
        case 1:
            return CF
        case 2:
            return ZF
        case 3:
            return e.new(1, OpCode.BOOL_OR, CF, ZF)
        case 4:
            return SF
        case 5:
            return PF
        case 6:
            return e.new(1, OpCode.INT_NOTEQUAL, SF, OF)
        case _:
            less = e.new(1, OpCode.INT_NOTEQUAL, SF, OF)
            return e.new(1, OpCode.BOOL_OR, less, ZF)


def _holds(e: Emitter) -> Varnode:
    code = e.encoding.opcode & 15
    even = condition(e, code)
    return e.new(1, OpCode.BOOL_NEGATE, even) if code & 1 else even


def _jump_if(e: Emitter) -> bool:
    holds = _holds(e)
    e.into(None, OpCode.CBRANCH, Varnode(Space.RAM, e.next_address, 8), holds)
    return True


def _set_if(e: Emitter) -> bool:
    e.set_rm(_holds(e))
    return True


def _cmov(e: Emitter) -> bool:
    """CMOVcc. The load, and the zero extension of a 32-bit destination, happen whatever the condition is."""
    size, code = e.encoding.operand_size, e.encoding.opcode & 15
    source, old = e.rm(size), e.reg(size)
    test = condition(e, code)
    arms = (old, source) if code & 1 else (source, old)
    e.set_general(old, e.new(size, OpCode.SELECT, test, *arms))
    return True


def _call_relative(e: Emitter) -> bool:
    """SLEIGH spells a call of the next instruction as a jump, and that is what the template is lifted from."""
    e.operations.append(Operation(OpCode.CALL, None, (Varnode(Space.RAM, e.next_address, 8),)))
    return True


def _one(speller: Speller, *opcodes: int) -> dict[tuple[Map, int], Speller]:
    return {(Map.ONE, opcode): speller for opcode in opcodes}


def _two(speller: Speller, *opcodes: int) -> dict[tuple[Map, int], Speller]:
    return {(Map.TWO, opcode): speller for opcode in opcodes}


SCALAR_SPELLERS: dict[tuple[Map, int], Speller] = {
    **_one(_store, 0x88, 0x89),
    **_one(_load, 0x8A, 0x8B),
    **_one(_immediate_to_register, *range(0xB0, 0xC0)),
    **_one(_immediate_to_rm, 0xC6, 0xC7),
    **_two(_extended(OpCode.INT_ZEXT), 0xB6, 0xB7),
    **_two(_extended(OpCode.INT_SEXT), 0xBE, 0xBF),
    **_one(_movsxd, 0x63),
    **_one(_lea, 0x8D),
    **_one(_push, *range(0x50, 0x58)),
    **_one(_pop, *range(0x58, 0x60)),
    **_one(_push_immediate, 0x68, 0x6A),
    **_one(_arithmetic, *(row + form for row in range(0, 0x40, 8) for form in range(6))),
    **_one(_arithmetic_immediate, 0x80, 0x81, 0x83),
    **_one(_test, 0x84, 0x85, 0xA8, 0xA9),
    **_one(_increment, 0xFE, 0xFF),
    **_one(_jump_if, *range(0x70, 0x80)),
    **_two(_jump_if, *range(0x80, 0x90)),
    **_two(_set_if, *range(0x90, 0xA0)),
    **_two(_cmov, *range(0x40, 0x50)),
    **_one(_call_relative, 0xE8),
}
"""By opcode map and opcode."""
