"""Predictions of speed-ups, where the answer can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from burnish.analyze.replay import Costs, Rounds, forked, pipelined, speculate, whole_run
from burnish.core.superblocks import Prediction, Stage

FREE = Costs(enter=0, task=0, commit=0, access=0, window=1 << 20, message=0, fork=0)
DEFAULT = Costs()


def _rounds(nearest: NDArray[np.integer], cost: int = 100, visits: int = 1, accesses: float = 0.25) -> Rounds:
    size = len(nearest)
    visit = np.arange(size, dtype=np.uint32) // (size // visits)
    return Rounds(np.full(size, cost, np.uint32), nearest.astype(np.uint32), visit, accesses)


def _at(predictions: tuple[Prediction, ...], cores: int) -> float:
    return next(one.speedup for one in predictions if one.cores == cores)


def test_independent_rounds_gain_as_many_times_as_there_are_cores() -> None:
    found = speculate(_rounds(np.zeros(6400)), FREE)
    assert [one.speedup for one in found] == pytest.approx([one.cores for one in found], rel=0.01)


def test_rounds_that_need_the_one_before_gain_nothing() -> None:
    assert {one.speedup for one in speculate(_rounds(np.ones(6400)), FREE)} == {1.0}
    assert {one.speedup for one in speculate(_rounds(np.ones(6400)), DEFAULT)} == {1.0}


@pytest.mark.parametrize("distance", [2, 4, 16])
def test_a_distance_bounds_the_gain(distance: int) -> None:
    nearest = np.minimum(np.arange(6400), distance) // distance * distance
    assert _at(speculate(_rounds(nearest), FREE), 64) == pytest.approx(distance, rel=0.05)


def test_rounds_of_one_visit_alone_run_beside_each_other() -> None:
    found = speculate(_rounds(np.zeros(6400), visits=1600), FREE)
    assert _at(found, 64) == pytest.approx(4, rel=0.01)


def test_rare_conflicts_cost_something_and_not_everything() -> None:
    chance = np.random.default_rng(1)
    nearest = np.where(chance.random(6400) < 0.05, chance.integers(1, 60, 6400), 0)
    none, some = (_at(speculate(_rounds(n, cost=2000), DEFAULT), 16) for n in (np.zeros(6400), nearest))
    assert 1 < some < none


def test_transactions_cost_what_proved_independence_does_not() -> None:
    rounds = _rounds(np.zeros(6400), cost=2000)
    costly, free = speculate(rounds, DEFAULT), speculate(rounds, DEFAULT, apart=True)
    assert _at(costly, 16) < _at(free, 16) <= 16
    dear = Costs(access=80)
    assert _at(speculate(rounds, dear), 16) < _at(costly, 16)


def test_commits_in_order_bound_the_gain() -> None:
    serial = Costs(enter=0, task=0, commit=100, access=0, window=1 << 20)
    rounds = Rounds(np.full(64, 100, np.uint32), np.zeros(64, np.uint32), np.zeros(64, np.uint32), 0.0)
    # With k rounds a task there are 64 / k commits of 100 behind the first task's 100 k: best about 16.
    assert 3 < _at(speculate(rounds, serial), 64) <= 6400 / (2 * np.sqrt(64) * 100)


def test_what_is_not_worth_it_is_left_as_it_is() -> None:
    assert all(one.speedup == 1.0 for one in speculate(_rounds(np.zeros(8), cost=3), DEFAULT))
    assert all(one.speedup == 1.0 for one in speculate(_rounds(np.zeros(1)), DEFAULT))
    empty = Rounds(*(np.zeros(0, np.uint32) for _ in range(3)), 0.0)
    assert all(one.speedup == 1.0 for one in speculate(empty, DEFAULT))


def test_the_slowest_stage_sets_the_pace() -> None:
    stages = (Stage((1,), parallel=False, share=0.25), Stage((2,), parallel=True, share=0.75))
    found = pipelined(stages, 1000.0, FREE)
    assert _at(found, 1) == 1.0
    assert _at(found, 2) == pytest.approx(4 / 3)
    assert _at(found, 64) == pytest.approx(4)
    assert _at(pipelined(stages[:1], 1000.0, FREE), 64) == 1.0


def test_calls_beside_each_other_are_bounded_by_the_longest_chain() -> None:
    found = forked(6400, 100, 1 << 10, FREE)
    assert _at(found, 1) == 1.0
    assert _at(found, 64) == pytest.approx(6400 / (100 + 100))
    assert _at(forked(6400, 6400, 1 << 10, FREE), 64) == 1.0


def test_a_whole_run_gains_by_its_share() -> None:
    assert whole_run(0.5, (Prediction(1, 1.0), Prediction(4, 4.0))) == pytest.approx(1 / (0.5 + 0.125))
    assert whole_run(1.0, ()) == 1.0
