"""Constructors of comparisons. A constant stands on the right, and ``c < a`` is ``not a < c + 1``."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from burnish.domains.smt.dispatch import construct, plain
from burnish.domains.smt.known import known, largest, least, used
from burnish.domains.smt.leaves import FALSE, TRUE, const, signed
from burnish.domains.smt.logic import and_, not_, xor
from burnish.domains.smt.sums import linear, scaled
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import extract, sext, zext

_NESTED = 80
"""Choices that are deeper are not compared way by way: each way is one more call of ours."""
_ARITHMETIC = frozenset((Op.ADD, Op.MUL))


def eq(a: Term, b: Term) -> Term:
    """True where both are equal; also of two memories."""
    if a is b:
        return TRUE
    if a.width == 0:
        return make(Op.EQ, 1, (a, b) if a.serial < b.serial else (b, a))
    if a.width == 1:
        return not_(xor(a, b))
    if a.op is Op.CONST or (b.op is not Op.CONST and b.serial < a.serial):
        a, b = b, a
    if a.op is Op.CONST:
        return FALSE
    (zeros, ones), (other_zeros, other_ones) = known(a), known(b)
    if zeros & other_ones or ones & other_zeros:
        return FALSE
    if (a.op is Op.ZEXT or b.op is Op.ZEXT) and (bits := max(used(a), used(b))) < a.width:
        return eq(extract(a, 0, bits), extract(b, 0, bits))
    found = _with_constant(a, b) if b.op is Op.CONST else _with_parts(a, b)
    if found is not None:
        return found
    if a.op in _ARITHMETIC or b.op in _ARITHMETIC:
        return _cancelled(a, b)
    return make(Op.EQ, 1, (a, b))


def _with_constant(a: Term, b: Term) -> Term | None:
    width, value = b.width, b.value
    match a.op:
        case Op.ZEXT:
            inner = a.args[0]
            return eq(inner, const(value, inner.width))
        case Op.SEXT:
            inner = a.args[0]
            low = const(value, inner.width)
            return eq(inner, low) if sext(low, width) is b else FALSE
        case Op.CONCAT:
            return _part_by_part(a, b)
        case Op.ITE if a.depth < _NESTED and (a.args[1].op is Op.CONST or a.args[2].op is Op.CONST):
            condition, then, other = a.args
            return construct(Op.ITE, 1, [condition, eq(then, b), eq(other, b)])
        case Op.XOR if a.args[-1].op is Op.CONST:
            return eq(xor(*a.args[:-1]), const(value ^ a.args[-1].value, width))
        case Op.XOR if value == 0:
            return eq(a.args[0], xor(*a.args[1:])) if len(a.args) == 2 else None
        case Op.OR if value == 0:
            return and_(*(eq(arg, b) for arg in a.args))
        case Op.AND if value == (1 << width) - 1:
            return and_(*(eq(arg, b) for arg in a.args))
        case Op.NOT:
            return eq(a.args[0], const(~value, width))
        case _:
            return None


def _with_parts(a: Term, b: Term) -> Term | None:
    if a.op is Op.NOT and b.op is Op.NOT:
        return eq(a.args[0], b.args[0])
    if a.op is Op.UDIV or b.op is Op.UDIV:
        return _divided_back(a, b) or _divided_back(b, a)
    if a.op is Op.SEXT and b.op is Op.SEXT and a.args[0].width == b.args[0].width:
        return eq(a.args[0], b.args[0])
    if a.op in (Op.CONCAT, Op.ZEXT) and b.op in (Op.CONCAT, Op.ZEXT):
        return _part_by_part(a, b)
    if a.op is Op.ITE and b.op is Op.ITE and a.args[0] is b.args[0]:
        return construct(Op.ITE, 1, [a.args[0], eq(a.args[1], b.args[1]), eq(a.args[2], b.args[2])])
    return None


def _divided_back(quotient: Term, factor: Term) -> Term | None:
    """``a * b / b = a``, as programs ask whether a product overflows: where its upper half is 0. Without a wrap the
    quotient is exact, and with one it is smaller than ``a``. By 0 it is all ones."""
    if quotient.op is not Op.UDIV:
        return None
    product, divisor = quotient.args
    width = factor.width
    if product.op is not Op.MUL or product.args not in ((factor, divisor), (divisor, factor)):
        return None
    wide = construct(Op.MUL, 2 * width, [zext(factor, 2 * width), zext(divisor, 2 * width)])
    nothing = const(0, width)
    fits = eq(extract(wide, width, width), nothing)
    by_zero = eq(divisor, nothing)
    return construct(Op.ITE, 1, [by_zero, eq(factor, const(-1, width)), fits])


def _edges(term: Term) -> set[int]:
    """Bits at which a part begins or ends; every bit, of a constant."""
    if term.op is Op.CONST:
        return set(range(term.width + 1))
    found, at = {0, term.width}, 0
    if term.op is Op.ZEXT:
        found |= set(_edges(term.args[0]))
    if term.op is Op.CONCAT:
        for part in reversed(term.args):
            at += part.width
            found.add(at)
    return found


def _part_by_part(a: Term, b: Term) -> Term | None:
    edges = sorted(_edges(a) & _edges(b))
    if len(edges) < 3:
        return None
    pairs = itertools.pairwise(edges)
    return and_(*(eq(extract(a, low, high - low), extract(b, low, high - low)) for low, high in pairs))


def _cancelled(a: Term, b: Term) -> Term:
    """The equation with like terms collected: those with small coefficients on the left, the others, with the sign
    changed, on the right."""
    total = linear((a, 1), (b, -1))
    width, mask = total.width, total.mask
    factors = total.ordered()
    if not factors:
        return FALSE if total.constant else TRUE
    if factors[0][1] > mask >> 1:
        factors = [(term, -factor & mask) for term, factor in factors]
        total.constant = -total.constant & mask
    if len(factors) == 1:
        return _solved(*factors[0], -total.constant & mask)
    left = [scaled(term, factor) for term, factor in factors if factor <= mask >> 1]
    right = [scaled(term, -factor & mask) for term, factor in factors if factor > mask >> 1]
    constant = const(-total.constant, width)
    one = construct(Op.ADD, width, left) if left else const(0, width)
    other = construct(Op.ADD, width, [*right, constant]) if right else constant
    return _equation(one, other)


def _solved(term: Term, factor: int, value: int) -> Term:
    """``factor * term = value``: what ``term``, or its low part, is equal to."""
    width = term.width
    shift = (factor & -factor).bit_length() - 1
    if value & (1 << shift) - 1:
        return FALSE
    odd = factor >> shift
    value = (value >> shift) * pow(odd, -1, 1 << width)
    low, number = extract(term, 0, width - shift), const(value, width - shift)
    if low.op not in _ARITHMETIC or shift or odd != 1:
        return eq(low, number)
    return make(Op.EQ, 1, (low, number))


def _equation(a: Term, b: Term) -> Term:
    """As it stands, but for parts that are equal, or different, whatever the rest is."""
    if a is b:
        return TRUE
    (zeros, ones), (other_zeros, other_ones) = known(a), known(b)
    if zeros & other_ones or ones & other_zeros:
        return FALSE
    width = max(used(a), used(b))
    if width < a.width:
        return eq(extract(a, 0, width), extract(b, 0, width))
    if b.op is Op.CONST and a.op not in _ARITHMETIC:
        return _with_constant(a, b) or make(Op.EQ, 1, (a, b))
    if a.op not in _ARITHMETIC and b.op not in _ARITHMETIC:
        found = _with_parts(a, b)
        if found is not None:
            return found
    if b.op is not Op.CONST and b.serial < a.serial:
        a, b = b, a
    return make(Op.EQ, 1, (a, b))


def ne(a: Term, b: Term) -> Term:
    """True where both differ."""
    return not_(eq(a, b))


def ult(a: Term, b: Term) -> Term:
    """Unsigned less."""
    width = a.width
    if a is b or least(a) >= largest(b):
        return FALSE
    if largest(a) < least(b):
        return TRUE
    if width == 1:
        return and_(not_(a), b)
    if (bits := max(used(a), used(b))) < width:
        return ult(extract(a, 0, bits), extract(b, 0, bits))
    if a.op is Op.CONST:
        return not_(ult(b, const(a.value + 1, width)))
    if b.op is Op.CONST:
        return _below(a, b)
    return _carry(a, b) or make(Op.ULT, 1, (a, b))


def _below(a: Term, b: Term) -> Term:
    """Below a constant that is not 0."""
    width, value = a.width, b.value
    if value & value - 1 == 0:
        bits = value.bit_length() - 1
        return eq(extract(a, bits, width - bits), const(0, width - bits))
    if value == (1 << width) - 1:
        return ne(a, b)
    if a.op is Op.ADD and len(a.args) == 2 and a.args[1] is b:
        # The sum is less than an addend where it wraps: where the other is at least what is missing to 2**width.
        return not_(ult(a.args[0], const(-value, width)))
    return _of_choice(a, b, ult) or make(Op.ULT, 1, (a, b))


def _of_choice(a: Term, b: Term, less: Callable[[Term, Term], Term]) -> Term | None:
    """Of a choice with a constant against a constant."""
    if a.op is not Op.ITE or a.depth >= _NESTED:
        return None
    condition, then, other = a.args
    if then.op is not Op.CONST and other.op is not Op.CONST:
        return None
    return construct(Op.ITE, 1, [condition, less(then, b), less(other, b)])


def _carry(a: Term, b: Term) -> Term | None:
    """A sum against one of its addends: whether it wraps."""
    width = a.width
    if a.op is Op.ADD and len(a.args) == 2 and b in a.args:
        other = a.args[1] if a.args[0] is b else a.args[0]
        if other.op is Op.CONST:
            return not_(ult(b, const(-other.value, width)))
        return make(Op.ULT, 1, (a, a.args[0])) if b is not a.args[0] else None
    if b.op is Op.ADD and len(b.args) == 2 and a is b.args[0] and b.args[1].op is Op.CONST:
        return ult(a, const(-b.args[1].value, width))
    return None


def ule(a: Term, b: Term) -> Term:
    """Unsigned less or equal."""
    return not_(ult(b, a))


def slt(a: Term, b: Term) -> Term:
    """Signed less."""
    width = a.width
    if a is b:
        return FALSE
    sign, top = 1 << width - 1, width - 1
    negative, other = (_sign(term, sign) for term in (a, b))
    if negative is not None and other is not None:
        if negative != other:
            return TRUE if negative else FALSE
        return ult(extract(a, 0, top), extract(b, 0, top)) if top else FALSE
    if width == 1:
        return and_(a, not_(b))
    if a.op is Op.CONST:
        return FALSE if a.value == sign - 1 else not_(slt(b, const(a.value + 1, width)))
    if b.op is Op.CONST:
        return _signed_below(a, b)
    if (a.op is Op.SEXT and b.op in (Op.SEXT, Op.ZEXT)) or (b.op is Op.SEXT and a.op is Op.ZEXT):
        narrow = max(arg.args[0].width + (arg.op is Op.ZEXT) for arg in (a, b))
        if narrow < width:
            return slt(extract(a, 0, narrow), extract(b, 0, narrow))
    return make(Op.SLT, 1, (a, b))


def _sign(term: Term, bit: int) -> bool | None:
    zeros, ones = known(term)
    return False if zeros & bit else True if ones & bit else None


def _signed_below(a: Term, b: Term) -> Term:
    """Below a constant."""
    width, value = a.width, signed(b.value, b.width)
    bottom = -(1 << width - 1)
    if value == 0:
        return extract(a, width - 1, 1)
    if value == bottom:
        return FALSE
    if value == bottom + 1:
        return eq(a, const(bottom, width))
    if a.op is Op.SEXT:
        inner = a.args[0].width
        half = 1 << inner - 1
        if value >= half:
            return TRUE
        return slt(a.args[0], const(value, inner)) if value > -half else FALSE
    return _of_choice(a, b, slt) or make(Op.SLT, 1, (a, b))


def sle(a: Term, b: Term) -> Term:
    """Signed less or equal."""
    return not_(slt(b, a))


plain(Op.EQ, eq)
plain(Op.ULT, ult)
plain(Op.SLT, slt)
