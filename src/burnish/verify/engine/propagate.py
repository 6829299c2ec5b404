"""Conditions made simpler by each other, without a solver.

What one condition of several says is known inside all the others: a truth value, or that something equals a number.
Most of what two sides cannot do at once is seen so, and choices between memories by conditions of the path are gone
before a solver has to look through them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from burnish.domains.smt.build import FALSE, TRUE, not_
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, subterms

_ROUNDS = 4


def propagated(conditions: Iterable[Term]) -> tuple[Term, ...] | None:
    """Conditions (width 1) that hold together exactly where the given ones do; None where it is seen that they never
    do. A condition is used inside of those that it is a part of, and never inside itself: so nothing is lost."""
    found = _conjuncts(conditions)
    for _ in range(_ROUNDS):
        if found is None:
            return None
        simpler = _conjuncts(_simplified(found))
        if simpler == found:
            break
        found = simpler
    return found


def _conjuncts(conditions: Iterable[Term]) -> tuple[Term, ...] | None:
    parts: dict[Term, None] = {}
    for condition in conditions:
        for part in condition.args if condition.op is Op.AND else (condition,):
            if part is FALSE or not_(part) in parts:
                return None
            if part is not TRUE:
                parts[part] = None
    return tuple(parts)


def _simplified(conditions: Sequence[Term]) -> list[Term]:
    """Each condition with what the others say put into its parts."""
    known: dict[Term, Term] = {}
    defined: dict[Term, tuple[Term, Term]] = {}
    for condition in conditions:
        negated = condition.op is Op.NOT
        atom = condition.args[0] if negated else condition
        known[atom] = FALSE if negated else TRUE
        named = None if negated else _named(atom)
        if named is not None and named[0] not in known:
            known[named[0]] = named[1]
            defined[atom] = named
    inside: dict[Term, Term] = {}

    def seen(term: Term) -> Term:
        return known.get(term) or inside[term]

    for term in subterms(*conditions):
        inside[term] = _with(term, [seen(arg) for arg in term.args])
    found: list[Term] = []
    for condition in conditions:
        negated = condition.op is Op.NOT
        atom = condition.args[0] if negated else condition
        target = defined.get(atom)
        if target is None:
            simpler = inside[atom]
        else:
            # What says what a term is, is where that is known from.
            simpler = _with(atom, [inside[arg] if arg is target[0] else seen(arg) for arg in atom.args])
        found.append(not_(simpler) if negated else simpler)
    return found


def _named(atom: Term) -> tuple[Term, Term] | None:
    """What an equation says of one of its sides: the number that it is, or, of a byte that lies under stores, the byte
    with less above it."""
    if atom.op is not Op.EQ:
        return None
    one, other = atom.args
    if other.is_const:
        return one, other
    if one.depth < other.depth:
        one, other = other, one
    stored = one.op is Op.SELECT and one.args[0].op in (Op.STORE, Op.ITE)
    return (one, other) if stored and one.depth > other.depth else None


def _with(term: Term, args: Sequence[Term]) -> Term:
    same = all(new is old for new, old in zip(args, term.args, strict=True))
    return term if same else rebuild(term, args)
