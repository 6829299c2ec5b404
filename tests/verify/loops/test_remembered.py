"""Answers that are given again: only where they are answers to what is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.domains.smt.build import const, eq, ult, var
from burnish.verify.loops.remembered import RememberingSolver
from burnish.verify.solve import Solver
from burnish.verify.solve.query import Answer, Query, Sat, Undecided, Unsat

X, Y = var("x", 32), var("y", 32)
SMALL, LARGE, OTHER = ult(X, const(5, 32)), ult(const(9, 32), X), eq(Y, const(3, 32))


@dataclass(slots=True)
class Counting:
    """Hands on, and counts; ``answer`` is given in place of what is known."""

    solver: Solver
    answer: Answer | None = None
    times: list[float] = field(default_factory=list[float])

    def check(self, query: Query, timeout_s: float) -> Answer:
        self.times.append(timeout_s)
        return self.answer or self.solver.check(query, timeout_s)


def test_a_contradiction_stays_one_with_more_and_in_any_order(solver: Solver) -> None:
    counting = Counting(solver)
    remembering = RememberingSolver(counting)
    assert isinstance(remembering.check(Query((SMALL, LARGE)), 9.0), Unsat)
    assert isinstance(remembering.check(Query((OTHER, LARGE, SMALL)), 9.0), Unsat)
    assert len(counting.times) == 1


def test_with_less_it_is_asked_again(solver: Solver) -> None:
    counting = Counting(solver)
    remembering = RememberingSolver(counting)
    assert isinstance(remembering.check(Query((SMALL, LARGE)), 9.0), Unsat)
    assert isinstance(remembering.check(Query((SMALL,)), 9.0), Sat)
    assert isinstance(remembering.check(Query((LARGE, OTHER)), 9.0), Sat)
    assert len(counting.times) == 3


def test_a_model_answers_no_longer_question(solver: Solver) -> None:
    counting = Counting(solver)
    remembering = RememberingSolver(counting)
    assert isinstance(remembering.check(Query((SMALL,)), 9.0), Sat)
    assert isinstance(remembering.check(Query((SMALL,)), 9.0), Sat)
    assert len(counting.times) == 1
    assert isinstance(remembering.check(Query((SMALL, LARGE)), 9.0), Unsat)


def test_what_was_not_decided_is_asked_again_with_more_time(solver: Solver) -> None:
    counting = Counting(solver, Undecided("out of time"))
    remembering = RememberingSolver(counting)
    for seconds in (2.0, 1.0, 2.0):
        assert isinstance(remembering.check(Query((SMALL, LARGE)), seconds), Undecided)
    assert counting.times == [2.0]
    counting.answer = None
    assert isinstance(remembering.check(Query((SMALL, LARGE)), 5.0), Unsat)
    assert isinstance(remembering.check(Query((SMALL, LARGE)), 1.0), Unsat)
    assert counting.times == [2.0, 5.0]
