"""Both sides explored together: from one point of each to the next, with a query for everything that must hold.

A *joint step* executes a region of each side from states over the same variables. Their exits are paired; where a pair
can be taken at once, both must do the same: return the same, or call the same function with the same arguments in the
same memory, from where the exploration goes on. The exits of a region exclude each other and leave none out, so every
input of the original is looked at, whatever the rewrite does with it.

What is assumed of the original (``axioms``): it does not fault, the caller keeps to the ABI, objects do not overlap,
and constants hold their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from burnish.core.code import Label
from burnish.core.specification import Specification
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.build import FALSE, TRUE, and_, memory, not_, or_
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.aims import aims
from burnish.verify.engine.asking import Asking, Joint, parts
from burnish.verify.engine.axioms import extents
from burnish.verify.engine.compare import (
    MismatchError,
    after_call,
    at_call,
    at_return,
    given_at_call,
    perhaps_on_stack,
    result_terms,
)
from burnish.verify.engine.cover import facts, mappable, natural, uncovered
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import Log, Names, UnmodelledError
from burnish.verify.engine.frames import View
from burnish.verify.engine.kept import Kept
from burnish.verify.engine.library import overlaps_in
from burnish.verify.engine.points import (
    AtCall,
    AtReturn,
    AtTrap,
    Exit,
    Point,
    Region,
    Where,
    called,
    does,
    typed,
)
from burnish.verify.engine.proof import APART, NotProvedError, Proof, Solves
from burnish.verify.engine.region import CyclicError, Executor
from burnish.verify.engine.stacked import Stacked
from burnish.verify.engine.state import State, entry_state
from burnish.verify.engine.strings import Repeated, after_repeated
from burnish.verify.engine.suspicion import failed
from burnish.verify.solve.query import Sat, Unsat

__all__ = ["Joint", "NotProvedError", "Proof", "Prover", "Solves"]

_STEPS = 400
"""Joint steps, at most."""
_MORE_STACK = 64 << 10
"""Bytes of stack that a rewrite may need beyond what the original needs: who uses the rest of it is not known."""


@dataclass(slots=True)
class Prover(Asking):
    """Proves one pair. ``assumed`` are conditions on the entry state."""

    assumed: Sequence[Term] = ()
    joining: bool = True
    inline: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    """Names of callees of each side that are executed as if they stood in line."""
    cuts: tuple[frozenset[Label], frozenset[Label]] = (frozenset(), frozenset())
    """Where regions of each side end: loop heads."""
    ended: bool = False
    """True once the original was seen to come to an end that is compared."""
    callees: dict[str, None] = field(default_factory=dict[str, None])
    """Names of the functions that both were seen to call alike."""
    calls: int = 0
    _looked: tuple[tuple[object, ...], bool] | None = None
    """Where accesses were looked at last, and whether that left something open."""
    _lowest: tuple[int, int] = (0, 0)
    """How deep into the stack each side was seen to reach."""
    executors: tuple[Executor, Executor] = field(init=False, repr=False)
    _kept: tuple[Kept, Kept] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        stack, shared = self.pair.specification.stack_bytes, self.pair.shared
        views = View(shared), View(shared, second=True)
        self.executors = (
            Executor(self.pair.original, Names("a"), stack, self.joining, self.inline[0], views[0]),
            Executor(self.pair.rewrite, Names("b"), stack, self.joining, self.inline[1], views[1]),
        )
        for executor in self.executors:
            executor.on_time = self.on_time
        self._kept = Kept(self.pair.original), Kept(self.pair.rewrite)

    @property
    def specification(self) -> Specification:
        return self.pair.specification

    @property
    def stacked(self) -> Stacked:
        """What was seen of the original's frame, and of those of its callees in line."""
        return self.executors[0].stacked

    @property
    def views(self) -> tuple[View, View]:
        """How each side looks at its frame."""
        return self.executors[0].view, self.executors[1].view

    def prove(self) -> Proof:
        """The verdict for functions without loops. Raises ``CyclicError`` for those with some; for what cannot be
        decided never."""
        start = Joint(
            self.entry_state("a"),
            self.entry_state("b"),
            (self.executors[0].entry, self.executors[1].entry),
            tuple(self.assumed),
            given=frozenset(),
        )
        try:
            with until(self.deadline):
                self.explore(start)
        except NotProvedError as error:
            return failed(self, error)
        except EscapeError as error:
            return Proof(
                Unknown(str(error)), None, self.queries, escapes=error.places, locals=self.stacked.locals
            )
        except CyclicError:
            raise
        except (UnmodelledError, UndecidedAccessError, MeaninglessError, OutOfTimeError) as error:
            return Proof(Unknown(str(error)), None, self.queries)
        if not self.ended:
            reason = "no input is known that brings the original to an end that can be compared"
            return Proof(Unknown(reason), None, self.queries)
        provisos, callees = tuple(self.provisos), tuple(self.callees)
        return Proof(
            Proved(),
            None,
            self.queries,
            provisos=provisos,
            callees=callees,
            locals=self.stacked.locals,
        )

    def entry_state(self, side: str) -> State:
        """What a side, ``a`` or ``b``, finds at its entry."""
        return entry_state(side, self.specification.stack_bytes)

    def explore(self, start: Joint) -> None:
        """All joint steps from ``start``. Raises ``NotProvedError`` where something does not hold."""
        waiting = [start]
        for _ in range(_STEPS):
            if not waiting:
                return
            waiting.extend(self.step(waiting.pop()))
        raise NotProvedError(f"more than {_STEPS} steps with calls")

    def step(self, joint: Joint) -> list[Joint]:
        """One joint step; what it leads to."""
        self.on_time()
        regions = (
            self._region(0, joint.original, joint.at[0]),
            self._region(1, joint.rewrite, joint.at[1]),
        )
        joint = self._checked(joint, regions[0].log, regions[1].log)
        alone = len(regions[0].exits) == 1 and len(regions[1].exits) == 1
        # Where the original faults the rewrite may do anything.
        mine = [one for one in regions[0].exits if not (isinstance(one.where, AtTrap) and one.where.certain)]
        both = self.together(joint, list(product(mine, regions[1].exits)))
        return [one for first, second in both for one in self._pair(joint, first, second, alone)]

    def _region(self, side: int, state: State, at: Point | Where) -> Region:
        if not isinstance(at, Point):
            return Region((Exit(TRUE, at, state),), Log())
        return self.executors[side].run(state, at, self.cuts[side])

    def _checked(self, joint: Joint, original: Log, rewrite: Log) -> Joint:
        """What holds within a step: faults and frames. The joint with what it then knows."""
        overlaps, theirs = overlaps_in(original, joint.given), overlaps_in(rewrite, joint.given)
        known = [not_(fault) for fault in (*original.faults, *overlaps) if fault is not FALSE]
        known += [fact for fact in original.typed.facts if fact is not TRUE]
        self.provisos.update({APART: None} if overlaps else {})
        more = replace(
            joint,
            conditions=(*joint.conditions, *dict.fromkeys(known)),
            facts=(*joint.facts, *facts(original.accesses, extents(self.pair))),
            accesses=(*joint.accesses, *original.accesses),
            pending=(*joint.pending, *rewrite.accesses),
        )
        self.preferred.update(dict.fromkeys(mappable(original.accesses)))
        self.natural.update(dict.fromkeys(natural(original.accesses)))
        self._lowest = min(self._lowest[0], original.lowest), min(self._lowest[1], rewrite.lowest)
        if self._lowest[1] < self._lowest[0] - _MORE_STACK:
            raise NotProvedError("the rewrite needs far more stack than the original")
        for log in (original, rewrite):
            for demand, phrase in log.demands:
                self.require(more, not_(demand), phrase)
        wrong = [fault for fault in dict.fromkeys(rewrite.faults) if fault not in original.faults]
        self.require(more, or_(FALSE, *wrong), "the rewrite may fault where the original does not")
        wrong = [overlap for overlap in dict.fromkeys(theirs) if overlap not in overlaps]
        self.require(more, or_(FALSE, *wrong), "the rewrite may copy objects that overlap")
        return more

    def settle(self, here: Joint) -> Joint:
        """Both are at points that belong together: every access of the rewrite must be covered by now."""
        if self._open(here):
            writes = self.specification.memory
            open_ = self._uncovered(here, writes)
            self.require(here, or_(*open_), "the rewrite may access memory where the original does not")
        return replace(here, accesses=(), pending=())

    def _uncovered(self, here: Joint, writes: bool, *, pages: bool = True) -> list[Term]:
        return uncovered(
            here.accesses,
            here.pending,
            extents(self.pair),
            writes=writes,
            pages=pages,
            on_time=self.on_time,
        )

    def _open(self, here: Joint) -> bool:
        """True where the paths alone do not show that every access is covered. Most do, at once."""
        key = here.conditions, here.accesses, here.pending
        if self._looked is None or self._looked[0] != key:
            writes = self.specification.memory
            open_ = self._uncovered(here, writes, pages=False)
            left = bool(open_) and not isinstance(self.soon((*here.conditions, or_(*open_))), Unsat)
            self._looked = key, left
        return self._looked[1]

    def _pair(self, joint: Joint, first: Exit, second: Exit, alone: bool) -> list[Joint]:
        """What must hold where both exits are taken, and where it goes on."""
        met = and_(first.condition, second.condition)
        if met is FALSE:
            return []
        here = replace(joint, conditions=(*joint.conditions, *parts(met)))
        match first.where, second.where:
            case AtReturn(), AtReturn():
                return self._meet(here, lambda joint: self._returns(joint, first, second))
            case AtCall() as call, AtCall() as other:
                # Equal ways belong together, and looking at a pair that cannot be does no harm.
                natural = alone or first.condition is second.condition
                if not natural and isinstance(self.soon(here.conditions), Unsat):
                    return []
                if call.callee.name != other.callee.name:
                    return self.unmatched(here, first, second)
                sides = (call, first.state), (other, second.state)
                return self._meet(here, lambda joint: self._call(joint, *sides))
            case AtTrap(), AtTrap():
                return []
            case _:
                return self.unmatched(here, first, second)

    def _meet(self, here: Joint, compare: Callable[[Joint], list[Joint] | None]) -> list[Joint]:
        """Both are at points that belong together. Where an access may not be covered, an input on which they also do
        something different is looked for first: it shows more, for memory may be mapped everywhere."""
        found: list[Joint] | None = None
        if self._open(here):
            try:
                found = compare(here) or []
            except NotProvedError as error:
                if error.model is not None:
                    raise
        settled = self.settle(here)
        return (compare(settled) or []) if found is None else found

    def unmatched(self, here: Joint, first: Exit, second: Exit) -> list[Joint]:
        """The two are at points of which it is not clear that they belong together: here, that no input may bring
        them there. What proves loops goes on from such pairs; it is the one to say how."""
        phrase = f"the original {does(first)} where the rewrite {does(second)}"
        self._refuse(here, phrase, called(first.where), called(second.where))
        return []

    def _refuse(self, here: Joint, phrase: str, first: str, second: str) -> None:
        """Raises ``NotProvedError`` unless no input gets here; it names the calls that are apart."""
        try:
            self.require(here, TRUE, phrase)
        except NotProvedError as error:
            error.apart = (first, second)
            raise

    def _returns(self, here: Joint, first: Exit, second: Exit) -> None:
        try:
            found = at_return(first.state, second.state, self.specification, self.views)
        except MismatchError as error:
            self.require(here, TRUE, str(error))
            return
        if found:
            names = ", ".join(dict.fromkeys(one.where for one in found))
            self.require(here, or_(*(one.condition for one in found)), f"the results may differ ({names})")
        self._end(here)

    def _call(self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]) -> list[Joint]:
        self.aim(here, aims(*first, self.views[0], self.calls + 1))
        given = None if here.given is None else here.given | given_at_call(first, second, self.views)
        first, second = self._by_type(replace(here, given=given), first, second)
        try:
            found = at_call(first, second, self.specification, self.views, given, self._unset(first[0]))
        except MismatchError as error:
            self.require(here, TRUE, str(error))
            return []
        if found:
            names = ", ".join(dict.fromkeys(one.where for one in found))
            self.require(here, or_(*(one.condition for one in found)), f"calls may differ ({names})")
        (call, _), (other, _) = first, second
        callee = call.callee
        if isinstance(callee, Repeated):
            return self._repeated(replace(here, given=given), callee, first, second)
        self.callees[callee.name] = None
        self._stack_arguments(here, first, second)
        if not callee.returns:
            self._end(here)
            return []
        self.calls += 1
        results = result_terms(callee, first[1], self.views[0], self.calls)
        keeps = callee.pure or callee.reads_only
        after = memory(f"memory after call {self.calls}")
        if not keeps:
            self.before[after] = first[1].memory
        states = [
            after_call(
                each,
                state,
                self.executors[side].names,
                results,
                state.memory if keeps else after,
                self._kept[side].over(each.entry),
                self._kept[side].perhaps(each.entry),
            )
            for side, (each, state) in enumerate((first, second))
        ]
        resumed = (call.resume or AtReturn(), other.resume or AtReturn())
        return [Joint(states[0], states[1], resumed, here.conditions, here.facts, given=given)]

    def _repeated(
        self, here: Joint, callee: Repeated, first: tuple[AtCall, State], second: tuple[AtCall, State]
    ) -> list[Joint]:
        """Behind a string instruction that both make with the same operands. Memory must be the same even where it is
        nothing that a rewrite must keep, for what is copied may be looked at."""
        if first[1].memory is not second[1].memory and not self.specification.memory:
            raise UnmodelledError("a repeated string instruction where memory is not compared")
        self.calls += 1
        after = memory(f"memory after call {self.calls}")
        self.before[after] = first[1].memory
        states = [after_repeated(callee, state, after) for _, state in (first, second)]
        assert first[0].resume is not None and second[0].resume is not None
        resumed = first[0].resume, second[0].resume
        return [Joint(states[0], states[1], resumed, here.conditions, here.facts, given=here.given)]

    def _by_type(
        self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]
    ) -> tuple[tuple[AtCall, State], tuple[AtCall, State]]:
        """A call by an address, with the arguments of the type that the pointer is declared with, which the verdict
        then says; as it is where both sides agree in all that may be one."""
        known = typed(self.pair, first, second)
        if known is None:
            return first, second
        try:
            unset = self._unset(first[0])
            found = at_call(first, second, self.specification, self.views, here.given, unset)
        except MismatchError:
            return first, second
        except (UnmodelledError, UndecidedAccessError, EscapeError):
            found = None
        if found is not None and self.holds(here, or_(FALSE, *(one.condition for one in found))):
            return first, second
        self.provisos[known[2]] = None
        return known[:2]

    def _unset(self, call: AtCall) -> frozenset[str]:
        """The registers in which the original passes nothing."""
        return frozenset() if call.site is None else self.pair.original.unset(call.site)

    def _stack_arguments(
        self, here: Joint, first: tuple[AtCall, State], second: tuple[AtCall, State]
    ) -> None:
        """Where it is not known whether a callee has arguments on the stack: they are equal, or it is assumed that it
        has none, which the verdict then says."""
        found = perhaps_on_stack(first, second, self.views)
        if found is not None:
            wrong = or_(FALSE, *(one.condition for one in found))
            if wrong is FALSE or isinstance(self.ask((*here.conditions, wrong)), Unsat):
                return
        self.provisos[f"{first[0].callee.name} takes no arguments on the stack"] = None

    def _end(self, here: Joint) -> None:
        """Notes that the original ends here, if an input is known that gets here: a proof about no input is worth
        nothing."""
        self.ended = self.ended or isinstance(self.ask(here.conditions), Sat)
