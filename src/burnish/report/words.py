"""What regions, findings and dependences are called in pictures."""

from __future__ import annotations

from collections.abc import Iterator

from burnish.analyze.program import Program
from burnish.core.structure import Dependence, Hazard, Region
from burnish.core.superblocks import Finding, Parallelism
from burnish.report.drawing import EdgeKind, Span

KINDS = {Hazard.RAW: EdgeKind.RAW, Hazard.WAR: EdgeKind.WAR, Hazard.WAW: EdgeKind.WAW}


def shortened(text: str, most: int) -> str:
    """``text`` in at most so many characters: of longer names both ends say the most."""
    if len(text) <= most:
        return text
    end = most // 3
    return text[: most - end - 1] + "…" + text[-end:]


def counted(count: int, what: str) -> str:
    """``1 block``, ``2 blocks``."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def times(count: int) -> str:
    """``once``, ``2 times``."""
    return "once" if count == 1 else f"{count:,} times"


def share_text(share: float) -> str:
    """A part of the run as percent, with one decimal; ``< 0.1 %`` for what is little but not nothing."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def loop_text(region: Region) -> str:
    """``loop b19``, by its header."""
    return f"loop b{region.header}"


def region_name(region: Region, program: Program) -> str:
    """The name of a function, or ``loop b19``."""
    name: str = program.functions[region.function]["name"]
    return name if region.header is None else loop_text(region)


def rounds_text(region: Region) -> str:
    """``8,000 rounds = 400 × 20``, or how many visits they are of where those differ."""
    visits, constant = region.trips.visits, region.trips.constant
    if visits <= 1:
        return counted(region.rounds, "round")
    if constant is not None:
        return f"{region.rounds:,} rounds = {visits:,} × {constant:,}"
    return f"{region.rounds:,} rounds in {visits:,} visits"


def kind_text(finding: Finding) -> str:
    """The kind of parallelism, with the operators, how far conflicts reach, or how many stages there are."""
    if finding.kind is Parallelism.REDUCTION:
        operators = sorted({one.operator for one in finding.flow.carried if one.operator})
        return f"reduction ({', '.join(operators)})" if operators else "reduction"
    if finding.kind is Parallelism.CONFLICTS and finding.distance[0]:
        least, most = finding.distance
        return f"conflicts, distance {least}" + (f" to {most}" if most > least else "")
    if finding.kind is Parallelism.PIPELINE:
        return f"pipeline of {len(finding.flow.stages)}"
    return finding.kind.value


def prediction_text(finding: Finding) -> Iterator[str]:
    """The predicted speed-up on the most cores, if there is one."""
    if finding.predictions and finding.predictions[-1].speedup > 1:
        best = finding.predictions[-1]
        yield f"{best.speedup:.1f}× on {best.cores} cores"


def distance_text(least: int, most: int) -> str:
    """``1`` or ``1–64``."""
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"


def span_of(row: Dependence, program: Program) -> Span:
    """A dependence as a line of a chart of distances."""
    source, sink = (program.sites[site] for site in (row.source, row.sink))
    text = f"b{source['block']} → b{sink['block']}"
    tooltip = (
        f"{KINDS[row.hazard].value}: {source['address']:#x} → {sink['address']:#x}, "
        f"{distance_text(row.least, row.most)} rounds apart, in {row.rounds:,} rounds"
    )
    return Span(text, KINDS[row.hazard], row.least, row.most, tooltip)
