"""Verdicts: their order, their words, their JSON."""

from __future__ import annotations

import json
import random

from burnish.core import verdict
from burnish.core.verdict import Counterexample, label, strength, verdict_to_json

FOUND = Counterexample(
    "f", 0x10, {"rax": 1 << 63}, ("rax is 0x1 in the original and 0x2 in the rebuilt code.",), (), 7
)
ASCENDING: tuple[verdict.Verdict, ...] = (
    verdict.Refuted(FOUND),
    verdict.Unknown("time ran out"),
    verdict.Tested(3),
    verdict.Tested(20),
    verdict.Bounded(2),
    verdict.Bounded(8),
    verdict.Proved(),
)


def test_order() -> None:
    shuffled = list(ASCENDING)
    random.Random(1).shuffle(shuffled)
    assert tuple(sorted(shuffled, key=strength)) == ASCENDING
    assert len({strength(one) for one in ASCENDING}) == len(ASCENDING)


def test_labels() -> None:
    assert [label(one).partition("(")[0] for one in ASCENDING] == (
        ["REFUTED", "UNKNOWN", "TESTED", "TESTED", "BOUNDED", "BOUNDED", "PROVED"]
    )
    assert label(verdict.Tested(3)) == "TESTED(3)"
    assert "rax is 0x1 in the original" in label(verdict.Refuted(FOUND))


def test_a_changed_input_says_how_to_repeat_it() -> None:
    changed = Counterexample("f", 0, {}, ("It differs.",), ("rdi was 0x1 and is 0x2",), 99)
    assert "seed 99" in str(changed)
    assert "seed" not in str(FOUND)


def test_json_keeps_everything_and_big_numbers_whole() -> None:
    for one in ASCENDING:
        assert json.loads(json.dumps(verdict_to_json(one))) == verdict_to_json(one)
    data = verdict_to_json(verdict.Refuted(FOUND))
    assert data["counterexample"]["registers"]["rax"] == "0x8000000000000000"
