"""Proofs of functions with loops: aligned on runs, related, and checked by induction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice

from burnish.core.state import MachineState
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import OBJECT, UndecidedAccessError
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import NotProvedError, Proof, Solves
from burnish.verify.engine.sharing import sharing
from burnish.verify.loops.align import Alignment, Node
from burnish.verify.loops.invariants import check, cuts_of
from burnish.verify.loops.learn import Values, alignments, unaligned, unchanged
from burnish.verify.loops.product import RoundProver
from burnish.verify.loops.remembered import RememberingSolver
from burnish.verify.loops.search import Search
from burnish.verify.loops.splice import NONE, Names, known_bodies, only_one_side, spliced
from burnish.verify.loops.surroundings import Start, given, made_up
from burnish.verify.loops.unroll import prove_unrolled
from burnish.verify.loops.words import Apart, words_apart
from burnish.verify.pair import MOST_CLASSES, Pair
from burnish.verify.solve.query import Model

_ALIGNMENTS = 8
_SHARE = 0.8
"""Of the time, what induction may take where unrolling is the other way."""
_UNALIGNED_SHARE, _UNALIGNED_S = 0.45, 12.0
"""Of the time that is left, what a search without runs may take where there may be some, and in seconds: it is soon
over, or rounds do not go one for one."""
_RESUMED_SHARE = 0.5
"""Of the time that is left, what the likeliest alignment may take where that search is not over, and then its rest."""
_LEARNING_SHARE = 0.6
"""Of the time that is left, what may be spent on finding the next alignment."""
_PLAIN_SHARE = 0.7
"""Of the time that is left, what the check of relations may take that are not the last to be tried."""
_MADE_UP = 160
"""Starts that are tried beside those given."""
_ROUNDS = 3
"""Times that calls without a counterpart are taken in line."""


def prove_loops(
    pair: Pair,
    solver: Solves,
    deadline: float,
    states: Sequence[MachineState],
    assumed: Sequence[Term] = (),
    bound: int = 0,
    objects: Mapping[str, int] | None = None,
) -> Proof:
    """A proof without a bound; else, with a ``bound``, what unrolling gives; else ``Unknown`` with the reason of the
    likeliest attempt.

    ``states`` are inputs from which both sides are run first, with ``objects`` at the addresses given by name; others
    are made up. ``assumed`` are conditions on the entry state; ``deadline`` is on ``time.monotonic``.
    """
    starts = [*(given(state, number) for number, state in enumerate(states)), *made_up(_MADE_UP)]
    now = time.monotonic()
    limit = now + _SHARE * (deadline - now) if bound else deadline
    solver = RememberingSolver(solver)
    induction = _Induction(pair, solver, limit, starts, assumed, objects or {})
    proof = induction.prove()
    if isinstance(proof.verdict, Proved) or not bound:
        return proof
    unrolled = prove_unrolled(spliced(pair, induction.inline), solver, deadline, bound, assumed)
    total = proof.queries + unrolled.queries
    if isinstance(unrolled.verdict, Unknown):
        # A model counts as a suspicion only where it is one of the entry state.
        model, suspicions = _of_entry(unrolled.model), unrolled.suspicions
        return replace(proof, model=model, queries=total, suspicions=suspicions)
    assert isinstance(proof.verdict, Unknown)
    method = (
        unrolled.method
        if isinstance(unrolled.verdict, Proved)
        else f"{unrolled.method}; {proof.verdict.reason}"
    )
    return replace(unrolled, queries=total, method=method)


def _of_entry(model: Model | None) -> Model | None:
    """A model without the addresses that calls in line return to."""
    if model is None:
        return None
    named = {name: v for name, v in model.variables.items() if not name.startswith(OBJECT + "return address")}
    return replace(model, variables=named)


@dataclass(slots=True)
class _Induction:
    """Attempts at one pair, with more and more calls in line."""

    pair: Pair
    solver: Solves
    deadline: float
    starts: Sequence[Start]
    assumed: Sequence[Term]
    objects: Mapping[str, int]
    inline: Names = NONE
    queries: int = 0
    _apart: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _unfinished: tuple[RoundProver, Search] | None = None
    """A search without runs that was not over in time."""

    def prove(self) -> Proof:
        """``Proved``, or ``Unknown`` with the reason of the likeliest attempt."""
        self.inline = only_one_side(self.pair)
        proof = self._attempts()
        rounds = 0
        while not isinstance(proof.verdict, Proved) and time.monotonic() < self.deadline:
            more = self._more()
            if proof.escapes:
                shared = sharing(self.pair, proof.escapes, proof.locals)
                if isinstance(shared, str):
                    proof = Proof(Unknown(shared))
                    break
                self.pair = replace(self.pair, shared=shared)
            elif more != self.inline and rounds < _ROUNDS:
                self.inline = more
                rounds += 1
            else:
                break
            proof = self._attempts()
        return replace(proof, queries=self.queries)

    def _more(self) -> Names:
        """The callees in line, with those that one side was seen to call where the other does not."""
        known = known_bodies(self.pair.original), known_bodies(self.pair.rewrite)
        apart = [{names[side] for names in self._apart} for side in (0, 1)]
        return self.inline[0] | known[0] & apart[0], self.inline[1] | known[1] & apart[1]

    def _attempts(self) -> Proof:
        pair = spliced(self.pair, self.inline)
        early = self._early()
        # Most loops go round for round, and what holds there follows from the code.
        self._unfinished = None
        unguided = self._attempt(pair, *unaligned(pair), early, ordered=False)
        if isinstance(unguided.verdict, Proved) or self._shareable(pair, unguided):
            return unguided
        apart = _apart(pair)
        if self._unfinished is None and apart is not None:
            later = self._attempt(pair, *unaligned(pair), self._early(), apart=apart, ordered=False)
            if isinstance(later.verdict, Proved):
                return later
        first, pending = None, self._unfinished
        for alignment, values in islice(self._learnt(pair), _ALIGNMENTS):
            if time.monotonic() > self.deadline:
                break
            for ordered in (False, True):
                limit = self.deadline if pending is None else self._within(_RESUMED_SHARE)
                proof = self._attempt(pair, alignment, values, limit, ordered=ordered)
                self._apart.add(proof.apart)
                if isinstance(proof.verdict, Proved) or proof.escapes:
                    return proof
                first = first or replace(proof, model=None)
                if self._more() != self.inline:
                    return first
                if (resumed := self._resume(pair, pending, self._within(_RESUMED_SHARE))) is not None:
                    return resumed
                pending = None
        if (resumed := self._resume(pair, pending, self.deadline)) is not None:
            return resumed
        if first is None:
            first = self._attempt(pair, *unaligned(pair), self.deadline, ordered=True)
            self._apart.add(first.apart)
        return replace(first, model=None)

    def _early(self) -> float:
        return min(time.monotonic() + _UNALIGNED_S, self._within(_UNALIGNED_SHARE))

    def _within(self, share: float) -> float:
        now = time.monotonic()
        return now + share * (self.deadline - now)

    def _resume(self, pair: Pair, pending: tuple[RoundProver, Search] | None, limit: float) -> Proof | None:
        """Goes on with the search without runs, which may be nearly over; what it says unless it is as before."""
        if pending is None:
            return None
        self._unfinished = pending
        proof = self._attempt(pair, *unaligned(pair), limit, ordered=False)
        self._apart.add(proof.apart)
        return proof if isinstance(proof.verdict, Proved) or proof.escapes else None

    def _learnt(self, pair: Pair) -> Iterator[tuple[Alignment, Values]]:
        """Alignments, for as long as one is soon found: with many loops there are more ways than can be tried."""
        found = alignments(pair, cuts_of(pair), self.starts, self.objects, self.deadline)
        while True:
            now = time.monotonic()
            try:
                with until(now + _LEARNING_SHARE * (self.deadline - now)):
                    one = next(found, None)
            except OutOfTimeError:
                return
            if one is None:
                return
            yield one

    def _shareable(self, pair: Pair, proof: Proof) -> bool:
        """True where locals whose addresses are passed on can be looked at as the same of both sides. Where they
        cannot, too little may have been known of the place."""
        found = sharing(pair, proof.escapes, proof.locals) if proof.escapes else ""
        return not isinstance(found, str)

    def _attempt(
        self,
        pair: Pair,
        alignment: Alignment,
        values: Values,
        deadline: float,
        *,
        apart: Callable[[Node], Apart] | None = None,
        ordered: bool,
    ) -> Proof:
        """With comparisons among the relations (``ordered``) or, faster, without; where memories may be ``apart`` until
        loops are left."""
        resumed = not ordered and apart is None and len(alignment.nodes) == 1
        prover, search = self._resumed(deadline) if resumed else (None, None)
        prover = prover or RoundProver(
            pair, self.solver, deadline, self.assumed, cuts=cuts_of(pair), steps=alignment.steps
        )
        try:
            with until(deadline):
                fixed = unchanged(pair)
                search = search or Search(
                    prover, alignment, values, fixed, apart=apart or _same, ordered=ordered
                )
                found = search.run()
        except NotProvedError as error:
            return Proof(Unknown(str(error)), apart=error.apart)
        except EscapeError as error:
            return Proof(Unknown(str(error)), escapes=error.places, locals=prover.stacked.locals)
        except (UnmodelledError, UndecidedAccessError, MeaninglessError, OutOfTimeError) as error:
            return Proof(Unknown(str(error)))
        finally:
            self.queries += prover.queries
            again = apart is None and not alignment.rules
            if search is not None and again and time.monotonic() >= deadline:
                self._unfinished = prover, search
        now = time.monotonic()
        limit = self.deadline if ordered else now + _PLAIN_SHARE * (self.deadline - now)
        proof = check(self.pair, self.solver, limit, replace(found, inline=self.inline), self.assumed)
        self.queries += proof.queries
        return proof

    def _resumed(self, deadline: float) -> tuple[RoundProver, Search] | tuple[None, None]:
        """The search that was not over in time, for another while: where no run came to a loop, runs have nothing to
        add to it."""
        if self._unfinished is None:
            return None, None
        prover, search = self._unfinished
        self._unfinished = None
        prover.deadline, prover.queries = deadline, 0
        return prover, search


def _apart(pair: Pair) -> Callable[[Node], Apart] | None:
    """Where memories may differ at pairs of cuts; None where that is nowhere."""
    unseen = pair.original.unseen(one.address for one in pair.original.function.instructions)
    found = cache(partial(words_apart, pair, unseen.first(MOST_CLASSES)))
    heads = cuts_of(pair)
    return found if any(found(Node(a, b)).words for a in heads[0] for b in heads[1]) else None


def _same(node: Node) -> Apart:
    del node
    return Apart()
