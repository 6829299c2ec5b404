"""Candidates for the hot functions, from every strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
from burnish.core.image import FunctionBounds
from burnish.pipeline.workers import Known, run_jobs
from burnish.strategies.retune import RetuneStrategy

if TYPE_CHECKING:
    from burnish.pipeline.hotspots import HotSpots
    from burnish.pipeline.optimization import OptimizeOptions

Key = tuple[Path, int]
"""A function: its file and image address."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """``candidates`` by function, the most ambitious variant first; ``refused`` has the reason for the others."""

    candidates: Mapping[Key, tuple[Candidate, ...]]
    refused: Mapping[Key, Refused]

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants that occur, in order of first appearance."""
        return tuple(dict.fromkeys(c.variant for row in self.candidates.values() for c in row))


@dataclass(frozen=True, slots=True)
class ProposeJob:
    """All candidates of a strategy for one function of the file ``image``."""

    strategy: RetuneStrategy
    image: Path
    bounds: FunctionBounds

    @property
    def name(self) -> str:
        return self.bounds.name

    @property
    def address(self) -> int:
        return self.bounds.address

    def run(self, known: Known) -> tuple[Candidate, ...] | Refused:
        image, summaries, callers = known.of(self.image)
        kept = callers.kept([self.address]).get(self.address, 0)
        return self.strategy.propose(image, self.bounds, summaries, kept)


def propose(hot: HotSpots, options: OptimizeOptions, say: Callable[[str], None]) -> Proposals:
    """Candidates for every hot function that can be rebuilt. Each may be used with or without the others."""
    strategy = RetuneStrategy(options.cpu)
    jobs = [ProposeJob(strategy, spot.image, spot.bounds) for spot in hot.functions]
    candidates: dict[Key, tuple[Candidate, ...]] = {}
    refused: dict[Key, Refused] = {}
    for spot, made in zip(hot.functions, run_jobs(jobs, say), strict=True):
        if isinstance(made, Refused):
            refused[spot.key] = made
        else:
            candidates[spot.key] = made
    return Proposals(candidates, refused)
