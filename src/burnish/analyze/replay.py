"""What parallel rounds, stages and calls would gain: predictions by replaying what was recorded.

``native/simulate.cpp`` replays the rounds of loops. Times are in instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish import _native
from burnish.core.superblocks import Prediction, Stage

CORES = (1, 2, 4, 8, 16, 32, 64)
_GRAINS = tuple(4**k for k in range(8))
_ROUNDS = 100_000
"""Of a loop that are replayed: the first ones."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of running in transactions, in instructions: ``enter`` for handing out the rounds of a visit, ``task`` for
    beginning one and validating it, ``commit`` for what only one task can do at a time, ``access`` for each load and
    store in it. ``window`` is how many tasks may wait for their turn to commit, for each core. ``message`` is what
    handing a round from one stage of a pipeline to the next costs, ``fork`` what a call that may run elsewhere
    costs."""

    enter: float = 4000.0
    task: float = 150.0
    commit: float = 50.0
    access: float = 8.0
    window: int = 4
    message: float = 40.0
    fork: float = 100.0


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds of a loop, in order, as columns ``(rounds,)``: the instructions of each, how many rounds before it the
    nearest one lies that wrote what it read (0: none), and the number of its visit. ``accesses`` is how many loads
    and stores an instruction makes, on average."""

    cost: NDArray[np.uint32]
    nearest: NDArray[np.uint32]
    visit: NDArray[np.uint32]
    accesses: float


def speculate(
    rounds: Rounds, costs: Costs, cores: Sequence[int] = CORES, *, apart: bool = False
) -> tuple[Prediction, ...]:
    """The speed-up of a loop whose rounds run in transactions that commit in order, at the best number of rounds a
    transaction; without transactions where a check at entry can tell that they stay ``apart``."""
    cost, nearest, visit = (column[:_ROUNDS] for column in (rounds.cost, rounds.nearest, rounds.visit))
    if not len(cost):
        return tuple(Prediction(number, 1.0) for number in cores)
    factor = 1.0 if apart else 1.0 + costs.access * rounds.accesses
    commit = 0.0 if apart else costs.commit
    found: list[Prediction] = []
    for number in cores:
        best = 1.0
        for grain in _GRAINS:
            if number == 1 or grain > len(cost):
                break
            serial, parallel, _, _ = _native.replay_rounds(
                cost,
                nearest,
                visit,
                number,
                grain,
                number * costs.window,
                costs.enter,
                costs.task,
                commit,
                factor,
            )
            best = max(best, serial / parallel if parallel else 1.0)
        found.append(Prediction(number, best))
    return tuple(found)


def pipelined(
    stages: Sequence[Stage], round_cost: float, costs: Costs, cores: Sequence[int] = CORES
) -> tuple[Prediction, ...]:
    """The speed-up of a loop as a pipeline: serial stages have a core each, parallel ones share what is left, and
    each round is handed from stage to stage. The slowest stage sets the pace."""
    found: list[Prediction] = []
    for number in cores:
        serial = sum(not stage.parallel for stage in stages)
        parallel = len(stages) - serial
        if len(stages) < 2 or number < serial + parallel or round_cost <= 0:
            found.append(Prediction(number, 1.0))
            continue
        left = (number - serial) / parallel if parallel else 1.0
        pace = max(
            (stage.share * round_cost + costs.message) / (left if stage.parallel else 1.0) for stage in stages
        )
        found.append(Prediction(number, max(1.0, round_cost / pace)))
    return tuple(found)


def forked(
    work: float, span: float, calls: float, costs: Costs, cores: Sequence[int] = CORES
) -> tuple[Prediction, ...]:
    """The speed-up of recursion whose calls run beside each other: ``work`` instructions in all, ``span`` on the
    longest chain, ``calls`` of which enough are forked for each core to find eight (Brent's bound, greedy
    scheduling)."""
    found: list[Prediction] = []
    for number in cores:
        forks = min(calls, 8.0 * number)
        time = (work + forks * costs.fork) / number + span
        found.append(Prediction(number, max(1.0, work / time) if number > 1 and work else 1.0))
    return tuple(found)


def whole_run(share: float, predictions: Sequence[Prediction]) -> float:
    """The speed-up of the whole run by the last prediction, where the region has a ``share`` of it (Amdahl)."""
    if not predictions:
        return 1.0
    return 1.0 / (1.0 - share + share / predictions[-1].speedup)
