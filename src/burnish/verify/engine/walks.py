"""Inputs that a solver makes, one for each path of a function: through its code alone, for the other to be run on, too.

Loops are gone round so often and no more. What a path takes for granted is only a guess here: the input is run, and
goes where it goes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from burnish.core.code import Label
from burnish.domains.smt.build import FALSE, and_, not_
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.asking import Asking, parts
from burnish.verify.engine.axioms import extents
from burnish.verify.engine.compare import after_call, result_terms
from burnish.verify.engine.cover import facts, mappable, natural
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import Names, UnmodelledError
from burnish.verify.engine.frames import OWN_VIEW
from burnish.verify.engine.library import known_here
from burnish.verify.engine.paths import MANY, Paths
from burnish.verify.engine.points import AtCall, AtCut, AtReturn, Exit, Point, Region
from burnish.verify.engine.region import CyclicError, Executor
from burnish.verify.engine.state import State, entry_state
from burnish.verify.pair import Side
from burnish.verify.solve.query import Answer, Model, Sat, Unsat

_MOST_STEPS = 2000
_QUESTION_S = 0.25
"""For one question to the solvers."""
HOPELESS = (UnmodelledError, UndecidedAccessError, MeaninglessError, EscapeError)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way into a function: where it is, and what holds if an input takes it. ``rounds`` has the loop heads that were
    passed, ``preferred`` where memory should lie, and ``natural`` how."""

    state: State
    at: Point
    conditions: tuple[Term, ...] = ()
    facts: tuple[Term, ...] = ()
    preferred: tuple[Term, ...] = ()
    natural: tuple[Term, ...] = ()
    rounds: tuple[Label, ...] = ()
    calls: int = 0


@dataclass(slots=True)
class Walks:
    """The paths of one side of the pair that ``asking`` is about. ``cuts`` are its loop heads, each of which is passed
    ``bound`` times at most; ``assumed`` are conditions on the entry state."""

    asking: Asking
    side: Side
    cuts: frozenset[Label]
    bound: int
    assumed: tuple[Term, ...] = ()
    seed: int = 0
    executors: tuple[Executor, Executor] = field(init=False, repr=False)
    """Paths by themselves, and joined where there are too many of them."""

    def __post_init__(self) -> None:
        paths = Paths(self.side, frozenset())
        inline = frozenset(
            callee.name
            for address, callee in self.side.callees.items()
            if address in self.side.bodies and paths.through(self.side.bodies[address]) < MANY
        )
        names, stack = Names("a"), self.asking.pair.specification.stack_bytes
        inline |= known_here(self.side)
        one, other = (Executor(self.side, names, stack, joining, inline) for joining in (False, True))
        self.executors = one, other

    def inputs(self) -> Iterator[Model]:
        """Entry states, as models, in an order of chance. Ends when the time is up."""
        source = random.Random(self.seed)
        stack_bytes = self.asking.pair.specification.stack_bytes
        waiting = [Walk(entry_state("a", stack_bytes), self.executors[0].entry, self.assumed)]
        try:
            for _ in range(_MOST_STEPS):
                if not waiting:
                    return
                walk = waiting.pop(source.randrange(len(waiting)))
                with until(self.asking.deadline):
                    found = self._onward(walk)
                for end in found:
                    if isinstance(end, Model):
                        yield end
                    else:
                        waiting.append(end)
        except OutOfTimeError:
            return

    def _onward(self, walk: Walk) -> list[Walk | Model]:
        """From one point to the next ones, or to ends."""
        found: list[Walk | Model] = []
        region = self._region(walk)
        if region is None:
            return found
        walk = replace(
            walk,
            conditions=(
                *walk.conditions,
                *(not_(fault) for fault in region.log.faults if fault is not FALSE),
            ),
            facts=(*walk.facts, *facts(region.log.accesses, extents(self.asking.pair))),
            preferred=(*walk.preferred, *mappable(region.log.accesses)),
            natural=(*walk.natural, *natural(region.log.accesses)),
        )
        for exit_ in region.exits:
            met = and_(*walk.conditions, exit_.condition) if walk.conditions else exit_.condition
            if met is FALSE:
                continue
            further = replace(walk, conditions=(*walk.conditions, *parts(exit_.condition)), state=exit_.state)
            end = self._beyond(further, exit_)
            if isinstance(end, Walk) and len(region.exits) > 1 and not self._is_possible(end):
                continue
            found += [] if end is None else [end]
        return found

    def _region(self, walk: Walk) -> Region | None:
        for executor in self.executors:
            try:
                return executor.run(walk.state, walk.at, self.cuts)
            except CyclicError:
                return None
            except HOPELESS:
                continue
        return None

    def _beyond(self, walk: Walk, exit_: Exit) -> Walk | Model | None:
        match exit_.where:
            case AtReturn():
                return self._end(walk)
            case AtCut(label):
                if walk.rounds.count(label) > self.bound:
                    return None
                return replace(walk, at=Point(label), rounds=(*walk.rounds, label))
            case AtCall() as call:
                return self._behind(walk, call)
            case _:
                return None

    def _behind(self, walk: Walk, call: AtCall) -> Walk | Model | None:
        """Behind a call; callees leave memory alone where they are stood for."""
        if call.target is not None or not call.callee.returns:
            return self._end(walk)
        number = walk.calls + 1
        try:
            results = result_terms(call.callee, walk.state, OWN_VIEW, number)
            state = after_call(call, walk.state, self.executors[0].names, results, walk.state.memory)
        except HOPELESS:
            return None
        if call.resume is None:
            return self._end(walk)
        return replace(walk, state=state, at=call.resume, calls=number)

    def _is_possible(self, walk: Walk) -> bool:
        return not isinstance(self._ask(walk.conditions), Unsat)

    def _end(self, walk: Walk) -> Model | None:
        """An input that gets to the end of a path, where memory can be mapped; None if there is none."""
        needed = (*walk.conditions, *walk.facts)
        more = self.asking.axioms(needed)
        for chosen in ((*walk.preferred, *walk.natural), walk.preferred):
            answer = self._ask((*needed, *more, *chosen))
            if isinstance(answer, Sat):
                return answer.model
        return None

    def _ask(self, assertions: tuple[Term, ...]) -> Answer:
        deadline = self.asking.deadline
        try:
            self.asking.deadline = min(deadline, time.monotonic() + _QUESTION_S)
            return self.asking.ask(assertions)
        finally:
            self.asking.deadline = deadline
