"""Candidates for the hot functions, from every strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
from burnish.core.image import Image
from burnish.recompile import Summaries
from burnish.recompile.callers import Callers
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


def propose(
    hot: HotSpots, images: Mapping[Path, Image], options: OptimizeOptions, say: Callable[[str], None]
) -> Proposals:
    """Candidates for every hot function that can be rebuilt. Each may be used with or without the others."""
    strategy = RetuneStrategy(options.cpu)
    candidates: dict[Key, tuple[Candidate, ...]] = {}
    refused: dict[Key, Refused] = {}
    for path, image in images.items():
        summaries = Summaries(image)
        callers = Callers(summaries)
        for spot in hot.functions:
            if spot.image != path:
                continue
            say(spot.bounds.name)
            address = spot.bounds.address
            kept = callers.kept([address]).get(address, 0)
            made = strategy.propose(image, spot.bounds, summaries, kept)
            if isinstance(made, Refused):
                refused[spot.key] = made
            else:
                candidates[spot.key] = made
    return Proposals(candidates, refused)
