"""A candidate: what a strategy proposes to run instead of a function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from burnish.core.deployment import ObjectCode
from burnish.core.image import FunctionBounds


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed replacement of one function. ``image`` is the file that holds the original; ``strategy`` and
    ``variant`` say who made it and how; ``reason`` is a phrase for the report. It relies on no assumption: it
    means what the original means, wherever the original is used as the System V ABI has it.

    ``returns`` are the registers, with the number of their low bytes, in which the original surely returns a value;
    ``stack_bytes`` is the extent of its stack arguments. ``copies`` are the image addresses of functions that it has
    copies of, in line or behind it: their time is then spent in it."""

    image: Path
    bounds: FunctionBounds
    code: ObjectCode
    strategy: str
    variant: str
    reason: str
    returns: tuple[tuple[str, int], ...]
    stack_bytes: int
    copies: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[Path, int]:
        """What it replaces: file and image address."""
        return self.image, self.bounds.address
