"""From the stages' results to the report: one row a hot function, and the folder beside the output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
from burnish.core.verdict import Refuted, Tested, Unknown, Verdict
from burnish.images import load
from burnish.machine.disassemble import Syntax, disassemble
from burnish.pipeline.listing import assembly_listing, object_listing
from burnish.pipeline.optimization import (
    Assembly,
    Choice,
    FunctionReport,
    HotSpot,
    Optimization,
    Outcome,
)
from burnish.pipeline.places import write_report

if TYPE_CHECKING:
    from burnish.pipeline.checking import Checked
    from burnish.pipeline.choosing import Measured
    from burnish.pipeline.hotspots import HotSpots
    from burnish.pipeline.proposing import Key, Proposals
    from burnish.pipeline.writing import Written


def function_reports(
    hot: HotSpots, proposals: Proposals, checked: Checked, measured: Measured, written: Written, reason: str
) -> tuple[FunctionReport, ...]:
    """What became of every hot function, hottest first. ``reason`` says why nothing was written at the end, if so."""
    rows = [_row(spot, proposals, checked, measured, written, reason) for spot in hot.functions]
    rows += [
        FunctionReport(s.bounds.name, s.image, s.bounds.address, s.share, Outcome.FOREIGN, why)
        for s, why in hot.foreign
    ]
    rows.sort(key=lambda row: -row.share)
    return tuple(rows)


def _row(
    spot: HotSpot, proposals: Proposals, checked: Checked, measured: Measured, written: Written, reason: str
) -> FunctionReport:
    bounds, key = spot.bounds, spot.key
    best = measured.best(key)
    verdict = checked.worst(key) if best is None else checked.verdicts.get((key, best[0]))
    refused = proposals.refused.get(key) or measured.unpatchable.get(key)
    unproved = "" if checked.candidates(key) else checked.reason(key)
    outcome, detail = _outcome(key, refused, verdict, proposals, measured, written, reason, unproved)
    return FunctionReport(
        bounds.name,
        spot.image,
        bounds.address,
        spot.share,
        outcome,
        detail,
        variant="" if best is None else best[0],
        verdict=verdict,
        comparison=None if best is None else best[1],
        refused=refused,
        verdicts=checked.of(key),
        comparisons=measured.of(key),
    )


def _outcome(
    key: Key,
    refused: Refused | None,
    verdict: Verdict | None,
    proposals: Proposals,
    measured: Measured,
    written: Written,
    reason: str,
    unproved: str,
) -> tuple[Outcome, str]:
    """What became of one function, and a phrase more."""
    kept = {choice.candidate.key: choice.candidate for choice in written.kept}
    if key in proposals.refused:
        return Outcome.REFUSED, str(refused)
    if key in measured.unpatchable:
        return Outcome.TOO_SMALL, str(refused)
    if key in kept:
        return (Outcome.NO_GAIN, "") if reason else (Outcome.KEPT, kept[key].reason)
    if any(choice.candidate.key == key for choice in written.wrong):
        return Outcome.WRONG, ""
    if measured.best(key) is not None:
        return Outcome.NOT_FASTER, ""
    match verdict:
        case Refuted(counterexample):
            return Outcome.REFUTED, str(counterexample)
        case Unknown(why):
            return Outcome.UNTESTED, why
        case Tested() if unproved:
            return Outcome.UNPROVED, unproved
        case _:
            return Outcome.UNMEASURED, "copies of it in other functions did its work"


def assembly_of(kept: Sequence[Choice]) -> tuple[Assembly, ...]:
    """The kept functions before and after."""
    names = Counter(choice.candidate.bounds.name for choice in kept)
    namesakes = {c.candidate.key for c in kept if names[c.candidate.bounds.name] > 1}
    return tuple(_assembly(choice.candidate, namesakes) for choice in kept)


def _assembly(candidate: Candidate, namesakes: Set[Key]) -> Assembly:
    image = load(candidate.image)
    bounds = candidate.bounds
    code = image.read(bounds.address, bounds.size) or b""
    before = assembly_listing(image, disassemble(code, bounds.address, Syntax.ATT))
    after = object_listing(image, candidate.code, Syntax.ATT)
    name = f"{bounds.name}-{bounds.address:x}" if candidate.key in namesakes else bounds.name
    return Assembly(name, "\n".join(map(str, before)) + "\n", "\n".join(map(str, after)) + "\n")


def write_folder(result: Optimization, folder: Path) -> None:
    """Write ``report.json`` and the assembly of each kept function. Raises ``HostError``."""
    texts: dict[str, str] = {}
    for text in result.assembly:
        texts[f"{text.name}\0before.s"] = text.before
        texts[f"{text.name}\0after.s"] = text.after
    write_report(folder, result.to_json(), texts)
