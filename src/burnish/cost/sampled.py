"""Which functions got faster, from sampled runs of the original and of a patched program.

A function's self time in a run is its samples times their period. Two kinds of noise blur it: a sample is a
matter of chance (the total of many is nearly a Poisson variable), and runs differ. The interval covers both:
it is the union of that of the Poisson totals and that of the bootstrap over pairs of runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from burnish.core.measure import Comparison, Samples
from burnish.core.profile import Profile
from burnish.cost.bootstrap import MIN_PAIRS, RESAMPLES, Array, interval

_METHOD = (
    "ratio of total self times of sampled runs; union of the expanded percentile bootstrap over pairs of runs "
    "and the interval of two Poisson totals"
)
_FEW_SAMPLES = 30


class AddressRange(NamedTuple):
    """Image addresses ``start`` … ``end`` of a file, as it is named in the profiles."""

    image: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FunctionRanges:
    """Where a function's code lies in the original and in the patched files (what is left of the old code
    and the new code; ranges of one program do not overlap)."""

    name: str
    baseline: tuple[AddressRange, ...]
    candidate: tuple[AddressRange, ...]


@dataclass(frozen=True, slots=True)
class FunctionComparison:
    """A function's self time per run in both programs. ``share`` is its part of all samples of the
    original."""

    name: str
    comparison: Comparison
    share: float


def compare_sampled(
    baseline: Sequence[Profile],
    candidate: Sequence[Profile],
    functions: Sequence[FunctionRanges],
    *,
    seed: int,
    confidence: float = 0.95,
) -> tuple[FunctionComparison, ...]:
    """Compares each function over pairs of runs: ``baseline[i]`` and ``candidate[i]`` were sampled one after
    the other, doing the same work.

    Raises ``ValueError`` if there are no runs, the numbers of runs differ, or a run did not complete.
    """
    if not baseline or len(baseline) != len(candidate):
        raise ValueError(f"{len(baseline)} and {len(candidate)} profiles are not pairs of runs")
    if not all(profile.completed for profile in (*baseline, *candidate)):
        raise ValueError("a run did not complete, so its profile is not that of the whole work")
    total = sum(profile.samples for profile in baseline)
    old, new = [_Index(profile) for profile in baseline], [_Index(profile) for profile in candidate]
    rows: list[FunctionComparison] = []
    for number, function in enumerate(functions):
        counts_old = np.array([index.samples(function.baseline) for index in old], dtype=np.float64)
        counts_new = np.array([index.samples(function.candidate) for index in new], dtype=np.float64)
        periods = (
            np.array([profile.period_ns * 1e-9 for profile in baseline]),
            np.array([profile.period_ns * 1e-9 for profile in candidate]),
        )
        comparison = compare_counts(
            function.name, counts_old, counts_new, periods, seed=seed + number, confidence=confidence
        )
        rows.append(FunctionComparison(function.name, comparison, float(counts_old.sum()) / max(total, 1)))
    return tuple(rows)


def compare_counts(
    name: str,
    old: Array,
    new: Array,
    periods: tuple[Array, Array],
    *,
    seed: int,
    confidence: float = 0.95,
) -> Comparison:
    """Compares samples per run of one function, in pairs; ``periods`` are the seconds that a sample of each
    run stands for."""
    random = np.random.default_rng(seed)
    warnings: tuple[str, ...] = ()
    fewest = int(min(old.sum(), new.sum()))
    if fewest < _FEW_SAMPLES:
        warnings += (f"Only {fewest} samples fell into {name}: run longer or sample more often.",)
    # Half a sample keeps totals of zero finite, and is the prior of Jeffreys for a Poisson variable.
    half_old, half_new = 0.5 * float(periods[0].mean()), 0.5 * float(periods[1].mean())
    times_old, times_new = old * periods[0], new * periods[1]
    speedup = (float(times_old.sum()) + half_old) / (float(times_new.sum()) + half_new)
    if len(old) < MIN_PAIRS:
        low, high = 0.0, math.inf
        warnings += (f"{len(old)} pairs of runs are too few to tell a difference from noise.",)
    else:
        picks = random.integers(0, len(old), (RESAMPLES, len(old)))
        ratios = np.log(times_old[picks].sum(axis=1) + half_old) - np.log(
            times_new[picks].sum(axis=1) + half_new
        )
        between = interval(ratios, len(old), confidence)
        totals = np.log(random.gamma(float(old.sum()) + 0.5, size=RESAMPLES) * float(periods[0].mean()))
        totals -= np.log(random.gamma(float(new.sum()) + 0.5, size=RESAMPLES) * float(periods[1].mean()))
        tail = (1.0 - confidence) / 2
        within = np.quantile(totals, [tail, 1.0 - tail])
        low = math.exp(min(between[0], float(within[0])))
        high = math.exp(max(between[1], float(within[1])))
    return Comparison(
        baseline=Samples(f"{name} in the original", "s", tuple(times_old.tolist())),
        candidate=Samples(f"{name} in the candidate", "s", tuple(times_new.tolist())),
        speedup=speedup,
        low=low,
        high=high,
        confidence=confidence,
        method=_METHOD,
        warnings=warnings,
    )


class _Index:
    """The locations of a profile per file, sorted by address, for sums over ranges."""

    def __init__(self, profile: Profile) -> None:
        rows = np.array(profile.locations, dtype=np.int64).reshape(-1, 3)
        self._columns: dict[Path, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        for number, image in enumerate(profile.images):
            mine = rows[rows[:, 0] == number]
            sums = np.concatenate([[0], np.cumsum(mine[:, 2])])
            self._columns[image.path.resolve()] = (mine[:, 1], sums)

    def samples(self, ranges: tuple[AddressRange, ...]) -> int:
        """Samples that fell into any of ``ranges``."""
        total = 0
        for image, start, end in ranges:
            columns = self._columns.get(image.resolve())
            if columns is not None:
                addresses, sums = columns
                first, last = np.searchsorted(addresses, [start, end])
                total += int(sums[last] - sums[first])
        return total
