"""Constructors of divisions, shifts and counts of bits."""

from __future__ import annotations

from burnish.domains.smt.leaves import const, made, signed
from burnish.domains.smt.terms import Op, Term, make


def udiv(a: Term, b: Term) -> Term:
    """Unsigned quotient; all ones for division by zero."""
    if a.is_const and b.is_const:
        return const(a.value // b.value if b.value else -1, a.width)
    return make(Op.UDIV, a.width, (a, b))


def urem(a: Term, b: Term) -> Term:
    """Unsigned remainder; the dividend for division by zero."""
    if a.is_const and b.is_const:
        return const(a.value % b.value if b.value else a.value, a.width)
    return make(Op.UREM, a.width, (a, b))


def sdiv(a: Term, b: Term) -> Term:
    """Signed quotient toward zero; as SMT-LIB's ``bvsdiv`` for division by zero."""
    return made(Op.SDIV, a.width, (a, b))


def srem(a: Term, b: Term) -> Term:
    """Signed remainder with the sign of the dividend; as SMT-LIB's ``bvsrem`` for division by zero."""
    return made(Op.SREM, a.width, (a, b))


def shl(a: Term, count: Term) -> Term:
    """Left shift; 0 for counts of the width or more. ``count`` has the width of ``a``."""
    if count.is_const:
        if count.value == 0:
            return a
        if count.value >= a.width:
            return const(0, a.width)
        if a.is_const:
            return const(a.value << count.value, a.width)
    return make(Op.SHL, a.width, (a, count))


def lshr(a: Term, count: Term) -> Term:
    """Logical right shift; 0 for counts of the width or more."""
    if count.is_const:
        if count.value == 0:
            return a
        if count.value >= a.width:
            return const(0, a.width)
        if a.is_const:
            return const(a.value >> count.value, a.width)
    return make(Op.LSHR, a.width, (a, count))


def ashr(a: Term, count: Term) -> Term:
    """Arithmetic right shift; the sign for counts of the width or more."""
    if count.is_const:
        if count.value == 0:
            return a
        if a.is_const:
            return const(signed(a.value, a.width) >> min(count.value, a.width - 1), a.width)
    return make(Op.ASHR, a.width, (a, count))


def popcount(a: Term) -> Term:
    """Number of ones, in the width of ``a``."""
    return const(a.value.bit_count(), a.width) if a.is_const else make(Op.POPCOUNT, a.width, (a,))


def clz(a: Term) -> Term:
    """Number of leading zeros, in the width of ``a``; the width for 0."""
    return const(a.width - a.value.bit_length(), a.width) if a.is_const else make(Op.CLZ, a.width, (a,))


def ctz(a: Term) -> Term:
    """Number of trailing zeros, in the width of ``a``; the width for 0."""
    if a.is_const:
        return const((a.value & -a.value).bit_length() - 1 if a.value else a.width, a.width)
    return make(Op.CTZ, a.width, (a,))
