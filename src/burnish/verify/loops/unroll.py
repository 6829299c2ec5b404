"""Loops followed round by round from the entry, up to a bound: a proof where no input goes on beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from burnish.core.verdict import Bounded, Proved, Unknown
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import Joint, NotProvedError, Proof, Prover, Solves
from burnish.verify.engine.points import AtCut, Exit, Point, Where
from burnish.verify.engine.sharing import common, granted, sharing
from burnish.verify.engine.suspicion import failed
from burnish.verify.loops.align import START
from burnish.verify.loops.invariants import cuts_of
from burnish.verify.loops.passed import passed_after
from burnish.verify.loops.product import LoopJoint, RoundProver
from burnish.verify.pair import Pair

_ROUNDS_FOR_ONE = 20
"""Rounds of the rewrite for one of the original, at most: of a plain loop for one that was unrolled or made of
vectors."""


@dataclass(slots=True)
class UnrollingProver(RoundProver):
    """Each side goes on until it returns or calls, first the original; ``cut_short`` is True once some input may take
    that more than ``bound`` times round a loop. The rewrite must then come to an end, too."""

    bound: int = 8
    cut_short: bool = field(default=False, init=False)

    def unmatched(self, here: Joint, first: Exit, second: Exit) -> list[Joint]:
        """One side goes on, unless it has gone round often enough."""
        assert isinstance(here, LoopJoint)
        wheres: list[Point | Where] = [first.where, second.where]
        passed = tuple(
            passed_after(before, at, where)
            for before, at, where in zip(here.passed, here.at, (first.where, second.where), strict=True)
        )
        mover = next((side for side in (0, 1) if isinstance(wheres[side], AtCut)), None)
        if mover is None:
            return Prover.unmatched(self, here, first, second)
        here = replace(here, passed=(passed[0], passed[1]))
        if not self.possible(here):
            return []
        at = wheres[mover]
        assert isinstance(at, AtCut)
        # A head is passed once more than its loop goes round.
        rounds = passed[mover].count(at.label) - 1
        if mover == 0 and rounds > self.bound:
            self.cut_short = True
            return []
        if mover == 1 and rounds > _ROUNDS_FOR_ONE * (self.bound + 1):
            raise NotProvedError("the rewrite still loops where the original does not")
        wheres[mover] = Point(at.label)
        return [replace(here, original=first.state, rewrite=second.state, at=(wheres[0], wheres[1]))]


def prove_unrolled(
    pair: Pair, solver: Solves, deadline: float, bound: int, assumed: Sequence[Term] = ()
) -> Proof:
    """``Proved`` where no input takes the original round a loop more than ``bound`` times, ``Bounded`` where all is
    equal on those that do not, else ``Unknown`` with the reason. ``deadline`` is on ``time.monotonic``."""
    queries = 0
    prover = UnrollingProver(pair, solver, deadline, assumed, cuts=cuts_of(pair), bound=bound)
    try:
        try:
            with until(deadline):
                prover.round(START, (prover.entry_state("a"), prover.entry_state("b")), assumed)
        finally:
            queries = prover.queries
    except EscapeError as error:
        shared = sharing(pair, error.places, prover.stacked.locals)
        if isinstance(shared, str):
            return Proof(Unknown(shared), None, queries)
        return prove_unrolled(replace(pair, shared=shared), solver, deadline, bound, assumed)
    except NotProvedError as error:
        return failed(prover, error)
    except (UnmodelledError, UndecidedAccessError, MeaninglessError, OutOfTimeError) as error:
        return Proof(Unknown(str(error)), None, queries)
    if not prover.ended:
        reason = f"no input is known that ends within {bound} rounds of every loop"
        return Proof(Unknown(reason), None, queries)
    wrong = common(pair, prover.stacked.locals)
    if wrong:
        return Proof(Unknown(wrong), None, queries)
    return Proof(
        Bounded(bound) if prover.cut_short else Proved(),
        None,
        queries,
        method="unrolling" if prover.cut_short else "unrolling to the end",
        provisos=(*prover.provisos, *granted(pair, prover.stacked.locals)),
        callees=tuple(prover.callees),
    )
