"""Whether the original keeps to C's rule on types on an input: run in the concrete domain, with a look at what stored
last what each load reads. Where the rule is taken for granted, only such an input refutes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.core.errors import RefusedError
from burnish.core.verdict import Counterexample, Proved
from burnish.domains.concrete import ConcreteDomain
from burnish.verify.decide import Engines, Hint, Reached, TestResult, Untested
from burnish.verify.engine.proof import Proof
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.pair import Pair, Unseen, untyped
from burnish.verify.prove import has_loops
from burnish.verify.solve.query import Model
from burnish.verify.trials import Bench, CannotRunError, GivenInput, GivenTest
from burnish.verify.trials.interpreted import entry_of, interpret

_PLAIN_SHARE = 0.3
"""Of the time, what a proof may take that does not need the rule."""
_RULE_SHARE = 0.8
"""Of the time, what a proof of loops may take with it, before one without is tried."""


def keeps_types(pair: Pair, found: Counterexample) -> bool | None:
    """True if the run of the original on that input reads nothing that its ``unseen`` excludes, False if it does; None
    where it is not known. What a callee stores anybody may read."""
    side = pair.original
    functions = (side.function, *side.bodies.values())
    unseen = side.unseen(one.address for function in functions for one in function.instructions)
    try:
        with Bench() as bench:
            test = GivenTest.of(side, pair.specification, GivenInput.of_counterexample(found), bench)
        domain = _Watching(test, unseen)
        ended = interpret(test, domain)
    except (CannotRunError, KeyError, RefusedError, ValueError):  # something without a meaning or a place
        return None
    if domain.broken:
        return False
    return True if ended else None


_BROKEN = "the original accesses objects otherwise than its pointers declare them"
_NOT_KNOWN = "it is not known whether the original accesses objects as its pointers declare them"


@dataclass(slots=True)
class Keeping:
    """Engines for a pair of which the original is taken to keep to the rule: a counterexample on which it does not, or
    on which that is not known, is none."""

    engines: Engines
    _asked: tuple[str, ...] | None = field(default=None, init=False, repr=False)
    """What was asked for the proof that was given, where another was tried after it."""

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on a few inputs."""
        return self._kept(pair, self.engines.glance(pair, seconds))

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        return self._kept(pair, self.engines.test(pair, seconds))

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs for paths."""
        return self._kept(pair, self.engines.explore(pair, seconds))

    @property
    def reached(self) -> Reached:
        """As the engines have it."""
        return self.engines.reached

    def prove_briefly(self, pair: Pair, seconds: float) -> Proof | None:
        """As the engines do, first without the rule: most of what does not need it is easier so."""
        self._asked = None
        plain = self.engines.prove_briefly(_without_rule(pair), _PLAIN_SHARE * seconds)
        if plain is None or isinstance(plain.verdict, Proved):
            return plain
        return self.engines.prove_briefly(pair, seconds)

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        """As the engines do, with the rule and without unless the proof is known. Loops mostly need it: what one side
        loads in each round the other keeps."""
        self._asked = None
        if invariants is not None:
            return self.engines.prove(pair, seconds, invariants)
        plain = _without_rule(pair)
        pairs, share = ((pair, plain), _RULE_SHARE) if has_loops(pair) else ((plain, pair), _PLAIN_SHARE)
        began = time.monotonic()
        first = self.engines.prove(pairs[0], share * seconds)
        if isinstance(first.verdict, Proved):
            return first
        asked = self.engines.query_hashes
        second = self.engines.prove(pairs[1], max(seconds - (time.monotonic() - began), 0.0))
        if isinstance(second.verdict, Proved) or pairs[1] is pair:
            return second
        self._asked = asked
        return first

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs a suspicion on the CPU."""
        return _believed(pair, self.engines.replay(pair, model))

    def pursue(self, pair: Pair, suspicions: Sequence[Suspicion], seconds: float) -> Counterexample | None:
        """Runs inputs on which the original goes on from suspicions to its end."""
        found = self.engines.pursue(pair, suspicions, seconds)
        return found if found is not None and keeps_types(pair, found) else None

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        """Runs both sides on the input of a counterexample."""
        return _believed(pair, self.engines.confirm(pair, given))

    @property
    def solvers(self) -> Mapping[str, str]:
        """As the engines have it."""
        return self.engines.solvers

    @property
    def query_hashes(self) -> tuple[str, ...]:
        """As the engines have it."""
        return self.engines.query_hashes if self._asked is None else self._asked

    def _kept(self, pair: Pair, result: TestResult) -> TestResult:
        found = result.counterexample
        if found is None:
            return result
        answer = _believed(pair, found)
        return result if isinstance(answer, Counterexample) else Untested(answer)


def _without_rule(pair: Pair) -> Pair:
    return replace(pair, original=replace(pair.original, unseen=untyped))


def _believed(pair: Pair, found: Counterexample | str) -> Counterexample | str:
    keeps = None if isinstance(found, str) else keeps_types(pair, found)
    if isinstance(found, str) or keeps:
        return found
    why = _NOT_KNOWN if keeps is None else _BROKEN
    return f"on an input on which they differ {why}"


class _Watching(ConcreteDomain):
    """Notes by which instruction each byte was stored last, and whether a load reads what it is taken not to."""

    def __init__(self, test: GivenTest, unseen: Unseen) -> None:
        super().__init__(entry_of(test))
        self.broken = False
        self._native = test.native
        self._unseen = unseen
        self._stored: dict[int, int] = {}
        """Of each byte that was stored, the instruction that did so last, by its address in the image."""
        self._members: dict[int, set[int]] = {}
        """Where members were stored, by their numbers."""

    def load(self, address: int, size: int) -> int:
        at = self._native.image_address(self.at)
        kind = None if at is None else self._unseen.loads.get(at)
        if at is not None and kind is not None:
            writers = {self._stored.get(address + k) for k in range(size)}
            self.broken |= any(kind in self._unseen.stores.get(one, ()) for one in writers if one is not None)
        known = () if at is None else self._members.get(self._unseen.members_loaded.get(at, -1), ())
        self.broken |= any(0 < abs(address - one) < size for one in known)
        return super().load(address, size)

    def store(self, address: int, value: int, size: int) -> None:
        at = self._native.image_address(self.at)
        for k in range(size):
            if at is None:
                self._stored.pop(address + k, None)
            else:
                self._stored[address + k] = at
        if at is not None and at in self._unseen.members_stored:
            self._members.setdefault(self._unseen.members_stored[at], set()).add(address)
        super().store(address, value, size)
