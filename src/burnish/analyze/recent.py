"""Values that are made of what the last few rounds read: of the round before, or bits that are shifted through a
register until none is left. Each round can compute them again, as long as nothing writes what they were read from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from burnish.analyze.loop_values import By, LoopValues
from burnish.analyze.values import Kind, Node
from burnish.core.pcode import OpCode

if TYPE_CHECKING:
    from burnish.analyze.recurrence_kinds import LoopKinds

_MOST_ROUNDS = 8
_SAME = (OpCode.COPY, OpCode.INT_ZEXT, OpCode.ADDRESS)
_BITWISE = (OpCode.INT_OR, OpCode.INT_XOR, OpCode.INT_AND)
_SUMS = (OpCode.INT_ADD, OpCode.INT_SUB)


def computed_again(
    kinds: LoopKinds, starts: Iterable[Node], nodes: frozenset[Node], most: int, known: int
) -> bool:
    """Whether values need no more than ``most`` operations of a round, of values whose level is at most ``known``, of
    ``nodes``, and of memory that the loop was not seen to write."""
    work = [node for node in dict.fromkeys(starts) if node not in nodes]
    seen = set(work)
    operations = 0
    while work:
        node = work.pop()
        if kinds.level_of(node) <= known:
            continue
        needs = kinds.loop.into[node]
        match node.kind:
            case Kind.OPERATION:
                operations += 1
            case Kind.LOAD if len(node.arguments) == 1 and node not in kinds.loop.overwritten:
                if any(need.by is By.MEMORY for need in needs):
                    return False
                operations += 1
            case Kind.PHI if node.block != kinds.loop.header and node.block not in kinds.loop.inner:
                pass
            case _:
                return False
        if operations > most:
            return False
        for need in needs:
            if need.source not in seen and need.source not in nodes:
                seen.add(need.source)
                work.append(need.source)
    return True


def rounds_until_gone(loop: LoopValues, nodes: frozenset[Node], roots: Collection[Node]) -> int:
    """For how many rounds what a cycle hands on shows in anything outside of it; 0 where that may be for ever."""
    if any(node.kind not in (Kind.PHI, Kind.OPERATION) for node in nodes) or any(
        root.kind is not Kind.PHI for root in roots
    ):
        return 0
    conditions = {condition for _, condition in loop.conditions()}
    # Of a wider register often just a part is read.
    parts = {
        need.sink
        for node in nodes
        for need in loop.out_of[node]
        if need.sink.kind is Kind.OPERATION and need.sink.opcode is OpCode.SUBPIECE
    }
    area = nodes | parts
    seen = parts - nodes | {
        node
        for node in nodes
        if node in conditions
        or node in loop.used_after
        or any(need.sink not in area for need in loop.out_of[node])
    }
    left = {root: _full(root) for root in roots}
    for rounds in range(_MOST_ROUNDS + 1):
        bits = _Bits(loop, area, left)
        if not any(bits.of(node) for node in seen):
            return max(1, rounds)
        after = dict.fromkeys(roots, 0)
        for root in roots:
            for argument in loop.kept_arguments(root):
                after[root] |= bits.of(argument)
        if after == left and rounds:
            return 0
        left = after
    return 0


def _full(node: Node) -> int:
    return (1 << 8 * node.size) - 1


class _Bits:
    """Which bits of the values of a cycle depend on what it was some rounds ago: on bits ``left`` of its roots."""

    def __init__(self, loop: LoopValues, nodes: frozenset[Node], left: Mapping[Node, int]) -> None:
        self._loop = loop
        self._nodes = nodes
        self._known = dict(left)

    def of(self, node: Node) -> int:
        """A mask, 0 for what is outside."""
        if node not in self._nodes:
            return 0
        if node not in self._known:
            self._known[node] = _full(node)  # of a cycle inside
            self._known[node] = self._phi(node) if node.kind is Kind.PHI else self._operation(node)
        return self._known[node]

    def _phi(self, node: Node) -> int:
        needs = self._loop.into[node]
        if node.block in self._loop.inner or any(n.by is By.CHOICE and self.of(n.source) for n in needs):
            return _full(node)
        found = 0
        for argument in self._loop.kept_arguments(node):
            found |= self.of(argument)
        return found

    def _operation(self, node: Node) -> int:
        masks = [self.of(argument) for argument in node.arguments]
        if not any(masks):
            return 0
        full, first, last = _full(node), masks[0], node.arguments[-1]
        constant = last.value if last.kind is Kind.CONSTANT and len(masks) == 2 else None
        if node.lane:
            return full
        match node.opcode:
            case opcode if opcode in _SAME:
                return first & full
            case OpCode.INT_AND if constant is not None:
                return first & constant
            case opcode if opcode in _BITWISE:
                return masks[0] | masks[1]
            case opcode if opcode in _SUMS:
                both = masks[0] | masks[1]
                return full & -(both & -both)
            case OpCode.INT_LEFT if constant is not None:
                return first << min(constant, 8 * node.size) & full
            case OpCode.INT_RIGHT if constant is not None:
                return first >> min(constant, 8 * node.size)
            case OpCode.SUBPIECE if constant is not None:
                return first >> 8 * constant & full
            case OpCode.PIECE:
                return self._joined(node)
            case _:
                return full

    def _joined(self, node: Node) -> int:
        found = start = 0
        for argument in node.arguments:
            found |= self.of(argument) << start
            start += 8 * argument.size
        return found
