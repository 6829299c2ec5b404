"""Suspicions about a pair, with all known code in line as it runs: many of them, soon, and no proof.

What ends a proof may be about a callee that is stood for though its code runs, or about what no run shows. So the two
are explored once more, path by path, and what does not hold is noted and passed over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.domains.smt.build import FALSE, const
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import Joint, NotProvedError, Solves
from burnish.verify.engine.sharing import sharing
from burnish.verify.engine.suspicion import Suspicion, failed
from burnish.verify.loops.align import START
from burnish.verify.loops.invariants import cuts_of
from burnish.verify.loops.splice import known_bodies, spliced
from burnish.verify.loops.unroll import UnrollingProver
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Answer, Query, Sat, Unsat

_QUESTION_S = 0.4
"""For one question: what is not answered soon is passed over."""
_MOST = 8
_SHARINGS = 3
_LEAST = "the rewrite may"
"""Begins phrases about accesses and faults, which few runs show."""


@dataclass(slots=True)
class _Hasty:
    """A solver with some variables ``fixed``, by which questions are easier. What it does not answer soon counts as
    impossible: no proof is made with it."""

    solver: Solves
    fixed: Mapping[Term, int]

    def check(self, query: Query, timeout_s: float) -> Answer:
        """As the solver does, within a short time."""
        values = {term: const(value, term.width) for term, value in self.fixed.items()}
        asked = tuple(substitute(query.assertions, values))
        if FALSE in asked:
            return Unsat(())
        answer = self.solver.check(Query(asked), min(timeout_s, _QUESTION_S))
        if not isinstance(answer, Sat):
            return Unsat(())
        known = {term.name: value for term, value in self.fixed.items()}
        return Sat(replace(answer.model, variables={**answer.model.variables, **known}))


@dataclass(slots=True)
class _Suspecting(UnrollingProver):
    """Notes what does not hold, and goes on."""

    found: list[Suspicion] = field(default_factory=list[Suspicion], init=False)

    def require(self, here: Joint, wrong: Term, phrase: str) -> None:
        """As ``UnrollingProver.require``, but never raises before there are many suspicions."""
        try:
            UnrollingProver.require(self, here, wrong, phrase)
        except NotProvedError as error:
            self.found += failed(self, error).suspicions
            if len(self.found) >= _MOST or time.monotonic() > self.deadline:
                raise


def suspicions_of(
    pair: Pair,
    solver: Solves,
    deadline: float,
    bound: int,
    assumed: Sequence[Term] = (),
    fixed: Mapping[Term, int] | None = None,
) -> tuple[Suspicion, ...]:
    """Those that are found until ``deadline`` (on ``time.monotonic``), those first that runs show best. Loops are gone
    round ``bound`` times; ``fixed`` are values of variables that are no loss."""
    pair = spliced(pair, (known_bodies(pair.original), known_bodies(pair.rewrite)))
    hasty = _Hasty(solver, fixed or {})
    found: list[Suspicion] = []
    for joining in (True, False):
        limit = time.monotonic() + (deadline - time.monotonic()) * (0.6 if joining else 1.0)
        pair, more = _explored(pair, hasty, limit, bound, assumed, joining=joining)
        found += more
        if found:
            break
    return tuple(sorted(found, key=lambda one: one.phrase.startswith(_LEAST)))


def _explored(
    pair: Pair, solver: Solves, deadline: float, bound: int, assumed: Sequence[Term], *, joining: bool
) -> tuple[Pair, list[Suspicion]]:
    """What comes of one look, and the pair with the locals that are shared."""
    for _ in range(_SHARINGS):
        prover = _Suspecting(pair, solver, deadline, assumed, joining, cuts=cuts_of(pair), bound=bound)
        try:
            with until(deadline):
                prover.round(START, (prover.entry_state("a"), prover.entry_state("b")), assumed)
        except EscapeError as error:
            shared = sharing(pair, error.places, prover.stacked.locals)
            if not isinstance(shared, str) and time.monotonic() < deadline:
                pair = replace(pair, shared=shared)
                continue
        except (
            NotProvedError,
            UnmodelledError,
            UndecidedAccessError,
            MeaninglessError,
            OutOfTimeError,
            RecursionError,
        ):
            pass
        return pair, prover.found
    return pair, []
