"""What a round adds to a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from burnish.analyze.loop_values import By
from burnish.analyze.values import Kind, Node
from burnish.core.pcode import OpCode
from burnish.domains.integers import signed

if TYPE_CHECKING:
    from burnish.analyze.recurrence_kinds import LoopKinds

_RESIZING = (OpCode.INT_ZEXT, OpCode.INT_SEXT, OpCode.SUBPIECE, OpCode.PIECE)


@dataclass(frozen=True, slots=True)
class Step:
    """``constant`` is what is added in each round; None where it is invariant and not known. ``straight`` are the
    nodes that differ from the value at the round's start by an invariant."""

    constant: int | None
    straight: frozenset[Node]


@dataclass(frozen=True, slots=True)
class _Sum:
    """The value at the round's start plus ``known``, and plus something invariant where it is not ``exact``."""

    known: int
    exact: bool


def step_of(kinds: LoopKinds, nodes: frozenset[Node], roots: set[Node]) -> Step | None:
    """The step of a cycle with one root that an invariant is added to in each round; None where it is something
    else."""
    if len(roots) != 1:
        return None
    (root,) = roots
    finder = _Finder(kinds, nodes, root)
    try:
        ends = finder.of_root()
    except RecursionError:
        return None
    if not ends or None in ends or len(set(ends)) != 1:
        return None
    total = ends[0]
    assert total is not None
    constant = signed(total.known & (1 << 8 * root.size) - 1, 8 * root.size) if total.exact else None
    return Step(constant, frozenset(node for node, found in finder.known.items() if found is not None))


class _Finder:
    def __init__(self, kinds: LoopKinds, nodes: frozenset[Node], root: Node) -> None:
        self.kinds = kinds
        self.loop = kinds.loop
        self.nodes = nodes
        self.root = root
        self.known: dict[Node, _Sum | None] = {root: _Sum(0, True)}

    def of_root(self) -> list[_Sum | None]:
        """What the values are that the next round begins with."""
        if self.root.kind is Kind.PHI:
            return [self.of(argument) for argument in self.loop.kept_arguments(self.root)]
        needs = [n for n in self.loop.into[self.root] if n.by is By.MEMORY]
        if self.kinds.level_of(self.root.arguments[0]) or not all(map(self.kinds.same_place, needs)):
            return []
        if not all(need.carried and self._in_each_round(need.source) for need in needs):
            return []
        return [self.of(need.source.arguments[1]) for need in needs]

    def _in_each_round(self, store: Node) -> bool:
        return store.block is not None and not (
            self.kinds.decided_by(store.block) - self.kinds.decided_by(self.loop.header)
        )

    def of(self, node: Node) -> _Sum | None:
        """A value, relative to that at the round's start."""
        if node not in self.nodes:
            return None
        if node not in self.known:
            self.known[node] = None  # a cycle inside is none of the forms below
            self.known[node] = self._of(node)
        return self.known[node]

    def _of(self, node: Node) -> _Sum | None:
        match node.kind:
            case Kind.PHI if node.block in self.loop.inner:
                return self._of_inner(node)
            case Kind.PHI:
                sums = [self.of(argument) for argument in self.loop.kept_arguments(node)]
                return sums[0] if len(set(sums)) == 1 else None
            case Kind.LOAD:
                needs = [n for n in self.loop.into[node] if n.by is By.MEMORY]
                if (
                    len(node.arguments) > 1
                    or any(need.carried for need in needs)
                    or not all(map(self.kinds.same_place, needs))
                ):
                    return None
                sums = [self.of(need.source.arguments[1]) for need in needs]
                return sums[0] if len(set(sums)) == 1 else None
            case Kind.OPERATION:
                return self._of_operation(node)
            case _:
                return None

    def _of_operation(self, node: Node) -> _Sum | None:
        first = node.arguments[0]
        if node.opcode in _RESIZING:
            low = node.opcode is not OpCode.SUBPIECE or node.arguments[1].value == 0
            return self.of(first) if low and not node.lane else None
        if node.opcode not in (OpCode.INT_ADD, OpCode.INT_SUB):
            return None
        second = node.arguments[1]
        if node.opcode is OpCode.INT_ADD and first not in self.nodes:
            first, second = second, first
        before = self.of(first)
        if before is None or second in self.nodes or self.kinds.level_of(second):
            return None
        if second.kind is not Kind.CONSTANT or node.lane:
            return _Sum(before.known, False)
        by = second.value if node.opcode is OpCode.INT_ADD else -second.value
        return _Sum(before.known + by, before.exact)

    def _of_inner(self, phi: Node) -> _Sum | None:
        """What an inner loop adds that runs equally often in each round."""
        assert phi.block is not None
        body = self.loop.inner[phi.block]
        exits = [label for label in body if set(self.loop.values.following[label]) - body]
        conditions = [self.loop.values.conditions.get(label) for label in exits]
        if any(c is None or c in self.nodes or self.kinds.level_of(c) > 1 for c in conditions):
            return None
        pairs = list(zip(phi.sources, phi.arguments, strict=True))
        entering = {self.of(argument) for source, argument in pairs if source not in body}
        if len(entering) != 1 or None in entering:
            return None
        inner = _Finder(self.kinds, self.nodes, phi)
        ends = {inner.of(argument) for source, argument in pairs if source in body}
        if len(ends) != 1 or None in ends:
            return None
        return _Sum(0, False)
