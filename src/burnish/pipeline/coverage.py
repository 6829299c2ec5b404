"""Which functions of an image lift, and why others do not."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.core.code import Function, Reason, Refused
from burnish.core.image import CoverageRow, FunctionBounds, Image
from burnish.images import control_flow
from burnish.images import load as load_image
from burnish.machine.disassemble import disassemble
from burnish.pipeline.results import Result


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many functions, and how many instructions in them, are refused for one reason."""

    reason: Reason
    functions: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Coverage(Result):
    """What lifts. Instructions are those between a function's bounds, refused functions included whole."""

    verb: ClassVar[str] = "coverage"
    path: Path
    functions: int
    lifted_functions: int
    instructions: int
    lifted_instructions: int
    reasons: tuple[ReasonCount, ...]
    """The most functions first."""
    rows: tuple[CoverageRow, ...]


def coverage(file: str | os.PathLike[str]) -> Coverage:
    """Analyse every function of ``file``. Raises ``ImageError`` for what is not x86-64 ELF."""
    image = load_image(file)
    return summarise(image, tuple(_row(image, bounds) for bounds in image.functions))


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
    lifted = [row for row in rows if row.refused is None]
    return Coverage(
        path=image.path,
        functions=len(rows),
        lifted_functions=len(lifted),
        instructions=sum(row.instructions for row in rows),
        lifted_instructions=sum(row.instructions for row in lifted),
        reasons=tuple(reasons),
        rows=rows,
    )


def _row(image: Image, bounds: FunctionBounds) -> CoverageRow:
    match control_flow(image, bounds):
        case Function(instructions=instructions):
            return CoverageRow(bounds, len(instructions), None)
        case Refused() as refused:
            code = image.read(bounds.address, bounds.size) or b""
            return CoverageRow(bounds, len(disassemble(code, bounds.address)), refused)
