"""What a failed proof suspects: where both sides are, all that holds there, and how the original goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from burnish.core.code import Label
from burnish.core.verdict import Unknown
from burnish.domains.smt.terms import Term
from burnish.verify.engine.points import Point, Where
from burnish.verify.engine.proof import NotProvedError, Proof
from burnish.verify.engine.region import Executor
from burnish.verify.engine.state import State
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The original is at ``at`` in a ``state``, or goes on from there to where the two differ: all of ``assertions``
    holds then. ``executor`` and ``cuts`` are those of the original in ``pair``; ``model`` is a state at entry that
    leads there. ``preferred`` says where memory should lie, ``natural`` how; ``before`` has what memory was before each
    call, and ``calls`` how many there were."""

    pair: Pair
    executor: Executor = field(repr=False)
    cuts: frozenset[Label]
    state: State = field(repr=False)
    at: Point | Where
    assertions: tuple[Term, ...] = field(repr=False)
    model: Model = field(repr=False)
    preferred: tuple[Term, ...] = field(repr=False)
    natural: tuple[Term, ...] = field(repr=False)
    before: Mapping[Term, Term] = field(repr=False)
    calls: int
    phrase: str = ""


class _Prover(Protocol):
    """What proves a pair, and has come to an end."""

    pair: Pair
    before: dict[Term, Term]
    preferred: dict[Term, None]
    natural: dict[Term, None]
    calls: int
    queries: int
    executors: tuple[Executor, Executor]
    cuts: tuple[frozenset[Label], frozenset[Label]]


def failed(prover: _Prover, error: NotProvedError) -> Proof:
    """What came of an attempt that ended so, with what it suspects."""
    here, model = error.here, error.model
    found: tuple[Suspicion, ...] = ()
    if here is not None and model is not None:
        one = Suspicion(
            prover.pair,
            prover.executors[0],
            prover.cuts[0],
            here.original,
            here.at[0],
            tuple(error.assertions),
            model,
            tuple(prover.preferred),
            tuple(prover.natural),
            dict(prover.before),
            prover.calls,
            str(error),
        )
        found = (one,)
    return Proof(Unknown(str(error)), model, prover.queries, apart=error.apart, suspicions=found)
