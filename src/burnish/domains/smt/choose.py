"""The constructor of choices."""

from __future__ import annotations

import itertools

from burnish.domains.smt.compare import slt, ult
from burnish.domains.smt.dispatch import plain
from burnish.domains.smt.known import used
from burnish.domains.smt.leaves import const
from burnish.domains.smt.logic import and_, not_, or_
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import concat, extract, sext, zext


def ite(condition: Term, then: Term, other: Term) -> Term:
    """``then`` where the condition (width 1) holds, else ``other``; also of two memories."""
    if condition.op is Op.CONST:
        return then if condition.value else other
    if condition.op is Op.NOT:
        condition, then, other = condition.args[0], other, then
    if then.op is Op.ITE and then.args[0] is condition:
        then = then.args[1]
    if other.op is Op.ITE and other.args[0] is condition:
        other = other.args[2]
    if then is other:
        return then
    if then.width == 1:
        return _truth(condition, then, other)
    if condition.op is Op.EQ and then in condition.args and other in condition.args:
        return other
    if then.width == 0:
        return make(Op.ITE, 0, (condition, then, other))
    if then.op is Op.CONST and other.op is Op.CONST:
        return _constants(condition, then, other)
    found = _in_parts(condition, then, other) or _extreme(condition, then, other)
    return found or make(Op.ITE, then.width, (condition, then, other))


def _truth(condition: Term, then: Term, other: Term) -> Term:
    if then.op is Op.CONST:
        return or_(condition, other) if then.value else and_(not_(condition), other)
    if other.op is Op.CONST:
        return or_(not_(condition), then) if other.value else and_(condition, then)
    if then is condition or other is condition:
        return or_(condition, other) if then is condition else and_(condition, then)
    return make(Op.ITE, 1, (condition, then, other))


def _constants(condition: Term, then: Term, other: Term) -> Term:
    """A choice of two numbers: the bits in which they agree stand beside the choice."""
    width = then.width
    ones = (1 << width) - 1
    if (then.value, other.value) in ((1, 0), (0, 1)):
        return zext(condition if then.value else not_(condition), width)
    if (then.value, other.value) in ((ones, 0), (0, ones)):
        return sext(condition if then.value else not_(condition), width)
    bits = max(used(then), used(other))
    if bits < width:
        return zext(ite(condition, extract(then, 0, bits), extract(other, 0, bits)), width)
    return make(Op.ITE, width, (condition, then, other))


def _edges(term: Term) -> set[int]:
    """Bits at which a part begins or ends; every one, of a constant."""
    if term.op is Op.CONST:
        return set(range(term.width + 1))
    found, at = {0, term.width}, 0
    if term.op is Op.ZEXT:
        found |= _edges(term.args[0])
    elif term.op is Op.CONCAT:
        for part in reversed(term.args):
            at += part.width
            found.add(at)
    return found


def _in_parts(condition: Term, then: Term, other: Term) -> Term | None:
    """Where both are made of parts, and some part is the same in both: a choice between the others."""
    width = then.width
    if not (then.op in _PARTED and other.op in _PARTED):
        return None
    edges = sorted(_edges(then) & _edges(other))
    if len(edges) < 3:
        return None
    pieces: list[tuple[int, int]] = []
    common = False
    for low, high in itertools.pairwise(edges):
        same = extract(then, low, high - low) is extract(other, low, high - low)
        common |= same
        if pieces and not same and not _same(then, other, *pieces[-1]):
            pieces[-1] = (pieces[-1][0], high)
        else:
            pieces.append((low, high))
    if not common:
        return None
    parts = [
        ite(condition, extract(then, low, high - low), extract(other, low, high - low))
        for low, high in pieces
    ]
    return concat(*reversed(parts)) if len(parts) > 1 or width == parts[0].width else None


def _same(then: Term, other: Term, low: int, high: int) -> bool:
    return extract(then, low, high - low) is extract(other, low, high - low)


_PARTED = frozenset((Op.CONCAT, Op.ZEXT, Op.CONST))


def _extreme(condition: Term, then: Term, other: Term) -> Term | None:
    """The smaller or larger of two: in one spelling."""
    if condition.op not in (Op.ULT, Op.SLT):
        return None
    less = ult if condition.op is Op.ULT else slt
    a, b = condition.args
    if b.op is Op.CONST and b.value and {then, other} == {a, below := const(b.value - 1, b.width)}:
        condition, b = less(a, below), below
    elif {then, other} != {a, b} or a.serial < b.serial:
        return None
    elif b.op is not Op.CONST:
        condition = less(b, a)
    if condition.op not in (Op.ULT, Op.SLT):
        return None
    smallest = then is condition.args[0] if b.op is Op.CONST else then is a
    first, second = condition.args
    return make(Op.ITE, then.width, (condition, first, second) if smallest else (condition, second, first))


plain(Op.ITE, ite)
