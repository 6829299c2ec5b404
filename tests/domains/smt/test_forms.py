"""Normal forms: what means the same, spelled as compilers spell it, is one term."""

from __future__ import annotations

import time

import pytest

from burnish.domains.smt import build as t
from burnish.domains.smt.known import known
from burnish.domains.smt.meaning import borrows_signed
from burnish.domains.smt.terms import Op, Term, subterms

X, Y, Z = t.var("x", 32), t.var("y", 32), t.var("z", 32)
A, B = t.var("a", 64), t.var("b", 64)
C, D = t.var("c", 1), t.var("d", 1)
P, Q = t.var("p", 8), t.var("q", 8)
M = t.memory("m")


def n(value: int, width: int = 32) -> Term:
    return t.const(value, width)


def low(a: Term) -> Term:
    return t.extract(a, 0, 32)


SUMS = {
    "like terms": (t.add(X, t.mul(X, n(3))), t.shl(X, n(2))),
    "cancelled": (t.add(t.sub(X, Y), Y), X),
    "order": (t.add(X, Y, Z), t.add(Z, t.add(Y, X))),
    "complement": (t.not_(X), t.sub(n(-1), X)),
    "minus a complement": (t.neg(t.not_(X)), t.add(X, n(1))),
    "lea": (t.add(t.shl(X, n(3)), X), t.mul(X, n(9))),
    "distributed": (t.mul(t.add(X, n(1)), n(5)), t.add(t.mul(n(5), X), n(5))),
    "squares": (t.mul(t.add(X, n(1)), t.sub(X, n(1))), t.sub(t.mul(X, X), n(1))),
    "factors": (t.mul(t.mul(X, n(3)), t.mul(Y, n(5))), t.mul(Y, X, n(15))),
    "shifted factor": (t.mul(t.shl(X, n(4)), Y), t.shl(t.mul(X, Y), n(4))),
    "sign flipped": (t.xor(X, n(1 << 31)), t.add(X, n(1 << 31))),
    "no carry": (t.add(t.shl(X, n(8)), t.zext(P, 32)), t.or_(t.shl(X, n(8)), t.zext(P, 32))),
    "carry of a bit": (t.sub(n(0), t.zext(C, 32)), t.sext(C, 32)),
    "low half of a sum": (low(t.add(t.zext(X, 64), t.mul(A, B))), t.add(X, t.mul(low(A), low(B)))),
    "low half of a multiple": (low(t.mul(t.sext(X, 64), n(12, 64))), t.mul(X, n(12))),
    "wide sum of bytes": (
        t.add(t.zext(P, 64), t.zext(Q, 64)),
        t.zext(t.add(t.zext(P, 9), t.zext(Q, 9)), 64),
    ),
    "truncated division": (
        low(t.sdiv(t.sext(X, 64), t.sext(Y, 64))),
        t.sdiv(X, Y),
    ),
}
BITS = {
    "shift down": (t.lshr(t.shl(X, n(24)), n(24)), t.and_(X, n(255))),
    "shift down with the sign": (t.ashr(t.shl(X, n(24)), n(24)), t.sext(t.extract(X, 0, 8), 32)),
    "mask after a shift": (t.and_(t.lshr(X, n(8)), n(0xFFFFFF)), t.lshr(X, n(8))),
    "low byte replaced": (
        t.or_(t.and_(A, n(-256, 64)), t.zext(P, 64)),
        t.concat(t.extract(A, 8, 56), P),
    ),
    "field replaced": (
        t.or_(t.and_(X, n(0xFFFF00FF)), t.shl(t.zext(P, 32), n(8))),
        t.concat(t.extract(X, 16, 16), P, t.extract(X, 0, 8)),
    ),
    "halves": (t.concat(t.extract(A, 32, 32), low(A)), A),
    "bytes of a sum": (t.concat(*(t.extract(t.add(A, B), k, 8) for k in range(56, -8, -8))), t.add(A, B)),
    "bytes of bits": (t.concat(*(t.extract(t.xor(A, B), k, 8) for k in range(56, -8, -8))), t.xor(A, B)),
    "bytes of a sign": (
        t.concat(*(t.extract(t.sext(X, 64), k, 8) for k in range(56, -8, -8))),
        t.sext(X, 64),
    ),
    "sign above": (t.concat(t.ashr(X, n(31)), X), t.sext(X, 64)),
    "of morgan": (t.not_(t.and_(X, t.not_(Y))), t.or_(t.not_(X), Y)),
    "complement outside": (t.xor(t.not_(X), Y), t.not_(t.xor(X, Y))),
    "low half of bits": (low(t.or_(t.zext(X, 64), t.and_(A, B))), t.or_(X, t.and_(low(A), low(B)))),
    "mask by a sign": (t.and_(t.sext(C, 32), X), t.ite(C, X, n(0))),
    "low half of a choice": (low(t.ite(C, t.zext(X, 64), A)), t.ite(C, X, low(A))),
    "modulo": (t.urem(X, n(16)), t.and_(X, n(15))),
    "divided": (t.udiv(X, n(16)), t.lshr(X, n(4))),
    "twice": (t.and_(X, t.or_(Y, Z), X), t.and_(t.or_(Z, Y), X)),
}
TRUTHS = {
    "zero of a difference": (t.eq(t.sub(X, Y), n(0)), t.eq(X, Y)),
    "common part": (t.eq(t.add(X, Y), t.add(Z, Y)), t.eq(X, Z)),
    "moved constant": (t.eq(t.add(X, n(3)), n(10)), t.eq(X, n(7))),
    "odd factor": (t.eq(t.mul(X, n(3)), n(12)), t.eq(X, n(4))),
    "even factor": (t.eq(t.mul(X, n(4)), n(6)), t.FALSE),
    "zero of bits": (t.eq(t.xor(X, Y), n(0)), t.eq(X, Y)),
    "both zero": (t.eq(t.or_(X, Y), n(0)), t.and_(t.eq(X, n(0)), t.eq(Y, n(0)))),
    "a byte against a number": (t.eq(t.zext(P, 32), n(300)), t.FALSE),
    "a number back": (t.eq(t.ite(C, n(3), n(5)), n(3)), C),
    "neither": (t.eq(t.ite(C, n(3), n(5)), n(4)), t.FALSE),
    "a set bit": (t.ne(t.and_(X, n(8)), n(0)), t.extract(X, 3, 1)),
    "parts": (t.eq(t.concat(P, Q), t.concat(P, t.const(3, 8))), t.eq(Q, t.const(3, 8))),
    "jl": (t.xor(t.slt(t.sub(X, Y), n(0)), borrows_signed(X, Y)), t.slt(X, Y)),
    "jle": (t.or_(t.eq(X, Y), t.slt(X, Y)), t.sle(X, Y)),
    "ja": (t.and_(t.not_(t.ult(X, Y)), t.ne(t.sub(X, Y), n(0))), t.ult(Y, X)),
    "jl with a number": (t.xor(t.slt(t.sub(X, n(9)), n(0)), borrows_signed(X, n(9))), t.slt(X, n(9))),
    "at most 9": (t.ule(X, n(9)), t.ult(X, n(10))),
    "above 9": (t.ult(n(9), X), t.not_(t.ult(X, n(10)))),
    "not above 0": (t.or_(t.slt(X, n(0)), t.eq(X, n(0))), t.slt(X, n(1))),
    "carry of a sum": (t.ult(t.add(X, Y), X), t.ult(t.add(X, Y), Y)),
    "carry of a constant": (t.ult(t.add(X, n(-5)), X), t.not_(t.ult(X, n(5)))),
    "less and different": (t.and_(t.ult(X, Y), t.ne(X, Y)), t.ult(X, Y)),
    "high bits zero": (t.ult(X, n(16)), t.eq(t.lshr(X, n(4)), n(0))),
    "bytes are small": (t.ult(t.zext(P, 32), n(256)), t.TRUE),
    "bytes are positive": (t.slt(t.zext(P, 32), n(0)), t.FALSE),
    "order of bytes": (t.slt(t.zext(P, 32), t.zext(Q, 32)), t.ult(P, Q)),
    "order of signed bytes": (t.slt(t.sext(P, 32), t.sext(Q, 32)), t.slt(P, Q)),
    "excluded": (t.and_(C, t.not_(C)), t.FALSE),
    "known apart": (t.eq(t.shl(X, n(2)), t.or_(t.shl(Y, n(2)), n(1))), t.FALSE),
}
CHOICES = {
    "same condition": (t.ite(C, t.ite(C, X, Y), Z), t.ite(C, X, Z)),
    "negated": (t.ite(t.not_(C), X, Y), t.ite(C, Y, X)),
    "equal anyway": (t.ite(t.eq(X, Y), X, Y), Y),
    "smaller": (t.ite(t.ult(X, Y), X, Y), t.ite(t.ult(Y, X), Y, X)),
    "larger": (t.ite(t.slt(X, Y), Y, X), t.ite(t.slt(Y, X), X, Y)),
    "at most": (t.ite(t.ult(X, n(6)), X, n(5)), t.ite(t.ult(X, n(5)), X, n(5))),
    "extended": (t.ite(C, t.zext(P, 32), t.zext(Q, 32)), t.zext(t.ite(C, P, Q), 32)),
    "truth": (t.ite(C, D, t.FALSE), t.and_(C, D)),
}
MEMORY = {
    "what was written": (t.load(t.store_word(M, A, X), A, 4), X),
    "a sum that was written": (t.load(t.store_word(M, A, t.add(A, B)), A, 8), t.add(A, B)),
    "masked bits that were written": (
        t.load(t.store_word(M, A, t.and_(t.xor(X, Y), n(0x11111111))), A, 4),
        t.and_(t.xor(X, Y), n(0x11111111)),
    ),
    "its upper half": (t.load(t.store_word(M, A, t.mul(A, B)), t.add(A, n(4, 64)), 4), t.extract(t.mul(A, B), 32, 32)),
    "beside it": (
        t.load(t.store_word(M, A, X), t.add(A, n(4, 64)), 4),
        t.load(M, t.add(A, n(4, 64)), 4),
    ),
    "of two words": (
        t.load(t.store_word(t.store_word(M, A, X), t.add(A, n(4, 64)), Y), A, 8),
        t.concat(Y, X),
    ),
    "written twice": (t.store_word(t.store_word(M, A, X), A, Y), t.store_word(M, A, Y)),
    "in another order": (
        t.store_word(t.store_word(M, t.add(A, n(8, 64)), X), A, Y),
        t.store_word(t.store_word(M, A, Y), t.add(A, n(8, 64)), X),
    ),
    "what is there": (t.store_word(M, A, t.load(M, A, 8)), M),
    "one place or another": (
        t.ite(C, t.store_word(M, A, X), t.store_word(M, t.add(A, n(4, 64)), Y)),
        t.store_word(
            t.store_word(M, A, t.ite(C, X, t.load(M, A, 4))),
            t.add(A, n(4, 64)),
            t.ite(C, t.load(M, t.add(A, n(4, 64)), 4), Y),
        ),
    ),
    "written on one way": (
        t.load(t.ite(C, t.store_word(M, A, t.mul(X, Y)), M), A, 4),
        t.ite(C, t.mul(X, Y), t.load(M, A, 4)),
    ),
    "written on both ways": (
        t.ite(C, t.store(t.store(M, A, P), B, Q), t.store(t.store(M, A, Q), B, Q)),
        t.store(t.store(M, A, t.ite(C, P, Q)), B, Q),
    ),
}  # fmt: skip
FORMS = {**SUMS, **BITS, **TRUTHS, **CHOICES, **MEMORY}


@pytest.mark.parametrize("name", FORMS)
def test_spellings_of_one_meaning_are_one_term(name: str) -> None:
    one, other = FORMS[name]
    assert one is other


def test_what_may_be_the_same_address_is_not_skipped() -> None:
    byte = t.select(t.store(M, A, P), B)
    assert byte.op is Op.SELECT and byte.args[0].op is Op.STORE
    written = t.store(t.store(t.store(M, A, P), B, Q), A, Q)
    assert len([term for term in subterms(written) if term.op is Op.STORE]) == 3
    assert t.ite(C, t.store(M, A, P), t.store(M, B, P)).op is Op.ITE
    twice = [t.store(t.store(t.store(M, A, one), B, one), A, n(3, 8)) for one in (P, Q)]
    assert t.ite(C, *twice).op is Op.ITE, "the last is written over the second, if that is there"


@pytest.mark.parametrize(
    ("term", "zeros", "ones"),
    [
        (t.shl(t.zext(P, 32), n(4)), 0xFFFFF00F, 0),
        (t.or_(t.and_(X, n(0xF0)), n(3)), 0xFFFFFF0C, 3),
        (t.add(t.zext(P, 32), n(1)), 0xFFFFFE00, 0),
        (t.mul(X, n(24)), 7, 0),
        (t.ite(C, n(12), n(8)), 0xFFFFFFF3, 8),
        (t.urem(X, n(10)), 0xFFFFFFF0, 0),
        (t.popcount(X), 0xFFFFFFC0, 0),
    ],
)
def test_bits_that_are_known(term: Term, zeros: int, ones: int) -> None:
    assert known(term) == (zeros, ones)


def _chain(step: int) -> Term:
    """A hash of many steps, each a use of the whole before it, twice."""
    value = A
    for k in range(step):
        value = t.xor(t.add(t.mul(value, n(33, 64)), t.lshr(value, n(7, 64))), n(k * 77, 64))
    return value


def test_long_terms_are_made_in_time() -> None:
    """Ten thousand nodes, shared: also when low parts of all of them are taken, and without deep recursion."""
    start = time.process_time()
    value = _chain(2000)
    assert sum(1 for _ in subterms(value)) > 6_000
    part = t.extract(value, 0, 32)
    assert part.width == 32
    assert t.not_(t.eq(part, n(0))).width == 1
    assert time.process_time() - start < 4
