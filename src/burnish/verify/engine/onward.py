"""Inputs on which two functions likely differ, and the original returns: what a failed proof suspects, followed through
the original to its end.

A suspicion says what is read up to a point. Where the original goes on from there it reads more, and most of what a
solver leaves open makes it fault or loop. So the solver is asked for the rest as well, one path after the other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from burnish.core.code import Label, Return, TailCall, Unreachable, successors
from burnish.domains.smt.build import FALSE, TRUE, const, eq, not_, select, var
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.machine.registers import INTEGER_ARGUMENTS
from burnish.verify.engine.addresses import ENTRY_RSP, LOCAL_BASES, object_address
from burnish.verify.engine.aims import aims
from burnish.verify.engine.asking import Asking, parts
from burnish.verify.engine.axioms import extents
from burnish.verify.engine.compare import PROBE, after_call, result_terms
from burnish.verify.engine.cover import facts, mappable, natural
from burnish.verify.engine.paths import MANY, Paths
from burnish.verify.engine.points import AtCall, AtCut, AtReturn, Point, Region, Where
from burnish.verify.engine.region import CyclicError, Executor
from burnish.verify.engine.state import ENTRY_MEMORY
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.engine.walks import HOPELESS, Walk
from burnish.verify.pair import Pair, Side
from burnish.verify.solve.query import Answer, Model, Sat, Unsat

_MOST_STEPS = 200
_QUESTION_S = 0.5
"""For one question to the solvers."""
_ROUND = 6
"""Blocks that one more round of a loop counts as, where the shortest way out is looked for."""
_FAR = 1 << 16
TESTED_RSP = 0x7FFD_0000_F008
_ARGUMENTS = (PROBE, *(var(name, 64) for name in INTEGER_ARGUMENTS))
_RESULT = re.compile(r"(.+ in \w+), call \d+")


@dataclass(frozen=True, slots=True)
class _Way:
    """A walk from the suspicion on, at its end or not, and a state at entry that takes it, as far as one is known."""

    walk: Walk
    model: Model | None
    ended: bool = False


class Onward:
    """The ways of the original from a suspicion to its returns, through each loop head ``bound`` times at most; what
    is asked within the time of ``asking``."""

    def __init__(
        self, asking: Asking, suspicion: Suspicion, bound: int, places: Mapping[str, int] | None = None
    ) -> None:
        """``places`` has addresses of objects by name."""
        self._asking = asking
        self._fixed = fixed_places(suspicion.pair, places or {})
        self._suspicion = suspicion
        self._bound = bound
        executor = suspicion.executor
        inline = executor.inline | _without_loops(executor.side)
        self._executors = [
            replace(executor, joining=joining, inline=names, on_time=_never)
            for joining, names in ((True, inline), (False, inline), (True, executor.inline))
        ]
        self._distances = _distances(executor)
        self._given = 0
        """How many of the preferences are those of the suspicion."""
        self._before = tuple(reversed(tuple(suspicion.before.items())))

    def inputs(self) -> Iterator[Model]:
        """States at entry, as models, those first that soon lead to a return. Ends when the time is up."""
        try:
            waiting = [way for way in (self._start(),) if way is not None]
            for _ in range(_MOST_STEPS):
                if not waiting:
                    return
                way = waiting.pop(min(range(len(waiting)), key=lambda k: self._left(waiting[k])))
                if way.ended:
                    yield from self._models(way)
                    continue
                with until(self._asking.deadline):
                    waiting += self._onward(way)
        except OutOfTimeError:
            return

    def _start(self) -> _Way | None:
        found = self._suspicion
        walk = Walk(
            found.state,
            found.executor.entry,
            tuple(self._untouched(found.assertions)),
            preferred=tuple(self._outside(found.preferred)),
            natural=tuple(self._untouched(found.natural)),
            calls=found.calls,
        )
        self._given = len(walk.preferred)
        way = _Way(walk, found.model)
        for chosen in ((*walk.preferred, *walk.natural), walk.preferred, ()):
            answer = self._ask((*walk.conditions, *chosen), self._fixed)
            if isinstance(answer, Sat):
                way = _Way(walk, answer.model)
                break
        if isinstance(found.at, Point):
            return replace(way, walk=replace(walk, at=found.at))
        return self._beyond(way, found.at)

    def _outside(self, terms: tuple[Term, ...]) -> list[Term]:
        """What is preferred of memory that is not in the frame."""
        local = set(LOCAL_BASES)
        return self._untouched(tuple(term for term in terms if local.isdisjoint(subterms(term))))

    def _untouched(self, terms: tuple[Term, ...]) -> list[Term]:
        """With memory after calls as it was before, as where functions run by themselves."""
        whole = list(terms)
        for after, before in self._before:
            whole = substitute(whole, {after: before})
        return whole

    def _left(self, way: _Way) -> int:
        """How far from a return it is, about."""
        if way.ended:
            return -1
        walk, at = way.walk, way.walk.at
        blocks = sum(self._distances.get(point.label, _FAR) for point in (at, *at.callers))
        return blocks + _ROUND * len(walk.rounds)

    def _onward(self, way: _Way) -> Iterator[_Way]:
        """From one point to the next ones, or to ends."""
        region = self._region(way.walk)
        if region is None:
            return
        walk = way.walk
        known = [not_(fault) for fault in region.log.faults if fault is not FALSE]
        walk = replace(
            walk,
            conditions=(*walk.conditions, *self._untouched(tuple(known))),
            facts=(
                *walk.facts,
                *self._untouched(tuple(facts(region.log.accesses, extents(self._asking.pair)))),
            ),
            preferred=(*walk.preferred, *self._outside(tuple(mappable(region.log.accesses)))),
            natural=(*walk.natural, *self._untouched(tuple(natural(region.log.accesses)))),
        )
        for exit_ in region.exits:
            met = self._untouched(parts(exit_.condition))
            if FALSE in met:
                continue
            further = replace(walk, conditions=(*walk.conditions, *met), state=exit_.state)
            end = self._beyond(replace(way, walk=further), exit_.where)
            if end is None:
                continue
            model = self._possible(end)
            if model is not False:
                yield replace(end, model=model)

    def _region(self, walk: Walk) -> Region | None:
        for executor in self._executors:
            try:
                return executor.run(walk.state, walk.at, self._suspicion.cuts)
            except CyclicError:
                return None
            except HOPELESS:
                continue
        return None

    def _beyond(self, way: _Way, where: Where) -> _Way | None:
        walk = way.walk
        match where:
            case AtReturn():
                return replace(way, ended=True)
            case AtCut(label):
                if walk.rounds.count(label) > self._bound:
                    return None
                return replace(way, walk=replace(walk, at=Point(label), rounds=(*walk.rounds, label)))
            case AtCall() as call:
                return self._behind(way, call)
            case _:
                return None

    def _behind(self, way: _Way, call: AtCall) -> _Way | None:
        """Behind a call, which leaves memory alone."""
        walk = way.walk
        number = walk.calls + 1
        executor = self._suspicion.executor
        aimed = aims(call, walk.state, executor.view, number)
        if aimed:
            walk = replace(walk, preferred=(*walk.preferred, *self._outside(tuple(aimed))))
            way = replace(way, walk=walk)
        if not call.callee.returns:
            return replace(way, ended=True)
        try:
            results = result_terms(call.callee, walk.state, executor.view, number)
            state = after_call(call, walk.state, executor.names, results, walk.state.memory)
        except HOPELESS:
            return None
        if call.resume is None:
            return replace(way, ended=True)
        return replace(way, walk=replace(walk, state=state, at=call.resume, calls=number))

    def _possible(self, way: _Way) -> Model | bool | None:
        """A state at entry that goes that way; None where that is not known, False where there is none."""
        conditions = way.walk.conditions
        if way.model is not None and all(evaluate(conditions, way.model)):
            return way.model
        for fixed, bytes_ in self._fixings(way, conditions):
            answer = self._ask((*conditions, *bytes_), fixed)
            if isinstance(answer, Sat):
                return answer.model
        answer = self._ask(conditions, {})
        if isinstance(answer, Sat):
            return answer.model
        return False if isinstance(answer, Unsat) else None

    def _fixings(
        self, way: _Way, terms: tuple[Term, ...]
    ) -> Iterator[tuple[Mapping[Term, int], tuple[Term, ...]]]:
        """Values with which questions are easier, and bytes of memory: all that is known, then the arguments and where
        things lie, then that alone."""
        if way.model is not None:
            values = way.model.variables
            named = {v: values[v.name] for v in subterms(*terms) if v.op is Op.VAR and v.name in values}
            held = way.model.memories.get(ENTRY_MEMORY.name, {})
            bytes_ = (eq(select(ENTRY_MEMORY, const(a, 64)), const(byte, 8)) for a, byte in held.items())
            yield {**named, **self._fixed}, tuple(bytes_)
            chosen = {v: values[v.name] for v in _ARGUMENTS if v.name in values}
            yield {**self._fixed, **chosen}, ()
        yield self._fixed, ()

    def _models(self, way: _Way) -> Iterator[Model]:
        """Inputs that get to the end of a path, where memory can be mapped, and callees return what they can be made
        to."""
        walk = way.walk
        needed = (*walk.conditions, *walk.facts)
        needed = (*needed, *self._asking.axioms(needed))
        same = _same_results(needed)
        own = walk.preferred[self._given :]
        for fixed, bytes_ in self._fixings(way, needed):
            for chosen in (
                (*walk.preferred, *walk.natural, *same),
                (*walk.preferred, *walk.natural),
                (*walk.preferred, *same),
                (*own, *same),
                own,
            ):
                answer = self._ask((*needed, *chosen, *bytes_), fixed)
                if isinstance(answer, Sat):
                    yield answer.model
                    break

    def _ask(self, assertions: tuple[Term, ...], fixed: Mapping[Term, int]) -> Answer:
        """Is there a model with these values? Within a short time."""
        deadline = self._asking.deadline
        if time.monotonic() > deadline:
            raise OutOfTimeError
        asked = substitute(assertions, {term: const(value, term.width) for term, value in fixed.items()})
        if FALSE in asked:
            return Unsat(())
        try:
            self._asking.deadline = min(deadline, time.monotonic() + _QUESTION_S)
            answer = self._asking.ask(tuple(asked))
        finally:
            self._asking.deadline = deadline
        if not isinstance(answer, Sat):
            return answer
        known = {term.name: value for term, value in fixed.items()}
        return Sat(replace(answer.model, variables={**answer.model.variables, **known}))


def fixed_places(pair: Pair, places: Mapping[str, int]) -> dict[Term, int]:
    """Where tests have things: the stack, objects, and the locals of the original."""
    found = {ENTRY_RSP: TESTED_RSP}
    found |= {object_address(name): address for name, address in places.items()}
    for base, one in zip(LOCAL_BASES, pair.shared, strict=False):
        found[base] = TESTED_RSP + one.original
    return found


def _without_loops(side: Side) -> frozenset[str]:
    """Callees whose code is known and has no loops: tests run it, too."""
    paths = Paths(side, frozenset())
    return frozenset(
        callee.name
        for address, callee in side.callees.items()
        if address in side.bodies and paths.through(side.bodies[address]) < MANY
    )


def _never() -> None:
    """There is another limit."""


def _same_results(terms: tuple[Term, ...]) -> list[Term]:
    """That a callee always returns the same."""
    first: dict[tuple[str, int], Term] = {}
    found: list[Term] = []
    for term in subterms(*terms):
        name = None
        if term.op is Op.VAR and (match := _RESULT.fullmatch(term.name)) is not None:
            name = match[1]
        elif term.op is Op.APPLY:
            name = term.name
        if name is not None:
            other = first.setdefault((name, term.width), term)
            if other is not term:
                found.append(eq(other, term))
    return [one for one in found if one is not TRUE]


def _distances(executor: Executor) -> Mapping[Label, int]:
    """How many blocks there are from each one to a return, at least."""
    side = executor.side
    blocks = [block for function in (side.function, *side.bodies.values()) for block in function.blocks]
    found: dict[Label, int] = {}
    for block in blocks:
        if isinstance(block.terminator, Return | TailCall | Unreachable):
            found[block.label] = 1
    before: dict[Label, list[Label]] = {}
    for block in blocks:
        for label in successors(block.terminator):
            before.setdefault(label, []).append(block.label)
    waiting = list(found)
    for label in waiting:
        for earlier in before.get(label, ()):
            if earlier not in found:
                found[earlier] = found[label] + 1
                waiting.append(earlier)
    return found
