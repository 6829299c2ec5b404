"""From the stages' results to the report: one row a hot function, and the folder beside the output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.verdict import Refuted
from burnish.images import load
from burnish.machine.disassemble import Syntax, disassemble
from burnish.pipeline.listing import assembly_listing, object_listing
from burnish.pipeline.optimization import (
    Assembly,
    Choice,
    FunctionReport,
    HotSpot,
    Optimization,
    OptimizeOptions,
    Outcome,
)

if TYPE_CHECKING:
    from burnish.pipeline.checking import Checked
    from burnish.pipeline.choosing import Measured
    from burnish.pipeline.hotspots import HotSpots
    from burnish.pipeline.proposing import Proposals


def function_reports(
    hot: HotSpots, proposals: Proposals, checked: Checked, measured: Measured, kept: Sequence[Choice]
) -> tuple[FunctionReport, ...]:
    """What became of every hot function, hottest first."""
    by_key = {choice.candidate.key: choice for choice in kept}
    rows = [_row(spot, proposals, checked, measured, by_key.get(spot.key)) for spot in hot.functions]
    rows += [
        FunctionReport(s.bounds.name, s.image, s.bounds.address, s.share, Outcome.FOREIGN)
        for s in hot.foreign
    ]
    rows.sort(key=lambda row: -row.share)
    return tuple(rows)


def _row(
    spot: HotSpot, proposals: Proposals, checked: Checked, measured: Measured, choice: Choice | None
) -> FunctionReport:
    def row(outcome: Outcome, detail: str = "", **more: object) -> FunctionReport:
        bounds = spot.bounds
        return FunctionReport(bounds.name, spot.image, bounds.address, spot.share, outcome, detail, **more)  # type: ignore[arg-type]

    refused = proposals.refused.get(spot.key)
    if refused is not None:
        return row(Outcome.REFUSED, str(refused), refused=refused)
    if choice is not None:
        return row(
            Outcome.KEPT,
            choice.candidate.reason,
            variant=choice.candidate.variant,
            verdict=choice.verdict,
            comparison=choice.comparison,
        )
    verdict = checked.worst(spot.key)
    best = measured.best(spot.key)
    if best is not None:
        name, comparison = best
        tested = checked.verdicts.get((spot.key, name), verdict)
        return row(Outcome.NOT_FASTER, "", variant=name, verdict=tested, comparison=comparison)
    if isinstance(verdict, Refuted):
        return row(Outcome.REFUTED, str(verdict.counterexample), verdict=verdict)
    missing = (
        "" if not checked.candidates(spot.key) else "a caller that must be replaced with it is not tested"
    )
    return row(Outcome.UNTESTED, missing, verdict=verdict)


def assembly_of(kept: Sequence[Choice]) -> tuple[Assembly, ...]:
    """The kept functions before and after."""
    return tuple(_assembly(choice.candidate) for choice in kept)


def _assembly(candidate: Candidate) -> Assembly:
    image = load(candidate.image)
    bounds = candidate.bounds
    code = image.read(bounds.address, bounds.size) or b""
    before = assembly_listing(image, disassemble(code, bounds.address, Syntax.ATT))
    after = object_listing(image, candidate.code, Syntax.ATT)
    return Assembly(bounds.name, "\n".join(map(str, before)) + "\n", "\n".join(map(str, after)) + "\n")


def write_folder(result: Optimization, options: OptimizeOptions) -> Path:
    """Write ``report.json`` and the assembly of each kept function; returns the folder."""
    folder = options.report or options.output.with_name(options.output.name + ".report")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(result.to_json() + "\n")
    for text in result.assembly:
        (folder / f"{text.name}.before.s").write_text(text.before)
        (folder / f"{text.name}.after.s").write_text(text.after)
    return folder
