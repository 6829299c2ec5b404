"""Constructors of bitwise operations and of truth values.

Negations stand at the leaves, but outside of an exclusive or. Operations on what lies side by side are done part by
part, and where bits are known there is nothing left to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from burnish.domains.smt.dispatch import construct, plain
from burnish.domains.smt.known import known
from burnish.domains.smt.leaves import const
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import concat, extract, sext

_NESTED = 80
"""Negation stays outside of what is deeper."""


@lru_cache(maxsize=1 << 15)
def not_(a: Term) -> Term:
    """Bitwise complement; negation of a truth value."""
    ones = (1 << a.width) - 1
    match a.op:
        case Op.CONST:
            return const(~a.value, a.width)
        case Op.NOT:
            return a.args[0]
        case Op.AND | Op.OR if a.depth < _NESTED:
            other = Op.OR if a.op is Op.AND else Op.AND
            return construct(other, a.width, [not_(arg) for arg in a.args])
        case Op.ITE if _is_negated_inside(a):
            condition, then, other = a.args
            return construct(Op.ITE, a.width, [condition, not_(then), not_(other)])
        case Op.CONCAT:
            return concat(*map(not_, a.args))
        case Op.ZEXT:
            return concat(const(ones, a.width - a.args[0].width), not_(a.args[0]))
        case Op.SEXT:
            return sext(not_(a.args[0]), a.width)
        case Op.ADD | Op.MUL if a.width > 1 and _is_linear(a):
            minus = construct(Op.MUL, a.width, [a, const(-1, a.width)])
            return construct(Op.ADD, a.width, [minus, const(-1, a.width)])
        case _:
            return make(Op.NOT, a.width, (a,))


def _is_negated_inside(a: Term) -> bool:
    """True for choices of which there is less to say when they are negated way by way."""
    return a.depth < _NESTED and (a.width == 1 or a.args[1].is_const or a.args[2].is_const)


def _is_linear(a: Term) -> bool:
    return a.op is Op.ADD or a.args[-1].op is Op.CONST


def and_(*operands: Term) -> Term:
    """Bitwise and, of one or more."""
    return _both(Op.AND, operands)


def or_(*operands: Term) -> Term:
    """Bitwise or, of one or more."""
    return _both(Op.OR, operands)


def _both(op: Op, operands: Sequence[Term]) -> Term:
    """And, or or. ``neutral`` changes nothing, ``absorbing`` decides."""
    width = operands[0].width
    ones = (1 << width) - 1
    neutral, absorbing = (ones, 0) if op is Op.AND else (0, ones)
    constant, rest = neutral, dict[Term, None]()
    for term in _flat(op, operands):
        if term.op is Op.CONST:
            constant = constant & term.value if op is Op.AND else constant | term.value
        else:
            rest[term] = None
    if constant == absorbing or _has_complements(rest):
        return const(absorbing, width)
    if width == 1:
        return _truths(op, rest)
    if constant != neutral and rest:
        constant = _needed(op, constant, rest)
    terms = sorted(rest, key=_serial)
    if constant != neutral:
        terms.append(const(constant, width))
    if len(terms) < 2:
        return terms[0] if terms else const(neutral, width)
    return _in_parts(op, terms) or _of_sign(op, terms) or make(op, width, tuple(terms))


def _serial(term: Term) -> int:
    return term.serial


def _flat(op: Op, operands: Sequence[Term]) -> Iterable[Term]:
    for term in operands:
        if term.op is op:
            yield from term.args
        else:
            yield term


def _has_complements(terms: dict[Term, None]) -> bool:
    if len(terms) < 2:
        return False
    for term in terms:
        if term.op is Op.NOT:
            if term.args[0] in terms:
                return True
        elif (term.width == 1 or term.op in (Op.ADD, Op.AND, Op.OR)) and not_(term) in terms:
            return True
    return False


def _needed(op: Op, constant: int, rest: Iterable[Term]) -> int:
    """The constant without the bits that the other operands decide alone."""
    decided = 0
    for term in rest:
        zeros, ones = known(term)
        decided |= zeros if op is Op.AND else ones
    if op is Op.AND:
        full = constant | decided
        return full if full == (1 << next(iter(rest)).width) - 1 else constant
    return 0 if constant & ~decided == 0 else constant


def _of_sign(op: Op, terms: Sequence[Term]) -> Term | None:
    """With copies of one bit: a choice."""
    if len(terms) != 2:
        return None
    for sign, other in (terms, terms[::-1]):
        if sign.op is Op.SEXT and sign.args[0].width == 1:
            width = sign.width
            arms = [other, const(0, width)] if op is Op.AND else [const(-1, width), other]
            return construct(Op.ITE, width, [sign.args[0], *arms])
    return None


# Part by part.


def _in_parts(op: Op, terms: Sequence[Term]) -> Term | None:
    """The operation in each part, where operands have parts; None where they have none."""
    width = terms[0].width
    cuts: set[int] = set()
    for term in terms:
        if op is Op.AND or term.op is not Op.CONST:
            cuts.update(_seams(term))
    if not cuts:
        return None
    edges = [0, *sorted(cuts), width]
    combine = {Op.AND: and_, Op.OR: or_, Op.XOR: xor}[op]
    parts = [
        combine(*(extract(term, low, high - low) for term in terms))
        for low, high in itertools.pairwise(edges)
    ]
    return concat(*reversed(parts))


@lru_cache(maxsize=1 << 15)
def _seams(term: Term) -> tuple[int, ...]:
    """Bits at which an operand begins another part, without 0."""
    if term.op is Op.CONCAT:
        found: list[int] = []
        at = 0
        for part in reversed(term.args):
            found += [at + seam for seam in _seams(part)]
            at += part.width
            found.append(at)
        return tuple(found[:-1])
    if term.op is Op.ZEXT:
        return (*_seams(term.args[0]), term.args[0].width)
    return _ends(known(term)[0], term.width)


def _ends(zeros: int, width: int) -> tuple[int, ...]:
    """Where the zeros at the low end stop, and those at the high end begin."""
    low = ((zeros + 1) & ~zeros).bit_length() - 1
    high = (~zeros & (1 << width) - 1).bit_length()
    return tuple(bit for bit in (low, high) if 0 < bit < width)


# Exclusive or.


def xor(*operands: Term) -> Term:
    """Bitwise exclusive or, of one or more."""
    width = operands[0].width
    ones = (1 << width) - 1
    constant, rest = 0, dict[Term, None]()
    for term in _flat(Op.XOR, operands):
        if term.op is Op.NOT:
            constant ^= ones
            term = term.args[0]
        for part in term.args if term.op is Op.XOR else (term,):
            if part.op is Op.CONST:
                constant ^= part.value
            elif part in rest:
                del rest[part]
            else:
                rest[part] = None
    if not rest:
        return const(constant, width)
    terms = sorted(rest, key=_serial)
    if len(terms) == 1 and constant in (0, ones):
        return not_(terms[0]) if constant else terms[0]
    if constant == ones:
        return not_(xor(*terms))
    if width == 1:
        return make(Op.XOR, 1, tuple(terms))
    if constant:
        terms.append(const(constant, width))
    if _are_apart(terms):
        return or_(*terms)
    return _in_parts(Op.XOR, terms) or make(Op.XOR, width, tuple(terms))


def _are_apart(terms: Sequence[Term]) -> bool:
    """True where no bit can be set in two of the terms."""
    seen = 0
    for term in terms:
        possible = (1 << term.width) - 1 & ~known(term)[0]
        if seen & possible:
            return False
        seen |= possible
    return True


# Truth values.


def _truths(op: Op, terms: dict[Term, None]) -> Term:
    if not terms:
        return const(1 if op is Op.AND else 0, 1)
    if op is Op.OR:
        terms = _with_equality(terms, lambda term: term)
    else:
        terms = _with_equality(terms, not_)
    found = sorted(terms, key=_serial)
    if len(found) == 1:
        return found[0]
    if len(terms) > 1 and _has_complements(terms):
        return const(0 if op is Op.AND else 1, 1)
    return make(op, 1, tuple(found))


def _with_equality(terms: dict[Term, None], view: Callable[[Term], Term]) -> dict[Term, None]:
    """Alternatives, with ``a < b`` and ``a = b`` as one ``not b < a``; beside ``not a = b`` the former, and beside
    ``not a < b`` the latter says nothing. ``view`` turns the parts of a conjunction into alternatives, and back."""
    found: dict[Term, None] | None = terms
    while found is not None:
        terms = found
        found = next((new for term in terms if (new := _merged(term, terms, view)) is not None), None)
    return terms


def _merged(term: Term, terms: dict[Term, None], view: Callable[[Term], Term]) -> dict[Term, None] | None:
    order = _comparison(view(term))
    op, a, b, equal = order or _comparison(not_(view(term))) or (Op.EQ, term, term, term)
    if op is Op.EQ:
        return None
    gone = {view(equal)} if view(equal) in terms else set[Term]()
    if order is not None and gone:
        gone.add(term)
        smaller = view(not_(construct(op, 1, (b, a))))
        return {**{other: None for other in terms if other not in gone}, smaller: None}
    if order is not None and view(not_(equal)) in terms:
        gone.add(term)
    return {other: None for other in terms if other not in gone} if gone else None


@lru_cache(maxsize=1 << 15)
def _comparison(term: Term) -> tuple[Op, Term, Term, Term] | None:
    """``(ULT or SLT, a, b, a = b)`` where the term says ``a < b``."""
    found = _order(term)
    return None if found is None else (*found, construct(Op.EQ, 1, found[1:]))


def _order(term: Term) -> tuple[Op, Term, Term] | None:
    """``(ULT or SLT, a, b)`` where the term says ``a < b``: a sign says less than 0."""
    if term.op is Op.ULT or term.op is Op.SLT:
        return term.op, term.args[0], term.args[1]
    if term.op is Op.EXTRACT and term.payload == term.args[0].width - 1:
        return Op.SLT, term.args[0], const(0, term.args[0].width)
    return None


plain(Op.NOT, not_)
plain(Op.AND, and_)
plain(Op.OR, or_)
plain(Op.XOR, xor)
