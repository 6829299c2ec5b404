"""The blocks of one function as a picture: edges, loops, superblocks and dependences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.analyze.program import Program, StaticLoop
from burnish.core.structure import Between, Dependence, Hazard, Structure
from burnish.core.superblocks import Carried, Finding, Recurrence, Superblock
from burnish.machine.disassemble import AssemblyLine, disassemble
from burnish.report.drawing import Edge, EdgeKind, Group, GroupKind, Node, Picture
from burnish.report.words import (
    KINDS,
    counted,
    distance_text,
    kind_text,
    rounds_text,
    share_text,
    shortened,
    times,
)

MOST_BLOCKS = 150
"""Blocks of a picture: with more of them it is neither read nor laid out in time."""
MOST_DEPENDENCES = 24
"""Arrows for dependences: more hide the rest."""
_MOST_PAIRS = 12
_MOST_INSTRUCTIONS = 40
_TITLE = 56
_KNOWN = (Recurrence.AFFINE, Recurrence.PREDICTABLE)


def block_graph(
    structure: Structure,
    program: Program,
    findings: Sequence[Finding],
    superblocks: Sequence[Superblock],
    function: int,
    lines: Mapping[int, str],
) -> Picture:
    """The blocks of ``function`` that ran. ``lines`` are source lines by block. Dependences are those that loops of
    the function carry, but for values that are known beforehand."""
    name: str = program.functions[function]["name"]
    numbers = [n for n, row in sorted(program.blocks.items()) if row["function"] == function]
    entry = program.entries.get(function, -1)
    ran = [n for n in numbers if program.blocks[n]["entered"]]
    hottest = sorted(ran, key=lambda n: (n != entry, -_weight(program, n), n))[:MOST_BLOCKS]
    shown = sorted(hottest, key=lambda n: (n != entry, n))
    kept = frozenset(shown)
    own = [one for one in superblocks if one.blocks and kept.intersection(one.blocks)]
    boxes = _Boxes(structure, program, findings, [one for one in own if len(one.blocks) + len(one.inner) > 1])
    single = {one.blocks[0]: one for one in own if len(one.blocks) == 1 and not one.inner}
    chains = {number: boxes.chain(number) for number in shown}
    text = _Text(structure, program, lines)
    nodes = tuple(text.node(n, chains[n][-1] if chains[n] else None, single.get(n)) for n in shown)
    groups = boxes.groups(chains)
    biased = {(way.source, way.target) for one in superblocks for way in one.exits if way.biased}
    flow = tuple(_flow(program, kept, biased))
    carried, left_out = _dependences(structure, program, findings, kept)
    notes: list[str] = []
    if len(numbers) > len(ran):
        notes.append(f"Not shown: {counted(len(numbers) - len(ran), 'block')} that never ran.")
    if len(ran) > len(shown):
        notes.append(f"Not shown: {counted(len(ran) - len(shown), 'block')} that ran little.")
    if left_out:
        notes.append(f"Not shown: {counted(left_out, 'dependence')} between blocks, in fewer rounds.")
    share = sum(_weight(program, n) for n in ran) / max(structure.instructions, 1)
    title = f"{shortened(name, 80)}: {counted(len(ran), 'block')}, {share_text(share)} of the run"
    return Picture(title, nodes, flow + carried, groups, notes=tuple(notes))


def _weight(program: Program, block: int) -> int:
    """The instructions that ran in a block."""
    row = program.blocks[block]
    return row["entered"] * row["instructions"]


@dataclass(slots=True)
class _Text:
    """What stands in boxes and is shown on hover."""

    structure: Structure
    program: Program
    lines: Mapping[int, str]
    code: dict[int, tuple[AssemblyLine, ...]] = field(default_factory=dict[int, "tuple[AssemblyLine, ...]"])

    def node(self, number: int, group: int | None, superblock: Superblock | None) -> Node:
        row = self.program.blocks[number]
        share = _weight(self.program, number) / max(self.structure.instructions, 1)
        part = f".{row['part']}" if row["part"] else ""
        first = f"b{number}  {row['address']:#x}{part}"
        texts = [
            first if superblock is None else f"{first}  s{superblock.number}",
            f"{counted(row['instructions'], 'instruction')} · {times(row['entered'])}",
            share_text(share) + (f" · {self.lines[number]}" if number in self.lines else ""),
        ]
        tooltip = [] if superblock is None else [_about(superblock)]
        tooltip += [self.lines[number]] if number in self.lines else []
        return Node(number, tuple(texts), "\n".join((*tooltip, *self._instructions(row))), group, share)

    def _instructions(self, row: Mapping[str, Any]) -> Iterator[str]:
        function: int = row["function"]
        if function not in self.code:
            about = self.program.functions[function]
            self.code[function] = disassemble(about["code"], about["address"])
        inside = [one for one in self.code[function] if row["address"] <= one.address <= row["last"]]
        for line in inside[:_MOST_INSTRUCTIONS]:
            yield f"{line.address:#x}  {line.text}"
        if len(inside) > _MOST_INSTRUCTIONS:
            yield f"… {len(inside) - _MOST_INSTRUCTIONS} more"


class _Boxes:
    """Loops and superblocks as boxes in each other. Where a loop and a superblock cross, the superblock is drawn in
    pieces."""

    def __init__(
        self,
        structure: Structure,
        program: Program,
        findings: Sequence[Finding],
        superblocks: Sequence[Superblock],
    ) -> None:
        self._program = program
        self._loops = {loop.number: loop for loop in program.loops}
        self._regions = {region.number: region for region in structure.regions}
        self._findings = {finding.region: finding for finding in findings}
        self._superblocks = {one.number: one for one in superblocks}
        self._blocks = {one.number: self._all(one) for one in superblocks}
        self._made: dict[tuple[tuple[GroupKind, int], ...], int] = {}

    def _all(self, superblock: Superblock) -> frozenset[int]:
        """The blocks of a superblock, those of loops in it included."""
        inner = (self._loops[loop].blocks for loop in superblock.inner if loop in self._loops)
        return frozenset(superblock.blocks).union(*inner)

    def chain(self, block: int) -> list[int]:
        """The numbers of the groups around a block, outermost first."""
        around: list[tuple[GroupKind, int]] = []
        for loop in self._loops_around(block):
            region = self._regions.get(loop.number)
            # Of a loop whose body never ran twice in a visit there is nothing to see.
            if region is not None and region.rounds > region.trips.visits:
                around.append((GroupKind.LOOP, loop.number))
        sizes = {(GroupKind.LOOP, n): (len(self._loops[n].blocks), 1) for _, n in around}
        for number, blocks in self._blocks.items():
            if block in blocks:
                around.append((GroupKind.SUPERBLOCK, number))
                # One that takes up the whole of a loop lies in it.
                sizes[GroupKind.SUPERBLOCK, number] = (len(blocks), 0)
        around.sort(key=lambda each: (-sizes[each][0], -sizes[each][1], each[1]))
        found: list[int] = []
        for end in range(1, len(around) + 1):
            found.append(self._made.setdefault(tuple(around[:end]), len(self._made)))
        return found

    def _loops_around(self, block: int) -> Iterator[StaticLoop]:
        at = self._program.loop_of.get(block)
        while at is not None:
            yield self._loops[at]
            at = self._loops[at].parent

    def groups(self, chains: Mapping[int, Sequence[int]]) -> tuple[Group, ...]:
        """All groups that ``chain`` found, outer ones first."""
        parents = {
            number: parent
            for chain in chains.values()
            for parent, number in zip((None, *chain), chain, strict=False)
        }
        found: list[Group] = []
        for key, number in self._made.items():
            kind, what = key[-1]
            title, tooltip = self._loop(what) if kind is GroupKind.LOOP else self._superblock(what)
            found.append(Group(number, kind, shortened(title, _TITLE), tooltip, parents[number]))
        return tuple(found)

    def _loop(self, number: int) -> tuple[str, str]:
        region, finding = self._regions[number], self._findings.get(number)
        title = f"loop b{region.header}: {rounds_text(region)}"
        tooltip = [title, f"{share_text(region.instructions / max(self._instructions, 1))} of the run"]
        if finding is not None:
            title += f" · {kind_text(finding)}"
            tooltip.append(kind_text(finding))
            tooltip += [f"{p.speedup:.2f}× predicted on {p.cores} cores" for p in finding.predictions]
            tooltip += [f"in the way: {text}" for text in finding.obstacles]
        return title, "\n".join(tooltip)

    @property
    def _instructions(self) -> int:
        return sum(region.instructions for region in self._regions.values() if region.header is None)

    def _superblock(self, number: int) -> tuple[str, str]:
        one = self._superblocks[number]
        return f"s{number} · {share_text(one.share)} · {one.form}", _about(one)


def _about(one: Superblock) -> str:
    said = [f"superblock {one.number}: {share_text(one.share)} of the run", f"order: {one.form}"]
    if one.objects:
        said.append(f"memory: {', '.join(one.objects)}")
    if one.ordered:
        said.append(f"ordered effects in {_blocks(one.ordered)}")
    if one.independent_of:
        said.append("independent of " + ", ".join(f"s{number}" for number in one.independent_of))
    return "\n".join(said)


def _blocks(numbers: Iterable[int]) -> str:
    return ", ".join(f"b{number}" for number in numbers)


def _flow(program: Program, kept: frozenset[int], biased: set[tuple[int, int]]) -> Iterator[Edge]:
    """Edges that were taken. Those of blocks with one way out have no label: it is as often as the block."""
    taken = {ends: count for ends, count in program.taken.items() if count and kept.issuperset(ends)}
    ways: dict[int, int] = {}
    for source, _ in taken:
        ways[source] = ways.get(source, 0) + 1
    for (source, target), count in sorted(taken.items()):
        kind = EdgeKind.EXIT if (source, target) in biased else EdgeKind.FLOW
        part = share_text(count / max(program.blocks[source]["entered"], 1))
        label = f"{count:,}" if ways[source] > 1 else ""
        yield Edge(
            source, target, kind, count, label, f"b{source} → b{target}: {times(count)}, {part} of its ways"
        )


def _dependences(
    structure: Structure, program: Program, findings: Sequence[Finding], kept: frozenset[int]
) -> tuple[tuple[Edge, ...], int]:
    """Dependences that loops carry, those between two blocks as one arrow; and how many arrows are too many."""
    headers = {region.number: region.header for region in structure.regions}
    explained = {
        (finding.region, *pair): one
        for finding in findings
        for one in finding.flow.carried
        for pair in one.pairs
    }
    arrows: dict[tuple[int, int, Hazard], list[tuple[Dependence, Carried | None]]] = {}
    for row in structure.dependences:
        if row.between is not Between.ROUNDS or row.region not in headers:
            continue
        why = explained.get((row.region, row.source, row.sink))
        if why is not None and why.kind in _KNOWN:
            continue
        source, sink = program.sites[row.source]["block"], program.sites[row.sink]["block"]
        if source in kept and sink in kept:
            arrows.setdefault((source, sink, row.hazard), []).append((row, why))
    edges = [_arrow(*ends, rows, headers, program) for ends, rows in arrows.items()]
    edges.sort(
        key=lambda edge: (edge.kind is not EdgeKind.RAW, -edge.count, edge.source, edge.target, edge.kind)
    )
    return tuple(edges[:MOST_DEPENDENCES]), max(0, len(edges) - MOST_DEPENDENCES)


def _arrow(
    source: int,
    sink: int,
    hazard: Hazard,
    rows: Sequence[tuple[Dependence, Carried | None]],
    headers: Mapping[int, int | None],
    program: Program,
) -> Edge:
    """One arrow for all dependences of a kind between two blocks, with how far apart in rounds they are."""
    label = f"d={distance_text(min(row.least for row, _ in rows), max(row.most for row, _ in rows))}"
    operators = sorted({why.operator for _, why in rows if why is not None and why.operator})
    if operators:
        label += f" ({', '.join(operators)})"
    said = [f"{KINDS[hazard].value}, b{source} → b{sink}"]
    for row, why in sorted(rows, key=lambda each: (-each[0].rounds, each[0].source, each[0].sink))[
        :_MOST_PAIRS
    ]:
        ends = [f"{program.sites[site]['address']:#x}" for site in (row.source, row.sink)]
        header = headers.get(row.region if row.region is not None else -1)
        said.append(
            f"{ends[0]} → {ends[1]}: {distance_text(row.least, row.most)} rounds of "
            + (f"loop b{header}" if header is not None else "the function")
            + f" apart, {times(row.count)} in {row.rounds:,} rounds"
            + (f", {why.kind.value} {why.operator}".rstrip() if why is not None else "")
        )
    if len(rows) > _MOST_PAIRS:
        said.append(f"… {len(rows) - _MOST_PAIRS} more")
    return Edge(source, sink, KINDS[hazard], sum(row.rounds for row, _ in rows), label, "\n".join(said))
