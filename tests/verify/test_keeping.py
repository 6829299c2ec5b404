"""Whether C's rule on types is used: where there are loops at first, else when it does not go without."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from burnish.core.specification import Specification
from burnish.core.verdict import Bounded, Proved, Unknown
from burnish.verify.decide import Hint
from burnish.verify.engine.proof import Proof
from burnish.verify.keeping import Keeping
from burnish.verify.pair import Pair, Unseen, untyped

from .loops.conftest import function_of
from .test_decide import Script

PLAIN = "int f(int *a, long *b) { *b = 7; return *a; }"
LOOP = "int f(int *a, long *b, int n) { int s = 0; while (n--) { *b = 7; s += *a; } return s; }"
OPEN, SHOWN, BOUND = Proof(Unknown("out of time")), Proof(Proved()), Proof(Bounded(8))


@dataclass
class Answers(Script):
    """Engines that answer with the rule, and without, as they are told; each has questions of its own."""

    ruled: Proof = OPEN
    plain: Proof = OPEN
    hashes: tuple[str, ...] = field(default=())

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        way = "plain" if pair.original.unseen is untyped else "ruled"
        self.asked.append(way)
        self.hashes = (way,)
        return self.plain if way == "plain" else self.ruled

    @property
    def query_hashes(self) -> tuple[str, ...]:
        return self.hashes


def seen(instructions: object) -> Unseen:
    return untyped(())


def pair_of(source: str) -> Pair:
    sides = function_of(source, "-O1"), function_of(source, "-O2")
    return Pair(replace(sides[0], unseen=seen), sides[1], Specification((), source="prototype"))


@pytest.mark.parametrize(
    ("source", "ruled", "plain", "asked", "given"),
    [
        (LOOP, SHOWN, SHOWN, ["ruled"], "ruled"),
        (LOOP, OPEN, SHOWN, ["ruled", "plain"], "plain"),
        (LOOP, BOUND, OPEN, ["ruled", "plain"], "ruled"),
        (PLAIN, SHOWN, SHOWN, ["plain"], "plain"),
        (PLAIN, SHOWN, OPEN, ["plain", "ruled"], "ruled"),
        (PLAIN, OPEN, OPEN, ["plain", "ruled"], "ruled"),
    ],
)
def test_which_proof_is_given(source: str, ruled: Proof, plain: Proof, asked: list[str], given: str) -> None:
    engines = Answers(ruled=ruled, plain=plain)
    keeping = Keeping(engines)
    assert keeping.prove(pair_of(source), 1.0) is (plain if given == "plain" else ruled)
    assert engines.asked == asked
    # A certificate lists what was asked for its own proof, not for one that was tried after it.
    assert keeping.query_hashes == (given,)
    keeping.prove(pair_of(PLAIN), 1.0, ())
    assert engines.asked[-1] == "ruled"
    assert keeping.query_hashes == ("ruled",)
