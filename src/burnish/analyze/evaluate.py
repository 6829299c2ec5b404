"""What a round makes of a value, for an example of all that goes into it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from burnish.analyze.loop_values import By, LoopValues, deciding_branches, ways_to
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label
from burnish.core.pcode import OpCode
from burnish.domains.floats import from_number
from burnish.domains.integers import DivisionError, compute, join

_NUMBERS = (-3.25, -1.0, -0.001, 0.5, 1.0, 2.0, 1e10, -1e10)
_MOST_DEPTH = 60
_MOST_STEPS = 200


class NotComputedError(Exception):
    """An example has no result; ``always`` says that no other will have one."""

    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always


class Example:
    """One example: ``start`` is the value of ``root`` when the round begins, ``result`` that when it ends, ``decided``
    whether a branch or a choice on something else came into it. ``lane`` is the size of floating-point numbers, 0 where
    values are integers; ``literals`` are among those drawn."""

    def __init__(
        self,
        loop: LoopValues,
        numbers: Mapping[Node, int],
        nodes: frozenset[Node],
        root: Node,
        draw: random.Random,
        lane: int,
        literals: Sequence[int] = (),
    ) -> None:
        self.loop = loop
        self.numbers = numbers
        self.nodes = nodes
        self.root = root
        self.draw = draw
        self.lane = lane
        self.literals = literals
        self.decided = False
        self.start = self._drawn(root.size)
        self.result = 0
        self._values: dict[Node, int] = {root: self.start}
        self._leaves: dict[int, int] = {}
        self._depth = 0

    def compute(self) -> None:
        """Find the result. Raises ``NotComputedError``."""
        root = self.root
        if root.kind is Kind.PHI:
            ends = self.loop.kept_arguments(root)
        else:
            needs = [n for n in self.loop.into[root] if n.by is By.MEMORY]
            ends = [need.source.arguments[1] for need in needs]
        if len(set(ends)) != 1:
            raise NotComputedError(always=True)
        self.result = self.value(ends[0])

    def again(self) -> Example:
        """The same with another value at the start; what is not in the cycle stays. Raises ``NotComputedError``."""
        other = Example(self.loop, self.numbers, self.nodes, self.root, self.draw, self.lane, self.literals)
        other._leaves = self._leaves
        other.compute()
        return other

    def value(self, node: Node) -> int:
        """The value of a node in this example."""
        found = self._values.get(node)
        if found is None:
            self._depth += 1
            if self._depth > _MOST_DEPTH:
                raise NotComputedError(always=True)
            found = self._values[node] = self._of(node)
            self._depth -= 1
        return found

    def _of(self, node: Node) -> int:
        if node.kind is Kind.CONSTANT:
            return node.value
        if node.kind is Kind.OPERATION and (node in self.nodes or self._depth < _MOST_DEPTH // 2):
            return self._of_operation(node)
        if node not in self.nodes:
            return self._leaf(node)
        if node.kind is Kind.PHI:
            return self._of_phi(node)
        if node.kind is Kind.LOAD:
            sources = [n.source for n in self.loop.into[node] if n.by is By.MEMORY and not n.carried]
            if len(sources) == 1:
                return self.value(sources[0].arguments[1])
        raise NotComputedError(always=True)

    def _leaf(self, node: Node) -> int:
        number = self.numbers.get(node, -id(node))
        if number not in self._leaves:
            self._leaves[number] = self._drawn(node.size)
        return self._leaves[number]

    def _of_operation(self, node: Node) -> int:
        if node.opcode is OpCode.PIECE:
            total = shift = 0
            for argument in node.arguments:
                total |= self.value(argument) << 8 * shift
                shift += argument.size
            return total
        if node.opcode is OpCode.SELECT and node in self.nodes and node.arguments[0] not in self.nodes:
            self.decided = True
            return self.value(node.arguments[2 - self.draw.randrange(2)])
        try:
            return compute(node.operation(), [self.value(argument) for argument in node.arguments])
        except DivisionError:
            raise NotComputedError(always=False) from None
        except (KeyError, ValueError, OverflowError):
            if node in self.nodes:
                raise NotComputedError(always=True) from None
            return self._leaf(node)

    def _of_phi(self, phi: Node) -> int:
        """Go from where ways part to where they meet, as the conditions are that are in the cycle."""
        loop, join_at = self.loop, phi.block
        assert join_at is not None
        start = loop.tree.get(join_at, join_at)
        if start not in loop.blocks or join_at in loop.inner:
            raise NotComputedError(always=True)
        pairs = [(s, a) for s, a in zip(phi.sources, phi.arguments, strict=True) if s in loop.blocks]
        between = ways_to(loop, start, [source for source, _ in pairs])
        deciding = set(deciding_branches(loop, join_at, pairs))
        at = start
        for _ in range(_MOST_STEPS):
            ahead = [t for t in loop.values.following[at] if t == join_at or (t in between and t != start)]
            target = self._way(at, ahead, at in deciding)
            if target == join_at:
                return self.value(dict(pairs)[at])
            at = target
        raise NotComputedError(always=False)

    def _way(self, at: Label, ahead: list[Label], decides: bool) -> Label:
        if not ahead:
            raise NotComputedError(always=False)
        if not decides:
            return ahead[0]
        condition = self.loop.values.conditions[at]
        following = self.loop.values.following[at]
        if condition not in self.nodes:
            self.decided = True
            return self.draw.choice(ahead)
        if len(following) != 2:
            raise NotComputedError(always=True)
        target = following[0 if self.value(condition) else 1]
        if target not in ahead:
            raise NotComputedError(always=False)
        return target

    def _drawn(self, size: int) -> int:
        """A value: limits, small numbers and any."""
        if self.lane and size >= self.lane:
            numbers = [
                self.draw.choice((*_NUMBERS, self.draw.uniform(-9, 9))) for _ in range(size // self.lane)
            ]
            return join([from_number(np.float64(number), self.lane) for number in numbers], self.lane)
        lane = min(size, 4) if size > 8 else size
        return join([self._lane(8 * lane) for _ in range(max(1, size // lane))], lane)

    def _lane(self, bits: int) -> int:
        top = 1 << bits - 1
        limits = (0, 1, 2, top - 1, top, 2 * top - 1, 2 * top - 2)
        some = tuple(self.draw.getrandbits(bits) for _ in range(9))
        return self.draw.choice((*limits, *some, *self.literals)) & 2 * top - 1
