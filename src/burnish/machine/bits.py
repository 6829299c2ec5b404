"""Instructions on single bits and on the order of bytes: scans, tests, BSWAP.

Source: Intel SDM volume 2, "BSF" to "BTS", "LZCNT", "TZCNT"; AMD64 Architecture Programmer's Manual volume 3.
"""

from __future__ import annotations

from burnish.core.pcode import OpCode, Space, Varnode
from burnish.machine.emit import CF, ZF, Emitter, const, general
from burnish.machine.encoding import Map
from burnish.machine.scalars import Speller


def _bswap(emitter: Emitter) -> bool:
    encoding = emitter.encoding
    size = encoding.operand_size
    register = general((encoding.opcode & 7) | (encoding.rex & 1) << 3, size)
    emitter.set_general(register, emitter.new(size, OpCode.BSWAP, register))
    return True


def _bit_scan(emitter: Emitter) -> bool:
    """BSF, BSR, TZCNT and LZCNT. For a zero source BSF and BSR leave their destination as it was, all 64 bits of it,
    which is what AMD documents (Intel: undefined); TZCNT and LZCNT give the operand's width."""
    encoding = emitter.encoding
    size, forward = encoding.operand_size, encoding.opcode == 0xBC
    bits = 8 * size
    source, output = emitter.rm(size), emitter.reg(size)
    count = emitter.new(size, OpCode.TZCOUNT if forward else OpCode.LZCOUNT, source)
    is_zero = emitter.new(1, OpCode.INT_EQUAL, source, const(0, size))
    if encoding.mandatory == 0xF3:
        emitter.into(CF, OpCode.COPY, is_zero)
        emitter.into(ZF, OpCode.INT_EQUAL, count, const(0, size))
        emitter.set_general(output, count)
        return True
    found = count if forward else emitter.new(size, OpCode.INT_SUB, const(bits - 1, size), count)
    emitter.into(ZF, OpCode.COPY, is_zero)
    if size == 4:
        output, found = emitter.reg(8), emitter.new(8, OpCode.INT_ZEXT, found)
    emitter.into(output, OpCode.SELECT, is_zero, output, found)
    return True


_TEST, _SET, _RESET, _COMPLEMENT = range(4)


def _bit_test_register(emitter: Emitter) -> bool:
    """BT, BTS, BTR and BTC with the bit's number in a register. In memory the number reaches beyond the operand: it
    selects a word before or after the one that the operand names."""
    encoding = emitter.encoding
    size, kind = encoding.operand_size, encoding.opcode >> 3 & 3
    number = emitter.reg(size)
    if encoding.is_register:
        _bit_test(emitter, kind, general(encoding.rm, size), number, None)
        return True
    wide = number if size == 8 else emitter.new(8, OpCode.INT_SEXT, number)
    word = emitter.new(8, OpCode.INT_SRIGHT, wide, const({2: 4, 4: 5, 8: 6}[size], 1))
    distance = emitter.new(8, OpCode.INT_MULT, word, const(size, 8))
    address = emitter.new(8, OpCode.INT_ADD, emitter.address_value(), distance)
    _bit_test(emitter, kind, emitter.new(size, OpCode.LOAD, address), number, address)
    return True


def _bit_test_immediate(emitter: Emitter) -> bool:
    """The same with an immediate number, which is taken modulo the operand's width."""
    encoding = emitter.encoding
    if encoding.extension < 4:
        return False
    size = encoding.operand_size
    number = const(encoding.immediate & 8 * size - 1, size)
    value = emitter.rm(size)
    _bit_test(
        emitter, encoding.extension & 3, value, number, None if encoding.is_register else emitter.address()
    )
    return True


def _bit_test(emitter: Emitter, kind: int, value: Varnode, number: Varnode, address: Varnode | None) -> None:
    """CF becomes the bit, which then is set, reset or complemented. ``address`` is None for a register."""
    size = value.size
    count = number
    if number.space is not Space.CONST:
        count = emitter.new(size, OpCode.INT_AND, number, const(8 * size - 1, size))
    low = emitter.new(size, OpCode.INT_AND, emitter.new(size, OpCode.INT_RIGHT, value, count), const(1, size))
    carry = emitter.new(1, OpCode.INT_NOTEQUAL, low, const(0, size))
    result = value
    if kind != _TEST:
        bit = emitter.new(size, OpCode.INT_LEFT, const(1, size), count)
        if kind == _RESET:
            bit = emitter.new(size, OpCode.INT_NEGATE, bit)
        change = {_SET: OpCode.INT_OR, _RESET: OpCode.INT_AND, _COMPLEMENT: OpCode.INT_XOR}[kind]
        result = emitter.new(size, change, value, bit)
    if kind != _TEST and address is not None:
        emitter.into(None, OpCode.STORE, address, result)
    elif kind != _TEST:
        emitter.set_general(value, result)
    emitter.into(CF, OpCode.COPY, carry)


BIT_SPELLERS: dict[tuple[Map, int], Speller] = {
    **{(Map.TWO, opcode): _bswap for opcode in range(0xC8, 0xD0)},
    (Map.TWO, 0xBC): _bit_scan,
    (Map.TWO, 0xBD): _bit_scan,
    **{(Map.TWO, opcode): _bit_test_register for opcode in (0xA3, 0xAB, 0xB3, 0xBB)},
    (Map.TWO, 0xBA): _bit_test_immediate,
}
"""By opcode map and opcode."""
