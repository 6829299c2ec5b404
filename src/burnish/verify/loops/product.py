"""One round of both programs together: from related states at a pair of cuts to the next pairs.

Each side is executed from cut to cut. Which of them goes on, and how many cuts it passes, is what the alignment's steps
say; they are a guess, and only that: every pair of ways that both sides can go at once must lead to the same end, or to
a pair of cuts at which their relations hold again, or be impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from burnish.core.code import Label
from burnish.domains.smt.build import FALSE, TRUE, or_
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.asking import parts
from burnish.verify.engine.execute import Log, UnmodelledError
from burnish.verify.engine.joint import Joint, NotProvedError, Prover
from burnish.verify.engine.points import AtCall, AtCut, AtReturn, AtTrap, Exit, Point, Region, Ways, Where
from burnish.verify.engine.state import State
from burnish.verify.engine.ways import together
from burnish.verify.loops.align import START, Node, Step
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.passed import begins, passed_after, was_seen
from burnish.verify.loops.questions import RoundAsking
from burnish.verify.solve.query import Answer, Model, Undecided

_SLACK = 2
"""Cuts that a side may pass before its return, beyond the most that was seen."""
_MOST_JOINTS = 600
_MOST_VAIN = 2
_ASKED = 3
"""Questions on which ways are impossible, at each pair of points, while relations are looked for."""


@dataclass(frozen=True, slots=True)
class LoopJoint(Joint):
    """Where both sides are in a round that began at ``source``, and the cuts that each has passed since.

    ``faults`` are conditions under which the rewrite faults, to be looked at when both are at a pair of cuts."""

    source: Node = START
    passed: tuple[tuple[Label | None, ...], tuple[Label | None, ...]] = ((), ())
    faults: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """Both sides at a pair of cuts at the end of a round."""

    target: Node
    here: LoopJoint
    a: State
    b: State


@dataclass(slots=True)
class RoundProver(RoundAsking):
    """Explores rounds. While ``searching`` nothing is asked for but the arrivals, so that relations can be looked for
    cheaply; a proof is only what was explored without."""

    steps: Sequence[Step] = ()
    nodes: set[Node] = field(default_factory=set[Node])
    """Pairs of cuts at which a round may end wherever it gets there. While ``searching`` loops that are in none of them
    become one when both sides are there."""
    arrive: Callable[[Arrival], None] | None = None
    _by_source: dict[Node, list[Step]] = field(init=False, repr=False)
    _depths: tuple[dict[Label, int], dict[Label, int]] = field(init=False, repr=False)
    """How deep in loops each head is."""
    _vain: int = field(default=0, init=False)
    """Questions about many ways that were not answered soon."""
    _regions: dict[tuple[int, int, Point], tuple[State, Region]] = field(init=False, repr=False)
    """What was executed in this round, by its side, state and point. The states are kept, so that no other has the
    identity of one."""

    def __post_init__(self) -> None:
        Prover.__post_init__(self)
        self._by_source, self._regions = {}, {}
        sides = self.pair.original, self.pair.rewrite
        first, second = ({loop.head: loop.depth for loop in loops_of(side.function)} for side in sides)
        self._depths = first, second
        for step in self.steps:
            self._by_source.setdefault(step.source, []).append(step)
        self.nodes |= {step.target for step in self.steps if step.target is not None}

    def round(self, node: Node, states: tuple[State, State], assumed: Sequence[Term]) -> None:
        """All ways from a node. Raises ``NotProvedError`` where something does not hold."""
        self.taken.clear()
        self._regions.clear()
        lead = self._lead(node)
        labels = (node.a, node.b)
        entries = [executor.entry.label for executor in self.executors]
        at: list[Point | Where] = []
        passed: list[tuple[Label | None, ...]] = []
        for side in (0, 1):
            label = labels[side]
            if label is None and entries[side] in self.cuts[side]:
                # The entry is a loop head: that side has arrived at it.
                at.append(AtCut(entries[side]))
                passed.append((entries[side],))
            else:
                where = entries[side] if label is None else label
                at.append(Point(where) if side == lead else AtCut(where))
                passed.append(())
        start = LoopJoint(
            states[0], states[1], (at[0], at[1]), tuple(assumed), source=node, passed=(passed[0], passed[1])
        )
        waiting: list[Joint] = [start]
        for _ in range(_MOST_JOINTS):
            if not waiting:
                return
            waiting.extend(self.step(waiting.pop()))
        self.require(start, TRUE, "too many ways through one round of the loops")

    def _lead(self, node: Node) -> int:
        """The side that goes first: the rewrite, unless it stands still in some step."""
        steps = self._by_source.get(node, [])
        return 0 if any(not step.b for step in steps) else 1

    def step(self, joint: Joint) -> list[Joint]:
        """As ``Prover.step``; what goes on after a call belongs to the same round."""
        assert isinstance(joint, LoopJoint)
        found: list[Joint] = []
        for one in Prover.step(self, joint):
            if isinstance(one, LoopJoint):
                found.append(one)
            else:
                found.append(
                    LoopJoint(
                        one.original,
                        one.rewrite,
                        one.at,
                        one.conditions,
                        one.facts,
                        one.accesses,
                        one.pending,
                        one.given,
                        joint.source,
                        joint.passed,
                    )
                )
        return found

    def together(self, joint: Joint, pairs: Sequence[Ways]) -> Sequence[Ways]:
        """As ``Prover.together``; what can be is remembered for this round. While ``searching`` nobody asks any more
        once answers take too long: what is looked for holds of impossible ways, too."""
        if self.searching and self._vain >= _MOST_VAIN:
            return pairs

        def ask(more: Term) -> Answer:
            answer = self.soon((*joint.conditions, more))
            self._vain += isinstance(answer, Undecided)
            return answer

        def note(met: Term, model: Model) -> None:
            self.taken[(*joint.conditions, *parts(met))] = model

        return together(pairs, ask, note, _ASKED if self.searching else len(pairs))

    def _region(self, side: int, state: State, at: Point | Where) -> Region:
        """As ``Prover._region``; what one side does from one state is the same whatever the other does."""
        if not isinstance(at, Point):
            return Prover._region(self, side, state, at)
        found = self._regions.get((side, id(state), at))
        if found is None:
            found = self._regions[side, id(state), at] = state, Prover._region(self, side, state, at)
        return found[1]

    def unmatched(self, here: Joint, first: Exit, second: Exit) -> list[Joint]:
        """Where the two are at cuts: the end of the round, or one of them goes on."""
        assert isinstance(here, LoopJoint)
        passed = (
            passed_after(here.passed[0], here.at[0], first.where),
            passed_after(here.passed[1], here.at[1], second.where),
        )
        here = replace(here, passed=passed)
        steps = self._by_source.get(here.source, [])
        arrived = _node(here, first.where, second.where)
        for step in steps:
            # What a step says of its target is not believed.
            if arrived is not None and step.target == arrived and (step.a, step.b) == passed:
                self._arrive(Arrival(arrived, here, first.state, second.state))
                return []
        mover = self._mover(here, (first.where, second.where), steps)
        if mover is None and arrived is not None and any(passed):
            # No run went this way.
            if self._is_node(arrived):
                self._arrive(Arrival(arrived, here, first.state, second.state))
                return []
            mover = self._inner(here, arrived)
        if mover is None:
            return Prover.unmatched(self, here, first, second)
        if not (self.searching and was_seen(passed, steps)) and not self.possible(here):
            return []
        wheres: list[Point | Where] = [first.where, second.where]
        at = wheres[mover]
        assert isinstance(at, AtCut)
        wheres[mover] = Point(at.label)
        return [replace(here, original=first.state, rewrite=second.state, at=(wheres[0], wheres[1]))]

    def _is_node(self, arrived: Node) -> bool:
        taken = [{None} | {node.a for node in self.nodes}, {None} | {node.b for node in self.nodes}]
        if self.searching and arrived.a not in taken[0] and arrived.b not in taken[1]:
            self.nodes.add(arrived)
        return arrived in self.nodes

    def _inner(self, here: LoopJoint, arrived: Node) -> int | None:
        """The side that goes on where one is at the head of a loop inside of that where the other is: it tests there
        what the other has tested before, and may leave at once."""
        depths = [
            0 if label is None else of[label]
            for of, label in zip(self._depths, (arrived.a, arrived.b), strict=True)
        ]
        side = 0 if depths[0] > depths[1] else 1
        return side if depths[0] != depths[1] and len(here.passed[side]) < _SLACK else None

    def _mover(self, here: LoopJoint, wheres: tuple[Where, Where], steps: Sequence[Step]) -> int | None:
        """The side that goes on: where one has returned, calls or traps, the other; else whose turn it is in some
        step."""
        lead = self._lead(here.source)
        longest = [
            max((len(cuts[side]) for cuts in ((s.a, s.b) for s in steps)), default=0) + _SLACK
            for side in (0, 1)
        ]
        free = [isinstance(wheres[side], AtCut) and len(here.passed[side]) < longest[side] for side in (0, 1)]
        if not all(isinstance(where, AtCut) for where in wheres):
            waits = [isinstance(where, (AtReturn, AtCall, AtTrap)) for where in wheres]
            return next((side for side in (0, 1) if free[side] and waits[1 - side]), None)
        open_ = [step for step in steps if begins(step.a, here.passed[0]) and begins(step.b, here.passed[1])]
        done = any(len((s.a, s.b)[lead]) == len(here.passed[lead]) for s in open_)
        for side in (1 - lead,) if done else (lead, 1 - lead):
            if free[side] and any(len((s.a, s.b)[side]) > len(here.passed[side]) for s in open_):
                return side
        # Where no run went, one round goes with one round.
        return next((side for side in (0, 1) if not here.passed[side] and here.passed[1 - side]), None)

    def _arrive(self, arrival: Arrival) -> None:
        # What is asked for while searching holds of what is impossible, too.
        if not self.searching and not self.possible(arrival.here):
            return
        here = self.settle(self._ahead(arrival))
        assert isinstance(here, LoopJoint)
        assert self.arrive is not None
        self.arrive(replace(arrival, here=here))

    def _ahead(self, arrival: Arrival) -> LoopJoint:
        """With what the original accesses from here to its next cut, call or return, where something is not covered
        without: a loop that is tested at its bottom has read by now what the other reads at its top. The original does
        so in any case, or faults, and nobody sees anything before."""
        here = arrival.here
        if self.searching or not self._open(here):
            return here
        label = arrival.target.a
        point = self.executors[0].entry if label is None else Point(label)
        try:
            log = self._region(0, arrival.a, point).log
        except (UnmodelledError, UndecidedAccessError, MeaninglessError):
            return here
        return replace(here, accesses=(*here.accesses, *log.accesses))

    def settle(self, here: Joint) -> Joint:
        """As ``Prover.settle``, and faults of the whole round."""
        if self.searching:
            return replace(here, accesses=(), pending=())
        assert isinstance(here, LoopJoint)
        if here.faults:
            self.require(here, or_(*here.faults), "the rewrite may fault where the original does not")
        return replace(Prover.settle(self, here), faults=())  # type: ignore[call-arg]

    def _call(self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]) -> list[Joint]:
        """As ``Prover._call``; what does not agree may once the callee is in line."""
        try:
            return Prover._call(self, here, first, second)
        except NotProvedError as error:
            name = first[0].callee.name
            error.apart = error.apart if any(error.apart) else (name, name)
            raise

    def _checked(self, joint: Joint, original: Log, rewrite: Log) -> Joint:
        assert isinstance(joint, LoopJoint)
        more = Prover._checked(self, joint, original, replace(rewrite, faults=[]))
        assert isinstance(more, LoopJoint)
        known = set(original.faults)
        new = [fault for fault in dict.fromkeys(rewrite.faults) if fault not in known and fault is not FALSE]
        return replace(more, faults=(*more.faults, *new))

    def _open(self, here: Joint) -> bool:
        return not self.searching and Prover._open(self, here)

    def _end(self, here: Joint) -> None:
        if not self.searching:
            Prover._end(self, here)

    def holds(self, here: Joint, wrong: Term) -> bool:
        """As ``Prover.holds``; while ``searching`` all does."""
        return self.searching or Prover.holds(self, here, wrong)

    def _stack_arguments(
        self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]
    ) -> None:
        if not self.searching:
            Prover._stack_arguments(self, here, first, second)

    def _returns(self, here: Joint, first: Exit, second: Exit) -> None:
        if not self.searching:
            Prover._returns(self, here, first, second)


def _node(here: LoopJoint, first: Where, second: Where) -> Node | None:
    """The cuts at which both sides are; None where one of them is elsewhere."""
    if not isinstance(first, AtCut) or not isinstance(second, AtCut):
        return None
    labels = [
        passed[-1] if passed else label
        for passed, label in zip(here.passed, (here.source.a, here.source.b), strict=True)
    ]
    return Node(labels[0], labels[1])
