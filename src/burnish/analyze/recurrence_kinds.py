"""What the values of a loop are, as seen from one of its rounds: which are known beforehand, and of what kind those are
that rounds hand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from burnish.analyze.folds import Fold, folded
from burnish.analyze.graphs import components, deciders
from burnish.analyze.loop_values import By, LoopValues, Need
from burnish.analyze.numbers import value_numbers
from burnish.analyze.paired_folds import paired
from burnish.analyze.recent import computed_again, rounds_until_gone
from burnish.analyze.steps import Step, step_of
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label
from burnish.core.pcode import OpCode
from burnish.core.superblocks import Recurrence

MOST_OPERATIONS = 16
"""Of a value that counts as predictable: more are as much work as the loop itself."""
_LINEAR = (OpCode.INT_ADD, OpCode.INT_SUB)
_SCALING = (OpCode.INT_MULT, OpCode.INT_LEFT)
_RESIZING = (OpCode.INT_ZEXT, OpCode.INT_SEXT, OpCode.SUBPIECE, OpCode.PIECE)


class Level(IntEnum):
    """How much must be known to know a value before its round runs; later ones need more."""

    INVARIANT = 0
    REPEATED = 1
    """Inner loops go through the same values in each round."""
    AFFINE = 2
    COMPUTED = 3
    """A function of invariants and affine values."""
    PREDICTED = 4
    """Of predictable recurrences as well."""
    OTHER = 5


@dataclass(frozen=True, slots=True)
class Cycle:
    """A strongly connected part of a loop's dependences that leads from round to round."""

    nodes: frozenset[Node]
    roots: tuple[Node, ...]
    """Phis of the header, and loads that read what an earlier round stored."""
    kind: Recurrence
    step: int | None = None
    fold: Fold | None = None
    decided_by: tuple[Node, ...] = ()
    """Of the place of a minimum or maximum: the roots of that."""
    lasts: int = 0
    """Of a recent value: for how many rounds."""


class LoopKinds:
    """What the values of a loop are. ``cycles`` are its recurrences, ``handed`` the phis of values that a round reads
    of the one before without being in a cycle and that are not known beforehand."""

    def __init__(self, loop: LoopValues) -> None:
        self.loop = loop
        self.level: dict[Node, Level] = {}
        self.cycles: list[Cycle] = []
        self.handed: list[Node] = []
        self.numbers = value_numbers(loop)
        parts = components(loop.nodes, lambda node: [need.source for need in loop.into[node]])
        self.parts = parts
        self._part_of = {node: k for k, part in enumerate(parts) for node in part}
        self._carried = {
            self._part_of[need.sink]
            for needs in loop.into.values()
            for need in needs
            if need.carried and self._part_of[need.sink] == self._part_of[need.source]
        }
        self._views = {k for k in sorted(self._carried) if self._is_view(parts[k])}
        self._deciders = _deciders(loop)
        for k, part in enumerate(parts):
            self._judge(k, part)
        paired(self, lambda cycle: folded(self, cycle.nodes, cycle.roots, self._within(cycle.nodes)))

    def level_of(self, node: Node) -> Level:
        """What a value is; of what is outside the loop, invariant."""
        return self.level.get(node, Level.OTHER if node in self.loop.into else Level.INVARIANT)

    @property
    def counted(self) -> bool:
        """Whether invariants and affine values alone say how often it runs."""
        exits = self.loop.exits()
        labels = set(exits)
        work = list(exits)
        while work:
            for label in self._deciders[work.pop()]:
                if label not in labels:
                    labels.add(label)
                    work.append(label)
        conditions = self.loop.values.conditions
        return bool(exits) and all(
            label in conditions and self.level_of(conditions[label]) <= Level.COMPUTED
            for label in labels
            if len(self.loop.values.following[label]) > 1
        )

    def decided_by(self, label: Label) -> set[Label]:
        """The blocks of the loop whose branches decide whether a block of it runs."""
        return self._deciders[label]

    def _judge(self, k: int, part: list[Node]) -> None:
        if k in self._carried:
            self._cycle(k, part)
        elif len(part) > 1 or any(need.source is part[0] for need in self.loop.into[part[0]]):
            level = self._outside(part)
            calls = any(node.kind is not Kind.PHI and node.kind is not Kind.OPERATION for node in part)
            level = Level.OTHER if calls else Level(max(level, Level.REPEATED))
            if level is Level.AFFINE:
                level = Level.COMPUTED
            self.level |= dict.fromkeys(part, level)
        else:
            node = part[0]
            self.level[node] = self._single(node)
            handed = (
                node.kind is Kind.PHI and node.block == self.loop.header and self.level[node] is Level.OTHER
            )
            if handed and not self._is_view(part) and self._matters(node):
                self.handed.append(node)

    def _outside(self, part: Sequence[Node]) -> Level:
        """The level of all that a part reads of others."""
        inside = set(part)
        levels = [Level.INVARIANT]
        for node in part:
            sources = self.loop.kept_arguments(node) if node.kind is Kind.PHI else node.arguments
            levels += [self.level_of(source) for source in sources if source not in inside]
            levels += [self.level_of(n.source) for n in self.loop.into[node] if n.source not in inside]
        return max(levels)

    def _single(self, node: Node) -> Level:
        match node.kind:
            case Kind.PHI:
                arguments = set(self.loop.kept_arguments(node))
                level = self._outside([node])
                if len(arguments) > 1 or level is Level.INVARIANT:
                    level = max(level, Level.COMPUTED)
                return level
            case Kind.OPERATION:
                return self._of_operation(node)
            case Kind.LOAD:
                return self._of_load(node)
            case Kind.STORE:
                return max(map(self.level_of, node.arguments))
            case _:
                return Level.OTHER

    def _of_operation(self, node: Node) -> Level:
        levels = [self.level_of(argument) for argument in node.arguments]
        level = max(levels, default=Level.INVARIANT)
        if level is not Level.AFFINE:
            return level
        straight = node.opcode in (*_LINEAR, *_RESIZING) or (
            node.opcode in _SCALING and Level.INVARIANT in levels
        )
        return level if straight and Level.REPEATED not in levels else Level.COMPUTED

    def _of_load(self, node: Node) -> Level:
        needs = [need for need in self.loop.into[node] if need.by is By.MEMORY]
        address = self.level_of(node.arguments[0])
        if len(node.arguments) > 1:
            return Level.OTHER
        if not needs:
            return address if address <= Level.REPEATED else Level.OTHER
        if address is not Level.INVARIANT or not all(self.same_place(need) for need in needs):
            return Level.OTHER
        level = max(self.level_of(need.source.arguments[1]) for need in needs)
        return level if level is Level.AFFINE else max(level, Level.COMPUTED)

    def same_place(self, need: Need) -> bool:
        """Whether a store and a load that reads it always have one address, where that is the same in each round or
        the load is of the store's round."""
        store, load = need.source, need.sink
        if store.kind is not Kind.STORE or load.kind is not Kind.LOAD:
            return False
        same = self.numbers[store.arguments[0]] == self.numbers[load.arguments[0]]
        return same and store.arguments[1].size == load.size

    def _cycle(self, k: int, part: list[Node]) -> None:
        nodes = frozenset(part)
        into = self._within(nodes)
        roots = {need.sink for need in into if need.carried and need.by is not By.CHOICE}
        found = self._kind(nodes, tuple(sorted(roots, key=part.index)), into)
        level = Level.OTHER
        if found.kind is Recurrence.AFFINE:
            level = Level.COMPUTED
        elif found.kind is Recurrence.PREDICTABLE:
            level = Level.PREDICTED
        self.level |= dict.fromkeys(part, level)
        if found.kind is Recurrence.AFFINE:
            step = step_of(self, nodes, roots)
            assert step is not None
            self.level |= dict.fromkeys(step.straight, Level.AFFINE)
        if k not in self._views and found.step != 0:
            self.cycles.append(found)

    def _within(self, nodes: frozenset[Node]) -> list[Need]:
        return [n for node in nodes for n in self.loop.into[node] if n.source in nodes]

    def _kind(self, nodes: frozenset[Node], roots: tuple[Node, ...], into: Sequence[Need]) -> Cycle:
        if any(node.kind is Kind.CALL for node in nodes):
            return Cycle(nodes, roots, Recurrence.SERIAL)
        step: Step | None = step_of(self, nodes, set(roots))
        if step is not None:
            return Cycle(nodes, roots, Recurrence.AFFINE, step.constant)
        if _chases(nodes, into):
            return Cycle(nodes, roots, Recurrence.CHASE)
        used = self.is_used(nodes)
        fold = None if used else folded(self, nodes, roots, into)
        if fold is not None:
            return Cycle(nodes, roots, Recurrence.REDUCTION, fold=fold)
        lasts = rounds_until_gone(self.loop, nodes, roots)
        if lasts and self.is_recent(nodes, lasts):
            return Cycle(nodes, roots, Recurrence.RECENT, lasts=lasts)
        return Cycle(
            nodes,
            roots,
            Recurrence.PREDICTABLE if self._predictable(nodes, roots, into) else Recurrence.SERIAL,
        )

    def is_recent(self, nodes: frozenset[Node], rounds: int) -> bool:
        """Whether what goes into values can be computed again for so many rounds."""
        needs = [need for node in nodes for need in self.loop.into[node]]
        return computed_again(
            self, (need.source for need in needs), nodes, MOST_OPERATIONS // rounds, Level.COMPUTED
        )

    def _predictable(self, nodes: frozenset[Node], roots: tuple[Node, ...], into: Sequence[Need]) -> bool:
        if self._outside(list(nodes)) > Level.PREDICTED:
            return False
        operations = [node for node in nodes if node.kind in (Kind.OPERATION, Kind.CHANGED)]
        if not operations:
            return True  # values that change places
        inner = any(node.kind is Kind.PHI and node.block in self.loop.inner for node in nodes - set(roots))
        memory = [need for need in into if need.by is By.MEMORY]
        fixed = all(
            self.same_place(need) and self.level_of(need.sink.arguments[0]) is Level.INVARIANT
            for need in memory
        )
        return len(roots) == 1 and not inner and fixed and len(operations) <= MOST_OPERATIONS

    def is_used(self, nodes: frozenset[Node]) -> bool:
        """Whether anything in the loop reads a value of a cycle that is neither in it nor the cycle's own copy of a
        register of another size."""
        for label, condition in self.loop.conditions():
            if condition in nodes and self._decides_more(label, nodes):
                return True
        first = [n.sink for node in nodes for n in self.loop.out_of[node] if n.sink not in nodes]
        return any(self._matters(node, nodes) for node in first)

    def _matters(self, node: Node, nodes: frozenset[Node] = frozenset()) -> bool:
        """Whether a value reaches an effect, a branch or a cycle in the loop, other than ``nodes``."""
        conditions = {condition for _, condition in self.loop.conditions()}
        work, seen = [node], {node}
        while work:
            node = work.pop()
            part = self._part_of[node]
            if node in conditions or node.kind is Kind.CALL:
                return True
            if node.kind is Kind.STORE and (not nodes or not self._overwritten(node)):
                return True
            if part in self._carried and part not in self._views:
                return True
            for need in self.loop.out_of[node]:
                if need.sink not in seen and need.sink not in nodes:
                    seen.add(need.sink)
                    work.append(need.sink)
        return False

    def _overwritten(self, store: Node) -> bool:
        """Whether a store only keeps a copy in one place that nothing in the loop reads: the last one stays."""
        fixed = self.level_of(store.arguments[0]) is Level.INVARIANT
        return fixed and not self.loop.out_of[store]

    def _decides_more(self, label: Label, nodes: frozenset[Node]) -> bool:
        """Whether the branch of a block decides more than values of the cycle: the way out, or effects."""
        if set(self.loop.values.following[label]) - self.loop.blocks:
            return True
        decided = {block for block in self.loop.blocks if label in self._deciders[block]}
        return any(
            node.block in decided and node.kind in (Kind.STORE, Kind.CALL) and node not in nodes
            for node in self.loop.nodes
        )

    def _is_view(self, part: Sequence[Node]) -> bool:
        """Whether a cycle or a phi only copies what another cycle computes, as other bytes of the same places."""
        if any(node.kind is not Kind.PHI and node.opcode not in _RESIZING for node in part):
            return False
        mine = [node for node in part if node.kind is Kind.PHI and node.block == self.loop.header]
        own = set(part)
        others = [
            node
            for k in self._carried
            for node in self.parts[k]
            if node.kind is Kind.PHI
            and node.block == self.loop.header
            and node not in own
            and any(n.kind is not Kind.PHI and n.opcode not in _RESIZING for n in self.parts[k])
        ]
        return bool(mine) and all(any(_overlap(node, other) for other in others) for node in mine)


def _overlap(one: Node, other: Node) -> bool:
    if one.place is None or other.place is None or one.place[0] is not other.place[0]:
        return False
    a, b = one.place[1], other.place[1]
    return a < b + other.size and b < a + one.size


def _chases(nodes: frozenset[Node], into: Sequence[Need]) -> bool:
    """Whether a load is on a cycle of values through its own address."""
    sources: dict[Node, list[Node]] = {node: [] for node in nodes}
    for need in into:
        if need.by is not By.CHOICE:
            sources[need.sink].append(need.source)
    for part in components(nodes, lambda node: sources[node]):
        inside = set(part)
        if any(node.kind is Kind.LOAD and node.arguments[0] in inside for node in part):
            return True
    return False


def _deciders(loop: LoopValues) -> dict[Label, set[Label]]:
    end = Label(-2)
    following = {
        label: tuple(s if s in loop.blocks else end for s in loop.values.following[label])
        for label in sorted(loop.blocks)
    }
    return {label: above - {end} for label, above in deciders(following, end).items()}
