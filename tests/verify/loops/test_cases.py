"""Questions in cases have the models of the question, and no others."""

from __future__ import annotations

import itertools

from burnish.domains.smt.build import and_, const, eq, extract, ite, mul, not_, or_, ult, var
from burnish.domains.smt.evaluate import evaluate
from burnish.verify.loops.cases import cases
from burnish.verify.solve.query import Model

X, Y, C = var("x", 8), var("y", 8), var("c", 8)
CHOICE = ult(C, const(7, 8))
WRONG = not_(eq(mul(ite(CHOICE, X, Y), const(13, 8)), mul(ite(not_(CHOICE), Y, X), const(13, 8))))
MAYBE = not_(eq(mul(ite(CHOICE, X, Y), const(13, 8)), X))


def test_one_of_the_cases_holds_where_the_question_does() -> None:
    conditions = (ite(CHOICE, ult(X, Y), eq(extract(Y, 0, 1), const(1, 1))), ult(X, const(200, 8)))
    split = [and_(term, *rest) for term, rest in cases(MAYBE, conditions)]
    assert len(split) == 2
    for x, y, c in itertools.product((0, 1, 5, 199, 255), (0, 3, 64, 255), (0, 6, 7, 255)):
        whole, *parts = evaluate([and_(MAYBE, *conditions), *split], Model({"x": x, "y": y, "c": c}))
        assert sum(parts) == whole


def test_with_the_choice_made_both_sides_are_the_same() -> None:
    assert all(and_(term, *rest).is_const for term, rest in cases(WRONG, ()))


def test_paths_are_told_apart_by_what_conditions_leave_open() -> None:
    """Where both go on alike: what is wrong has no choice any more."""
    conditions = (or_(CHOICE, and_(not_(CHOICE), ult(X, Y))), not_(and_(CHOICE, eq(X, Y))), ult(X, Y))
    wrong = eq(X, const(5, 8))
    assert not list(cases(wrong, conditions))
    split = [and_(term, *rest) for term, rest in cases(wrong, conditions, paths=True)]
    assert len(split) == 2
    for x, y, c in itertools.product((0, 1, 5, 199, 255), (0, 3, 5, 64, 255), (0, 6, 7, 255)):
        whole, *parts = evaluate([and_(wrong, *conditions), *split], Model({"x": x, "y": y, "c": c}))
        assert sum(parts) == whole


def test_where_nothing_is_chosen_there_are_no_cases() -> None:
    assert not list(cases(eq(X, Y), (CHOICE,)))
