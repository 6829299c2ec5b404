"""Loops of a function, reducible or not, and what the order of its code says about its branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.core.code import Branch, Function, Label, successors


def loops(function: Function) -> list[frozenset[Label]]:
    """Strongly connected sets of blocks with at least one edge inside, outermost only, and again within each
    without its entries: so nested loops are found as well."""
    following = {b.label: successors(b.terminator) for b in function.blocks}
    found: list[frozenset[Label]] = []
    pending = [frozenset(following)]
    while pending:
        members = pending.pop()
        for component in _components(members, following):
            found.append(component)
            entries = {
                s for label in following if label not in component for s in following[label] if s in component
            }
            inner = component - (entries or {min(component)})
            if inner:
                pending.append(inner)
    return found


def _components(
    members: frozenset[Label], following: Mapping[Label, Sequence[Label]]
) -> list[frozenset[Label]]:
    """Tarjan's algorithm, iterative; only components that contain a cycle."""
    number: dict[Label, int] = {}
    low: dict[Label, int] = {}
    stack: list[Label] = []
    on_stack: set[Label] = set()
    found: list[frozenset[Label]] = []
    for root in sorted(members):
        if root in number:
            continue
        work = [(root, iter(following[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            label, rest = work[-1]
            for successor in rest:
                if successor not in members:
                    continue
                if successor not in number:
                    number[successor] = low[successor] = len(number)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(following[successor])))
                    break
                if successor in on_stack:
                    low[label] = min(low[label], number[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[label])
                if low[label] == number[label]:
                    component: set[Label] = set()
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.add(member)
                        if member == label:
                            break
                    if len(component) > 1 or label in following[label]:
                        found.append(frozenset(component))
    return found


def likely_fallthroughs(function: Function) -> frozenset[Label]:
    """Blocks whose branch was laid out such that the likelier side falls through.

    A compiler places the block that it believes to come next behind a branch, and what is rare out of line (gcc's
    ``-freorder-blocks``, "software trace cache"). That belief, from its heuristics or from a profile, is all that
    machine code has kept of probabilities. Branches that stay in a loop or leave it are left out: LLVM's own
    heuristics know that loops go on.
    """
    innermost: dict[Label, frozenset[Label]] = {}
    for loop in sorted(loops(function), key=len, reverse=True):
        innermost |= dict.fromkeys(loop, loop)
    found: set[Label] = set()
    for block in function.blocks:
        match block.terminator:
            case Branch(_, taken, fallthrough) if taken > block.label and taken != fallthrough:
                loop = innermost.get(block.label)
                if loop is None or (taken in loop) == (fallthrough in loop):
                    found.add(block.label)
            case _:
                pass
    return frozenset(found)
