"""The dependences of one loop: between values and effects, inner loops' included."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from burnish.analyze.ssa import Values
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label


class By(Enum):
    """How one node depends on another."""

    VALUE = "value"
    """It is an argument."""
    CHOICE = "choice"
    """It decides by a branch which argument a phi has."""
    MEMORY = "memory"
    """A load reads what a store wrote, as far as was seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """``sink`` needs ``source``, of an earlier round where ``carried``. ``pair`` are the sites of store and load."""

    source: Node
    sink: Node
    by: By
    carried: bool
    pair: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Met:
    """A dependence through memory between nodes, of the sites ``pair``."""

    source: Node
    sink: Node
    carried: bool
    pair: tuple[int, int]


@dataclass(slots=True)
class LoopValues:
    """A loop of a function. ``inner`` are the blocks of each loop in it, by header. ``into`` are the needs of each
    node of the loop that other nodes of it fulfil, ``out_of`` the same by source; ``used_after`` are those that are
    read behind the loop."""

    values: Values
    header: Label
    blocks: frozenset[Label]
    inner: Mapping[Label, frozenset[Label]]
    tree: Mapping[Label, Label]
    """Immediate dominators of the function's blocks."""
    nodes: list[Node] = field(default_factory=list[Node])
    into: dict[Node, list[Need]] = field(default_factory=dict[Node, "list[Need]"])
    out_of: dict[Node, list[Need]] = field(default_factory=dict[Node, "list[Need]"])
    used_after: set[Node] = field(default_factory=set[Node])
    overwritten: set[Node] = field(default_factory=set[Node])
    """Loads whose memory is written later, in it or in loops in it."""
    decided: dict[Hashable, list[Label]] = field(default_factory=dict[Hashable, "list[Label]"])
    """What ``deciding_branches`` found."""

    def has(self, node: Node) -> bool:
        """Whether a node is in the loop."""
        return node.block in self.blocks

    def conditions(self) -> Iterator[tuple[Label, Node]]:
        """The conditions of branches in the loop."""
        for label in self.blocks:
            if label in self.values.conditions:
                yield label, self.values.conditions[label]

    def exits(self) -> list[Label]:
        """Blocks that the loop can be left from."""
        return [label for label in sorted(self.blocks) if set(self.values.following[label]) - self.blocks]

    def kept_arguments(self, phi: Node) -> list[Node]:
        """The arguments of a phi that come from within the loop."""
        pairs = zip(phi.sources, phi.arguments, strict=True)
        return [argument for source, argument in pairs if source in self.blocks]


def loop_values(
    values: Values,
    header: Label,
    blocks: frozenset[Label],
    inner: Mapping[Label, frozenset[Label]],
    tree: Mapping[Label, Label],
    met: Iterable[Met],
) -> LoopValues:
    """The dependences of a loop. ``met`` are those through memory, in it or in loops in it."""
    found = LoopValues(values, header, blocks, inner, tree)
    found.nodes = [node for node in values.nodes if node.block in blocks]
    for node in found.nodes:
        found.into[node], found.out_of[node] = [], []
    for need in _needs(found, met):
        if need.source in found.out_of and need.sink in found.into:
            found.into[need.sink].append(need)
            found.out_of[need.source].append(need)
    after = [node for node in values.nodes if node.block not in blocks]
    read = {a for node in after for a in node.arguments} | set(values.returned)
    read |= {c for label, c in values.conditions.items() if label not in blocks}
    found.used_after = {node for node in found.nodes if node in read}
    return found


def _needs(loop: LoopValues, met: Iterable[Met]) -> Iterator[Need]:
    for node in loop.nodes:
        if node.kind is not Kind.PHI:
            for argument in node.arguments:
                yield Need(argument, node, By.VALUE, False)
            continue
        at_header = node.block == loop.header
        for argument in loop.kept_arguments(node):
            yield Need(argument, node, By.VALUE, at_header)
        for label in _deciding(loop, node):
            condition = loop.values.conditions.get(label)
            if condition is not None:
                yield Need(condition, node, By.CHOICE, at_header)
    for one in met:
        yield Need(one.source, one.sink, By.MEMORY, one.carried, one.pair)


def _deciding(loop: LoopValues, phi: Node) -> list[Label]:
    """Blocks in the loop whose branches decide which argument a phi has. Of an inner loop's phi these are its exits:
    they decide how often it is computed anew."""
    block = phi.block
    assert block is not None
    if block != loop.header and block in loop.inner:
        body = loop.inner[block]
        return [label for label in body if set(loop.values.following[label]) - body]
    pairs = [(s, a) for s, a in zip(phi.sources, phi.arguments, strict=True) if s in loop.blocks]
    if len({argument for _, argument in pairs}) < 2:
        return []
    return deciding_branches(loop, block, pairs)


def deciding_branches(loop: LoopValues, join: Label, pairs: Sequence[tuple[Label, Node]]) -> list[Label]:
    """Blocks whose branches decide by which of ``pairs`` (a block before ``join``, and what comes from there) it is
    reached, once it is."""
    numbers: dict[Node, int] = {}
    last = {source: numbers.setdefault(argument, len(numbers)) for source, argument in pairs}
    key = (join, *last.items())
    if key not in loop.decided:
        loop.decided[key] = _decide(loop, join, last)
    return loop.decided[key]


def _decide(loop: LoopValues, join: Label, last: Mapping[Label, int]) -> list[Label]:
    start = loop.header if join == loop.header else loop.tree.get(join, join)
    between = ways_to(loop, start, last)
    # Bits are the different values.
    brought = dict.fromkeys(between, 0)
    changed = True

    def through(target: Label, label: Label) -> int:
        if target == join:
            return 1 << last[label] if label in last else 0
        return brought.get(target, 0) if target != start else 0

    while changed:
        changed = False
        for label in between:
            now = 0
            for target in loop.values.following[label]:
                now |= through(target, label)
            if now != brought[label]:
                brought[label] = now
                changed = True
    found: list[Label] = []
    for label in sorted(between):
        sides = {through(target, label) for target in loop.values.following[label]} - {0}
        if len(sides) > 1:
            found.append(label)
    return found


def ways_to(loop: LoopValues, start: Label, ends: Iterable[Label]) -> set[Label]:
    """The blocks of the loop on ways from ``start`` to ``ends`` that do not come back to it."""
    found = set(ends) | {start}
    work = list(set(ends) - {start})
    while work:
        for source in loop.values.before[work.pop()]:
            if source in loop.blocks and source not in found:
                found.add(source)
                work.append(source)
    return found & loop.blocks
