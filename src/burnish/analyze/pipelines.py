"""Pipelines of a loop: its instructions as stages, each for another thread (decoupled software pipelining: Ottoni and
others, "Automatic thread extraction with decoupled software pipelining", 2005)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from burnish.analyze.graphs import components
from burnish.analyze.recurrence_kinds import Level, LoopKinds
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label
from burnish.core.superblocks import Recurrence, Stage

MOST_STAGES = 4
_MOST_PARTS = 160
_FREE = (Recurrence.AFFINE, Recurrence.REDUCTION)

Vertex = Hashable
"""A node; a block's label with ``"runs"``, which all in it needs; one with ``"branches"``, which what it decides
needs."""


@dataclass(slots=True)
class _Part:
    """A strongly connected part. ``serial``: its rounds need each other."""

    weight: float = 0.0
    serial: bool = False
    addresses: list[int] = field(default_factory=list[int])


def stages(
    kinds: LoopKinds,
    instructions: Mapping[Label, Sequence[int]],
    entered: Mapping[Label, int],
    called: Mapping[int, float],
) -> tuple[Stage, ...]:
    """The stages of the best pipeline; none where all of the work must be in one that is serial. ``instructions`` are
    the addresses of each block, ``entered`` is how often it ran, ``called`` how many instructions the function at
    an address takes."""
    waits = _waits(kinds)
    edges = _edges(kinds, waits)
    vertices = list(edges)
    found = components(vertices, lambda vertex: edges[vertex])
    number = {vertex: k for k, part in enumerate(found) for vertex in part}
    parts = [_Part(serial=_is_serial(kinds, part, waits)) for part in found]
    _weigh(kinds, instructions, entered, called, number, parts)
    order = _order(parts, found, edges, number)
    place = {k: i for i, k in enumerate(order)}
    bad = [
        (place[number[need.source]], place[number[need.sink]])
        for needs in kinds.loop.into.values()
        for need in needs
        if need.carried
        and number[need.source] != number[need.sink]
        and kinds.level_of(need.source) is Level.OTHER
    ]
    return _cut([parts[k] for k in order], bad)


def _edges(kinds: LoopKinds, waits: set[tuple[Label, Label]]) -> dict[Vertex, list[Vertex]]:
    """What each vertex needs."""
    loop = kinds.loop
    needs: dict[Vertex, list[Vertex]] = {}
    for label in sorted(loop.blocks):
        above = sorted(kinds.decided_by(label))
        # Where the number of rounds is known each stage counts them itself.
        needs[label, "runs"] = [
            (one, "branches") for one in above if (one, label) not in waits or not kinds.counted
        ]
        condition = loop.values.conditions.get(label)
        needs[label, "branches"] = [(label, "runs")]
        if condition is not None and loop.has(condition):
            needs[label, "branches"].append(condition)
    for node in loop.nodes:
        needs[node] = [need.source for need in loop.into[node]]
        if node.kind is not Kind.PHI:
            needs[node].append((node.block, "runs"))
    return needs


def _waits(kinds: LoopKinds) -> set[tuple[Label, Label]]:
    """Branches that decide whether a block runs in the next round, and the block."""
    loop = kinds.loop
    found: set[tuple[Label, Label]] = set()
    for above in {one for label in loop.blocks for one in kinds.decided_by(label)}:
        ahead, work = set[Label](), [above]
        while work:
            for target in loop.values.following[work.pop()]:
                if target in loop.blocks and target != loop.header and target not in ahead:
                    ahead.add(target)
                    work.append(target)
        found |= {(above, label) for label in loop.blocks - ahead if above in kinds.decided_by(label)}
    return found


def _is_serial(kinds: LoopKinds, part: Sequence[Vertex], waits: set[tuple[Label, Label]]) -> bool:
    nodes = {vertex for vertex in part if isinstance(vertex, Node)}
    if len(part) > 1 and not kinds.counted:
        blocks = {vertex for vertex in part if not isinstance(vertex, Node)}
        if any((one, "branches") in blocks and (label, "runs") in blocks for one, label in waits):
            return True
    return any(cycle.kind not in _FREE for cycle in kinds.cycles if cycle.nodes & nodes)


def _weigh(
    kinds: LoopKinds,
    instructions: Mapping[Label, Sequence[int]],
    entered: Mapping[Label, int],
    called: Mapping[int, float],
    number: Mapping[Vertex, int],
    parts: Sequence[_Part],
) -> None:
    """Give each instruction to the part of the last of its nodes, effects first; one that only moves something, to
    that of the instruction behind it."""
    owner: dict[tuple[Label, int], Node] = {}
    for node in kinds.loop.nodes:
        assert node.block is not None
        if node.kind is Kind.PHI:
            continue
        key = (node.block, node.address)
        if key not in owner or owner[key].kind not in (Kind.STORE, Kind.CALL):
            owner[key] = node
    ran = any(entered.get(label) for label in kinds.loop.blocks)
    for label in sorted(kinds.loop.blocks):
        weight = float(entered.get(label, 0)) if ran else 1.0
        part = number[label, "branches"]
        for address in reversed(instructions.get(label, ())):
            node = owner.get((label, address))
            part = part if node is None else number[node]
            parts[part].weight += weight
            if node is not None and node.kind is Kind.CALL:
                parts[part].weight += weight * called.get(node.value, 0.0)
            parts[part].addresses.append(address)


def _order(
    parts: Sequence[_Part],
    found: Sequence[Sequence[Vertex]],
    edges: Mapping[Vertex, Sequence[Vertex]],
    number: Mapping[Vertex, int],
) -> list[int]:
    """A topological order that keeps parts of one sort together."""
    before = [
        {number[other] for vertex in part for other in edges[vertex] if other in number} - {k}
        for k, part in enumerate(found)
    ]
    after: list[list[int]] = [[] for _ in parts]
    for k, sources in enumerate(before):
        for source in sources:
            after[source].append(k)
    waiting = [len(sources) for sources in before]
    ready: dict[bool, list[int]] = {False: [], True: []}
    for k, count in enumerate(waiting):
        if not count:
            ready[parts[k].serial].append(k)
    order: list[int] = []
    serial = bool(ready[True])
    while ready[True] or ready[False]:
        if not ready[serial]:
            serial = not serial
        k = ready[serial].pop()
        order.append(k)
        for target in after[k]:
            waiting[target] -= 1
            if not waiting[target]:
                ready[parts[target].serial].append(target)
    return order


def _cut(parts: Sequence[_Part], bad: Sequence[tuple[int, int]]) -> tuple[Stage, ...]:
    """Cut the order into stages so that the slowest is as fast as can be, and then into as few as will do."""
    ends = [k + 1 for k, part in enumerate(parts) if part.weight]
    total = sum(part.weight for part in parts)
    if not ends:
        return ()
    if len(ends) > _MOST_PARTS:
        ends = ends[:: len(ends) // _MOST_PARTS + 1] + ends[-1:]
    ends[-1] = len(parts)
    starts = sorted({0, *ends})
    last_bad = _last_bad(parts, bad)
    sums = [0.0]
    for part in parts:
        sums.append(sums[-1] + part.weight)

    def serial(start: int, end: int) -> float:
        return sums[end] - sums[start] if last_bad[end] >= start else 0.0

    # Stages whose rounds are independent share all cores that are left: those that are not bound the speed.
    best: dict[int, tuple[float, float, tuple[int, ...]]] = {0: (0.0, 0.0, ())}
    final: tuple[float, float, tuple[int, ...]] | None = None
    for _ in range(MOST_STAGES):
        following: dict[int, tuple[float, float, tuple[int, ...]]] = {}
        for start, (worst, all_serial, cuts) in best.items():
            for end in starts:
                if end <= start:
                    continue
                more = serial(start, end)
                new = (max(worst, more), all_serial + more, (*cuts, end))
                if end not in following or new < following[end]:
                    following[end] = new
        reached = following.get(len(parts))
        if reached is not None and (final is None or reached[:2] < final[:2]):
            final = reached
        best = following
    assert final is not None
    cuts = (0, *final[2])
    made = [
        Stage(
            tuple(sorted(a for part in parts[start:end] for a in part.addresses)),
            last_bad[end] < start,
            (sums[end] - sums[start]) / total,
        )
        for start, end in pairwise(cuts)
    ]
    return () if len(made) == 1 and not made[0].parallel else tuple(made)


def _last_bad(parts: Sequence[_Part], bad: Sequence[tuple[int, int]]) -> list[int]:
    """For each end of a stage the last start with which it would hold something serial; -1 for none."""
    starts = [-1] * (len(parts) + 1)
    for k, part in enumerate(parts):
        if part.serial:
            starts[k + 1] = k
    for source, sink in bad:
        end = max(source, sink) + 1
        starts[end] = max(starts[end], min(source, sink))
    for k in range(1, len(starts)):
        starts[k] = max(starts[k], starts[k - 1])
    return starts
