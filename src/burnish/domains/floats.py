"""IEEE 754 on bit patterns, as SSE does it: round to nearest, denormals kept, NaNs bit for bit.

A result is the first operand if that is a NaN, else the second, made quiet; an invalid operation gives the default
NaN, whose sign is set. Source: Intel SDM volume 1, sections 4.8.3.4 and 4.8.3.5, table 4-7.

Patterns are unsigned integers of ``size`` 4 or 8 bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np

_EXPONENT = {4: 0x7F800000, 8: 0x7FF00000_00000000}
_QUIET = {4: 0x00400000, 8: 0x00080000_00000000}
_DEFAULT_NAN = {4: 0xFFC00000, 8: 0xFFF80000_00000000}
_SIGN = {4: 1 << 31, 8: 1 << 63}
_FORMAT = {4: ("<I", "<f"), 8: ("<Q", "<d")}
_TYPE = {4: np.float32, 8: np.float64}

Number = np.float32 | np.float64


def is_nan(pattern: int, size: int) -> bool:
    """True for quiet and signalling NaNs."""
    return pattern & (_SIGN[size] - 1) > _EXPONENT[size]


def to_float(pattern: int, size: int) -> float:
    """The number, exactly (a NaN's payload is not kept)."""
    integer, floating = _FORMAT[size]
    return struct.unpack(floating, struct.pack(integer, pattern))[0]


def _number(pattern: int, size: int) -> Number:
    return _TYPE[size](to_float(pattern, size))


def from_number(value: Number, size: int) -> int:
    """The pattern of a number of that size; the default NaN for any NaN."""
    if value != value:
        return _DEFAULT_NAN[size]
    integer, floating = _FORMAT[size]
    return struct.unpack(integer, struct.pack(floating, float(value)))[0]


def _first_nan(size: int, *patterns: int) -> int | None:
    for pattern in patterns:
        if is_nan(pattern, size):
            return pattern | _QUIET[size]
    return None


def binary(operation: Callable[[Number, Number], Number]) -> Callable[[int, int, int], int]:
    """A two-operand arithmetic operation on patterns: ``(a, b, size)``."""

    def apply(a: int, b: int, size: int) -> int:
        nan = _first_nan(size, a, b)
        if nan is not None:
            return nan
        with np.errstate(all="ignore"):
            return from_number(operation(_number(a, size), _number(b, size)), size)

    return apply


add = binary(lambda a, b: a + b)
subtract = binary(lambda a, b: a - b)
multiply = binary(lambda a, b: a * b)
divide = binary(lambda a, b: a / b)


def square_root(a: int, size: int) -> int:
    """SQRTSS and its kin."""
    nan = _first_nan(size, a)
    if nan is not None:
        return nan
    with np.errstate(all="ignore"):
        return from_number(np.sqrt(_number(a, size)), size)


def less(a: int, b: int, size: int) -> bool:
    """Ordered ``a < b``: false for NaNs."""
    return to_float(a, size) < to_float(b, size)


def less_or_equal(a: int, b: int, size: int) -> bool:
    """Ordered ``a <= b``."""
    return to_float(a, size) <= to_float(b, size)


def equal(a: int, b: int, size: int) -> bool:
    """Ordered equality: false for NaNs, true for zeros of both signs."""
    return to_float(a, size) == to_float(b, size)


def unordered(a: int, b: int, size: int) -> bool:
    """True where either is a NaN."""
    return is_nan(a, size) or is_nan(b, size)


def minimum(a: int, b: int, size: int) -> int:
    """MINSS: ``a < b ? a : b``, and ``b`` as it is where either is a NaN."""
    return a if less(a, b, size) else b


def maximum(a: int, b: int, size: int) -> int:
    """MAXSS: ``a > b ? a : b``."""
    return a if less(b, a, size) else b


def resize(a: int, size: int, output: int) -> int:
    """Between single and double precision; a NaN keeps the upper bits of its payload."""
    if is_nan(a, size):
        sign = a >> (8 * size - 1)
        fraction = a & (0x7FFFFF if size == 4 else 0xFFFFF_FFFFFFFF)
        fraction = fraction << 29 if output == 8 else fraction >> 29
        return sign << (8 * output - 1) | _EXPONENT[output] | _QUIET[output] | fraction
    with np.errstate(all="ignore"):
        return from_number(_TYPE[output](_number(a, size)), output)


def from_integer(value: int, bits: int, output: int) -> int:
    """A signed integer of ``bits`` bits as a float of ``output`` bytes, rounded once."""
    signed = value - (1 << bits) if value >> (bits - 1) else value
    return from_number(_TYPE[output](np.int64(signed)), output)


def to_integer(a: int, size: int, output: int, truncate: bool) -> int:
    """A float as a signed integer of ``output`` bytes: toward zero, or to the nearest even. What does not fit gives
    the "integer indefinite": the sign bit alone."""
    number = to_float(a, size)
    limit = 1 << (8 * output - 1)
    if not math.isfinite(number):
        return limit
    integer = math.trunc(number) if truncate else round(number)
    return integer & (2 * limit - 1) if -limit <= integer < limit else limit


def negate(a: int, size: int) -> int:
    """Flips the sign, of a NaN too."""
    return a ^ _SIGN[size]


def absolute(a: int, size: int) -> int:
    """Clears the sign, of a NaN too."""
    return a & ~_SIGN[size]
