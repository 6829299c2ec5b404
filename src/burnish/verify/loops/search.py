"""Which of the guessed relations hold for ever: those that no round breaks.

Houdini (Flanagan and Leino, FME 2001): begin with all that holds on data, drop what a model refutes, until nothing
changes. Linear relations are not only dropped: the model is one more sample, of which new ones are made, as in
data-driven equivalence checking (Sharma, Schkufza, Churchill and Aiken, OOPSLA 2013). What comes out is still a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from burnish.domains.smt.build import TRUE, not_
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.evaluate_many import Array
from burnish.domains.smt.terms import Term
from burnish.verify.engine.compare import escaping
from burnish.verify.engine.joint import NotProvedError
from burnish.verify.engine.state import State
from burnish.verify.loops.align import START, Alignment, Node
from burnish.verify.loops.candidates import equalities, extends_itself, kept
from burnish.verify.loops.comparisons import nonzero, orders, truths
from burnish.verify.loops.guards import thresholds
from burnish.verify.loops.guesses import Guesses
from burnish.verify.loops.invariants import Invariants, Pairing, node_states
from burnish.verify.loops.made_up import known_slots, made_up, sample_of, variables_of
from burnish.verify.loops.product import Arrival, RoundProver
from burnish.verify.loops.proposals import Proposals
from burnish.verify.loops.relations import (
    Affine,
    Asked,
    Computed,
    Held,
    Order,
    OuterKept,
    Relation,
)
from burnish.verify.loops.symbolic import hiding, relation_term, value_term
from burnish.verify.loops.values import FRAME, Sample, Value
from burnish.verify.loops.words import Apart
from burnish.verify.solve.query import Model, Sat, Undecided, Unsat

_MOST_ROUNDS = 200
_ALL_S, _ONE_S = 10.0, 2.0
"""Seconds for a state to begin with, and for one relation that is hard to decide."""
_VAIN = Undecided("not worth more time")
_MOST_GUESSES = 12
_MOST_MADE_UP = 64
_MOST_ROWS, _ROWS_OF_FEW = 6, 24
"""Random states that become samples at once; and where there are so few samples that much is chance."""


class Search:
    """Finds the relations of one alignment. ``values`` gives those that relations may speak of at a node, those of the
    entry state first; ``apart`` says in which words of memory the two may differ there. ``untouched`` is what holds at
    every node because no code changes it. ``ordered`` where values are also compared: those relations are many, and
    take most of the time."""

    def __init__(
        self,
        prover: RoundProver,
        alignment: Alignment,
        values: Callable[[Node], Sequence[Value]],
        untouched: Sequence[Computed] = (),
        *,
        apart: Callable[[Node], Apart] = lambda node: Apart(),
        ordered: bool = True,
    ) -> None:
        self._prover = prover
        self._alignment = alignment
        self._given_values = values
        self._apart = apart
        self._slots: dict[Node, tuple[Value, ...]] = {}
        self._untouched = untouched
        self._ordered = ordered
        sides = prover.pair.original, prover.pair.rewrite
        self._thresholds = sorted({limit for side in sides for limit in thresholds(side.function)})
        self._samples = {node: list(samples) for node, samples in alignment.samples.items()}
        self._proposals = Proposals(self._values, self._samples, lambda: prover.views)
        self._relations: dict[Node, list[Relation]] = {}
        self._changed: dict[Node, None] = {}
        self._stale: set[Node] = set()
        """Nodes of which more relations are guessed now than the states of this round were made with."""
        self._refuted: set[tuple[Node, Relation]] = set()
        self._sources: dict[Node, dict[Node, None]] = {}
        """From where each node was reached."""
        self._again: dict[Node, None] = {}
        """Nodes from where others are reached of which more is guessed since than was looked at."""
        self._begun: tuple[State, State] | None = None
        self._began_with: frozenset[Term] = frozenset()
        """The states at the beginning of this round, and what is assumed there."""
        self._looked_at: Arrival | None = None
        self._terms: dict[int, tuple[Relation, Term]] = {}
        """Relations as terms of the arrival that is looked at, by identity; the relation is kept, so that no other has
        its."""
        self._settled = False
        self._waiting = dict.fromkeys(alignment.nodes)
        for node in alignment.nodes:
            if node != START:
                self._relations[node] = self._first(node)

    def _values(self, node: Node) -> tuple[Value, ...]:
        apart = self._apart(node)
        words = (*apart.words, *apart.seen, *(replace(word, side="b") for word in apart.words))
        return tuple(dict.fromkeys((*self._given_values(node), *self._slots.get(node, ()), *words)))

    def _first(self, node: Node) -> list[Relation]:
        """All that holds on the samples of a node."""
        samples, values = self._samples[node], self._values(node)
        equal = equalities(samples, values)
        return [
            *kept(samples),
            *self._untouched,
            *equal,
            *self._order(node, equal),
        ]

    def _order(self, node: Node, equal: Sequence[Affine]) -> list[Order]:
        """How values compare on the samples of a node, beside what is ``equal``."""
        samples, values = self._samples[node], self._values(node)
        found = nonzero(samples, values, equal) + truths(samples, values, equal)
        return found + orders(samples, values, equal, self._thresholds) if self._ordered else found

    def run(self) -> Invariants:
        """The relations that are left. Raises ``NotProvedError`` when out of time, or for too many rounds; then it can
        be called again, and goes on."""
        self._prover.searching = True
        self._prover.arrive = self._arrive
        waiting = self._waiting
        for _ in range(_MOST_ROUNDS):
            if not waiting:
                waiting.update(self._again)
            if not waiting and self._prover.pair.shared and not self._settled:
                # What is not seen any more depends on the relations of the place that is come to.
                self._settled = True
                waiting.update(dict.fromkeys(self._alignment.nodes))
            if not waiting:
                pairings = tuple(self._pairing(node) for node in self._relations)
                return Invariants(pairings, self._alignment.steps, shared=self._prover.pair.shared)
            node = next(iter(waiting))
            self._changed.clear()
            self._again.pop(node, None)
            try:
                self._round(node)
                del waiting[node]
            finally:
                waiting.update(self._changed)
        raise NotProvedError("relations between the loops are not stable after many rounds")

    def _pairing(self, node: Node) -> Pairing:
        slots = tuple(value for value in self._values(node) if value.cell == FRAME)
        return Pairing(node, tuple(self._relations[node]), slots, self._apart(node).words)

    def _round(self, node: Node) -> None:
        prover = self._prover
        self._stale.clear()
        if node == START:
            prover.round(START, (prover.entry_state("a"), prover.entry_state("b")), prover.assumed)
        else:
            a, b, assumed = node_states(self._pairing(node), prover.views)
            self._begun, self._began_with = (a, b), frozenset(assumed)
            prover.round(node, (a, b), (*prover.assumed, *assumed))

    def _arrive(self, arrival: Arrival) -> None:
        """Drops what does not hold at the end of a round."""
        node = arrival.target
        if node not in self._relations:
            self._begin(arrival)
        escaping(arrival.a.memory, arrival.b.memory, self._prover.pair.shared)
        self._sources.setdefault(node, {})[arrival.here.source] = None
        self._propose(arrival)
        near = self._near(arrival)
        shown: set[Term] = set()
        # Comparisons are many, mostly chance, and may be hard to refute: apart from the rest.
        for ordered in (False, True):
            while True:
                self._prover.on_time()
                self._guess(arrival, near)
                if self._is_stale(arrival):
                    return
                terms = [
                    (r, term)
                    for r, term in self._open(arrival)
                    if isinstance(r, Order) is ordered and term not in shown
                ]
                model = self._refutation(arrival, terms, shown)
                if model is None:
                    break
                self._learn(arrival, model, terms)
                near = [model]
        self._show(arrival)

    def _show(self, arrival: Arrival) -> None:
        """Drops what would hide where locals lie."""
        views, now, node = self._prover.views, (arrival.a, arrival.b), arrival.target
        while True:
            relations = self._relations[node]
            hidden = hiding(relations, node_states(self._pairing(node), views)[:2], now, views)
            if not hidden:
                return
            self._drop(node, set(hidden), ())

    def _is_stale(self, arrival: Arrival) -> bool:
        """True where the round began without relations that were guessed since, so that it cannot show that they are
        kept: the next round will."""
        return arrival.here.source == arrival.target and arrival.target in self._stale

    def _begin(self, arrival: Arrival) -> None:
        """Makes up samples of a node that no run has passed."""
        here, node = arrival.here, arrival.target
        self._slots[node] = known_slots("a", arrival.a) + known_slots("b", arrival.b)
        conditions = [*here.conditions, *here.facts]
        conditions += self._prover.axioms(conditions)
        halves, shown = self._shown(arrival)
        near = self._near(arrival)
        rows: list[Sample] = []
        found: Model | None = None
        for seed in range(_MOST_GUESSES):
            guesses = Guesses(conditions, shown, near, seed)
            rows += made_up(halves, shown, guesses, _MOST_MADE_UP - len(rows))
            if len(rows) >= _MOST_MADE_UP or (found is not None and not rows):
                break
            if not rows:
                answer = self._prover.any_of(arrival.here, [TRUE], _ALL_S)
                if not isinstance(answer, Sat):
                    break
                found = answer.model
                near = [found]
        self._samples[node] = rows or ([] if found is None else [self._sample(arrival, found)])
        # Nothing is known of memory but what the rounds will show.
        first = self._first(node) if self._samples[node] else self._untouched
        self._relations[node] = list(dict.fromkeys([OuterKept(), *first]))
        self._changed[node] = None

    def _shown(self, arrival: Arrival) -> tuple[list[Value], list[Term]]:
        """The values of a node in parts of up to 64 bits, and as terms."""
        halves = [
            Value(v.side, v.cell, v.offset + k, min(v.size, 8))
            for v in self._values(arrival.target)
            for k in range(0, v.size, 8)
        ]
        return halves, [self._term(value, arrival) for value in halves]

    def _open(self, arrival: Arrival) -> list[tuple[Relation, Term]]:
        """The relations of a node that do not show at once, as terms of an arrival there."""
        if self._looked_at is not arrival:
            self._looked_at, self._terms = arrival, {}
        found: list[tuple[Relation, Term]] = []
        for relation in self._relations[arrival.target]:
            known = self._terms.get(id(relation))
            if known is None:
                term = relation_term(relation, arrival.a, arrival.b, self._prover.views)
                known = self._terms[id(relation)] = relation, term
            if known[1] is not TRUE:
                found.append(known)
        return found

    def _refutation(
        self, arrival: Arrival, terms: Sequence[tuple[Relation, Term]], shown: set[Term]
    ) -> Model | None:
        """A state in which one of the relations does not hold; None where all hold, but for those that are not decided:
        they are dropped. ``shown`` grows by the terms of those that hold."""
        of_wrong = {not_(term): (relation, term) for relation, term in terms}
        here, hard = arrival.here, list[Term]()
        for part, answer in self._prover.answers(here, list(of_wrong)):
            match answer:
                case Sat(model):
                    return model
                case Unsat():
                    shown.update(of_wrong[wrong][1] for wrong in part)
                case Undecided():
                    hard += part
        for wrong in hard:
            self._prover.on_time()
            relation, term = of_wrong[wrong]
            match _VAIN if extends_itself(relation) else self._prover.any_of(here, [wrong], _ONE_S):
                case Sat(model):
                    return model
                case Unsat():
                    shown.add(term)
                case Undecided():
                    self._relations[arrival.target].remove(relation)
                    self._changed[arrival.target] = None
                    self._settled = False
        return None

    def _propose(self, arrival: Arrival) -> None:
        """Adds what the way here suggests. For what may hold whatever the way is, all ways here are looked at again."""
        node, known = arrival.target, self._relations[arrival.target]
        first: list[Relation] = [r for r in self._proposals.computed(arrival) if r not in known]
        first += self._proposals.entered(arrival) if self._ordered else ()
        held = [relation for relation in self._proposals.held(arrival) if relation not in known]
        grown = self._proposals.grown(arrival, self._begun, known)
        if grown:
            self._stale.add(node)
        made = [*grown, *self._proposals.current(arrival), *self._proposals.asked(arrival)]
        current = [relation for relation in made if (node, relation) not in self._refuted]
        known[:0] = [*first, *held, *current]
        seen = {(node, relation) for relation in known} | self._refuted
        compared = self._proposals.compared(arrival, self._began_with, seen)
        compared += [order for order in self._proposals.pointers(arrival) if (node, order) not in seen]
        known += compared
        if compared or held or current:
            self._changed.update(self._sources[node])
        elif first:
            self._again.update(self._sources[node])

    def _near(self, arrival: Arrival) -> list[Model]:
        """What is known of states from which a way is gone: what solvers have found, and a sample as values of the
        variables that a round begins with (``symbolic.related_states``)."""
        here = arrival.here
        known = self._prover.recent.find(here.conditions)
        found = [] if known is None else [known]
        samples = self._alignment.samples.get(here.source, [])
        if not samples:
            return found
        return [*found, Model(variables_of(samples[len(samples) // 2]))]

    def _guess(self, arrival: Arrival, near: Sequence[Model]) -> None:
        """Drops what random states refute, for as long as some do."""
        here = arrival.here
        conditions = [*here.conditions, *here.facts]
        conditions += self._prover.axioms(conditions)
        halves, shown = self._shown(arrival)
        for seed in range(_MOST_GUESSES):
            self._prover.on_time()
            terms = self._open(arrival)
            if not terms or self._is_stale(arrival):
                return
            guesses = Guesses(conditions, [*shown, *(term for _, term in terms)], near, seed)
            if not guesses.count:
                return
            refuted: dict[Relation, Array] = {}
            for (relation, _), truth in zip(terms, guesses.numbers([term for _, term in terms]), strict=True):
                if truth is not None and not truth.all():
                    refuted[relation] = truth
            if not refuted:
                return
            affine = [truth for relation, truth in refuted.items() if isinstance(relation, Affine)]
            few = len(self._samples[arrival.target]) < _MOST_MADE_UP
            new = made_up(halves, shown, guesses, _ROWS_OF_FEW if few else _MOST_ROWS, affine)
            self._drop(arrival.target, set(refuted), new)

    def _learn(self, arrival: Arrival, model: Model, terms: Sequence[tuple[Relation, Term]]) -> None:
        """Drops what a model refutes."""
        truth = evaluate([term for _, term in terms], model)
        refuted = {relation for (relation, _), true in zip(terms, truth, strict=True) if not true}
        if not refuted:
            raise NotProvedError("a model that refutes nothing")
        self._drop(arrival.target, refuted, [self._sample(arrival, model)])

    def _drop(self, node: Node, refuted: set[Relation], samples: Sequence[Sample]) -> None:
        """Takes relations away; linear ones are made anew with more samples."""
        self._changed[node] = None
        self._settled = False
        self._refuted.update((node, relation) for relation in refuted)
        left = [relation for relation in self._relations[node] if relation not in refuted]
        left[:0] = seen = self._seen(node, refuted)
        if seen:
            self._changed.update(self._sources[node])
        if samples and any(isinstance(relation, Affine) for relation in refuted):
            self._samples[node].extend(samples)
            new = [r for r in equalities(self._samples[node], self._values(node)) if r not in refuted]
            first = [r for r in left if isinstance(r, Computed | Asked | Held | OuterKept)]
            last = [r for r in left if isinstance(r, Order)]
            # What was the same as something else may have a lower limit of its own.
            last += [r for r in self._order(node, new) if r not in last and (node, r) not in self._refuted]
            if not {*new, *last} <= set(self._relations[node]):
                self._stale.add(node)
                self._again.update(self._sources.get(node, {}))
            left = [*first, *new, *last]
        self._relations[node] = left

    def _seen(self, node: Node, refuted: set[Relation]) -> list[Held]:
        """Of what memory does not hold any more: that some class of loads sees it there."""
        held = [relation for relation in refuted if isinstance(relation, Held) and relation.kind is None]
        classes = sorted(self._prover.executors[0].unseen.classes) if held else ()
        found = [replace(relation, kind=kind) for relation in held for kind in classes]
        return [relation for relation in found if (node, relation) not in self._refuted]

    def _sample(self, arrival: Arrival, model: Model) -> Sample:
        return sample_of(model, self._values(arrival.target), (arrival.a, arrival.b), self._prover.views)

    def _term(self, value: Value, arrival: Arrival) -> Term:
        return value_term(value, arrival.a, arrival.b, self._prover.views)
