"""Walks over the blocks of a function, and its loops from the counts of its edges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
"""What names a block."""


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
    _, back = depth_first(entry, following)
    arrivals: dict[int, int] = {entry: calls}
    for (_, target), taken in edges.items():
        arrivals[target] = arrivals.get(target, 0) + taken
    repeated: dict[int, int] = {}
    for source, target in back:
        repeated[target] = repeated.get(target, 0) + edges[source, target]
    return [CountedLoop(h, arrivals[h] - times, times) for h, times in sorted(repeated.items())]


def depth_first(entry: N, following: Mapping[N, Sequence[N]]) -> tuple[list[N], list[tuple[N, N]]]:
    """The blocks that ``entry`` reaches, in reverse postorder, and the edges to a block that is open in the walk. A
    block without an entry in ``following`` has no successors."""
    done: list[N] = []
    back: list[tuple[N, N]] = []
    seen, opened = {entry}, {entry}
    work = [(entry, iter(following.get(entry, ())))]
    while work:
        block, rest = work[-1]
        for target in rest:
            if target in opened:
                back.append((block, target))
            elif target not in seen:
                seen.add(target)
                opened.add(target)
                work.append((target, iter(following.get(target, ()))))
                break
        else:
            opened.discard(block)
            done.append(block)
            work.pop()
    return done[::-1], back
