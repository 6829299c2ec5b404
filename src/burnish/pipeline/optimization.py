"""What ``optimize`` is asked for, what it finds out about each function, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
from burnish.core.deployment import Deployment
from burnish.core.image import FunctionBounds
from burnish.core.measure import Comparison
from burnish.core.verdict import Accept, Verdict
from burnish.pipeline.results import Result


@dataclass(frozen=True, slots=True)
class OptimizeOptions:
    """What to optimise and how much effort to spend. Times in seconds.

    ``program`` is a path, or a name to look up in PATH; ``arguments`` are its own. ``timeout_s`` bounds each run of
    the workload, None for no bound; ``budget_s`` bounds the time spent on measuring. ``min_share`` is the part of
    the samples below which a function is not worth the trouble. ``require`` is the weakest verdict with which a
    candidate may be used; ``proof_s`` bounds the search for a proof of one candidate.
    """

    program: str
    arguments: tuple[str, ...]
    output: Path
    cpu: str = "native"
    timeout_s: float | None = None
    budget_s: float = 60.0
    max_functions: int = 16
    min_share: float = 0.01
    frequency_hz: int = 2000
    entries: int = 24
    mutations: int = 4
    seed: int = 1
    report: Path | None = None
    require: Accept = Accept.TESTED
    proof_s: float = 30.0


class Outcome(Enum):
    """What became of a hot function. The value is the phrase that the report shows."""

    KEPT = "faster, kept"
    NOT_FASTER = "not faster beyond noise"
    REFUTED = "wrong: rejected by a test"
    UNTESTED = "could not be tested"
    UNPROVED = "not proved, as was required"
    REFUSED = "cannot be rebuilt"
    UNMEASURED = "could not be measured"
    TOO_SMALL = "cannot be replaced"
    WRONG = "wrong: the whole program did something else with it"
    NO_GAIN = "faster, but the whole program got slower"
    FOREIGN = "left alone"


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A hot function of the run. ``share`` is of all samples, 0 to 1."""

    image: Path
    bounds: FunctionBounds
    share: float

    @property
    def key(self) -> tuple[Path, int]:
        return self.image, self.bounds.address


@dataclass(frozen=True, slots=True)
class FunctionReport:
    """One row of the report. ``comparison`` is that of the chosen or the best variant, ``detail`` a phrase.
    ``verdicts`` and ``comparisons`` are those of all variants: counterexamples and raw samples are in them."""

    name: str
    image: Path
    address: int
    share: float
    outcome: Outcome
    detail: str = ""
    variant: str = ""
    verdict: Verdict | None = None
    comparison: Comparison | None = None
    refused: Refused | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    comparisons: Mapping[str, Comparison] = field(default_factory=dict[str, Comparison])


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Samples that fell into no row of the report: ``place`` is a phrase, ``share`` of all samples, 0 to 1."""

    place: str
    share: float


@dataclass(frozen=True, slots=True)
class Assembly:
    """A kept function before and after, as text."""

    name: str
    before: str = field(repr=False)
    after: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate that goes into the output, and what speaks for it."""

    candidate: Candidate
    verdict: Verdict
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Optimization(Result):
    """The result of ``optimize``. ``deployment`` is None where nothing got faster, and then nothing was written.

    ``cpu_time`` and ``wall_time`` compare whole runs of the workload; ``seconds`` is the time of each stage."""

    verb: ClassVar[str] = "optimize"
    program: Path
    command: tuple[str, ...]
    cpu: str
    functions: tuple[FunctionReport, ...]
    elsewhere: tuple[Elsewhere, ...]
    deployment: Deployment | None
    cpu_time: Comparison | None
    wall_time: Comparison | None
    reason: str
    """Why nothing was written; empty where something was."""
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    assembly: tuple[Assembly, ...] = ()
    report: Path | None = None
    """The folder with ``report.json`` and the assembly, if one was written."""
