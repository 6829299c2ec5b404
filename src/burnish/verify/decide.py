"""The verdict on one pair: tests first, then proof, and a replay of what a solver found.

Most wrong rewrites die in the tests, in milliseconds; many right ones are proved in as little. So both come twice: a
few tests and a brief proof, then all tests and the rest of the time for proof. What proves, and what runs natively, are
protocols here: a learner, ``burnish optimize`` and ``burnish verify`` share this order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from burnish.core.verdict import Bounded, Counterexample, Proved, Refuted, Tested, Unknown, Verdict
from burnish.verify.collecting import seldom_collected
from burnish.verify.engine.joint import Proof
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model

Hint = tuple[Any, ...] | None
"""Invariants of loops, as JSON data, or None where they are to be found."""


Reached = tuple[tuple[int, int], ...]
"""Blocks that inputs reached, and how many there are, of the original and of the rewrite; empty where nobody looked."""


class TestResult(Protocol):
    """What came of native tests: ``tested`` inputs that agree, ``void`` ones that say nothing, the first that differs,
    and why there are none, as a phrase, where there are none."""

    @property
    def tested(self) -> int: ...

    @property
    def void(self) -> int: ...

    @property
    def counterexample(self) -> Counterexample | None: ...

    @property
    def reason(self) -> str: ...


class Engines(Protocol):
    """What tests a pair, and what proves it. Both keep to a time in seconds."""

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on a few inputs."""
        ...

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        ...

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs that lead where no other does, and on one for each path, which solvers make."""
        ...

    @property
    def reached(self) -> Reached:
        """What inputs reached, those of the last ``test`` among them; empty before ``explore``."""
        ...

    def prove_briefly(self, pair: Pair, seconds: float) -> Proof | None:
        """Looks for a proof that needs nothing learnt from tests; None where only such a one is to be hoped for."""
        ...

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        """Looks for a proof; a model in the answer is a suspicion. With ``invariants`` nothing is learnt: they are the
        proof of the loops, or there is none."""
        ...

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs a suspicion on the CPU: a counterexample where both sides differ there, else why not, as a phrase."""
        ...

    def pursue(self, pair: Pair, suspicions: Sequence[Suspicion], seconds: float) -> Counterexample | None:
        """Runs inputs on which the original goes on from suspicions to its end; the first that is a counterexample."""
        ...

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        """Runs both sides on the input of a counterexample: it, with what differs, or why nothing does, as a phrase."""
        ...

    @property
    def solvers(self) -> Mapping[str, str]:
        """The solvers that are asked, with their versions."""
        ...

    @property
    def query_hashes(self) -> tuple[str, ...]:
        """Those of all that the solvers were asked in the last proof."""
        ...


@dataclass(frozen=True, slots=True)
class Effort:
    """What was done for a verdict. ``seconds`` by stage; ``solvers`` are those that were asked, with their versions;
    ``invariants`` what a proof of loops rests on, as JSON data; ``method`` a phrase on how it was proved; ``reached``
    what the tests reached, where they are what the verdict rests on."""

    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    tests: int = 0
    void_tests: int = 0
    queries: int = 0
    solvers: Mapping[str, str] = field(default_factory=dict[str, str])
    invariants: tuple[Any, ...] = ()
    method: str = ""
    query_hashes: tuple[str, ...] = ()
    reached: Reached = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, why it is no stronger one (a phrase, empty for a proof and a counterexample), what it takes for
    granted, the functions that both are known to call alike, and what it took."""

    verdict: Verdict
    reason: str = ""
    provisos: tuple[str, ...] = ()
    callees: tuple[str, ...] = ()
    effort: Effort = field(default_factory=Effort)


_TESTS_SHARE = 0.2
"""Of the time, at most, that tests may take."""
_TESTS_SECONDS = 5.0
_GLANCE_SECONDS = 0.03
"""Of tests, before anything is proved."""
_MOST_OTHERS = 3
"""Suspicions of earlier attempts that are run."""
_PATHS_SHARE = 0.05
"""Of the time, that is kept for more inputs where there is no proof."""
_PURSUIT_SHARE, _PURSUIT_S = 0.4, 3.0
"""Of the time, and in seconds, what may be spent on following a suspicion to the end of the original."""
_BRIEF_SHARE = 0.1
"""Of the time, at most, that a proof may take before all tests are run."""
_BRIEF_SECONDS = 0.5


@dataclass(slots=True)
class _Deciding:
    """One pair on its way to a verdict."""

    pair: Pair
    engines: Engines
    timeout_s: float
    invariants: Hint
    tests_s: float = 0.0
    proof_s: float = 0.0
    queries: int = 0

    def decision(self) -> Decision:
        """The verdict."""
        return (None if self.invariants else self._brief()) or self._thorough()

    def _brief(self) -> Decision | None:
        """What few tests and a brief proof decide."""
        tests = self._tested(self.engines.glance, min(_GLANCE_SECONDS, _TESTS_SHARE * self.timeout_s))
        if tests.counterexample is not None:
            return self._refuted(tests, tests.counterexample)
        proof = self._proved(min(_BRIEF_SECONDS, _BRIEF_SHARE * self.timeout_s), brief=True)
        if proof is None:
            return None
        if isinstance(proof.verdict, Proved):
            return self._decided(tests, proof, proof.verdict)
        replayed = _replayed(self.pair, self.engines, proof)
        if isinstance(replayed, Counterexample):
            return self._decided(tests, proof, Refuted(replayed))
        return None

    def _thorough(self) -> Decision:
        """What all tests and all of the time decide."""
        tests = self._tested(self.engines.test, min(_TESTS_SECONDS, _TESTS_SHARE * self.timeout_s))
        if tests.counterexample is not None:
            return self._refuted(tests, tests.counterexample)
        proof = self._proved(max((1 - _PATHS_SHARE) * self.timeout_s - self.tests_s - self.proof_s, 0.0))
        assert proof is not None
        seconds = min(_PURSUIT_S, _PURSUIT_SHARE * self.timeout_s)
        verdict, reason = _verdict(self.pair, self.engines, tests, proof, seconds)
        if isinstance(verdict, Tested | Unknown) and self.invariants is None:
            return self._explored(tests, proof, verdict, reason)
        return self._decided(tests, proof, verdict, reason)

    def _explored(self, tests: TestResult, proof: Proof, verdict: Verdict, reason: str) -> Decision:
        """Where there is no proof: what inputs for all paths show. What was unknown stays so if a solver suspects an
        input that shows nothing: tests are no answer to that."""
        left = max(self.timeout_s - self.tests_s - self.proof_s, _PATHS_SHARE * self.timeout_s)
        paths = self._tested(self.engines.explore, min(_TESTS_SECONDS, left))
        both = _Both(tests, paths)
        if paths.counterexample is not None:
            return self._refuted(both, paths.counterexample)
        if paths.tested and proof.model is None:
            verdict = Tested(both.tested)
        return self._decided(both, proof, verdict, reason)

    def _tested(self, test: Callable[[Pair, float], TestResult], seconds: float) -> TestResult:
        started = time.monotonic()
        found = test(self.pair, seconds)
        self.tests_s += time.monotonic() - started
        return found

    def _proved(self, seconds: float, *, brief: bool = False) -> Proof | None:
        started = time.monotonic()
        if brief:
            found = self.engines.prove_briefly(self.pair, seconds)
        else:
            found = self.engines.prove(self.pair, seconds, self.invariants)
        self.proof_s += time.monotonic() - started
        self.queries += 0 if found is None else found.queries
        return found

    def _refuted(self, tests: TestResult, found: Counterexample) -> Decision:
        seconds = {"tests": self.tests_s}
        return Decision(Refuted(found), effort=Effort(seconds, tests.tested, tests.void))

    def _decided(self, tests: TestResult, proof: Proof, verdict: Verdict, reason: str = "") -> Decision:
        effort = Effort(
            {"tests": self.tests_s, "proof": self.proof_s},
            tests.tested,
            tests.void,
            self.queries,
            self.engines.solvers,
            proof.invariants,
            proof.method,
            self.engines.query_hashes,
            () if isinstance(verdict, Proved) else self.engines.reached,
        )
        holds = isinstance(verdict, Proved | Bounded)
        return Decision(verdict, reason, proof.provisos if holds else (), proof.callees, effort)


@seldom_collected()
def decide(pair: Pair, engines: Engines, timeout_s: float, invariants: Hint = None) -> Decision:
    """The verdict within about ``timeout_s`` seconds. ``Tested`` where no proof was found and the tests agree, which
    is no ``Unknown``: whoever wants a proof asks for one."""
    return _Deciding(pair, engines, timeout_s, invariants).decision()


def _verdict(
    pair: Pair, engines: Engines, tests: TestResult, proof: Proof, seconds: float
) -> tuple[Verdict, str]:
    match proof.verdict:
        case Proved():
            return proof.verdict, ""
        case Bounded():
            return proof.verdict, "a loop was unrolled only so often"
        case Unknown(reason):
            replayed = _replayed(pair, engines, proof)
            if not isinstance(replayed, Counterexample):
                replayed = engines.pursue(pair, proof.suspicions, seconds) or replayed
            if isinstance(replayed, Counterexample):
                return Refuted(replayed), ""
            if replayed:
                reason = f"{reason}; {replayed}"
                return Unknown(reason), reason
            if tests.tested:
                return Tested(tests.tested), reason
            reason = f"{reason}; {tests.reason}" if tests.reason else reason
            return Unknown(reason), reason


def _replayed(pair: Pair, engines: Engines, proof: Proof) -> Counterexample | str:
    """Runs what a proof suspects: the first input that is a counterexample, else why the proof's own is none; an
    empty phrase where it has none."""
    said = ""
    if proof.model is not None:
        replayed = engines.replay(pair, proof.model)
        if isinstance(replayed, Counterexample):
            return replayed
        said = replayed
    for model in proof.others[:_MOST_OTHERS]:
        replayed = engines.replay(pair, model)
        if isinstance(replayed, Counterexample):
            return replayed
    return said


@dataclass(frozen=True, slots=True)
class _Both:
    """Tests, and more tests after them."""

    first: TestResult
    second: TestResult

    @property
    def tested(self) -> int:
        return self.first.tested + self.second.tested

    @property
    def void(self) -> int:
        return self.first.void + self.second.void

    @property
    def counterexample(self) -> Counterexample | None:
        return self.first.counterexample or self.second.counterexample

    @property
    def reason(self) -> str:
        return self.first.reason


@dataclass(frozen=True, slots=True)
class Untested:
    """No tests, for a reason."""

    reason: str
    tested: int = 0
    void: int = 0
    counterexample: Counterexample | None = None
