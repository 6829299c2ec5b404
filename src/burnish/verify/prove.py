"""The verdict on a pair by proof: one way after the other, until one decides or the time is up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.core.state import MachineState
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.terms import Term
from burnish.verify.engine.joint import Proof, Prover, Solves
from burnish.verify.engine.library import is_known
from burnish.verify.engine.paths import Paths, alone
from burnish.verify.engine.region import CyclicError
from burnish.verify.engine.sharing import common, granted, sharing
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair, Side

_ROUNDS = 8
"""Rounds of executing more calls in line, at most."""
_SHARE = 0.35
"""Of the time that is left, what one attempt may take."""
_LAST_SHARE = 0.7
"""And the one after which there are no more calls to be executed in line."""

_PATHS_SHARE = 0.4
"""And the one that looks at few paths one by one: what it does not decide soon it mostly never does."""
_FEW = 1024
"""Pairs of paths of the two sides that are looked at one by one before any are joined."""

_InLine = tuple[frozenset[str], frozenset[str]]
_NONE: _InLine = (frozenset(), frozenset())


@dataclass(slots=True)
class _Search:
    """What the attempts at one pair share."""

    pair: Pair
    solver: Solves
    deadline: float
    assumed: Sequence[Term]
    queries: int = 0
    looping: bool = False
    """True once calls were to be executed in line that have loops."""

    def attempt(self, *, joining: bool, inline: _InLine, share: float, hasty: bool = False) -> Proof:
        """One attempt with that share of the time that is left. Raises ``CyclicError``."""
        now = time.monotonic()
        limit = now + share * max(self.deadline - now, 0.0)
        while True:
            prover = Prover(self.pair, self.solver, limit, self.assumed, joining, inline)
            prover.hasty = hasty
            proof = prover.prove()
            self.queries += proof.queries
            if not proof.escapes:
                # A callee in line that was met later may have another object at the same place.
                if not isinstance(proof.verdict, Proved):
                    return proof
                wrong = common(self.pair, proof.locals)
                if wrong:
                    return replace(proof, verdict=Unknown(wrong))
                return replace(proof, provisos=(*proof.provisos, *granted(self.pair, proof.locals)))
            shared = sharing(self.pair, proof.escapes, proof.locals)
            if isinstance(shared, str):
                return replace(proof, verdict=Unknown(shared))
            self.pair = replace(self.pair, shared=shared)

    def ways(self, share: float) -> Iterator[Proof]:
        """One attempt after the other: paths joined and each by itself, with more and more of the calls in line that
        have no counterpart. Raises ``CyclicError`` if the functions themselves have loops."""
        before, inline = _NONE, alone(self.pair)
        known = self._all_known()
        for _ in range(_ROUNDS):
            joining = not self._few_paths(inline)
            try:
                most = max(share, _LAST_SHARE) if inline == known != _NONE else share
                most = most if joining else min(most, _PATHS_SHARE)
                proof = self.attempt(joining=joining, inline=inline, share=most, hasty=inline != known)
            except CyclicError:
                if inline == _NONE:
                    raise
                self.looping = True
                yield self._separate(before, share)
                return
            yield replace(proof, method=_method(inline, joining=joining))
            more = self._with(inline, proof.apart)
            if more == inline and proof.model is None:
                most = share if joining else max(share, _LAST_SHARE)
                proof = self.attempt(joining=not joining, inline=inline, share=most)
                yield replace(proof, method=_method(inline, joining=not joining))
                more = self._with(inline, proof.apart)
            if more == inline and proof.model is not None:
                # What a callee does may be what the model has wrong.
                more = known
            if more == inline:
                if share < 1 and proof.model is None:
                    # What is left of the time is one attempt's.
                    proof = self.attempt(joining=joining, inline=inline, share=1.0)
                    yield replace(proof, method=_method(inline, joining=joining))
                return
            before, inline = inline, more

    def _separate(self, inline: _InLine, share: float) -> Proof:
        proof = self.attempt(joining=False, inline=inline, share=share)
        return replace(proof, method=_method(inline, joining=False))

    def _few_paths(self, inline: _InLine) -> bool:
        """True where each path is best looked at by itself: most questions are none then."""
        sides = self.pair.original, self.pair.rewrite
        first, second = (Paths(side, names).count for side, names in zip(sides, inline, strict=True))
        return 1 < first * second <= _FEW

    def _all_known(self) -> _InLine:
        """The callees of each side whose bodies are known."""
        known = [
            frozenset(
                callee.name
                for address, callee in side.callees.items()
                if address in side.bodies or is_known(callee)
            )
            for side in (self.pair.original, self.pair.rewrite)
        ]
        return known[0], known[1]

    def best(self, share: float) -> Proof:
        """A proof, or the last attempt, with what all of them suspect. Raises ``CyclicError``."""
        tried: list[Proof] = []
        for proof in self.ways(share):
            tried.append(proof)
            if isinstance(proof.verdict, Proved) or time.monotonic() > self.deadline:
                break
        others = tuple(proof.model for proof in reversed(tried[:-1]) if proof.model is not None)
        suspicions = tuple(one for proof in reversed(tried) for one in proof.suspicions)
        return replace(tried[-1], queries=self.queries, others=others, suspicions=suspicions)

    def _with(self, inline: _InLine, apart: tuple[str, str]) -> _InLine:
        """A call that the other side never makes is the one to execute; else both are."""
        sides = self.pair.original, self.pair.rewrite
        only = [
            bool(name) and name not in {callee.name for callee in other.callees.values()}
            for name, other in zip(apart, reversed(sides), strict=True)
        ]
        chosen = [
            name if name and (mine or not any(only)) else "" for name, mine in zip(apart, only, strict=True)
        ]
        return (
            inline[0] | _known(sides[0], chosen[0]),
            inline[1] | _known(sides[1], chosen[1]),
        )


def _known(side: Side, name: str) -> frozenset[str]:
    """The name, if the body of that callee is known."""
    found = ((address, callee) for address, callee in side.callees.items() if callee.name == name)
    known = any(address in side.bodies or is_known(callee) for address, callee in found)
    return frozenset({name}) if known else frozenset()


def prove(
    pair: Pair,
    solver: Solves,
    *,
    timeout_s: float,
    assumed: Sequence[Term] = (),
    bound: int = 8,
    starts: Sequence[MachineState] = (),
    objects: Mapping[str, int] | None = None,
) -> Proof:
    """``Proved``, ``Bounded`` or ``Unknown`` with the reason of the last way that was tried, and a model of inputs on
    which the two may differ where a solver gave one. ``assumed`` are conditions (width 1) on the state at entry;
    loops for which no invariant is found are unrolled ``bound`` times. ``starts`` are inputs from which loops are
    learnt, with ``objects`` at the addresses given by name."""
    search = _Search(pair, solver, time.monotonic() + timeout_s, assumed)
    if has_loops(pair):
        return prove_loops(pair, solver, search.deadline, starts, assumed, bound, objects)
    try:
        proof = search.best(_SHARE)
    except CyclicError:
        return prove_loops(pair, solver, search.deadline, starts, assumed, bound, objects)
    if isinstance(proof.verdict, Proved) or not search.looping:
        return proof
    # The loops are those of a callee that only one side calls.
    other = prove_loops(pair, solver, search.deadline, starts, assumed, bound, objects)
    queries = proof.queries + other.queries
    if isinstance(other.verdict, Unknown):
        return replace(proof, queries=queries, suspicions=(*proof.suspicions, *other.suspicions))
    return replace(other, queries=queries)


def prove_briefly(
    pair: Pair, solver: Solves, *, timeout_s: float, assumed: Sequence[Term] = ()
) -> Proof | None:
    """As ``prove``, each way with all of the time that is left; None for functions with loops."""
    if has_loops(pair):
        return None
    search = _Search(pair, solver, time.monotonic() + timeout_s, assumed)
    try:
        return search.best(1.0)
    except CyclicError:
        return None


def has_loops(pair: Pair) -> bool:
    """True where a side has loops of its own."""
    return any(loops_of(side.function) for side in (pair.original, pair.rewrite))


def _method(inline: _InLine, *, joining: bool) -> str:
    calls = ", calls in line" if any(inline) else ""
    return ("paths joined" if joining else "path by path") + calls
