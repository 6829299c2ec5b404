"""What registers carry through a function: between blocks, and from one call of the function by itself to the
next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from burnish.analyze.graphs import deciders
from burnish.analyze.loop_memory import CodeOf
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label
from burnish.core.structure import Between, Hazard, Region, Structure

_END = Label(-1)


def block_needs(code: CodeOf) -> tuple[tuple[int, int], ...]:
    """Pairs of blocks, by number: what the first left in a register or a place of the frame, the second may read."""
    numbers = {label: number for number, label in code.labels.items()}
    sources: dict[Node, frozenset[Label]] = {}
    found: set[tuple[int, int]] = set()
    uses: list[tuple[Label, Node]] = [
        (node.block, argument)
        for node in code.values.nodes
        if node.block is not None and node.kind is not Kind.PHI
        for argument in node.arguments
    ]
    for label, argument in (*uses, *code.values.conditions.items()):
        for source in _made_in(argument, sources):
            if source != label and source in numbers and label in numbers:
                found.add((numbers[source], numbers[label]))
    return tuple(sorted(found))


def _made_in(node: Node, known: dict[Node, frozenset[Label]]) -> frozenset[Label]:
    """The blocks in which what a node is was made, through phis."""
    if node not in known:
        made: set[Label] = set()
        seen = {node}
        work = [node]
        while work:
            at = work.pop()
            if at.kind is not Kind.PHI:
                if at.block is not None:
                    made.add(at.block)
                continue
            work += [argument for argument in at.arguments if argument not in seen]
            seen |= set(at.arguments)
        known[node] = frozenset(made)
    return known[node]


def calls_are_chained(
    code: CodeOf, region: Region, structure: Structure, sites: Mapping[int, Mapping[str, int]]
) -> bool:
    """Whether a call of the function by itself may depend on the result of another one in the same visit: by an
    argument, by a branch, or by what the function stored in between."""
    own = min(label.address for label in code.labels.values())
    calls = [node for node in code.values.nodes if node.kind is Kind.CALL and node.value == own]
    stored = {
        sites[row.source]["address"]
        for row in structure.dependences
        if row.region == region.number and row.hazard is Hazard.RAW and row.between is Between.OWN_TO_CALL
    }
    stores = [node for node in code.values.nodes if node.kind is Kind.STORE and node.address in stored]
    above = deciders({label: targets or (_END,) for label, targets in code.values.following.items()}, _END)
    for node in (*calls, *stores):
        starts = [argument for k, argument in enumerate(node.arguments) if k not in node.perhaps]
        assert node.block is not None
        if any(
            made.kind is Kind.CHANGED and any(call in made.arguments for call in calls if call is not node)
            for made in _behind(starts, node.block, code, above)
        ):
            return True
    return False


def _behind(
    starts: Iterable[Node], block: Label, code: CodeOf, above: Mapping[Label, set[Label]]
) -> Iterator[Node]:
    """All nodes that values, and whether a block runs, come from."""
    conditions = code.values.conditions
    labels = [block]
    decided = {block}
    work = list(starts)
    seen = set(work)
    while work or labels:
        if labels:
            for label in above.get(labels.pop(), ()):
                if label in conditions and conditions[label] not in seen:
                    seen.add(conditions[label])
                    work.append(conditions[label])
                if label not in decided and label != _END:
                    decided.add(label)
                    labels.append(label)
            continue
        node = work.pop()
        yield node
        if node.kind is Kind.CHANGED:
            continue
        if node.kind is Kind.PHI:
            labels += [source for source in node.sources if source not in decided]
            decided |= set(node.sources)
        for argument in node.arguments:
            if argument not in seen:
                seen.add(argument)
                work.append(argument)
