"""What every pure p-code operation computes, on Python integers: the plain reference.

A value is an unsigned integer below ``2 ** (8 * size)``. A lane-wise operation is the scalar one in each lane, but
for comparisons, whose truth is a lane of ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.core.pcode import OpCode, Operation
from burnish.domains import floats


class DivisionError(ArithmeticError):
    """A division by zero, or whose quotient does not fit."""


def signed(value: int, bits: int) -> int:
    """The value read as two's complement."""
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _clamp(value: int, low: int, high: int) -> int:
    return low if value < low else high if value > high else value


def _signed_saturation(value: int, bits: int) -> int:
    return _clamp(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _unsigned_saturation(value: int, bits: int) -> int:
    return _clamp(value, 0, (1 << bits) - 1)


def _truncated(a: int, b: int) -> tuple[int, int]:
    """Quotient toward zero, and remainder with the sign of the dividend."""
    if b == 0:
        raise DivisionError
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient, a - b * quotient


def _wide(arguments: Sequence[int], bits: int, as_signed: bool) -> tuple[int, int]:
    """Quotient and remainder of ``high:low`` by a divisor; raises ``DivisionError`` where the quotient does not fit."""
    high, low, divisor = arguments
    dividend = high << bits | low
    if as_signed:
        quotient, remainder = _truncated(signed(dividend, 2 * bits), signed(divisor, bits))
        fits = quotient == _signed_saturation(quotient, bits)
    else:
        quotient, remainder = _truncated(dividend, divisor)
        fits = quotient >> bits == 0
    if not fits:
        raise DivisionError
    return quotient, remainder


Binary = Callable[[int, int, int], int]
"""``(a, b, bits)``; the result is cut to its size by the caller."""

_BINARY: dict[OpCode, Binary] = {
    OpCode.INT_ADD: lambda a, b, n: a + b,
    OpCode.INT_SUB: lambda a, b, n: a - b,
    OpCode.INT_MULT: lambda a, b, n: a * b,
    OpCode.INT_XOR: lambda a, b, n: a ^ b,
    OpCode.INT_AND: lambda a, b, n: a & b,
    OpCode.INT_OR: lambda a, b, n: a | b,
    OpCode.INT_LEFT: lambda a, b, n: a << b if b < n else 0,
    OpCode.INT_RIGHT: lambda a, b, n: a >> b if b < n else 0,
    OpCode.INT_SRIGHT: lambda a, b, n: signed(a, n) >> min(b, n - 1),
    OpCode.INT_DIV: lambda a, b, n: _truncated(a, b)[0],
    OpCode.INT_REM: lambda a, b, n: _truncated(a, b)[1],
    OpCode.INT_SDIV: lambda a, b, n: _truncated(signed(a, n), signed(b, n))[0],
    OpCode.INT_SREM: lambda a, b, n: _truncated(signed(a, n), signed(b, n))[1],
    OpCode.BOOL_XOR: lambda a, b, n: a ^ b,
    OpCode.BOOL_AND: lambda a, b, n: a & b,
    OpCode.BOOL_OR: lambda a, b, n: a | b,
    OpCode.INT_SMIN: lambda a, b, n: min(a, b, key=lambda x: signed(x, n)),
    OpCode.INT_SMAX: lambda a, b, n: max(a, b, key=lambda x: signed(x, n)),
    OpCode.INT_UMIN: lambda a, b, n: min(a, b),
    OpCode.INT_UMAX: lambda a, b, n: max(a, b),
    OpCode.INT_SADDSAT: lambda a, b, n: _signed_saturation(signed(a, n) + signed(b, n), n),
    OpCode.INT_UADDSAT: lambda a, b, n: _unsigned_saturation(a + b, n),
    OpCode.INT_SSUBSAT: lambda a, b, n: _signed_saturation(signed(a, n) - signed(b, n), n),
    OpCode.INT_USUBSAT: lambda a, b, n: _unsigned_saturation(a - b, n),
    OpCode.INT_UAVG: lambda a, b, n: (a + b + 1) >> 1,
    OpCode.FLOAT_ADD: lambda a, b, n: floats.add(a, b, n // 8),
    OpCode.FLOAT_SUB: lambda a, b, n: floats.subtract(a, b, n // 8),
    OpCode.FLOAT_MULT: lambda a, b, n: floats.multiply(a, b, n // 8),
    OpCode.FLOAT_DIV: lambda a, b, n: floats.divide(a, b, n // 8),
    OpCode.FLOAT_MIN: lambda a, b, n: floats.minimum(a, b, n // 8),
    OpCode.FLOAT_MAX: lambda a, b, n: floats.maximum(a, b, n // 8),
}

_RELATION: dict[OpCode, Callable[[int, int, int], bool]] = {
    OpCode.INT_EQUAL: lambda a, b, n: a == b,
    OpCode.INT_NOTEQUAL: lambda a, b, n: a != b,
    OpCode.INT_LESS: lambda a, b, n: a < b,
    OpCode.INT_LESSEQUAL: lambda a, b, n: a <= b,
    OpCode.INT_SLESS: lambda a, b, n: signed(a, n) < signed(b, n),
    OpCode.INT_SLESSEQUAL: lambda a, b, n: signed(a, n) <= signed(b, n),
    OpCode.INT_CARRY: lambda a, b, n: (a + b) >> n != 0,
    OpCode.INT_SCARRY: lambda a, b, n: _overflows(signed(a, n) + signed(b, n), n),
    OpCode.INT_SBORROW: lambda a, b, n: _overflows(signed(a, n) - signed(b, n), n),
    OpCode.FLOAT_EQUAL: lambda a, b, n: floats.equal(a, b, n // 8),
    OpCode.FLOAT_NOTEQUAL: lambda a, b, n: not floats.equal(a, b, n // 8),
    OpCode.FLOAT_LESS: lambda a, b, n: floats.less(a, b, n // 8),
    OpCode.FLOAT_LESSEQUAL: lambda a, b, n: floats.less_or_equal(a, b, n // 8),
    OpCode.FLOAT_UNORDERED: lambda a, b, n: floats.unordered(a, b, n // 8),
}

_UNARY: dict[OpCode, Callable[[int, int, int], int]] = {
    OpCode.INT_ZEXT: lambda a, n, m: a,
    OpCode.INT_SEXT: lambda a, n, m: signed(a, n),
    OpCode.INT_2COMP: lambda a, n, m: -a,
    OpCode.INT_NEGATE: lambda a, n, m: ~a,
    OpCode.BOOL_NEGATE: lambda a, n, m: a ^ 1,
    OpCode.POPCOUNT: lambda a, n, m: a.bit_count(),
    OpCode.LZCOUNT: lambda a, n, m: n - a.bit_length(),
    OpCode.TZCOUNT: lambda a, n, m: (a & -a).bit_length() - 1 if a else n,
    OpCode.BSWAP: lambda a, n, m: int.from_bytes(a.to_bytes(n // 8, "little"), "big"),
    OpCode.NARROW: lambda a, n, m: a,
    OpCode.NARROW_SSAT: lambda a, n, m: _signed_saturation(signed(a, n), m),
    OpCode.NARROW_USAT: lambda a, n, m: _unsigned_saturation(signed(a, n), m),
    OpCode.FLOAT_NEG: lambda a, n, m: floats.negate(a, n // 8),
    OpCode.FLOAT_ABS: lambda a, n, m: floats.absolute(a, n // 8),
    OpCode.FLOAT_SQRT: lambda a, n, m: floats.square_root(a, n // 8),
    OpCode.FLOAT_NAN: lambda a, n, m: floats.is_nan(a, n // 8),
    OpCode.FLOAT_INT2FLOAT: lambda a, n, m: floats.from_integer(a, n, m // 8),
    OpCode.FLOAT_FLOAT2FLOAT: lambda a, n, m: floats.resize(a, n // 8, m // 8),
    OpCode.FLOAT_TRUNC: lambda a, n, m: floats.to_integer(a, n // 8, m // 8, truncate=True),
    OpCode.FLOAT_TRUNC_INT: lambda a, n, m: floats.to_integer(a, n // 8, m // 8, truncate=True),
    OpCode.FLOAT_ROUND_INT: lambda a, n, m: floats.to_integer(a, n // 8, m // 8, truncate=False),
}
"""``(a, bits of the input, bits of the output)``, in each lane."""

_SHIFTS = frozenset((OpCode.INT_LEFT, OpCode.INT_RIGHT, OpCode.INT_SRIGHT))


def _overflows(value: int, bits: int) -> bool:
    return value != _signed_saturation(value, bits)


def split(value: int, lane: int, count: int) -> list[int]:
    """``count`` lanes of ``lane`` bytes, lowest first."""
    mask, bits = (1 << 8 * lane) - 1, 8 * lane
    return [value >> bits * k & mask for k in range(count)]


def join(values: Sequence[int], lane: int) -> int:
    """The value made of lanes, lowest first; each is cut to its size."""
    mask, bits = (1 << 8 * lane) - 1, 8 * lane
    total = 0
    for k, value in enumerate(values):
        total |= (value & mask) << bits * k
    return total


def compute(operation: Operation, arguments: Sequence[int]) -> int:
    """The result of a pure operation; raises ``DivisionError``, and ``KeyError`` for one without a meaning here."""
    output = operation.output
    assert output is not None
    mask = (1 << 8 * output.size) - 1
    if operation.lane:
        return _lanes(operation, arguments, output.size) & mask
    opcode, inputs = operation.opcode, operation.inputs
    bits = 8 * inputs[0].size
    if opcode in _BINARY:
        return _BINARY[opcode](arguments[0], arguments[1], bits) & mask
    if opcode in _RELATION:
        return int(_RELATION[opcode](arguments[0], arguments[1], bits))
    if opcode in _UNARY:
        return _UNARY[opcode](arguments[0], bits, 8 * output.size) & mask
    match opcode:
        case OpCode.PIECE:
            return arguments[0] << 8 * inputs[1].size | arguments[1]
        case OpCode.SUBPIECE:
            return arguments[0] >> 8 * arguments[1] & mask
        case OpCode.SELECT:
            return arguments[1] if arguments[0] else arguments[2]
        case OpCode.ADDRESS:
            return arguments[0]
        case OpCode.WIDE_DIV | OpCode.WIDE_SDIV:
            return _wide(arguments, bits, opcode is OpCode.WIDE_SDIV)[0] & mask
        case OpCode.WIDE_REM | OpCode.WIDE_SREM:
            return _wide(arguments, bits, opcode is OpCode.WIDE_SREM)[1] & mask
        case _:
            raise KeyError(opcode.name)


def _lanes(operation: Operation, arguments: Sequence[int], size: int) -> int:
    opcode, lane, inputs = operation.opcode, operation.lane, operation.inputs
    bits = 8 * lane
    count = inputs[0].size // lane
    first = split(arguments[0], lane, count)
    if opcode in _SHIFTS:
        return join([_BINARY[opcode](a, arguments[1], bits) for a in first], lane)
    if opcode in _UNARY:
        wide = size // count
        return join([_UNARY[opcode](a, bits, 8 * wide) for a in first], wide)
    if opcode is OpCode.MASK:
        return sum((a >> (bits - 1)) << k for k, a in enumerate(first))
    second = split(arguments[1], lane, count)
    if opcode is OpCode.SHUFFLE:
        lanes = [*first, *second]
        zero = [node.offset == (1 << 8 * node.size) - 1 for node in inputs[2:]]
        return join([0 if z else lanes[k] for k, z in zip(arguments[2:], zero, strict=True)], lane)
    if opcode in _RELATION:
        return join([-int(_RELATION[opcode](a, b, bits)) for a, b in zip(first, second, strict=True)], lane)
    return join([_BINARY[opcode](a, b, bits) for a, b in zip(first, second, strict=True)], lane)
