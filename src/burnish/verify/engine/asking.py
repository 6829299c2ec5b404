"""What is asked of the solvers while both sides are explored, and what must hold."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from burnish.domains.smt.build import FALSE, and_, not_, or_
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Op, Term
from burnish.verify.engine.axioms import axioms
from burnish.verify.engine.execute import Access
from burnish.verify.engine.points import Point, Ways, Where
from burnish.verify.engine.proof import NotProvedError, Solves
from burnish.verify.engine.propagate import propagated
from burnish.verify.engine.state import State
from burnish.verify.engine.ways import together
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Answer, Model, Query, Sat, Undecided, Unsat

SOON = 0.25
"""Of the time that is left, what is spent on a question whose answer is mostly there at once."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Where both sides are, the states there, and what is known to hold.

    ``at`` is a point to go on from, or a way out at which that side waits for the other. ``facts`` is what the
    original's accesses say of their addresses. ``accesses`` are those of the original, and ``pending`` those of the
    rewrite, since both sides last were at points that belong together.
    """

    original: State
    rewrite: State
    at: tuple[Point | Where, Point | Where]
    conditions: tuple[Term, ...] = ()
    facts: tuple[Term, ...] = ()
    accesses: tuple[Access, ...] = ()
    pending: tuple[Access, ...] = ()
    given: frozenset[int] | None = None
    """The numbers of the shared locals of which callees may know an address; None where that may be any."""


@dataclass(slots=True)
class Asking:
    """Asks about one pair, within the time. ``deadline`` is on ``time.monotonic``."""

    pair: Pair
    solver: Solves
    deadline: float
    hasty: bool = field(default=False, init=False)
    """True where a suspicion is looked into more closely elsewhere, so that no input has to be found that runs."""
    queries: int = field(default=0, init=False)
    before: dict[Term, Term] = field(default_factory=dict[Term, Term], init=False)
    """What each memory that a call left was before it."""
    preferred: dict[Term, None] = field(default_factory=dict[Term, None], init=False)
    """Conditions on inputs that are to be run, beside what must hold."""
    natural: dict[Term, None] = field(default_factory=dict[Term, None], init=False)
    """And those on inputs as programs have them."""
    provisos: dict[str, None] = field(default_factory=dict[str, None], init=False)
    """Phrases on what the proof takes for granted."""

    def on_time(self) -> None:
        """Raises ``NotProvedError`` when the time is up."""
        if time.monotonic() > self.deadline:
            raise NotProvedError("out of time")

    def aim(self, here: Joint, wanted: Sequence[Term]) -> None:
        """Notes what should hold of inputs that get here."""
        for one in wanted:
            self.preferred[or_(not_(and_(*here.conditions)), one)] = None

    def possible(self, here: Joint) -> bool:
        """False where no input gets here."""
        return not isinstance(self.ask(here.conditions), Unsat)

    def require(self, here: Joint, wrong: Term, phrase: str) -> None:
        """Raises ``NotProvedError`` unless no input makes ``wrong`` true here."""
        if wrong is FALSE:
            return
        assertions = (*here.conditions, *parts(wrong))
        answer = self.ask(assertions)
        if isinstance(answer, Unsat):
            return
        more = (*here.facts, *self.axioms((*assertions, *here.facts)))
        if (
            not self.hasty
            and isinstance(answer, Sat)
            and (model := self._runnable((*assertions, *more))) is not None
        ):
            raise NotProvedError(phrase, model, here, (*assertions, *more))
        if more:
            answer = self.ask((*assertions, *more))
        match answer:
            case Unsat():
                return
            case Sat(model):
                raise NotProvedError(phrase, model, here, (*assertions, *more))
            case Undecided(reason):
                raise NotProvedError(f"{phrase}: {reason}")

    def holds(self, here: Joint, wrong: Term) -> bool:
        """True where ``require`` would be content."""
        assertions = (*here.conditions, *parts(wrong))
        if wrong is FALSE or isinstance(self.ask(assertions), Unsat):
            return True
        more = (*here.facts, *self.axioms((*assertions, *here.facts)))
        return bool(more) and isinstance(self.ask((*assertions, *more)), Unsat)

    def _runnable(self, assertions: Sequence[Term]) -> Model | None:
        """A model in which no call writes memory, as where functions run by themselves, and in which memory lies where
        it can be; None where there is none."""
        count = len(assertions) + len(self.preferred)
        found = [*assertions, *self.preferred, *self.natural]
        for after, before in reversed(self.before.items()):
            found = substitute(found, {after: before})
        for chosen in (found, found[:count]) if self.natural else (found,):
            answer = self.ask(chosen)
            if isinstance(answer, Sat):
                return answer.model
        return None

    def ask(self, assertions: Iterable[Term]) -> Answer:
        """Is there a model of all assertions? Within what is left of the time."""
        asked = propagated(assertions)
        if asked is None:
            return Unsat(())
        left = self.deadline - time.monotonic()
        if left <= 0:
            return Undecided("out of time")
        self.queries += 1
        return self.solver.check(Query(asked), left)

    def together(self, joint: Joint, pairs: Sequence[Ways]) -> Sequence[Ways]:
        """The pairs of exits without those of which it is soon seen that they cannot be taken at once."""
        return together(pairs, lambda more: self.soon((*joint.conditions, more)))

    def axioms(self, roots: Sequence[Term]) -> list[Term]:
        """What holds of every run, as far as it is about variables that occur in ``roots``."""
        return axioms(self.pair, roots)

    def soon(self, assertions: Sequence[Term]) -> Answer:
        """As ``ask``, in a part of the time that is left."""
        deadline, now = self.deadline, time.monotonic()
        self.deadline = min(deadline, now + SOON * max(deadline - now, 0.0))
        try:
            return self.ask(assertions)
        finally:
            self.deadline = deadline


def parts(condition: Term) -> tuple[Term, ...]:
    """The conjuncts of a condition, in order."""
    return condition.args if condition.op is Op.AND else (condition,)
