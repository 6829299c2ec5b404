"""The execution of a function, or of all that was recorded, as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from burnish.analyze.program import Program
from burnish.core.structure import Dependence, Region, Structure
from burnish.core.superblocks import Finding, Superblock
from burnish.report.block_graph import block_graph
from burnish.report.drawing import Edge, EdgeKind, Histogram, Node, Picture, Spans
from burnish.report.words import (
    counted,
    kind_text,
    loop_text,
    prediction_text,
    region_name,
    rounds_text,
    share_text,
    shortened,
    span_of,
    times,
)

MOST_REGIONS = 60
"""Nodes of the picture of a whole program."""
_CHARTED = 2
"""Loops whose numbers of rounds and distances are shown."""
_MOST_SPANS = 10

Distances = Mapping[int, Sequence[tuple[int, int]]]
"""By region: ``(distance, rounds)``, how many rounds need what the round so far before them wrote."""


def picture(
    structure: Structure,
    program: Program,
    findings: Sequence[Finding],
    superblocks: Sequence[Superblock],
    function: int | None,
    lines: Mapping[int, str],
    distances: Distances | None = None,
) -> Picture:
    """The blocks that ran of ``function``, with loops and superblocks around them, how often each edge was taken, and
    the dependences that loops carry; without ``function``, the loops and functions and which ran in which.

    ``lines`` are source lines by block. Charts show the hottest loops; ``distances`` are for those, and without them
    each dependence is shown with the least and the most.
    """
    if function is None:
        whole = _whole(structure, program, findings, superblocks, lines)
        regions = structure.regions
    else:
        whole = block_graph(structure, program, findings, superblocks, function, lines)
        regions = tuple(region for region in structure.regions if region.function == function)
    charts = _charts(structure, program, regions, distances or {}, named=function is None)
    return Picture(
        whole.title,
        whole.nodes,
        whole.edges,
        whole.groups,
        charts,
        whole.notes,
        whole.subject,
        whole.sideways,
    )


def _whole(
    structure: Structure,
    program: Program,
    findings: Sequence[Finding],
    superblocks: Sequence[Superblock],
    lines: Mapping[int, str],
) -> Picture:
    hottest = sorted(structure.regions, key=lambda region: (-region.instructions, region.number))
    inner = {region.number: _inner(region) for region in hottest[:MOST_REGIONS]}
    called = {number for counts in inner.values() for number in counts}
    # Ways begin at those that nothing called; sideways, Graphviz puts the last ones at the top.
    shown = sorted(
        hottest[:MOST_REGIONS], key=lambda each: (each.number in called, each.instructions, -each.number)
    )
    by_region = {finding.region: finding for finding in findings}
    nodes = tuple(
        _region_node(region, structure, program, by_region.get(region.number), superblocks, lines)
        for region in shown
    )
    edges = tuple(_region_edges(shown, inner))
    left_out = len(structure.regions) - len(shown)
    notes = (f"Not shown: {counted(left_out, 'colder region')}.",) if left_out else ()
    loops = sum(region.header is not None for region in structure.regions)
    parts = f"{counted(len(structure.regions) - loops, 'function')} and {counted(loops, 'loop')}"
    title = f"{structure.instructions:,} instructions in {parts}"
    return Picture(
        title,
        nodes,
        edges,
        notes=notes,
        subject="share of the run's instructions, with what it calls",
        sideways=True,
    )


def _region_node(
    region: Region,
    structure: Structure,
    program: Program,
    finding: Finding | None,
    superblocks: Sequence[Superblock],
    lines: Mapping[int, str],
) -> Node:
    share = region.instructions / max(structure.instructions, 1)
    block = region.header if region.header is not None else program.entries.get(region.function)
    name = program.functions[region.function]["name"]
    texts = [shortened(region_name(region, program), 36)]
    if region.header is None:
        texts.append(f"called {times(region.entered)}" + (", recursive" if region.recursive else ""))
    else:
        texts += [shortened(f"in {name}", 36), rounds_text(region)]
    texts.append(share_text(share))
    if finding is not None:
        texts += [kind_text(finding), *prediction_text(finding)]
    own = [one for one in superblocks if one.region == region.number]
    tooltip = [name]
    if block is not None:
        tooltip += [lines[block]] if block in lines else []
        tooltip.append(f"{program.blocks[block]['address']:#x}")
    tooltip += [f"superblock {one.number}: {one.form} ({share_text(one.share)})" for one in own[:8]]
    tooltip += [] if finding is None else [f"in the way: {text}" for text in finding.obstacles]
    return Node(region.number, tuple(texts), "\n".join(tooltip), None, share)


def _inner(region: Region) -> dict[int, int]:
    """The regions that paths of the region's rounds go through, and how often."""
    counts: dict[int, int] = {}
    for path in region.paths:
        for item in path.items:
            if item < 0:
                counts[~item] = counts.get(~item, 0) + path.count
    return counts


def _region_edges(shown: Sequence[Region], inner: Mapping[int, Mapping[int, int]]) -> Iterator[Edge]:
    numbers = {region.number: region for region in shown}
    for region in shown:
        for number, count in sorted(inner[region.number].items()):
            if number in numbers:
                is_call = numbers[number].header is None
                kind = EdgeKind.CALL if is_call else EdgeKind.FLOW
                least = "at least " if region.other_rounds else ""
                what = counted(count, "call" if is_call else "visit")
                yield Edge(region.number, number, kind, count, f"{count:,}", least + what)


def _charts(
    structure: Structure, program: Program, regions: Sequence[Region], distances: Distances, *, named: bool
) -> tuple[Histogram | Spans, ...]:
    loops = [each for each in regions if each.header is not None and each.rounds > each.trips.visits]
    loops.sort(key=lambda region: (-region.instructions, region.number))
    found: list[Histogram | Spans] = []
    for region in loops[:_CHARTED]:
        where = f" in {program.functions[region.function]['name']}" if named else ""
        name = shortened(loop_text(region) + where, 44)
        found.append(Histogram(f"Rounds of a visit: {name}", "rounds", "visits", region.trips.counts))
        known = tuple(pair for pair in distances.get(region.number, ()) if pair[0])
        carried = [row for row in structure.dependences if row.region == region.number and row.most]
        if known:
            found.append(Histogram(f"Distance to what is read: {name}", "rounds before", "rounds", known))
        elif carried:
            found.append(_spans(name, carried, program))
    return tuple(found)


def _spans(name: str, carried: Sequence[Dependence], program: Program) -> Spans:
    most = sorted(carried, key=lambda row: (row.hazard, -row.rounds, row.source, row.sink))[:_MOST_SPANS]
    return Spans(f"Distance of dependences: {name}", "rounds", tuple(span_of(row, program) for row in most))
