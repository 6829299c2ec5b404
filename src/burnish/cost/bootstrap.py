"""Is it faster, or is it noise: paired comparison with bootstrap confidence intervals.

A difference that lasts (another program begins, the processor slows down) hits both members of a pair that was
measured back to back, so the ratio within the pair is what is compared; the median ratio does not care about a
few disturbed pairs. Percentile intervals of few values are too narrow; they are widened here to the width that
Student's t would give ("expanded percentile interval": Hesterberg, "What Teachers Should Know About the
Bootstrap", The American Statistician 69(4), 2015).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from burnish.core.measure import Comparison, Samples

Array = npt.NDArray[np.float64]

MIN_PAIRS = 5
"""With fewer pairs even all of them on one side occur by chance in 1 of 8 cases."""
RESAMPLES = 10_000
_OUTLIER = 14.826
"""In median absolute deviations: ten standard deviations of a normal distribution, as hyperfine has it."""
_MEDIAN_METHOD = "median of the ratios of paired runs; expanded percentile bootstrap over pairs"


def compare(
    baseline: Samples,
    candidate: Samples,
    *,
    seed: int,
    confidence: float = 0.95,
    warnings: tuple[str, ...] = (),
) -> Comparison:
    """Compares pairs: ``baseline.values[i]`` and ``candidate.values[i]`` were measured back to back, and
    less is better. The same arguments give the same result.

    Raises ``ValueError`` if the lengths or units differ or a value is not positive and finite.
    """
    old, new = np.array(baseline.values), np.array(candidate.values)
    if len(old) != len(new) or baseline.unit != candidate.unit:
        raise ValueError(f"{baseline.label} and {candidate.label} are not pairs of one unit")
    if not (np.isfinite(old) & np.isfinite(new) & (old > 0) & (new > 0)).all():
        raise ValueError(f"{baseline.label} or {candidate.label} holds a value that is not positive")
    ratios = np.log(old) - np.log(new)
    warnings += tuple(text for samples in (baseline, candidate) for text in outlier_warnings(samples))
    if len(old) < MIN_PAIRS:
        low, high = 0.0, math.inf
        warnings += (f"{len(old)} pairs of runs are too few to tell a difference from noise.",)
    else:
        picks = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
        medians = np.median(ratios[picks], axis=1)
        low, high = (math.exp(bound) for bound in interval(medians, len(ratios), confidence))
    speedup = math.exp(float(np.median(ratios)))
    return Comparison(baseline, candidate, speedup, low, high, confidence, _MEDIAN_METHOD, warnings)


def interval(resampled: Array, count: int, confidence: float) -> tuple[float, float]:
    """The expanded percentile interval of a statistic of ``count`` ≥ 2 values, given that of many
    resamples."""
    tail = (1.0 - confidence) / 2
    expanded = NormalDist().cdf(math.sqrt(count / (count - 1)) * student_quantile(tail, count - 1))
    low, high = np.quantile(resampled, [expanded, 1.0 - expanded])
    return float(low), float(high)


def outlier_warnings(samples: Samples) -> list[str]:
    """A sentence if some samples lie far above the rest (modified z-score)."""
    values = np.array(samples.values)
    distance = values - np.median(values)
    spread = float(np.median(np.abs(distance)))
    count = int((distance > _OUTLIER * spread).sum()) if spread > 0 else 0
    if not count:
        return []
    return [
        f"{count} of {len(values)} runs of {samples.label} took far longer: is the machine busy otherwise?"
    ]


def student_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution with ``freedom`` degrees, to 1e-9; ``probability`` within 0 …
    1.

    Bisection on the distribution function, which for integer degrees is a finite sum (Abramowitz and Stegun,
    26.7.3 and 26.7.4).
    """
    if probability > 0.5:
        return -student_quantile(1.0 - probability, freedom)
    low, high = -1.0, 0.0
    while _student_below(low, freedom) > probability:
        low *= 2
    while high - low > 1e-10 * max(1.0, -low):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _student_below(value: float, freedom: int) -> float:
    angle = math.atan(value / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1.0 + inside) / 2
