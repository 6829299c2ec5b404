"""Values that grow by another in each round, against one that counts the rounds: sums of products.

A pointer that moves by a stride in a register, or a sum of equal numbers, is at the head of a loop what it was before
plus the stride times the rounds since, and those are what some counter has moved by. So chains of recurrences have it
(Bachmann, Wang and Zima, ISSAC 1994), from the code of one round alone. The relation is a guess as all others: where
counters wrap it may not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.domains.smt.build import add, const, extract, mul, sext, zext
from burnish.domains.smt.leaves import signed
from burnish.domains.smt.sums import linear
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.compare import Views
from burnish.verify.engine.state import State
from burnish.verify.loops.current import Naming, named, wholes
from burnish.verify.loops.relations import Computed
from burnish.verify.loops.symbolic import value_term
from burnish.verify.loops.term_text import ENTRY_WIDTHS, is_of_state
from burnish.verify.loops.values import Value

_MOST_COUNTERS, _MOST_GROWING = 3, 6
"""Values that count, and those that grow by others, of which more is said at one pair of cuts."""
_MOST_ENTERED = 2
"""Ways from outside that are remembered."""
_MOST_PARTS = 4
"""Products in one relation."""
_SIZES = (8, 4, 2, 1)
_ENTRY = frozenset(ENTRY_WIDTHS)


@dataclass(frozen=True, slots=True)
class Moment:
    """What both sides hold at one moment, by value, and memory there."""

    terms: Mapping[Value, Term]
    memory: Term

    @classmethod
    def of(cls, values: Sequence[Value], a: State, b: State, views: Views) -> Moment:
        """The whole values of both sides, and their lower parts."""
        largest = [whole[0] for whole in wholes(values)]
        parts = [replace(one, size=size) for one in largest for size in _SIZES if size <= one.size]
        return cls({part: value_term(part, a, b, views) for part in parts}, a.memory)


@dataclass(slots=True)
class Recurrences:
    """What one pair of cuts was first come to with, from outside its loops."""

    entered: list[Moment] = field(default_factory=list[Moment])

    def enter(self, held: Moment) -> None:
        """Notes a way from outside."""
        if len(self.entered) < _MOST_ENTERED and held not in self.entered:
            self.entered.append(held)

    def after(self, before: Moment, now: Moment) -> Iterator[Computed]:
        """What a round from there to there suggests."""
        kept = [value for value, term in before.terms.items() if now.terms.get(value) is term]
        counters, growing = _moved(before, now)
        if not counters or not growing:
            return
        strides = Naming(_by_term(kept, before), before.memory, _ENTRY)
        for held in self.entered:
            outer = Naming(_by_term(kept, held), held.memory, _ENTRY)
            # Of those that are the same all along one is enough.
            alike = {(moved, held.terms[value]): (value, moved) for value, moved in reversed(growing)}
            for value, moved in alike.values():
                parts = _products(moved, strides)
                first = outer.of(held.terms[value], value)
                if parts is None or first is None:
                    continue
                for counter, step in counters:
                    since = outer.of(held.terms[counter], counter)
                    for rounds in () if since is None else _rounds(counter, since, step, value.width):
                        grown = (mul(const(c, value.width), part, n) for part, c in parts for n in rounds)
                        term = add(first, *grown)
                        if is_of_state(term):
                            yield Computed(value, term)


def _by_term(values: Sequence[Value], held: Moment) -> dict[Term, list[Value]]:
    found: dict[Term, list[Value]] = {}
    for value in values:
        term = held.terms.get(value)
        if term is not None and not term.is_const:
            found.setdefault(term, []).append(value)
    return found


def _moved(before: Moment, now: Moment) -> tuple[list[tuple[Value, int]], list[tuple[Value, Term]]]:
    """Values that move by one in each round, with 1 or -1; and those that are free, and move by what is no number,
    with that."""
    counters: dict[tuple[str, str, int], tuple[Value, int]] = {}
    growing: dict[tuple[str, str, int], tuple[Value, Term]] = {}
    for value, term in before.terms.items():
        if value not in now.terms or now.terms[value] is term:
            continue
        place = value.side, value.cell, value.offset
        moved = add(now.terms[value], mul(const(-1, value.width), term))
        if moved.is_const:
            if abs(step := signed(moved.value, value.width)) == 1:
                counters.setdefault(place, (value, step))
        elif _is_free(term) and value.size >= 4 and not any(part.op is Op.SELECT for part in subterms(moved)):
            growing.setdefault(place, (value, moved))
    others = [one for place, one in growing.items() if place not in counters]
    return list(counters.values())[:_MOST_COUNTERS], others[:_MOST_GROWING]


def _is_free(term: Term) -> bool:
    """True of what no relation says."""
    return term.op is Op.VAR or (term.op is Op.EXTRACT and term.args[0].op is Op.VAR)


def _products(moved: Term, strides: Naming) -> list[tuple[Term, int]] | None:
    """What a value moves by as a sum of values that stay, with coefficients; None where it is something else."""
    total = linear((moved, 1))
    found: list[tuple[Term, int]] = []
    for factor, times in total.factors.items():
        name = strides.of(factor)
        if name is None or len(found) >= _MOST_PARTS:
            return None
        found.append((name, times))
    if total.constant:
        found.append((const(1, moved.width), total.constant))
    return found


def _rounds(counter: Value, since: Term, step: int, width: int) -> Iterator[tuple[Term, Term]]:
    """How often a counter has moved since then, as sums of that width, in each way in which it may be counted."""
    now = named(counter)
    if counter.width == width:
        pairs = [(now, since)]
    elif counter.width < width:
        pairs = [(extend(now, width), extend(since, width)) for extend in (zext, sext)]
    else:
        pairs = [(extract(now, 0, width), extract(since, 0, width))]
    for is_, was in pairs:
        yield mul(const(step, width), is_), mul(const(-step, width), was)
