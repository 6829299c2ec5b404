"""Loop heads: where a function is cut so that every path between two cuts is finite."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.analyze.flow import depth_first
from burnish.core.code import Function, Label, successors


@dataclass(frozen=True, slots=True)
class Loop:
    """The head of a loop, and all blocks from which an edge back to it is reached without passing the head."""

    head: Label
    body: frozenset[Label]
    depth: int
    """1 for an outermost loop."""


def loops_of(function: Function) -> tuple[Loop, ...]:
    """All loops that the entry reaches, outer ones first, else in the order of their heads. Loops of one head are one.

    A head is a block that an edge leads back to in a depth-first walk: every cycle has one. In reducible code, which
    compilers mostly make, these are the natural loops' (Aho, Lam, Sethi and Ullman, *Compilers*, section 9.6); a cycle
    that is entered in several places may have several heads.
    """
    following = {block.label: successors(block.terminator) for block in function.blocks}
    order, back = depth_first(function.blocks[0].label, following)
    bodies: dict[Label, set[Label]] = {}
    before: dict[Label, list[Label]] = {label: [] for label in order}
    for label in order:
        for target in following[label]:
            before[target].append(label)
    for source, head in back:
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
