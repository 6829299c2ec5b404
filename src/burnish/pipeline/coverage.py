"""Which functions of an image can be rebuilt, and why others cannot."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.core.code import Reason, Refused
from burnish.core.image import CoverageRow, FunctionBounds, Image
from burnish.images import load as load_image
from burnish.machine.disassemble import disassemble
from burnish.pipeline.results import Result
from burnish.recompile import Summaries


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many functions, and how many instructions in them, are refused for one reason."""

    reason: Reason
    functions: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Coverage(Result):
    """What can be rebuilt.

    Instructions are those that control flow reaches; of a refused function, all between its bounds.
    """

    verb: ClassVar[str] = "coverage"
    path: Path
    functions: int
    rebuildable_functions: int
    instructions: int
    rebuildable_instructions: int
    reasons: tuple[ReasonCount, ...]
    """The most functions first."""
    rows: tuple[CoverageRow, ...]


def coverage(file: str | os.PathLike[str], say: Callable[[str], None] | None = None) -> Coverage:
    """Analyse every function of ``file``; ``say`` is told how far that is.

    Raises ``ImageError`` for what is not x86-64 ELF.
    """
    image = load_image(file)
    summaries = Summaries(image)
    rows: list[CoverageRow] = []
    for bounds in image.functions:
        if say is not None:
            say(f"{len(rows)} of {len(image.functions)} functions: {bounds.name}")
        rows.append(_row(summaries, bounds))
    return summarise(image, tuple(rows))


def summarise(image: Image, rows: tuple[CoverageRow, ...]) -> Coverage:
    """The totals of ``rows``, one for each function of ``image``."""
    by_reason: dict[Reason, list[CoverageRow]] = defaultdict(list)
    for row in rows:
        if row.refused is not None:
            by_reason[row.refused.reason].append(row)
    reasons = [
        ReasonCount(reason, len(refused), sum(row.instructions for row in refused))
        for reason, refused in by_reason.items()
    ]
    reasons.sort(key=lambda count: (-count.functions, -count.instructions, count.reason.name))
    rebuildable = [row for row in rows if row.refused is None]
    return Coverage(
        path=image.path,
        functions=len(rows),
        rebuildable_functions=len(rebuildable),
        instructions=sum(row.instructions for row in rows),
        rebuildable_instructions=sum(row.instructions for row in rebuildable),
        reasons=tuple(reasons),
        rows=rows,
    )


def _row(summaries: Summaries, bounds: FunctionBounds) -> CoverageRow:
    plan = summaries.plan(bounds)
    if not isinstance(plan, Refused):
        return CoverageRow(bounds, len(plan.function.instructions), None)
    code = summaries.image.read(bounds.address, bounds.size) or b""
    return CoverageRow(bounds, len(disassemble(code, bounds.address)), plan)
