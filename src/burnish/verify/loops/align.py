"""Which visits of the original's cuts go with which of the rewrite's, found on runs of both from the same states.

As in semantic program alignment (Churchill, Padon, Sharma and Aiken, PLDI 2019) the pairs of cuts and the steps between
them make an automaton of both programs together. There the alignment is a predicate over both states; here it is a rule
for each pair of loops: so many rounds of one go with so many of the other, counted from the first round or from the
last. Of all rules those are preferred under which most of the changing values are related.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from burnish.core.code import Label
from burnish.domains.smt.clock import look
from burnish.verify.loops.candidates import columns
from burnish.verify.loops.heads import Loop
from burnish.verify.loops.traces import Trace
from burnish.verify.loops.values import Sample, Value

_LARGEST_RATIO = 64
_ALTERNATIVES = 3
"""Rules for one loop that are followed up."""
_MOST_COUNTS = 2
"""A loop that goes with none, and runs for more different numbers of rounds than this, is one to be cut."""
_LONGEST_ROUND = 64
_MOST_SAMPLES = 160
_MOST_SCORED = 96
_MOST_RULES = 24
"""Rules that are tried for one pair of loops."""
_FACTORS = tuple(sign * factor % (1 << 64) for factor in (1, 2, 3, 4, 8, 16, 32, 64) for sign in (1, -1))
"""How much faster values of the rewrite may change than those of the original."""
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Node:
    """A pair of cuts that both sides are at together; None stands for the entry."""

    a: Label | None
    b: Label | None

    def __str__(self) -> str:
        return f"({self.a or 'entry'}, {self.b or 'entry'})"


START = Node(None, None)


@dataclass(frozen=True, slots=True)
class Rule:
    """``ratio`` visits of the cut of one side go with one visit of the other's.

    ``fine`` is the side with more of them. Within a stretch of the run in which nothing else is matched, visit
    ``offset + ratio * t`` of the fine side goes with visit ``t`` of the other; counted from the last one backwards
    where ``anchor`` is ``end``. ``still`` rules are those of a loop of ``fine`` alone, while the other side stands
    still.
    """

    node: Node
    fine: Literal["a", "b"]
    ratio: int = 1
    anchor: Literal["start", "end"] = "start"
    offset: int = 0
    still: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How both sides get from one pair of cuts to the next: the cuts that each passes, the last included.

    None is the exit, in ``a`` and ``b`` as in ``target``. ``b`` may be empty where the rewrite stands still.
    """

    source: Node
    a: tuple[Label | None, ...]
    b: tuple[Label | None, ...]
    target: Node | None


@dataclass(frozen=True, slots=True)
class Alignment:
    """The pairs of cuts, the steps that were seen between them, and the samples at each pair."""

    rules: tuple[Rule, ...]
    steps: tuple[Step, ...]
    samples: dict[Node, list[Sample]]
    related: int
    """How many changing values of the rewrite are related to some of the original."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.samples)


Run = tuple[Trace, Trace]
"""Both sides, from one state."""

_Match = tuple[int, int, Node | None]
_Chain = list[_Match]
"""Matched visits of one run in order: indices into both, and the pair; None for the exit."""


@dataclass(frozen=True, slots=True)
class Aligner:
    """Finds alignments. ``values_a`` and ``values_b`` give for each cut the values there that relations may speak of;
    ``entry`` those of the entry state."""

    runs: Sequence[Run]
    loops_a: Sequence[Loop]
    loops_b: Sequence[Loop]
    values_a: dict[Label, tuple[Value, ...]]
    values_b: dict[Label, tuple[Value, ...]]
    entry: tuple[Value, ...]

    def alignments(self) -> Iterator[Alignment]:
        """The likeliest first; few. Steps may still be so many or so long that nothing can be proved with them. Raises
        ``OutOfTimeError``."""
        chains: list[_Chain] = [
            [(0, 0, START), (len(a.visits) - 1, len(b.visits) - 1, None)] for a, b in self.runs
        ]
        seen: set[tuple[tuple[_Match, ...], ...]] = set()
        for finished, rules, related in self._extend(chains, (), list(self.loops_b), 0):
            key = tuple(map(tuple, finished))
            if key not in seen:
                seen.add(key)
                steps = tuple(
                    dict.fromkeys(s for r, c in zip(self.runs, finished, strict=True) for s in _steps(r, c))
                )
                yield Alignment(rules, steps, self._samples(finished), related)

    def _extend(
        self, chains: list[_Chain], rules: tuple[Rule, ...], left: list[Loop], related: int
    ) -> Iterator[tuple[list[_Chain], tuple[Rule, ...], int]]:
        look()
        if not left:
            finished, more = self._stand_still(chains, rules)
            yield finished, rules + more, related
            return
        loop, rest = left[0], left[1:]
        ranked = self._ranked(chains, loop)
        for score, rule, extended in ranked[:_ALTERNATIVES]:
            yield from self._extend(extended, (*rules, rule), rest, related + score)
        if not ranked or not ranked[0][0]:
            yield from self._extend(chains, rules, rest, related)

    def _ranked(self, chains: list[_Chain], loop: Loop) -> list[tuple[int, Rule, list[_Chain]]]:
        """The rules for one loop of the rewrite, best first, with what the chains become. Those that relate nothing
        only where no rule does."""
        found: list[tuple[int, Rule, list[_Chain]]] = []
        for other in self.loops_a:
            for rule in itertools.islice(self._rules(chains, Node(other.head, loop.head)), _MOST_RULES):
                look()
                extended = self._apply(chains, rule)
                if extended is not None:
                    found.append((self._score(extended, rule.node), rule, extended))
        best = sorted(found, key=lambda item: -item[0])
        return [item for item in best if item[0] or not best[0][0]]

    def _rules(self, chains: list[_Chain], node: Node) -> Iterator[Rule]:
        """Rules to be tried, the plainest first."""
        most_a, most_b = max(
            (
                (len(a), len(b))
                for run, chain in zip(self.runs, chains, strict=True)
                for a, b in _stretches(run, chain, node)
                if a and b
            ),
            default=(0, 0),
            key=lambda counts: (min(counts), max(counts)),
        )
        if not most_a or not most_b:
            return
        fine: Literal["a", "b"] = "b" if most_b > most_a else "a"
        many, few = max(most_a, most_b), min(most_a, most_b)
        # The last round of the coarser side may stand for any part of a full one, or for none.
        ratios = range(max(1, many // (few + 1)), min(-(-many // few), _LARGEST_RATIO) + 1)
        for ratio in sorted(ratios, key=lambda r: (r.bit_count(), abs(r - many / few))):
            # Round for round, either side may be the one that looks at its condition once more.
            sides: tuple[Literal["a", "b"], ...] = (
                (fine,) if ratio > 1 else (fine, "a" if fine == "b" else "b")
            )
            for anchor in ("start", "end"):
                for offset in range(ratio + 1):
                    for side in sides:
                        yield Rule(node, side, ratio, anchor, offset)

    def _apply(self, chains: list[_Chain], rule: Rule) -> list[_Chain] | None:
        """The chains with the matches of a rule; None where it leaves a visit of the coarser side without a partner,
        or memory differs at a match."""
        extended: list[_Chain] = []
        for run, chain in zip(self.runs, chains, strict=True):
            new: _Chain = []
            for a, b in _stretches(run, chain, rule.node):
                pairs = _pairs(a, b, rule)
                if pairs is None:
                    return None
                new.extend((i, j, rule.node) for i, j in pairs)
            visits_a, visits_b = run[0].visits, run[1].visits
            if any(visits_a[i].outer != visits_b[j].outer for i, j, _ in new):
                return None
            extended.append(sorted(chain + new, key=lambda match: match[:2]))
        return extended

    def _score(self, chains: list[_Chain], node: Node) -> int:
        """How many values of the rewrite are, or change as, some of the original at the matches of a pair."""
        matches: list[tuple[int, Sample]] = [
            (number, Sample(a.visits[0], a.visits[i], b.visits[j]))
            for number, ((a, b), chain) in enumerate(zip(self.runs, chains, strict=True))
            for i, j, at in chain
            if at == node
        ][:_MOST_SCORED]
        runs = np.array([number for number, _ in matches])
        table = columns([sample for _, sample in matches], self._values(node), 32)
        known: set[bytes] = set()
        related = 0
        for value, numbers in table.items():
            steps = np.where(runs[1:] == runs[:-1], numbers[1:] - numbers[:-1], np.uint64(0))
            if value.side == "a":
                known.add(numbers.tobytes())
                if steps.any():
                    known.update((steps * np.uint64(f) & _LOW).tobytes() for f in _FACTORS)
            elif value.side == "b":
                moves = (steps & _LOW).tobytes()
                related += int(numbers.tobytes() in known or (bool(steps.any()) and moves in known))
        return related

    def _values(self, node: Node) -> tuple[Value, ...]:
        a = self.values_a[node.a] if node.a is not None else ()
        return a + (self.values_b[node.b] if node.b is not None else ())

    def _samples(self, chains: list[_Chain], only: Node | None = None) -> dict[Node, list[Sample]]:
        found: dict[Node, list[Sample]] = {only or START: []}
        for (a, b), chain in zip(self.runs, chains, strict=True):
            for i, j, node in chain:
                if node is not None and (only is None or node == only):
                    found.setdefault(node, []).append(Sample(a.visits[0], a.visits[i], b.visits[j]))
        return {node: _spread(samples) for node, samples in found.items()}

    def _stand_still(
        self, chains: list[_Chain], rules: tuple[Rule, ...]
    ) -> tuple[list[_Chain], tuple[Rule, ...]]:
        """Cuts the loops of the original that go with none of the rewrite, unless their rounds are few and fixed."""
        more: list[Rule] = []
        used = {rule.node.a for rule in rules}
        for loop in self.loops_a:
            if loop.head in used:
                continue
            counts = {
                len(a)
                for run, chain in zip(self.runs, chains, strict=True)
                for a, _ in _stretches(run, chain, Node(loop.head, None))
                if a
            }
            if len(counts) <= _MOST_COUNTS and max(counts, default=0) <= _LONGEST_ROUND:
                continue
            chains = [
                _still(run, chain, loop.head, more) for run, chain in zip(self.runs, chains, strict=True)
            ]
        return chains, tuple(dict.fromkeys(more))


def _spread(samples: list[Sample]) -> list[Sample]:
    """Not more samples than are needed, from all over the runs."""
    count = len(samples)
    return (
        samples
        if count <= _MOST_SAMPLES
        else [samples[k * count // _MOST_SAMPLES] for k in range(_MOST_SAMPLES)]
    )


def _stretches(run: Run, chain: _Chain, node: Node) -> Iterator[tuple[list[int], list[int]]]:
    """For each stretch between two matches: the visits of both cuts in it."""
    visits_a, visits_b = run[0].visits, run[1].visits
    for (i0, j0, _), (i1, j1, _) in itertools.pairwise(chain):
        yield (
            [i for i in range(i0 + 1, i1) if visits_a[i].where == node.a],
            [j for j in range(j0 + 1, j1) if visits_b[j].where == node.b],
        )


def _pairs(a: list[int], b: list[int], rule: Rule) -> list[tuple[int, int]] | None:
    """The matches in one stretch, or None where a visit of the coarser side has no partner."""
    fine, coarse = (a, b) if rule.fine == "a" else (b, a)
    if rule.anchor == "end":
        fine, coarse = fine[::-1], coarse[::-1]
    if len(fine) < rule.offset + rule.ratio * (len(coarse) - 1) + 1 and coarse:
        return None
    pairs = [(fine[rule.offset + rule.ratio * t], visit) for t, visit in enumerate(coarse)]
    return pairs if rule.fine == "a" else [(i, j) for j, i in pairs]


def _still(run: Run, chain: _Chain, head: Label, rules: list[Rule]) -> _Chain:
    """A chain with the visits of ``head`` that nothing goes with, each beside where the rewrite stands."""
    found = list(chain)
    visits_a, visits_b = run[0].visits, run[1].visits
    for (i0, j0, _), (i1, _, _) in itertools.pairwise(chain):
        for i in range(i0 + 1, i1):
            if visits_a[i].where == head:
                node = Node(head, visits_b[j0].where)
                found.append((i, j0, node))
                rules.append(Rule(node, "a", still=True))
    return sorted(found, key=lambda match: match[:2])


def _steps(run: Run, chain: _Chain) -> Iterator[Step]:
    visits_a, visits_b = run[0].visits, run[1].visits
    for (i0, j0, source), (i1, j1, target) in itertools.pairwise(chain):
        assert source is not None
        passed_a = tuple(visits_a[i].where for i in range(i0 + 1, i1 + 1))
        passed_b = tuple(visits_b[j].where for j in range(j0 + 1, j1 + 1))
        yield Step(source, passed_a, passed_b, target)
