"""Floating-point operations in the words of SMT-LIB's theory of floating-point numbers, bit for bit.

The theory has one NaN and says nothing of conversions that do not fit. Everything else of an x86 operation is said by
it, and what it leaves open is known in bits: an operand that is a NaN comes out quiet, the first before the second; an
invalid operation gives the default NaN, whose sign is set; a number that no integer can hold gives the sign bit alone.

So an operation is ``otherwise`` where ``special`` holds; else, where the theory's result is a NaN, ``default``; else
the pattern of the theory's result, of which there is one. Source: Intel SDM volume 1, sections 4.8.3.4 to 4.8.3.7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from burnish.domains.smt import build as t
from burnish.domains.smt import ieee
from burnish.domains.smt.terms import Op, Term, make

_QUIET = {32: 0x00400000, 64: 0x00080000_00000000}
_DEFAULT = {32: 0xFFC00000, 64: 0xFFF80000_00000000}
_FRACTION = {32: 23, 64: 52}


class Rounding(Enum):
    """Rounding modes, by their names in SMT-LIB."""

    NEAREST = "RNE"
    TRUNCATE = "RTZ"


class Theory(Enum):
    """What the theory calls the operation."""

    ADD = "fp.add"
    SUB = "fp.sub"
    MUL = "fp.mul"
    DIV = "fp.div"
    SQRT = "fp.sqrt"
    FROM_SIGNED = "to_fp.signed"
    """Of a signed bit-vector; as an indexed function of a rounding mode and a bit-vector."""
    RESIZE = "to_fp.float"
    """Of a number of another format."""
    TO_SIGNED = "fp.to_sbv"
    """To a signed bit-vector."""


@dataclass(frozen=True, slots=True)
class FloatLowering:
    """An operation; see the module. ``operands`` are patterns, but of ``FROM_SIGNED`` a number; ``width`` is that of
    the result in bits, a pattern but of ``TO_SIGNED``. ``default`` is of no account where the theory gives no NaN."""

    theory: Theory
    rounding: Rounding
    operands: tuple[Term, ...]
    width: int
    special: Term
    otherwise: Term
    default: int


def defined(result: Term, operation: Term) -> Term:
    """That ``result`` is the pattern that an ``Op.FLOAT`` term stands for, in ``Op.IEEE`` and bits."""
    found = lower_float(operation)
    names = f"{found.theory.value} {found.rounding.value}"
    operands = found.operands
    if found.theory in (Theory.ADD, Theory.MUL):
        # In the theory order does not matter, for it has one NaN.
        operands = tuple(sorted(operands, key=lambda operand: operand.serial))
    ordinary = make(Op.IEEE, 1, (*operands, result), names)
    if found.theory in _GIVES_NAN:
        default = t.eq(result, t.const(found.default, found.width))
        ordinary = t.and_(ordinary, t.or_(t.not_(ieee.is_nan(result)), default))
    return t.ite(found.special, t.eq(result, found.otherwise), ordinary)


def named_theory(names: str) -> tuple[Theory, Rounding]:
    """What the payload of an ``Op.IEEE`` term names."""
    theory, rounding = names.split()
    return Theory(theory), Rounding(rounding)


def exponent_and_significand(width: int) -> tuple[int, int]:
    """The two numbers of the theory's sort for patterns of 32 or 64 bits, the hidden bit counted."""
    return width - 1 - _FRACTION[width], _FRACTION[width] + 1


_GIVES_NAN = (Theory.ADD, Theory.SUB, Theory.MUL, Theory.DIV, Theory.SQRT)
"""Operations that make a NaN of numbers."""

_ARITHMETIC = {
    "FLOAT_ADD": Theory.ADD,
    "FLOAT_SUB": Theory.SUB,
    "FLOAT_MULT": Theory.MUL,
    "FLOAT_DIV": Theory.DIV,
    "FLOAT_SQRT": Theory.SQRT,
}


def lower_float(term: Term) -> FloatLowering:
    """The theory's form of an ``Op.FLOAT`` term. Raises ``KeyError`` for an operation or width that it does not
    know."""
    assert term.op is Op.FLOAT
    assert isinstance(term.payload, tuple)
    name, width = term.payload
    operands = term.args
    nearest = Rounding.NEAREST
    if name in _ARITHMETIC:
        special, otherwise = _propagated(operands, width)
        return FloatLowering(_ARITHMETIC[name], nearest, operands, width, special, otherwise, _DEFAULT[width])
    if name == "FLOAT_INT2FLOAT":
        nothing = t.const(0, term.width)
        return FloatLowering(
            Theory.FROM_SIGNED, nearest, operands, term.width, t.FALSE, nothing, _DEFAULT[term.width]
        )
    if name == "FLOAT_FLOAT2FLOAT":
        a = operands[0]
        resized = _resized_nan(a, term.width)
        return FloatLowering(
            Theory.RESIZE, nearest, operands, term.width, ieee.is_nan(a), resized, _DEFAULT[term.width]
        )
    rounding = {"FLOAT_TRUNC": Rounding.TRUNCATE, "FLOAT_ROUND_INT": nearest}[name]
    indefinite = t.const(1 << term.width - 1, term.width)
    outside = t.not_(_fits(operands[0], term.width, rounding))
    return FloatLowering(Theory.TO_SIGNED, rounding, operands, term.width, outside, indefinite, 0)


def _propagated(operands: tuple[Term, ...], width: int) -> tuple[Term, Term]:
    """Where an operand is a NaN, and what then comes out."""
    quiet = [t.or_(operand, t.const(_QUIET[width], width)) for operand in operands]
    nans = [ieee.is_nan(operand) for operand in operands]
    return t.or_(*nans), quiet[0] if len(quiet) == 1 else t.ite(nans[0], quiet[0], quiet[1])


def _resized_nan(a: Term, width: int) -> Term:
    """A NaN in another format: its sign, and the upper bits of its payload."""
    sign = t.extract(a, a.width - 1, 1)
    fraction = t.extract(a, 0, _FRACTION[a.width])
    difference = _FRACTION[width] - _FRACTION[a.width]
    if difference > 0:
        fraction = t.concat(fraction, t.const(0, difference))
    else:
        fraction = t.extract(fraction, -difference, _FRACTION[width])
    exponent = t.const(-1, width - 1 - _FRACTION[width])
    return t.or_(t.concat(sign, exponent, fraction), t.const(_QUIET[width], width))


def _pattern(number: float, width: int) -> Term:
    size = "<f" if width == 32 else "<d"
    return t.const(int.from_bytes(struct.pack(size, number), "little"), width)


def _fits(a: Term, width: int, rounding: Rounding) -> Term:
    """Whether a number, rounded, is an integer of ``width`` bits. A NaN is none.

    Between the last number that fits and the first that does not lies, for doubles and 32 bits, a fraction; elsewhere
    the numbers are so far apart there that the bounds themselves decide.
    """
    limit = float(1 << width - 1)
    fractions = a.width == 64 and width == 32
    if not fractions:
        return t.and_(
            ieee.less(a, _pattern(limit, a.width)), ieee.less_or_equal(_pattern(-limit, a.width), a)
        )
    if rounding is Rounding.TRUNCATE:
        return t.and_(ieee.less(a, _pattern(limit, 64)), ieee.less(_pattern(-limit - 1, 64), a))
    return t.and_(ieee.less(a, _pattern(limit - 0.5, 64)), ieee.less_or_equal(_pattern(-limit - 0.5, 64), a))
