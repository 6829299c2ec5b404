"""Conditions that were simplified by each other say the same: Bitwuzla or Z3 finds no difference."""

from __future__ import annotations

import random

import pytest

from burnish.domains.smt.build import (
    FALSE,
    TRUE,
    add,
    and_,
    const,
    eq,
    ite,
    memory,
    not_,
    or_,
    select,
    store,
    ult,
    var,
    xor,
)
from burnish.domains.smt.terms import Term
from burnish.verify.engine.propagate import propagated
from burnish.verify.solve import Query, Solver, Unsat

A, B, C = (var(name, 8) for name in "abc")
M = memory("m")


def _value(chance: random.Random, depth: int) -> Term:
    if depth <= 0 or chance.random() < 0.2:
        return chance.choice((A, B, C, const(chance.randrange(4), 8)))
    match chance.randrange(3):
        case 0:
            return add(_value(chance, depth - 1), _value(chance, depth - 1))
        case 1:
            return ite(_truth(chance, depth - 1), _value(chance, depth - 1), _value(chance, depth - 1))
        case _:
            changed = store(M, const(chance.randrange(3), 64), _value(chance, depth - 1))
            chosen = ite(_truth(chance, depth - 1), changed, M)
            return select(chosen, const(chance.randrange(3), 64))


def _truth(chance: random.Random, depth: int) -> Term:
    match chance.randrange(6) if depth > 0 else chance.randrange(2):
        case 0:
            return eq(_value(chance, depth - 1), const(chance.randrange(4), 8))
        case 1:
            return ult(_value(chance, depth - 1), _value(chance, depth - 1))
        case 2:
            return and_(_truth(chance, depth - 1), _truth(chance, depth - 1))
        case 3:
            return or_(_truth(chance, depth - 1), _truth(chance, depth - 1))
        case 4:
            return xor(_truth(chance, depth - 1), _truth(chance, depth - 1))
        case _:
            return not_(_truth(chance, depth - 1))


def _conditions(chance: random.Random) -> list[Term]:
    """Some of which occur in others."""
    found = [_truth(chance, 2) for _ in range(3)]
    for _ in range(3):
        found.append(or_(chance.choice(found), and_(chance.choice(found), _truth(chance, 2))))
        found.append(eq(ite(chance.choice(found), A, _value(chance, 2)), chance.choice((B, const(1, 8)))))
    return chance.sample(found, 5)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_gained_or_lost(solver: Solver, seed: int) -> None:
    conditions = _conditions(random.Random(seed))
    before = and_(TRUE, *conditions)
    found = propagated(conditions)
    after = FALSE if found is None else and_(TRUE, *found)
    assert isinstance(solver.check(Query((xor(before, after),)), 20), Unsat)


def test_what_cannot_be_is_seen_without_a_solver() -> None:
    small, equal = ult(A, B), eq(A, const(3, 8))
    assert propagated([small, equal, or_(not_(small), not_(equal))]) is None
    assert propagated([equal, ult(A, const(2, 8))]) is None
    assert propagated([small, not_(small)]) is None


def test_a_choice_that_the_path_makes_is_made() -> None:
    taken = ult(A, B)
    read = select(ite(taken, store(M, const(1, 64), A), M), const(1, 64))
    assert propagated([taken, eq(read, C)]) == (taken, eq(A, C))


def test_conditions_that_define_each_other_stay() -> None:
    both = [eq(A, const(1, 8)), eq(A, const(1, 8)), eq(B, A)]
    assert propagated(both) == (eq(A, const(1, 8)), eq(B, const(1, 8)))
