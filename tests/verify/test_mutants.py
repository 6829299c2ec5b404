"""Some mutants of proved functions, by seed: one that differs on the processor is never proved.

``benchmarks/mutation.py`` does the same with 20,000.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mutation import Judge, made
from mutation_subjects import Subject, subjects
from verifying import judge

SEED = 20
COUNT = 100
INPUTS = 4000
SUBJECTS = ("p01", "p07", "p10", "p14", "p16", "p18", "p19", "p21", "p22", "s_isalnum", "s_swap_bytes", "s_encode_utf8",
    "sum")  # fmt: skip


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return subjects(tmp_path_factory.mktemp("subjects"), SUBJECTS)


@pytest.mark.slow
def test_no_mutant_that_differs_is_proved(chosen: list[Subject], tmp_path: Path) -> None:
    judging = Judge(tmp_path, 5.0, with_tests=False, reproducers=tmp_path / "kept", inputs=INPUTS, seed=SEED)
    rows = [judging.row(task, judge(task)) for task in judging.tasks(made(chosen, COUNT, SEED, INPUTS))]
    assert len(rows) >= COUNT
    assert not [f"{row.subject} {row.text}: {row.differs}" for row in rows if row.false_proof]
    assert {row.verdict for row in rows if row.differs} >= {"refuted"}
    assert {row.verdict for row in rows if not row.differs} >= {"proved"}
