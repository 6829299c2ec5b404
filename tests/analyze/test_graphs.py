"""Graphs: components, dominators and control dependence are what their definitions say, on random graphs."""

from __future__ import annotations

import random

import pytest

from burnish.analyze.graphs import components, deciders, dominates, dominators

Graph = dict[int, tuple[int, ...]]


def drawn(seed: int) -> Graph:
    draw = random.Random(seed)
    size = draw.randrange(2, 12)
    return {n: tuple({draw.randrange(size) for _ in range(draw.randrange(3))}) for n in range(size)}


def reach(graph: Graph, start: int, without: int | None = None) -> set[int]:
    if start == without:
        return set()
    found, work = {start}, [start]
    while work:
        for target in graph.get(work.pop(), ()):
            if target != without and target not in found:
                found.add(target)
                work.append(target)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_components_and_dominators(seed: int) -> None:
    graph = drawn(seed)
    parts = components(graph, graph.__getitem__)
    place = {node: k for k, part in enumerate(parts) for node in part}
    reached = {node: reach(graph, node) for node in graph}
    for one in graph:
        for other in graph:
            assert (place[one] == place[other]) == (other in reached[one] and one in reached[other])
        assert all(place[target] <= place[one] for target in graph[one])
    tree = dominators(0, graph)
    assert tree.keys() == reached[0]
    for above in reached[0]:
        left = reach(graph, 0, without=above)
        for node in reached[0]:
            assert dominates(above, node, tree) == (node not in left)


@pytest.mark.parametrize("seed", range(60))
def test_deciders(seed: int) -> None:
    """A node decides about another one if that is on all ways on from one of its sides, and not from itself."""
    end = 99
    graph = {node: targets or (end,) for node, targets in drawn(seed).items()}
    ends = {node for node in graph if end in reach(graph, node)}
    graph = {node: targets for node, targets in graph.items() if node in ends}
    graph = {node: tuple(t for t in targets if t in ends or t == end) for node, targets in graph.items()}

    def always(node: int, later: int) -> bool:
        return node == later or end not in reach(graph, node, without=later)

    found = deciders(graph, end)
    for one in graph:
        for other in graph:
            sides = [always(target, other) for target in graph[one]]
            strictly = one != other and always(one, other)
            assert (one in found[other]) == (len(sides) > 1 and any(sides) and not strictly)
