"""Graphs: strongly connected components, dominators, and what decides whether a block runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from burnish.analyze.flow import depth_first

N = TypeVar("N", bound=Hashable)


def components(nodes: Iterable[N], following: Callable[[N], Iterable[N]]) -> list[list[N]]:
    """Strongly connected components (Tarjan 1972), each before those that it is reached from: what ``following`` leads
    to comes first."""
    number: dict[N, int] = {}
    low: dict[N, int] = {}
    stack: list[N] = []
    on_stack: set[N] = set()
    found: list[list[N]] = []
    for root in nodes:
        if root in number:
            continue
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(following(root)))]
        while work:
            node, rest = work[-1]
            for target in rest:
                if target not in number:
                    number[target] = low[target] = len(number)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(following(target))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], number[target])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == number[node]:
                    at = stack.index(node) if stack[-1] != node else len(stack) - 1
                    found.append(stack[at:])
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
    return found


def dominators(entry: N, following: Mapping[N, Sequence[N]]) -> dict[N, N]:
    """The immediate dominator of each node that ``entry`` reaches, its own being itself (Cooper, Harvey and Kennedy, "A
    simple, fast dominance algorithm", 2001)."""
    order, _ = depth_first(entry, following)
    number = {node: k for k, node in enumerate(order)}
    before: dict[N, list[N]] = {node: [] for node in order}
    for node in order:
        for target in following.get(node, ()):
            before[target].append(node)
    found: dict[N, N] = {entry: entry}
    changed = True
    while changed:
        changed = False
        for node in order[1:]:
            known = [p for p in before[node] if p in found]
            new = known[0]
            for other in known[1:]:
                while new != other:
                    while number[new] > number[other]:
                        new = found[new]
                    while number[other] > number[new]:
                        other = found[other]
            if found.get(node) != new:
                found[node] = new
                changed = True
    return found


def dominates(above: N, node: N, tree: Mapping[N, N]) -> bool:
    """Whether every way to ``node`` leads through ``above``."""
    while node != above:
        if tree[node] == node:
            return False
        node = tree[node]
    return True


def deciders(following: Mapping[N, Sequence[N]], end: N) -> dict[N, set[N]]:
    """For each node those whose choice decides whether it runs (control dependence: Ferrante, Ottenstein and Warren
    1987). ``end`` is where all ways lead to; nodes that cannot get there are as if they did."""
    backwards: dict[N, list[N]] = {end: []}
    for node, targets in following.items():
        backwards.setdefault(node, [])
        for target in targets:
            backwards.setdefault(target, []).append(node)
    reached = set(depth_first(end, backwards)[0])
    for node in following:
        if node not in reached:
            backwards[end].append(node)
            reached |= set(depth_first(node, backwards)[0])
    tree = dominators(end, backwards)
    found: dict[N, set[N]] = {node: set() for node in following}
    for node, targets in following.items():
        if len(targets) < 2:
            continue
        for target in targets:
            at = target
            while at not in (tree[node], end):
                found[at].add(node)
                at = tree[at]
    return found
