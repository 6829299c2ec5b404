"""Writing an instruction's operations by hand: operands, temporaries and flags in the words of its encoding."""

from __future__ import annotations

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.encoding import Encoding
from burnish.machine.registers import FLAG_OFFSETS, FS_OFFSET, GPR_OFFSETS, VECTOR_BASE, VECTOR_STRIDE

SCRATCH = 0x4000000
"""Unique-space offset of the varnodes that we add; SLEIGH's lie below."""

CF, PF, ZF, SF, OF = (
    Varnode(Space.REGISTER, FLAG_OFFSETS[name], 1) for name in ("cf", "pf", "zf", "sf", "of")
)
FS = Varnode(Space.REGISTER, FS_OFFSET, 8)


def const(value: int, size: int) -> Varnode:
    """A constant of ``size`` bytes; negative values wrap."""
    return Varnode(Space.CONST, value & ((1 << 8 * size) - 1), size)


def general(number: int, size: int, rex: int = 1) -> Varnode:
    """The low ``size`` bytes of a general register. Byte registers 4 to 7 without a REX prefix (``rex`` 0) are
    AH, CH, DH and BH."""
    if size == 1 and not rex and 4 <= number < 8:
        return Varnode(Space.REGISTER, GPR_OFFSETS[number - 4] + 1, 1)
    return Varnode(Space.REGISTER, GPR_OFFSETS[number], size)


def vector(number: int, size: int = 16, offset: int = 0) -> Varnode:
    """``size`` bytes of a vector register from byte ``offset``."""
    return Varnode(Space.REGISTER, VECTOR_BASE + VECTOR_STRIDE * number + offset, size)


class Emitter:
    """Collects the operations of one instruction. ``next_address`` is that of the instruction after it."""

    def __init__(self, encoding: Encoding, next_address: int) -> None:
        self.encoding = encoding
        self.next_address = next_address
        self.operations: list[Operation] = []
        self._address: Varnode | None = None

    def temporary(self, size: int) -> Varnode:
        """A fresh varnode; 64 bytes apart, so that none overlaps another."""
        return Varnode(Space.UNIQUE, SCRATCH + 64 * len(self.operations), size)

    def into(self, output: Varnode | None, opcode: OpCode, *inputs: Varnode, lane: int = 0) -> None:
        """Append an operation that writes ``output``."""
        self.operations.append(Operation(opcode, output, inputs, lane))

    def new(self, size: int, opcode: OpCode, *inputs: Varnode, lane: int = 0) -> Varnode:
        """Append an operation that writes a fresh temporary of ``size`` bytes, and return that."""
        output = self.temporary(size)
        self.operations.append(Operation(opcode, output, inputs, lane))
        return output

    # Operands.

    def address(self) -> Varnode:
        """The address of the memory operand: a constant for a fixed image address. Computed once."""
        if self._address is None:
            self._address = self._effective_address()
        return self._address

    def address_value(self) -> Varnode:
        """The address of the memory operand as a value to compute with."""
        address = self.address()
        return self.new(8, OpCode.ADDRESS, address) if address.space is Space.CONST else address

    def load(self, size: int) -> Varnode:
        """``size`` bytes of the memory operand."""
        return self.new(size, OpCode.LOAD, self.address())

    def reg(self, size: int) -> Varnode:
        """The general register in ModRM's middle field."""
        return general(self.encoding.reg, size, self.encoding.rex)

    def rm(self, size: int) -> Varnode:
        """The general register, or the memory bytes, in ModRM's last field."""
        if self.encoding.is_register:
            return general(self.encoding.rm, size, self.encoding.rex)
        return self.load(size)

    def vex_register(self, size: int) -> Varnode:
        """The general register in the additional field of a VEX prefix."""
        assert self.encoding.vex is not None
        return general(self.encoding.vex.source, size)

    def set_rm(self, value: Varnode) -> None:
        """Write ModRM's last operand: memory, or a general register."""
        if self.encoding.is_register:
            self.set_general(general(self.encoding.rm, value.size, self.encoding.rex), value)
        else:
            self.into(None, OpCode.STORE, self.address(), value)

    def set_general(self, register: Varnode, value: Varnode) -> None:
        """Write a general register; a 32-bit write clears the upper half."""
        if register.size == 4:
            register = Varnode(Space.REGISTER, register.offset, 8)
            self.into(register, OpCode.INT_ZEXT, value)
        else:
            self.into(register, OpCode.COPY, value)

    def x(self, size: int = 16, offset: int = 0) -> Varnode:
        """The vector register in ModRM's middle field, or part of it."""
        return vector(self.encoding.reg, size, offset)

    def xm(self, size: int = 16) -> Varnode:
        """The low bytes of the vector register, or the memory bytes, in ModRM's last field."""
        if self.encoding.is_register:
            return vector(self.encoding.rm, size)
        return self.load(size)

    # Flags.

    def bit(self, value: Varnode, index: int) -> Varnode:
        """One bit of a value, as a boolean."""
        shifted = self.new(value.size, OpCode.INT_RIGHT, value, const(index, value.size)) if index else value
        low = self.new(value.size, OpCode.INT_AND, shifted, const(1, value.size))
        return self.new(1, OpCode.INT_NOTEQUAL, low, const(0, value.size))

    def result_flags(self, result: Varnode) -> None:
        """SF, ZF and PF of a result."""
        self.into(SF, OpCode.INT_SLESS, result, const(0, result.size))
        self.into(ZF, OpCode.INT_EQUAL, result, const(0, result.size))
        self.into(PF, OpCode.COPY, self.parity(result))

    def parity(self, result: Varnode) -> Varnode:
        """True where the low byte has an even number of ones."""
        low = self.new(result.size, OpCode.INT_AND, result, const(0xFF, result.size))
        count = self.new(1, OpCode.POPCOUNT, low)
        odd = self.new(1, OpCode.INT_AND, count, const(1, 1))
        return self.new(1, OpCode.INT_EQUAL, odd, const(0, 1))

    def compare(self, left: Varnode, right: Varnode) -> None:
        """All flags of ``left - right``."""
        self.into(CF, OpCode.INT_LESS, left, right)
        self.into(OF, OpCode.INT_SBORROW, left, right)
        self.result_flags(self.new(left.size, OpCode.INT_SUB, left, right))

    def constant_flags(self, **values: int) -> None:
        """Give flags constant values, by name."""
        for name, value in values.items():
            self.into(Varnode(Space.REGISTER, FLAG_OFFSETS[name], 1), OpCode.COPY, const(value, 1))

    def _effective_address(self) -> Varnode:
        encoding = self.encoding
        if encoding.is_rip_relative:
            return const(self.next_address + encoding.displacement, 8)
        mode, low = encoding.modrm >> 6, encoding.modrm & 7
        size = 4 if 0x67 in encoding.prefixes else 8
        base, index = low | (encoding.rex & 1) << 3, -1
        if low == 4:
            base = (encoding.sib & 7) | (encoding.rex & 1) << 3
            index = (encoding.sib >> 3 & 7) | (encoding.rex & 2) << 2
            if encoding.sib & 7 == 5 and mode == 0:
                base = -1
        terms: list[Varnode] = [] if base < 0 else [general(base, size)]
        if encoding.displacement and terms:
            terms = [self.new(size, OpCode.INT_ADD, terms[0], const(encoding.displacement, size))]
        if index not in (-1, 4):
            scale = encoding.sib >> 6
            scaled = general(index, size)
            if scale:
                scaled = self.new(size, OpCode.INT_MULT, scaled, const(1 << scale, size))
            terms.append(scaled)
        if base < 0:
            terms.append(const(encoding.displacement, size))
        total = terms[0]
        for term in terms[1:]:
            total = self.new(size, OpCode.INT_ADD, total, term)
        if size == 4:
            total = self.new(8, OpCode.INT_ZEXT, total)
        if 0x64 in encoding.prefixes:
            total = self.new(8, OpCode.INT_ADD, FS, total)
        return total
