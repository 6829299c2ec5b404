"""Terms that several tests ask the solvers about."""

from __future__ import annotations

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Term


def number(value: int) -> Term:
    """32 bits."""
    return t.const(value, 32)


def swar_popcount(x: Term) -> Term:
    """The number of ones by masks, shifts and one multiplication (Hacker's Delight, figure 5-2)."""
    pairs = t.sub(x, t.and_(t.lshr(x, number(1)), number(0x55555555)))
    fours = t.add(t.and_(pairs, number(0x33333333)), t.and_(t.lshr(pairs, number(2)), number(0x33333333)))
    bytes_ = t.and_(t.add(fours, t.lshr(fours, number(4))), number(0x0F0F0F0F))
    return t.lshr(t.mul(bytes_, number(0x01010101)), number(24))


def hard() -> Term:
    """The factors of a product of two primes of 45 and 46 bits: no solver finds them in a second."""
    x, y = t.var("x", 128), t.var("y", 128)
    limit, one = t.const(1 << 47, 128), t.const(1, 128)
    product = t.const(43482844906219 * 28363184563867, 128)
    return t.and_(t.eq(t.mul(x, y), product), t.ult(x, limit), t.ult(y, limit), t.ult(one, x), t.ult(x, y))
