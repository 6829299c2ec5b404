"""Constructors of divisions, right shifts, and counts of bits."""

from __future__ import annotations

from burnish.domains.smt.dispatch import construct, plain
from burnish.domains.smt.known import known, largest, least, used
from burnish.domains.smt.leaves import const, made
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import extract, sext, zext


def udiv(a: Term, b: Term) -> Term:
    """Unsigned quotient; all ones for division by zero."""
    width = a.width
    if b.op is Op.CONST and b.value and b.value & b.value - 1 == 0:
        return lshr(a, const(b.value.bit_length() - 1, width))
    if least(b):
        if largest(a) < least(b):
            return const(0, width)
        if (bits := max(used(a), used(b))) < width:
            return zext(udiv(extract(a, 0, bits), extract(b, 0, bits)), width)
    return made(Op.UDIV, width, (a, b))


def urem(a: Term, b: Term) -> Term:
    """Unsigned remainder; the dividend for division by zero."""
    width = a.width
    if b.op is Op.CONST and b.value and b.value & b.value - 1 == 0:
        return construct(Op.AND, width, [a, const(b.value - 1, width)])
    if largest(a) < least(b):
        return a
    if (bits := max(used(a), used(b))) < width:
        return zext(urem(extract(a, 0, bits), extract(b, 0, bits)), width)
    return made(Op.UREM, width, (a, b))


def _both_positive(a: Term, b: Term) -> bool:
    sign = 1 << a.width - 1
    return bool(known(a)[0] & known(b)[0] & sign)


def sdiv(a: Term, b: Term) -> Term:
    """Signed quotient toward zero; as SMT-LIB's ``bvsdiv`` for division by zero."""
    if _both_positive(a, b):
        return udiv(a, b)
    if b.op is Op.CONST and b.value == 1:
        return a
    return made(Op.SDIV, a.width, (a, b))


def srem(a: Term, b: Term) -> Term:
    """Signed remainder with the sign of the dividend; as SMT-LIB's ``bvsrem`` for division by zero."""
    return urem(a, b) if _both_positive(a, b) else made(Op.SREM, a.width, (a, b))


def lshr(a: Term, count: Term) -> Term:
    """Logical right shift; 0 for counts of the width or more."""
    width = a.width
    if count.op is not Op.CONST:
        return a if a.op is Op.CONST and a.value == 0 else make(Op.LSHR, width, (a, count))
    if count.value >= width:
        return const(0, width)
    return zext(extract(a, count.value, width - count.value), width)


def ashr(a: Term, count: Term) -> Term:
    """Arithmetic right shift; the sign for counts of the width or more."""
    width = a.width
    if count.op is not Op.CONST:
        return lshr(a, count) if known(a)[0] >> width - 1 & 1 else make(Op.ASHR, width, (a, count))
    low = min(count.value, width - 1)
    return sext(extract(a, low, width - low), width)


def popcount(a: Term) -> Term:
    """Number of ones, in the width of ``a``."""
    if a.op is Op.ZEXT:
        return zext(popcount(a.args[0]), a.width)
    if a.width == 1:
        return a
    return made(Op.POPCOUNT, a.width, (a,))


def clz(a: Term) -> Term:
    """Number of leading zeros, in the width of ``a``; the width for 0."""
    return made(Op.CLZ, a.width, (a,))


def ctz(a: Term) -> Term:
    """Number of trailing zeros, in the width of ``a``; the width for 0."""
    return made(Op.CTZ, a.width, (a,))


plain(Op.UDIV, udiv)
plain(Op.UREM, urem)
plain(Op.SDIV, sdiv)
plain(Op.SREM, srem)
plain(Op.LSHR, lshr)
plain(Op.ASHR, ashr)
plain(Op.POPCOUNT, popcount)
plain(Op.CLZ, clz)
plain(Op.CTZ, ctz)
