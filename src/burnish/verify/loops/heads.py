"""Loop heads: where a function is cut so that every path between two cuts is finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.analyze.flow import depth_first
from burnish.core.code import Function, Label, successors


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: its head, and all blocks from which a back edge is reached without passing the head."""

    head: Label
    body: frozenset[Label]
    depth: int
    """1 for an outermost loop."""


@dataclass(frozen=True, slots=True)
class Irreducible:
    """A cycle that is entered in more than one place, at ``label`` among others. It has no head to cut at."""

    label: Label

    def __str__(self) -> str:
        return f"a loop that is entered in more than one place, at {self.label}"


def natural_loops(function: Function) -> tuple[Loop, ...] | Irreducible:
    """All loops that the entry reaches, outer ones first, else in the order of their heads. Loops of one head are one.

    A back edge leads to a block that dominates its source (Aho, Lam, Sethi and Ullman, *Compilers*, section 9.6). A
    cycle without one is irreducible.
    """
    following = {block.label: successors(block.terminator) for block in function.blocks}
    order, back = depth_first(function.blocks[0].label, following)
    dominators = _dominators(order, following)
    bodies: dict[Label, set[Label]] = {}
    before: dict[Label, list[Label]] = {label: [] for label in order}
    for label in order:
        for target in following[label]:
            before[target].append(label)
    for source, head in back:
        if head not in dominators[source]:
            return Irreducible(head)
        body = bodies.setdefault(head, {head})
        pending = [source]
        while pending:
            label = pending.pop()
            if label not in body:
                body.add(label)
                pending.extend(before[label])
    found = [
        Loop(head, frozenset(body), sum(head in other for other in bodies.values()))
        for head, body in bodies.items()
    ]
    return tuple(sorted(found, key=lambda loop: (loop.depth, loop.head)))


def _dominators(
    order: Sequence[Label], following: Mapping[Label, Sequence[Label]]
) -> dict[Label, frozenset[Label]]:
    """For each block all that every path from the first to it passes, itself included."""
    before: dict[Label, list[Label]] = {label: [] for label in order}
    for label in order:
        for target in following[label]:
            before[target].append(label)
    everything = frozenset(order)
    found = dict.fromkeys(order, everything)
    found[order[0]] = frozenset((order[0],))
    changed = True
    while changed:
        changed = False
        for label in order[1:]:
            common = everything
            for source in before[label]:
                common &= found[source]
            new = common | {label}
            if new != found[label]:
                found[label] = new
                changed = True
    return found
