"""Wrong rewrites that other checkers let pass are never proved, and right ones beside them are.

The files of ``tests/files/verify/holes`` and ``attacks`` say what is wrong with each; ``verify_cases`` reads them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.runtime.isolation import Executor
from verify_cases import Case, assembled, cases, differing
from verifying import Judged, Task, judge, options_of

HOLES = cases("holes")
ATTACKS = cases("attacks")
ALL = HOLES + ATTACKS
WRONG = [case for case in ALL if case.expected == "not proved"]
PROVABLE = [case for case in ALL if case.expected == "proved"]
CONCERNED = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
"""The holes of the verifier itself; 14 and 15 are about cost and timing, 16 about storing counterexamples."""

LIMIT_S = 5.0


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    with Executor() as made:
        yield made


@pytest.mark.parametrize("number", CONCERNED)
def test_each_hole_has_wrong_rewrites_and_a_right_one(number: int) -> None:
    mine = [case for case in HOLES if case.name.startswith(f"{number:02}_")]
    assert sum(case.expected == "not proved" for case in mine) >= 3
    assert any(case.expected == "proved" for case in mine)


@pytest.mark.parametrize("case", [c for c in WRONG if c.input], ids=lambda case: case.name)
def test_the_processor_tells_a_wrong_rewrite(executor: Executor, tmp_path: Path, case: Case) -> None:
    assert case.differs in differing(executor, case, tmp_path)


@pytest.mark.parametrize("case", [c for c in ALL if c.arguments], ids=lambda case: case.name)
def test_the_processor_tells_no_difference_of_a_right_one(
    executor: Executor, tmp_path: Path, case: Case
) -> None:
    assert differing(executor, case, tmp_path, count=2000) == {}


def verdict(case: Case, folder: Path, proof_alone: bool = False, limit_s: float = LIMIT_S) -> Judged:
    sides = assembled(case.original, folder), assembled(case.rewrite, folder)
    options = options_of(case.options) | {"proof_alone": proof_alone, "tests": 256, "timeout_s": limit_s}
    answer = judge(Task(case.name, *sides, "f", options))
    assert answer.kind != "error", answer.reason
    return answer


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_rewrite_is_not_proved(case: Case, tmp_path: Path) -> None:
    """Without the tests that would find it first."""
    found = verdict(case, tmp_path, proof_alone=True)
    assert found.kind != "proved", case.text
    assert found.kind != "provided" or found.reason == case.provided, case.text


@pytest.mark.parametrize("case", WRONG[::4], ids=lambda case: case.name)
def test_a_wrong_rewrite_is_not_proved_after_tests(case: Case, tmp_path: Path) -> None:
    """As a user has it."""
    found = verdict(case, tmp_path)
    assert found.kind != "proved", case.text
    assert found.kind != "provided" or found.reason == case.provided, case.text


@pytest.mark.parametrize("case", PROVABLE, ids=lambda case: case.name)
def test_a_right_rewrite_is_proved(case: Case, tmp_path: Path) -> None:
    answer = verdict(case, tmp_path, limit_s=20.0)
    assert answer.kind in ("proved", "provided"), answer.reason


@pytest.mark.parametrize("case", [c for c in ALL if c.expected == "right"], ids=lambda case: case.name)
def test_a_right_rewrite_is_not_refuted(case: Case, tmp_path: Path) -> None:
    assert verdict(case, tmp_path).kind != "refuted"
