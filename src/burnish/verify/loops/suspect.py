"""Suspicions about a pair, with all known code in line as it runs: many of them, soon, and no proof.

What ends a proof may be about a callee that is stood for though its code runs, or about what no run shows. So the two
are explored once more, path by path, and what does not hold is noted and passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.domains.smt.build import FALSE, const
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import Joint, NotProvedError, Solves
from burnish.verify.engine.points import AtCall
from burnish.verify.engine.sharing import sharing
from burnish.verify.engine.state import State
from burnish.verify.engine.suspicion import Suspicion, failed
from burnish.verify.loops.align import START
from burnish.verify.loops.invariants import cuts_of
from burnish.verify.loops.splice import known_bodies, spliced
from burnish.verify.loops.unroll import UnrollingProver
from burnish.verify.pair import Pair, Shared
from burnish.verify.solve.query import Answer, Query, Sat, Unsat

_QUESTION_S = 0.4
"""For one question: what is not answered soon is passed over."""
_SHARINGS = 3
_HOPELESS = (
    NotProvedError,
    UnmodelledError,
    UndecidedAccessError,
    MeaninglessError,
    OutOfTimeError,
    RecursionError,
)
_APART_SHARE = 0.6
"""Of the time, what is for paths by themselves."""


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


class _EnoughError(Exception):
    """Nothing more is looked for."""


@dataclass(slots=True)
class _Suspecting(UnrollingProver):
    """Shows to ``look`` what does not hold, and goes on unless that is enough."""

    look: Callable[[Suspicion], bool] = lambda _: False

    def require(self, here: Joint, wrong: Term, phrase: str) -> None:
        """As ``UnrollingProver.require``, but never raises ``NotProvedError`` before the time is up."""
        try:
            UnrollingProver.require(self, here, wrong, phrase)
        except NotProvedError as error:
            if any(self.look(one) for one in failed(self, error).suspicions):
                raise _EnoughError from None
            if time.monotonic() > self.deadline:
                raise

    def _end(self, here: Joint) -> None:
        """What is no proof need not be one of some input."""

    def _stack_arguments(
        self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]
    ) -> None:
        """Nothing is taken for granted that would have to be said."""


def suspect(
    pair: Pair,
    solver: Solves,
    deadline: float,
    bound: int,
    assumed: Sequence[Term],
    fixed: Mapping[Term, int],
    look: Callable[[Suspicion], bool],
) -> None:
    """Shows suspicions to ``look``, which says whether that is enough, until ``deadline`` (on ``time.monotonic``).
    Loops are gone round ``bound`` times; ``fixed`` are values of variables that are no loss."""
    pair = spliced(pair, (known_bodies(pair.original), known_bodies(pair.rewrite)))
    hasty = _Hasty(solver, fixed)
    for joining in (False, True):
        share = 1.0 if joining else _APART_SHARE
        limit = time.monotonic() + (deadline - time.monotonic()) * share
        for _ in range(_SHARINGS):
            prover = _Suspecting(
                pair, hasty, limit, assumed, joining, cuts=cuts_of(pair), bound=bound, look=look
            )
            shared = _explored(prover)
            if shared is _ENOUGH:
                return
            if not isinstance(shared, tuple):
                break
            pair = replace(pair, shared=shared)


_ENOUGH = "enough"


def _explored(prover: _Suspecting) -> Shared | str:
    """Looks at all ways. The locals that have to be looked at as shared, if there are such: then once more; else a
    phrase."""
    try:
        with until(prover.deadline):
            prover.round(START, (prover.entry_state("a"), prover.entry_state("b")), prover.assumed)
    except _EnoughError:
        return _ENOUGH
    except EscapeError as error:
        return sharing(prover.pair, error.places, prover.stacked.locals)
    except _HOPELESS as error:
        return str(error)
    return "all ways were looked at"
