"""Relations that no data shows, from the ways that lead to a pair of cuts: what they compute, compare, and have read or
written there. They are guesses as all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeVar

from burnish.domains.smt.build import add, const, ite
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.addresses import alternatives, mentions_frame
from burnish.verify.engine.compare import OWN_VIEWS, Views
from burnish.verify.engine.state import State
from burnish.verify.loops.align import START, Node
from burnish.verify.loops.candidates import ADDRESS_BITS
from burnish.verify.loops.current import MEMORY_NOW, Naming, is_worth_saying, values_in, wholes
from burnish.verify.loops.guards import compared, guards
from burnish.verify.loops.product import Arrival
from burnish.verify.loops.ranges import split
from burnish.verify.loops.recurrences import Moment, Recurrences
from burnish.verify.loops.relations import Asked, Comparison, Computed, Held, Order, Relation, holds
from burnish.verify.loops.symbolic import memory_term, value_term
from burnish.verify.loops.term_text import ENTRY_WIDTHS, is_of_entry, is_of_state
from burnish.verify.loops.values import FRAME, Sample, Value

_MOST_GUARDS = 64
"""Comparisons that are taken from conditions of the ways to a node: each may lead to the next."""
_MOST_ADDRESSES, _MOST_HELD = 48, 48
"""Addresses that are looked at on one way, and relations with memory at one node."""
_MOST_SAID, _MOST_WAYS = 48, 3
"""Relations that say what others values are made of, at one node; and those of one value."""
_MOST_ASKED = 24
"""Conditions of one way on the state at entry, and at one node on what is held now."""
_SIZES = (8, 4, 2, 1)

_Some = TypeVar("_Some", bound=Relation)


class Proposals:
    """What the ways to each node propose, each relation once. ``values`` and ``samples`` are those of a node."""

    def __init__(
        self,
        values: Callable[[Node], Sequence[Value]],
        samples: Mapping[Node, Sequence[Sample]],
        views: Callable[[], Views],
    ) -> None:
        self._values = values
        self._samples = samples
        self._views = views
        self._proposed: set[tuple[Node, Relation]] = set()
        self._guarded: dict[Node, int] = {}
        self._held: dict[Node, int] = {}
        self._said: dict[Node, Counter[Value]] = {}
        self._asked: Counter[Node] = Counter()
        self._recurrences: dict[Node, Recurrences] = {}
        self._grown: dict[tuple[Node, Value], Computed] = {}

    def computed(self, arrival: Arrival) -> list[Computed]:
        """What is computed before the loops may stay as it is."""
        node = arrival.target
        first = arrival.here.source == START
        found: list[Computed] = []
        for value in self._values(node):
            if value.side == "e" or value.size < 4:
                continue
            term = self._term(value, arrival)
            # Data show other constants; those as large might be addresses of one run.
            if (term.is_const and not term.value >> ADDRESS_BITS) or not is_of_entry(term):
                continue
            if not first and any(part.op is Op.MEMORY for part in subterms(term)):
                continue
            relation = Computed(value, term)
            if self._is_new(node, relation) and self._may_hold(node, relation):
                found.append(relation)
        return found

    def entered(self, arrival: Arrival) -> list[Asked]:
        """What the way to a loop has asked of the state at entry holds for as long as it runs."""
        node = arrival.target
        if arrival.here.source == node:
            return []
        conditions = (one for one in arrival.here.conditions if is_of_entry(one) and not mentions_frame(one))
        return self._new(node, map(Asked, conditions))[:_MOST_ASKED]

    def asked(self, arrival: Arrival) -> list[Asked]:
        """What the way has compared with memory may be so whenever both sides are here: a count below a limit that is
        loaded each time."""
        node, found = arrival.target, list[Asked]()
        conditions = [one for one in arrival.here.conditions if _limits(one)]
        if not conditions or self._asked[node] >= _MOST_ASKED:
            return found
        naming = Naming(self._known(arrival), arrival.a.memory, frozenset(ENTRY_WIDTHS))
        for condition in conditions[-_MOST_ASKED:]:
            said = naming.of(condition)
            if said is not None and MEMORY_NOW in subterms(said) and values_in(said) and is_of_state(said):
                found += self._new(node, [Asked(said)])
        self._asked[node] += len(found)
        return found

    def compared(
        self, arrival: Arrival, assumed: frozenset[Term], seen: set[tuple[Node, Relation]]
    ) -> list[Order]:
        """What the way has compared may hold whenever both sides are here. What was ``assumed`` at the same place says
        nothing new: of the next number each round, and so for ever."""
        node = arrival.target
        if self._guarded.get(node, 0) > _MOST_GUARDS:
            return []
        if arrival.here.source != node:
            assumed = frozenset()
        known: dict[Term, list[Value]] = {}
        for value in compared(self._values(node)):
            term = self._term(value, arrival)
            if not term.is_const:
                known.setdefault(term, []).append(value)
        conditions = [condition for condition in arrival.here.conditions if condition not in assumed]
        found = [
            order
            for order in guards(conditions, known)
            if (node, order) not in seen and self._may_hold(node, order)
        ]
        self._guarded[node] = self._guarded.get(node, 0) + len(found)
        return found

    def pointers(self, arrival: Arrival) -> list[Order]:
        """What the original has looked behind is no null pointer, and may stay none."""
        node = arrival.target
        bases = {base: None for address in _looked_at(arrival.here.facts) for base in split(address)[:1]}
        found: dict[Term, Order] = {}
        for value in self._values(node) if bases else ():
            if value.size == 8 and value.side != "e" and value.cell != "rsp":
                term = self._term(value, arrival)
                if term in bases and not term.is_const:
                    found.setdefault(term, Order(value, Comparison.DIFFERENT, 0))
        orders = [order for order in found.values() if self._is_new(node, order)]
        return [order for order in orders if self._may_hold(node, order)]

    def current(self, arrival: Arrival) -> list[Computed]:
        """What one value is made of others, or of memory, at the end of the way may be so at the end of all."""
        node = arrival.target
        said = self._said.setdefault(node, Counter())
        if said.total() > _MOST_SAID:
            return []
        values = list(wholes(self._values(node)))
        known = self._known(arrival)
        terms = {part: term for term, parts in known.items() for part in parts}
        naming = Naming(known, arrival.a.memory, frozenset(ENTRY_WIDTHS))
        found = list(_made_of_others(values, terms, naming))
        for address in list(dict.fromkeys(_addresses(arrival, known)))[:_MOST_ADDRESSES]:
            found += self._loaded(arrival, address, known, naming)
        found = [
            one for one in dict.fromkeys(found) if said[one.value] < _MOST_WAYS and self._is_new(node, one)
        ]
        found = [one for one in found if self._may_hold(node, one)]
        said.update(one.value for one in found)
        return found

    def _known(self, arrival: Arrival) -> dict[Term, list[Value]]:
        """The values of both sides that terms may speak of, by what they are, but for numbers."""
        found: dict[Term, list[Value]] = {}
        for part in (part for whole in wholes(self._values(arrival.target)) for part in whole):
            term = self._term(part, arrival)
            if not term.is_const:
                found.setdefault(term, []).append(part)
        return found

    def grown(
        self, arrival: Arrival, begun: tuple[State, State] | None, held: Sequence[Relation]
    ) -> list[Computed]:
        """What has grown by another value in each round since the loop was entered. ``begun`` are the states from which
        this round began, ``held`` what is taken to hold here."""
        node, views = arrival.target, self._views()
        values = self._values(node)
        known = self._recurrences.setdefault(node, Recurrences())
        now = Moment.of(values, arrival.a, arrival.b, views)
        if arrival.here.source != node or begun is None:
            known.enter(now)
            return []
        found: list[Computed] = []
        for one in known.after(Moment.of(values, *begun, views), now):
            # One way after the other: products are hard to tell from each other.
            if self._grown.get((node, one.value)) not in held and self._new(node, [one]):
                self._grown[node, one.value] = one
                found.append(one)
                held = [*held, one]
        return found

    def _loaded(
        self, arrival: Arrival, address: Term, known: Mapping[Term, Sequence[Value]], naming: Naming
    ) -> Iterator[Computed]:
        """What memory holds at an address that is no value, but made of some."""
        place = None if split(address)[0] in known else naming.of(address)
        if place is None:
            return
        own = {(value.side, value.cell) for value in values_in(place)}
        for size in _SIZES:
            term = memory_term(MEMORY_NOW, place, size, OWN_VIEWS)
            if is_worth_saying(term) and is_of_state(term):
                word = memory_term(arrival.a.memory, address, size, self._views())
                words = (value for value in known.get(word, ()) if (value.side, value.cell) not in own)
                yield from (Computed(value, term) for value in words)

    def held(self, arrival: Arrival) -> list[Held]:
        """What was loaded, or stored, before the loops may be in memory still: one side keeps it in a register where
        the other loads it each time."""
        node = arrival.target
        if self._held.get(node, 0) > _MOST_HELD:
            return []
        values = self._values(node)
        known: dict[Term, list[Value]] = {}
        for value in _parts(values):
            term = self._term(value, arrival)
            if not term.is_const:
                known.setdefault(term, []).append(value)
        bases: dict[Term, list[tuple[Value, int]]] = {}
        for value in values:
            if value.size == 8 and value.cell not in (FRAME, "rsp") and not value.word:
                base, constant = split(self._term(value, arrival))
                bases.setdefault(base, []).append((value, constant))
        found: list[Held] = []
        addresses = list(dict.fromkeys(_addresses(arrival, known)))[:_MOST_ADDRESSES]
        distances = dict.fromkeys(constant for _, constant in map(split, addresses))
        chosen = (add(base, const(d, 64)) for base in bases if base.op is Op.ITE for d in distances)
        for address in [*addresses, *islice(chosen, _MOST_ADDRESSES)]:
            base, constant = split(address)
            whole: set[tuple[str, str, int]] = set()
            for size in _SIZES if base in bases else ():
                word = self._word(arrival, address, size)
                for value in known.get(word, ()):
                    place = value.side, value.cell, value.offset
                    if place not in whole:
                        whole.add(place)
                        near = _few(bases[base], value)
                        found += (Held(value, other, constant - distance) for other, distance in near)
        found = [relation for relation in dict.fromkeys(found) if self._is_new(node, relation)]
        self._held[node] = self._held.get(node, 0) + len(found)
        return found

    def _word(self, arrival: Arrival, address: Term, size: int) -> Term:
        """What a load finds, which looks at each place by itself that it may be from."""
        *others, (_, last) = alternatives(address)
        found = memory_term(arrival.a.memory, last, size, self._views())
        for choice, place in reversed(others):
            found = ite(choice, memory_term(arrival.a.memory, place, size, self._views()), found)
        return found

    def _term(self, value: Value, arrival: Arrival) -> Term:
        return value_term(value, arrival.a, arrival.b, self._views())

    def _is_new(self, node: Node, relation: Relation) -> bool:
        new = (node, relation) not in self._proposed
        self._proposed.add((node, relation))
        return new

    def _new(self, node: Node, relations: Iterable[_Some]) -> list[_Some]:
        return [one for one in relations if self._is_new(node, one) and self._may_hold(node, one)]

    def _may_hold(self, node: Node, relation: Relation) -> bool:
        return all(holds(relation, sample) for sample in self._samples[node])


def _looked_at(facts: Sequence[Term]) -> Iterator[Term]:
    """The addresses that facts are about, and others."""
    for part in subterms(*facts):
        if part.op is Op.ULT:
            yield from (address for address in part.args if address.width == 64 and not address.is_const)


def _limits(condition: Term) -> bool:
    """True of a comparison of two that are no numbers, and one of which is loaded."""
    compared = condition.args[0] if condition.op is Op.NOT else condition
    if compared.op not in (Op.ULT, Op.SLT) or any(part.is_const for part in compared.args):
        return False
    return any(part.op is Op.SELECT for part in subterms(compared))


def _made_of_others(
    wholes: Sequence[Sequence[Value]], terms: Mapping[Value, Term], naming: Naming
) -> Iterator[Computed]:
    """Values that are made of others by more than sums: the whole of each, or else a part."""
    for whole in wholes:
        for part in whole:
            term = terms.get(part)
            said = None if term is None else naming.of(term, part)
            if said is not None and is_worth_saying(said) and is_of_state(said):
                yield Computed(part, said)
                break


def _parts(values: Sequence[Value]) -> Iterator[Value]:
    """The parts of values of both sides that may be words of memory."""
    for value in values:
        if value.side != "e" and value.size <= 8 and not value.word:
            yield from (Value(value.side, value.cell, value.offset, s) for s in _SIZES if s <= value.size)


def _few(bases: Sequence[tuple[Value, int]], held: Value) -> Iterator[tuple[Value, int]]:
    """Of values from which an address is known the first of the entry, and the first of each side: a pointer may stay
    or move. An address is not known from what it holds."""
    taken: set[str] = set()
    for value, distance in bases:
        if value.side not in taken and (value.side, value.cell) != (held.side, held.cell):
            taken.add(value.side)
            yield value, distance


def _addresses(arrival: Arrival, known: Mapping[Term, object]) -> Iterator[Term]:
    """Addresses of bytes that were stored last, and of those in the terms that are known."""
    memory = arrival.a.memory
    while memory.op is Op.STORE:
        yield memory.args[1]
        memory = memory.args[0]
    for term in chain(subterms(*known)):
        if term.op is Op.SELECT:
            yield term.args[1]
