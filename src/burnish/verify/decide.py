"""The verdict on one pair: tests first, then proof, and a replay of what a solver found.

Most wrong rewrites die in the tests, in milliseconds. What proves, and what runs natively, are protocols here: a
learner, ``burnish optimize`` and ``burnish verify`` share this order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from burnish.core.verdict import Bounded, Counterexample, Proved, Refuted, Tested, Unknown, Verdict
from burnish.verify.engine.joint import Proof
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model

Hint = tuple[Any, ...] | None
"""Invariants of loops, as JSON data, or None where they are to be found."""


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

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        ...

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        """Looks for a proof; a model in the answer is a suspicion. With ``invariants`` nothing is learnt: they are the
        proof of the loops, or there is none."""
        ...

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs a suspicion on the CPU: a counterexample where both sides differ there, else why not, as a phrase."""
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
    ``invariants`` what a proof of loops rests on, as JSON data; ``method`` a phrase on how it was proved."""

    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    tests: int = 0
    void_tests: int = 0
    queries: int = 0
    solvers: Mapping[str, str] = field(default_factory=dict[str, str])
    invariants: tuple[Any, ...] = ()
    method: str = ""
    query_hashes: tuple[str, ...] = ()


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


def decide(pair: Pair, engines: Engines, timeout_s: float, invariants: Hint = None) -> Decision:
    """The verdict within about ``timeout_s`` seconds. ``Tested`` where no proof was found and the tests agree, which
    is no ``Unknown``: whoever wants a proof asks for one."""
    started = time.monotonic()
    tests = engines.test(pair, min(_TESTS_SECONDS, _TESTS_SHARE * timeout_s))
    tested = time.monotonic()
    effort = Effort({"tests": tested - started}, tests.tested, tests.void)
    if tests.counterexample is not None:
        return Decision(Refuted(tests.counterexample), effort=effort)
    proof = engines.prove(pair, max(timeout_s - (tested - started), 0.0), invariants)
    proved = time.monotonic()
    effort = Effort(
        {"tests": tested - started, "proof": proved - tested},
        tests.tested,
        tests.void,
        proof.queries,
        engines.solvers,
        proof.invariants,
        proof.method,
        engines.query_hashes,
    )
    verdict, reason = _verdict(pair, engines, tests, proof)
    holds = isinstance(verdict, Proved | Bounded)
    return Decision(verdict, reason, proof.provisos if holds else (), proof.callees, effort)


def _verdict(pair: Pair, engines: Engines, tests: TestResult, proof: Proof) -> tuple[Verdict, str]:
    match proof.verdict:
        case Proved():
            return proof.verdict, ""
        case Bounded():
            return proof.verdict, "a loop was unrolled only so often"
        case Unknown(reason):
            if proof.model is not None:
                replayed = engines.replay(pair, proof.model)
                if isinstance(replayed, Counterexample):
                    return Refuted(replayed), ""
                reason = f"{reason}; {replayed}"
                return Unknown(reason), reason
            if tests.tested:
                return Tested(tests.tested), reason
            reason = f"{reason}; {tests.reason}" if tests.reason else reason
            return Unknown(reason), reason


@dataclass(frozen=True, slots=True)
class Untested:
    """No tests, for a reason."""

    reason: str
    tested: int = 0
    void: int = 0
    counterexample: Counterexample | None = None
