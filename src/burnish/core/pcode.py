"""p-code: the operations that x86-64 instructions are made of.

The first 74 opcodes carry Ghidra's own numbers (SLEIGH, "P-Code Reference Manual"). The rest are ours: whole
vector operations, and machine idioms that p-code spells as loops or leaves without a meaning. They exist so that
packed code stays packed, and so that every domain gives them one meaning.

Varnodes and operations are named tuples: a function has thousands, and a frozen dataclass costs three times as
much to make.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Space(IntEnum):
    """Where a varnode lives."""

    CONST = 0
    REGISTER = 1
    UNIQUE = 2
    RAM = 3


class OpCode(IntEnum):
    """What an operation does. Sizes are in bytes; a boolean is one byte holding 0 or 1."""

    COPY = 1
    LOAD = 2
    STORE = 3
    BRANCH = 4
    CBRANCH = 5
    BRANCHIND = 6
    CALL = 7
    CALLIND = 8
    CALLOTHER = 9
    RETURN = 10
    INT_EQUAL = 11
    INT_NOTEQUAL = 12
    INT_SLESS = 13
    INT_SLESSEQUAL = 14
    INT_LESS = 15
    INT_LESSEQUAL = 16
    INT_ZEXT = 17
    INT_SEXT = 18
    INT_ADD = 19
    INT_SUB = 20
    INT_CARRY = 21
    INT_SCARRY = 22
    INT_SBORROW = 23
    INT_2COMP = 24
    INT_NEGATE = 25
    INT_XOR = 26
    INT_AND = 27
    INT_OR = 28
    INT_LEFT = 29
    INT_RIGHT = 30
    INT_SRIGHT = 31
    INT_MULT = 32
    INT_DIV = 33
    INT_SDIV = 34
    INT_REM = 35
    INT_SREM = 36
    BOOL_NEGATE = 37
    BOOL_XOR = 38
    BOOL_AND = 39
    BOOL_OR = 40
    FLOAT_EQUAL = 41
    FLOAT_NOTEQUAL = 42
    FLOAT_LESS = 43
    FLOAT_LESSEQUAL = 44
    FLOAT_NAN = 46
    FLOAT_ADD = 47
    FLOAT_DIV = 48
    FLOAT_MULT = 49
    FLOAT_SUB = 50
    FLOAT_NEG = 51
    FLOAT_ABS = 52
    FLOAT_SQRT = 53
    FLOAT_INT2FLOAT = 54
    FLOAT_FLOAT2FLOAT = 55
    FLOAT_TRUNC = 56
    FLOAT_CEIL = 57
    FLOAT_FLOOR = 58
    FLOAT_ROUND = 59
    PIECE = 62
    SUBPIECE = 63
    POPCOUNT = 72
    LZCOUNT = 73

    # Ours. Lane-wise unless said otherwise: the operation's ``lane`` is the size of one lane in bytes.
    TZCOUNT = 100
    """Trailing zeros; the operand's width in bits when it is zero."""
    SELECT = 101
    """``inputs = (condition, if true, if false)``."""
    INT_SMIN = 102
    INT_SMAX = 103
    INT_UMIN = 104
    INT_UMAX = 105
    INT_SADDSAT = 106
    INT_UADDSAT = 107
    INT_SSUBSAT = 108
    INT_USUBSAT = 109
    INT_UAVG = 110
    """Unsigned average rounded up: ``(a + b + 1) >> 1`` without overflow."""
    FLOAT_MIN = 111
    """As MINSS: ``a < b ? a : b``, so the second operand for a NaN and for two zeros."""
    FLOAT_MAX = 112
    """As MAXSS: ``a > b ? a : b``."""
    FLOAT_UNORDERED = 113
    """True where either operand is a NaN."""
    SHUFFLE = 114
    """``inputs = (a, b, CONST(lane index) …)``: lanes picked from a then b; index -1 (all ones) is a zero lane."""
    NARROW = 115
    """Truncate each lane of the input to ``output.size / number of lanes`` bytes; ``lane`` is the input lane."""
    NARROW_SSAT = 116
    """As NARROW, with signed saturation of a signed lane."""
    NARROW_USAT = 117
    """As NARROW, with unsigned saturation of a signed lane."""
    MASK = 118
    """Sign bit of each lane, lane 0 in bit 0, zero-extended to the output's size."""
    FLOAT_ROUND_INT = 119
    """Float lanes to signed integer lanes in the current rounding mode; the sign bit alone where they do not fit."""
    FLOAT_TRUNC_INT = 120
    """The same toward zero."""
    BSWAP = 121
    REP_MOVS = 122
    """``rep movs``: inputs (RDI, RSI, RCX, CONST element size); writes those three registers. Direction flag clear."""
    REP_STOS = 123
    """``rep stos``: inputs (RDI, RAX, RCX, CONST element size); writes RDI and RCX. Direction flag clear."""

    ADDRESS = 124
    """The address at run time of the image address that is the (constant) input: what ``lea reg, [rip + x]`` gives."""
    WIDE_DIV = 125
    """``inputs = (high, low, divisor)``: unsigned quotient of ``high:low``; faults if it does not fit. As DIV."""
    WIDE_REM = 126
    WIDE_SDIV = 127
    """As WIDE_DIV, signed. As IDIV."""
    WIDE_SREM = 128


class Varnode(NamedTuple):
    """A contiguous run of bytes in a space. For ``CONST`` the offset is the value, masked to the size."""

    space: Space
    offset: int
    size: int

    def __str__(self) -> str:
        match self.space:
            case Space.CONST:
                return f"{self.offset:#x}:{self.size}"
            case Space.REGISTER:
                return f"r{self.offset:x}:{self.size}"
            case Space.UNIQUE:
                return f"u{self.offset:x}:{self.size}"
            case Space.RAM:
                return f"[{self.offset:#x}]:{self.size}"


class Operation(NamedTuple):
    """One p-code operation.

    ``lane`` is 0 for a scalar operation; otherwise the operation is applied to each lane of that many bytes.
    A lane-wise comparison gives all ones or all zeros in the lane. A lane-wise shift takes one scalar count for
    all lanes; counts at or beyond the lane's width give 0 (or the sign, for ``INT_SRIGHT``).
    Where lanes change their width (extensions, ``NARROW``, conversions between integers and floats) ``lane`` is that
    of the input, and the output has as many lanes. ``SHUFFLE`` has as many output lanes as indices.
    ``LOAD`` has inputs ``(address,)`` and ``STORE`` ``(address, value)``: the space operand is dropped.
    """

    opcode: OpCode
    output: Varnode | None
    inputs: tuple[Varnode, ...]
    lane: int = 0

    def __str__(self) -> str:
        name = self.opcode.name if not self.lane else f"{self.opcode.name}.{self.lane}"
        text = f"{name} {', '.join(map(str, self.inputs))}"
        return text if self.output is None else f"{self.output} = {text}"


FLOAT_OPCODES = frozenset(op for op in OpCode if op.name.startswith("FLOAT_"))
"""Operations whose operands are IEEE 754 numbers of the operand's (or lane's) size."""
