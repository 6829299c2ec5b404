"""The loops of a function and how they nest, reducible or not.

The forest of Havlak ("Nesting of reducible and irreducible loops", 1997), by the formulation that LLVM uses for its
cycles: headers are the blocks that a back edge of a depth-first walk leads to, and inner loops are found first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForestLoop:
    """A loop: ``header`` is where it is entered (for irreducible ones: first, in the walk), ``blocks`` are all in it,
    those of inner loops included, ``parent`` is the index of the loop around it."""

    header: int
    blocks: frozenset[int]
    parent: int | None


def loop_forest(entry: int, following: Mapping[int, Sequence[int]]) -> tuple[ForestLoop, ...]:
    """The loops that ``entry`` reaches, outer ones before those in them. ``following`` has the successors of
    blocks."""
    order, last = _preorder(entry, following)
    number = {block: i for i, block in enumerate(order)}
    before: dict[int, list[int]] = {}
    for block in order:
        for target in following.get(block, ()):
            before.setdefault(target, []).append(block)
    outermost: dict[int, int] = {}  # block to the header of the largest loop around it that is known so far
    bodies: dict[int, set[int]] = {}
    parents: dict[int, int] = {}

    def around(block: int) -> int:
        while block in outermost:
            block = outermost[block]
        return block

    for header in reversed(order):
        first, end = number[header], last[header]
        work = [p for p in before.get(header, ()) if first <= number[p] <= end]
        if not work:
            continue
        body = {header}
        while work:
            block = around(work.pop())
            if block in body:
                continue
            body.add(block)
            # What is entered from elsewhere makes it irreducible: that way in is not part of it.
            work += [
                p
                for member in (bodies.get(block, (block,)))
                for p in before.get(member, ())
                if first <= number[p] <= end
            ]
        everything: set[int] = set()
        for block in body - {header}:
            outermost[block] = header
            if block in bodies:
                parents[block] = header
                everything |= bodies[block]
        bodies[header] = everything | body
    headers = sorted(bodies, key=lambda header: (len(_line(header, parents)), number[header]))
    index = {header: i for i, header in enumerate(headers)}
    return tuple(
        ForestLoop(header, frozenset(bodies[header]), index[parents[header]] if header in parents else None)
        for header in headers
    )


def innermost(loops: Sequence[ForestLoop]) -> dict[int, int]:
    """The innermost loop of each block that is in one."""
    found: dict[int, int] = {}
    for index, loop in sorted(enumerate(loops), key=lambda pair: -len(pair[1].blocks)):
        found |= dict.fromkeys(loop.blocks, index)
    return found


def _line(header: int, parents: Mapping[int, int]) -> list[int]:
    line: list[int] = []
    while header in parents:
        header = parents[header]
        line.append(header)
    return line


def _preorder(entry: int, following: Mapping[int, Sequence[int]]) -> tuple[list[int], dict[int, int]]:
    """Blocks in the order of a depth-first walk, and for each the number of the last one below it."""
    order, seen = [entry], {entry}
    last: dict[int, int] = {}
    work = [(entry, iter(following.get(entry, ())))]
    while work:
        block, rest = work[-1]
        for target in rest:
            if target not in seen:
                seen.add(target)
                order.append(target)
                work.append((target, iter(following.get(target, ()))))
                break
        else:
            last[block] = len(order) - 1
            work.pop()
    return order, last
