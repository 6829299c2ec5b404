"""The constructor of choices."""

from __future__ import annotations

import itertools

from burnish.domains.smt.compare import slt, ult
from burnish.domains.smt.dispatch import plain
from burnish.domains.smt.known import used
from burnish.domains.smt.leaves import const
from burnish.domains.smt.logic import and_, not_, or_
from burnish.domains.smt.storage import based, load, select, store
from burnish.domains.smt.sums import add
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import concat, extract, sext, zext

_MOST_STORED = 32
"""Bytes that are chosen one by one, where memories are chosen."""


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
        return _stored(condition, then, other) or make(Op.ITE, 0, (condition, then, other))
    if then.op is Op.CONST and other.op is Op.CONST:
        return _constants(condition, then, other)
    found = _in_parts(condition, then, other) or _extreme(condition, then, other)
    return found or make(Op.ITE, then.width, (condition, then, other))


def _stored(condition: Term, then: Term, other: Term) -> Term | None:
    """Two memories that differ in what is stored at constant distances from one address, or at the same places one
    after the other, as one with the choice there: where only one stores the other has what was there before. None for
    others."""
    stores: dict[Term, int] = {then: 0}
    beneath = then
    while beneath.op is Op.STORE and len(stores) < _MOST_STORED:
        beneath = beneath.args[0]
        stores[beneath] = len(stores)
    chain = [other]
    while chain[-1] not in stores:
        if chain[-1].op is not Op.STORE or len(chain) >= _MOST_STORED:
            return None
        chain.append(chain[-1].args[0])
    other = chain.pop()
    firsts = [one.args for one in list(stores)[: stores[other]]]
    first = {address: byte for _, address, byte in reversed(firsts)}
    second = {one.args[1]: one.args[2] for one in reversed(chain)}
    if len({based(address)[0] for address in (*first, *second)}) > 1:
        # What is stored last may be at any of the places.
        alike = list(first) == list(second)
        if not alike or len(first) != len(firsts) or len(second) != len(chain):
            return None
    found = other
    for address in dict.fromkeys((*first, *second)):
        pair = [each.get(address) or select(other, address) for each in (first, second)]
        byte = ite(condition, *pair)
        for word, low in [one.origin for one in pair if one.origin is not None and byte.args]:
            whole = ite(condition, *(_word(other, address, one, word.width, low) for one in pair))
            if whole is not byte and extract(whole, low, 8) is byte:
                byte.origin = (whole, low)
                break
        found = store(found, address, byte)
    return found


def _word(memory: Term, address: Term, byte: Term, width: int, low: int) -> Term:
    """A word of so many bits in which a byte may stand at ``low``: the one that it was taken from, or what a memory
    holds around the address."""
    if byte.origin is not None and byte.origin[1] == low and byte.origin[0].width == width:
        return byte.origin[0]
    return load(memory, add(address, const(-(low // 8), address.width)), width // 8)


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
