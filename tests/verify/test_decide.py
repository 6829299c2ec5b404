"""The order of tests and proofs: what decides early ends it, and what does not changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from burnish.core.verdict import Counterexample, Proved, Refuted, Tested, Unknown
from burnish.verify.decide import Hint, Reached, TestResult, decide
from burnish.verify.engine.joint import Proof
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model

PAIR = cast(Pair, None)
FOUND = Counterexample("f", 0, {}, ("They differ.",))
OPEN = Proof(Unknown("out of time"))
SUSPECT = Proof(Unknown("the results may differ"), Model())


@dataclass(frozen=True)
class Ran:
    """What came of tests."""

    tested: int = 8
    void: int = 0
    counterexample: Counterexample | None = None
    reason: str = ""


@dataclass
class Script:
    """Engines that say what they were told to, and note what they were asked."""

    glances: Ran = field(default_factory=Ran)
    tests: Ran = field(default_factory=lambda: Ran(512))
    brief: Proof | None = OPEN
    whole: Proof = OPEN
    replayed: Counterexample | str = "both do the same"
    pursued: Counterexample | None = None
    paths: Ran = field(default_factory=lambda: Ran(3))
    asked: list[str] = field(default_factory=list[str])

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        self.asked.append("glance")
        return self.glances

    def test(self, pair: Pair, seconds: float) -> TestResult:
        self.asked.append("test")
        return self.tests

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        self.asked.append("explore")
        return self.paths

    @property
    def reached(self) -> Reached:
        return (3, 4), (5, 5)

    def prove_briefly(self, pair: Pair, seconds: float) -> Proof | None:
        self.asked.append("brief")
        return self.brief

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        self.asked.append("prove")
        return self.whole

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        self.asked.append("replay")
        return self.replayed

    def pursue(self, pair: Pair, suspicions: Sequence[Suspicion], seconds: float) -> Counterexample | None:
        self.asked.append("pursue")
        return self.pursued

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        return given

    @property
    def solvers(self) -> Mapping[str, str]:
        return {}

    @property
    def query_hashes(self) -> tuple[str, ...]:
        return ()


def test_a_first_look_refutes_without_a_proof() -> None:
    script = Script(Ran(counterexample=FOUND))
    assert decide(PAIR, script, 10).verdict == Refuted(FOUND)
    assert script.asked == ["glance"]


def test_a_brief_proof_ends_it() -> None:
    script = Script(brief=Proof(Proved(), provisos=("g is the same",)))
    found = decide(PAIR, script, 10)
    assert found.verdict == Proved() and found.provisos == ("g is the same",) and found.effort.tests == 8
    assert script.asked == ["glance", "brief"]


def test_a_suspicion_that_the_processor_shares_ends_it() -> None:
    script = Script(brief=SUSPECT, replayed=FOUND)
    assert decide(PAIR, script, 10).verdict == Refuted(FOUND)
    assert script.asked == ["glance", "brief", "replay"]


def test_what_stays_open_is_looked_at_again() -> None:
    for brief in (None, OPEN, SUSPECT):
        script = Script(brief=brief)
        found = decide(PAIR, script, 10)
        assert found.verdict == Tested(515) and found.reason == "out of time"
        assert found.effort.tests == 515 and found.effort.reached == ((3, 4), (5, 5))
        assert script.asked[-4:] == ["test", "prove", "pursue", "explore"]


def test_all_tests_may_refute_what_a_few_did_not() -> None:
    script = Script(tests=Ran(counterexample=FOUND))
    assert decide(PAIR, script, 10).verdict == Refuted(FOUND)
    assert "prove" not in script.asked


def test_inputs_for_all_paths_may_refute_what_all_tests_did_not() -> None:
    script = Script(paths=Ran(counterexample=FOUND))
    assert decide(PAIR, script, 10).verdict == Refuted(FOUND)


def test_inputs_for_all_paths_are_tests_where_no_other_ran() -> None:
    script = Script(tests=Ran(0, 9, reason="the original does not return on any input that was tried"))
    assert decide(PAIR, script, 10).verdict == Tested(3)
    script.paths = Ran(0)
    found = decide(PAIR, script, 10)
    assert isinstance(found.verdict, Unknown) and found.reason.endswith("on any input that was tried")
    # Nor are they an answer to what a solver suspects.
    assert isinstance(decide(PAIR, Script(whole=SUSPECT), 10).verdict, Unknown)


def test_a_proof_says_nothing_of_what_tests_reached() -> None:
    assert decide(PAIR, Script(whole=Proof(Proved())), 10).effort.reached == ()


def test_known_invariants_need_no_brief_proof() -> None:
    script = Script(whole=Proof(Proved()))
    assert decide(PAIR, script, 10, ({},)).verdict == Proved()
    assert script.asked == ["test", "prove"]


def test_a_suspicion_that_the_processor_does_not_share_is_unknown() -> None:
    script = Script(whole=SUSPECT)
    assert isinstance(decide(PAIR, script, 10).verdict, Unknown)


def test_what_an_earlier_attempt_suspects_is_run_as_well() -> None:
    earlier = Proof(Unknown("out of time"), others=(Model(),))
    assert decide(PAIR, Script(whole=earlier, replayed=FOUND), 10).verdict == Refuted(FOUND)
    assert decide(PAIR, Script(whole=earlier), 10).verdict == Tested(515)


def test_a_suspicion_is_followed_to_the_end_of_the_original() -> None:
    for whole in (OPEN, SUSPECT):
        script = Script(whole=whole, pursued=FOUND)
        assert decide(PAIR, script, 10).verdict == Refuted(FOUND)
        assert script.asked[-1] == "pursue"
    script = Script(whole=SUSPECT, replayed=FOUND)
    assert decide(PAIR, script, 10).verdict == Refuted(FOUND) and "pursue" not in script.asked
