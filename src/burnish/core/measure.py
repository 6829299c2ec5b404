"""Measured figures: samples that are kept raw, and the comparison of two sets of them."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, field

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured, in the order in which it was; at least one value. ``unit`` is ``s``, ``cycles``,
    …"""

    label: str
    unit: str
    values: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"no samples of {self.label}")

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile (both the value itself where there is only one)."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third

    @property
    def minimum(self) -> float:
        return min(self.values)

    @property
    def maximum(self) -> float:
        return max(self.values)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation of the samples; 0 where there is only one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def to_json(self) -> str:
        """The samples and what summarises them as a JSON object."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **_summary(self)})


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much less the candidate takes than the baseline; both measured in the same way.

    ``speedup`` above 1 means that the candidate is faster; ``low`` … ``high`` is its interval at ``confidence``,
    and ``method`` says in words what both are. Where there are too few samples to tell, the interval is 0 …
    infinity and a warning says so. ``warnings`` are sentences.
    """

    baseline: Samples
    candidate: Samples
    speedup: float
    low: float
    high: float
    confidence: float
    method: str
    warnings: tuple[str, ...] = ()

    @property
    def faster(self) -> bool:
        """True if the candidate is faster beyond noise."""
        return self.low > 1.0

    @property
    def slower(self) -> bool:
        """True if the candidate is slower beyond noise."""
        return self.high < 1.0

    def to_json(self) -> str:
        """The comparison with all raw samples as a JSON object; an unbounded ``high`` is null."""
        document = asdict(self) | {
            "schema_version": SCHEMA_VERSION,
            "baseline": _summary(self.baseline),
            "candidate": _summary(self.candidate),
            "speedup": self.speedup if math.isfinite(self.speedup) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "faster": self.faster,
            "slower": self.slower,
        }
        return json.dumps(document)


def _summary(samples: Samples) -> dict[str, object]:
    return {
        "label": samples.label,
        "unit": samples.unit,
        "median": samples.median,
        "quartiles": samples.quartiles,
        "mean": samples.mean,
        "deviation": samples.deviation,
        "minimum": samples.minimum,
        "maximum": samples.maximum,
        "values": samples.values,
    }
