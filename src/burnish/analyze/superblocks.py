"""Superblocks: blocks that commonly run in a pattern, grown over biased branches and cut by the memory that they
access.

A superblock lies in one region; a loop in it is one item, whose own superblocks lie in the loop's region. It begins
at the region's entry, or where another one was left, and takes both sides of a branch unless one of them is rare.
Blocks with ordered effects stand alone. Where a superblock falls apart into pieces one after another that access
different memory, the pieces are superblocks. Source: Saad, Mohamedin and Ravindran, HydraVM (HotPar 2012)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.analyze.forms import forms
from burnish.analyze.parallelism import Evidence
from burnish.core.structure import Region
from burnish.core.superblocks import Exit, Superblock

BIAS = 0.9
"""A branch that goes one way at least so often is biased: the other way leaves the superblock."""
_LEAST_SHARE = 0.0005
"""Of the run's instructions: colder superblocks are left out."""

Node = int
"""An item of a region: the number of a block, ``~`` that of a loop."""


@dataclass(slots=True)
class _Graph:
    """The items of a region and how often one followed the other. ``out`` and ``into`` count ways to and from
    elsewhere."""

    entry: Node
    count: dict[Node, int] = field(default_factory=dict[Node, int])
    flow: Counter[tuple[Node, Node]] = field(default_factory=Counter[tuple[Node, Node]])
    after: dict[Node, list[Node]] = field(default_factory=dict[Node, list[Node]])


def superblocks(evidence: Evidence, bias: float = BIAS) -> tuple[Superblock, ...]:
    """The superblocks of all regions, those first in which most ran. ``bias`` is between 0.5 and 1."""
    return _Growth(evidence, bias).grown()


class _Growth:
    def __init__(self, evidence: Evidence, bias: float) -> None:
        self._evidence = evidence
        self._program = evidence.program
        self._handed = {
            region.function: frozenset(flow.handed)
            for region in evidence.structure.regions
            if region.header is None and not (flow := evidence.flows[region.number]).refused
        }
        self._bias = bias
        self._regions = {region.number: region for region in evidence.structure.regions}
        self._forms = forms(evidence.structure)
        self._called = _called(evidence.structure.regions)
        self._sites: dict[int, set[int]] = {}
        accessed = {one.site for found in evidence.ranges.values() for one in found}
        for number in accessed:
            self._sites.setdefault(self._program.sites[number]["block"], set()).add(number)
        self._meeting: dict[int, set[int]] = {}
        for row in evidence.structure.dependences:
            self._meeting.setdefault(row.source, set()).add(row.sink)
            self._meeting.setdefault(row.sink, set()).add(row.source)
        self._ordered = {block for found in evidence.effects.blocks.values() for block in found}

    def grown(self) -> tuple[Superblock, ...]:
        made: list[Superblock] = []
        for region in self._evidence.structure.regions:
            graph = self._graph(region)
            groups = [piece for grown in self._groups(graph) for piece in self._cut(region, graph, grown)]
            touched = [self._touched(region, group) for group in groups]
            first = len(made)
            made += [
                self._superblock(
                    first + k, region, graph, group, self._apart(region, groups, touched, k, first)
                )
                for k, group in enumerate(groups)
            ]
        hot = [one for one in made if one.share >= _LEAST_SHARE]
        hot.sort(key=lambda one: (-one.share, one.number))
        number = {one.number: k for k, one in enumerate(hot)}
        return tuple(_renumbered(one, number) for one in hot)

    def _graph(self, region: Region) -> _Graph:
        """What ran in a region, loops in it as items."""
        program = self._program
        inside = list(self._members(region))
        entry = region.header if region.header is not None else program.entries.get(region.function, -1)
        graph = _Graph(self._item(region, entry))
        for block in inside:
            item = self._item(region, block)
            if item == block:
                graph.count[item] = program.blocks[block]["entered"]
            elif ~item not in self._regions:
                continue
            else:
                graph.count[item] = self._regions[~item].entered
            for target in program.following.get(block, ()):
                there = self._item(region, target) if target in inside else None
                if there is not None and there != item and target != entry:
                    graph.flow[item, there] += program.taken[block, target]
        for (source, target), count in sorted(graph.flow.items()):
            if count:
                graph.after.setdefault(source, []).append(target)
        graph.count = {item: count for item, count in graph.count.items() if count}
        return graph

    def _members(self, region: Region) -> frozenset[int]:
        if region.header is not None:
            return self._program.loops[region.number].blocks
        return self._program.blocks_of(region.function)

    def _item(self, region: Region, block: int) -> Node:
        """The block, or the outermost loop within the region that it is in."""
        loop = self._program.loop_of.get(block)
        found: Node = block
        while loop is not None and loop != region.number:
            found = ~loop
            loop = self._program.loops[loop].parent
        return found

    def _groups(self, graph: _Graph) -> list[list[Node]]:
        """Items that belong together by control flow, each group in an order in which it ran."""
        left = set(graph.count)
        groups: list[list[Node]] = []
        while left:
            seed = (
                graph.entry if graph.entry in left else max(left, key=lambda item: (graph.count[item], -item))
            )
            left.discard(seed)
            group = [seed]
            if seed not in self._ordered:
                for item in group:
                    total = graph.count[item]
                    for target in graph.after.get(item, ()):
                        often = graph.flow[item, target] > (1 - self._bias) * total
                        if target in left and often and target not in self._ordered:
                            left.discard(target)
                            group.append(target)
            groups.append(_in_order(group, graph.after))
        return groups

    def _cut(self, region: Region, graph: _Graph, group: list[Node]) -> list[list[Node]]:
        """The pieces of a group, one after another, between which memory is not shared."""
        pieces: list[list[Node]] = []
        begin = 0
        for at in range(1, len(group)):
            left, right = group[begin:at], group[at:]
            crossing = [(a, b) for a, b in graph.flow if a in left and b in right and graph.flow[a, b]]
            if any(b != group[at] for _, b in crossing) or not crossing:
                continue
            one, two = self._touched(region, left), self._touched(region, right)
            if one and two and not self._meet(one, two):
                pieces.append(left)
                begin = at
        return [*pieces, group[begin:]]

    def _blocks(self, items: Iterable[Node]) -> set[int]:
        """All blocks of items, those of loops included."""
        found: set[int] = set()
        for item in items:
            found |= {item} if item >= 0 else self._program.loops[~item].blocks
        return found

    def _touched(self, region: Region, items: Sequence[Node]) -> frozenset[int]:
        """The sites of items and of what they call."""
        found: set[int] = set()
        for block in self._blocks(items):
            found |= self._sites.get(block, set())
            for function in self._called.get(block, ()):
                for member in self._program.blocks_of(function):
                    found |= self._sites.get(member, set())
        return frozenset(found)

    def _meet(self, one: frozenset[int], two: frozenset[int]) -> bool:
        few, many = (one, two) if len(one) <= len(two) else (two, one)
        return any(not many.isdisjoint(self._meeting.get(site, ())) for site in few)

    def _apart(
        self,
        region: Region,
        groups: Sequence[Sequence[Node]],
        touched: Sequence[frozenset[int]],
        k: int,
        first: int,
    ) -> tuple[int, ...]:
        """The numbers of those that a group shares nothing with."""
        handed = self._handed.get(region.function)
        if handed is None:
            return ()
        mine = self._blocks(groups[k])
        found: list[int] = []
        for other, group in enumerate(groups):
            theirs = self._blocks(group)
            if other == k or self._meet(touched[k], touched[other]):
                continue
            if any((a in mine and b in theirs) or (a in theirs and b in mine) for a, b in handed):
                continue
            if (mine | theirs) & self._ordered:
                continue
            found.append(first + other)
        return tuple(found)

    def _superblock(
        self, number: int, region: Region, graph: _Graph, group: list[Node], apart: tuple[int, ...]
    ) -> Superblock:
        program = self._program
        mine = self._blocks(group)
        own = [item for item in group if item >= 0]
        exits: list[Exit] = []
        entries: set[int] = {graph.entry} & set(own)
        for block in sorted(mine):
            entered = program.blocks[block]["entered"]
            for target in program.following.get(block, ()):
                count = program.taken[block, target]
                if target not in mine and count:
                    exits.append(Exit(block, target, count, count <= (1 - self._bias) * entered))
        for (source, target), count in program.taken.items():
            if count and target in mine and source not in mine:
                entries.add(target)
        inner = tuple(sorted(~item for item in group if item < 0))
        ran = sum(program.blocks[b]["instructions"] * program.blocks[b]["entered"] for b in own)
        ran += sum(self._regions[loop].instructions for loop in inner if loop in self._regions)
        touched = self._touched(region, group)
        objects = {one.object for one in self._evidence.ranges.get(region.number, ()) if one.site in touched}
        return Superblock(
            number=number,
            region=region.number,
            blocks=tuple(own),
            inner=inner,
            entries=tuple(sorted(entries)),
            exits=tuple(exits),
            form=self._text(region, group),
            objects=tuple(sorted(objects)),
            instructions=ran,
            share=ran / max(1, self._evidence.structure.instructions),
            ordered=tuple(sorted(mine & self._ordered)),
            independent_of=apart,
        )

    def _text(self, region: Region, group: Sequence[Node]) -> str:
        whole = {item for path in region.paths for item in path.items if item >= 0 or self._is_loop(~item)}
        if whole == set(group):
            return self._forms[region.number]
        return " ".join(f"b{item}" if item >= 0 else self._forms.get(~item, f"r{~item}") for item in group)

    def _is_loop(self, region: int) -> bool:
        return region < len(self._program.loops)


def _called(regions: Sequence[Region]) -> dict[int, set[int]]:
    """The functions that ran below each block's calls, directly or not."""
    functions = {region.number: region.function for region in regions if region.header is None}
    direct: dict[int, set[int]] = {}
    below: dict[int, set[int]] = {region.function: set() for region in regions}
    for region in regions:
        for path in region.paths:
            for before, item in zip((None, *path.items), path.items, strict=False):
                if item < 0 and ~item in functions:
                    below[region.function].add(functions[~item])
                    if before is not None and before >= 0:
                        direct.setdefault(before, set()).add(functions[~item])
                    else:  # a second call of a block
                        for block in path.items[: path.items.index(item)][::-1]:
                            if block >= 0:
                                direct.setdefault(block, set()).add(functions[~item])
                                break
    changed = True
    while changed:
        changed = False
        for found in below.values():
            more = set[int]().union(*(below.get(function, set()) for function in found)) - found
            found |= more
            changed |= bool(more)
    return {
        block: found | set[int]().union(*(below.get(f, set()) for f in found))
        for block, found in direct.items()
    }


def _in_order(group: list[Node], after: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """The group in reverse postorder from its first item."""
    members = set(group)
    done: list[Node] = []
    seen = {group[0]}
    work = [(group[0], iter(after.get(group[0], ())))]
    while work:
        item, rest = work[-1]
        target = next((t for t in rest if t in members and t not in seen), None)
        if target is None:
            done.append(item)
            work.pop()
        else:
            seen.add(target)
            work.append((target, iter(after.get(target, ()))))
    return done[::-1]


def _renumbered(one: Superblock, number: Mapping[int, int]) -> Superblock:
    apart = tuple(sorted(number[other] for other in one.independent_of if other in number))
    return replace(one, number=number[one.number], independent_of=apart)
