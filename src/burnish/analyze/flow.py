"""Loops of a function from the counts of its edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CountedLoop:
    """A loop by the number of its header. ``entered`` counts ways into it from outside, ``repeated`` its back edges:
    so it ran ``repeated / entered`` rounds more than one each time."""

    header: int
    entered: int
    repeated: int


def counted_loops(entry: int, edges: Mapping[tuple[int, int], int], calls: int) -> list[CountedLoop]:
    """The loops of a function whose first block is ``entry``, which was called ``calls`` times. ``edges`` has the
    count of each edge, by source and target.

    A back edge is one that goes to a block that is open in a depth-first walk: for reducible flow, which compilers
    make of structured code, these are the natural loops' (Hecht and Ullman 1974).
    """
    following: dict[int, list[int]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    back = _back_edges(entry, following)
    arrivals: dict[int, int] = {entry: calls}
    for (_, target), taken in edges.items():
        arrivals[target] = arrivals.get(target, 0) + taken
    repeated: dict[int, int] = {}
    for source, target in back:
        repeated[target] = repeated.get(target, 0) + edges[source, target]
    return [CountedLoop(h, arrivals[h] - times, times) for h, times in sorted(repeated.items())]


def _back_edges(entry: int, following: Mapping[int, Sequence[int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    seen, open_blocks = {entry}, {entry}
    work = [(entry, iter(following.get(entry, ())))]
    while work:
        block, rest = work[-1]
        for target in rest:
            if target in open_blocks:
                found.append((block, target))
            elif target not in seen:
                seen.add(target)
                open_blocks.add(target)
                work.append((target, iter(following.get(target, ()))))
                break
        else:
            open_blocks.discard(block)
            work.pop()
    return found
