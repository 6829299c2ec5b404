"""IEEE 754 patterns as bit-vectors: what needs no rounding is said in bits, exactly, NaNs and zeros included."""

from __future__ import annotations

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Term

_EXPONENT = {32: 0x7F800000, 64: 0x7FF00000_00000000}


def _magnitude(a: Term) -> Term:
    """The pattern without its sign."""
    return t.extract(a, 0, a.width - 1)


def is_nan(a: Term) -> Term:
    """True for quiet and signalling NaNs."""
    return t.ult(t.const(_EXPONENT[a.width], a.width - 1), _magnitude(a))


def _both_zero(a: Term, b: Term) -> Term:
    return t.eq(t.or_(_magnitude(a), _magnitude(b)), t.const(0, a.width - 1))


def _ordered(a: Term, b: Term) -> Term:
    return t.and_(t.not_(is_nan(a)), t.not_(is_nan(b)))


def equal(a: Term, b: Term) -> Term:
    """Ordered equality: false for NaNs, true for zeros of both signs."""
    return t.and_(_ordered(a, b), t.or_(t.eq(a, b), _both_zero(a, b)))


def _before(a: Term, b: Term) -> Term:
    """The order of patterns of numbers, -0 before +0: of magnitudes where both are positive, else of signs, or of
    magnitudes turned round."""
    top = a.width - 1
    minus, other = t.extract(a, top, 1), t.extract(b, top, 1)
    return t.ite(
        minus,
        t.or_(t.not_(other), t.ult(_magnitude(b), _magnitude(a))),
        t.and_(t.not_(other), t.ult(_magnitude(a), _magnitude(b))),
    )


def less(a: Term, b: Term) -> Term:
    """Ordered ``a < b``: false for NaNs."""
    return t.and_(_ordered(a, b), t.not_(_both_zero(a, b)), _before(a, b))


def less_or_equal(a: Term, b: Term) -> Term:
    """Ordered ``a <= b``."""
    return t.and_(_ordered(a, b), t.or_(_both_zero(a, b), t.not_(_before(b, a))))
