"""The verdict on a pair by proof: one way after the other, until one decides or the time is up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.core.state import MachineState
from burnish.core.verdict import Proved
from burnish.domains.smt.terms import Term
from burnish.verify.engine.joint import Proof, Prover, Solves
from burnish.verify.engine.region import CyclicError
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair, Side

_ROUNDS = 8
"""Rounds of executing more calls in line, at most."""
_SHARE = 0.35
"""Of the time that is left, what one attempt may take."""

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

    def attempt(self, *, joining: bool, inline: _InLine = _NONE) -> Proof:
        """One attempt. Raises ``CyclicError``."""
        now = time.monotonic()
        limit = now + _SHARE * max(self.deadline - now, 0.0)
        proof = Prover(self.pair, self.solver, limit, self.assumed, joining, inline).prove()
        self.queries += proof.queries
        return proof

    def ways(self) -> Iterator[Proof]:
        """One attempt after the other: paths joined and each by itself, with more and more of the calls in line that
        have no counterpart. Raises ``CyclicError`` if the functions themselves have loops."""
        inline = _NONE
        for _ in range(_ROUNDS):
            try:
                proof = self.attempt(joining=True, inline=inline)
                yield replace(proof, method=_method(inline, joining=True))
                if proof.model is None:
                    proof = self.attempt(joining=False, inline=inline)
                    yield replace(proof, method=_method(inline, joining=False))
            except CyclicError:
                if inline == _NONE:
                    raise
                return
            more = self._with(inline, proof.apart)
            if more == inline:
                return
            inline = more

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
    found = (a for a, callee in side.callees.items() if callee.name == name)
    return frozenset({name}) if name and any(address in side.bodies for address in found) else frozenset()


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
    last: Proof | None = None
    if any(loops_of(side.function) for side in (pair.original, pair.rewrite)):
        return prove_loops(pair, solver, search.deadline, starts, assumed, bound, objects)
    try:
        for proof in search.ways():
            last = replace(proof, queries=search.queries)
            if isinstance(proof.verdict, Proved) or time.monotonic() > search.deadline:
                break
    except CyclicError:
        return prove_loops(pair, solver, search.deadline, starts, assumed, bound, objects)
    assert last is not None
    return last


def _method(inline: _InLine, *, joining: bool) -> str:
    calls = ", calls in line" if any(inline) else ""
    return ("paths joined" if joining else "path by path") + calls
