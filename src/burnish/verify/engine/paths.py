"""What is known of code before it is executed: how many paths it has, and what it calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.analyze.flow import depth_first
from burnish.core.code import Block, Function, TailCall, successors
from burnish.core.pcode import OpCode, Space
from burnish.verify.engine.library import is_known
from burnish.verify.pair import Pair, Side

MANY = 1 << 20
"""As many paths, or more than are counted."""
_DEEPEST = 4
"""Calls of calls that are followed, at most."""


@dataclass
class Paths:
    """Counts the paths of one side, through the callees named in ``inline`` as if they stood in line."""

    side: Side
    inline: frozenset[str]
    _known: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int], repr=False)

    @property
    def count(self) -> int:
        """The paths from the entry to the ends, ``MANY`` at most; so many have loops, too."""
        return self.through(self.side.function)

    def through(self, function: Function, deepest: int = _DEEPEST) -> int:
        """The same of another function, whose calls are followed ``deepest`` deep."""
        key = function.address, deepest
        if key not in self._known:
            self._known[key] = self._counted(function, deepest)
        return self._known[key]

    def _counted(self, function: Function, deepest: int) -> int:
        blocks = {block.label: block for block in function.blocks}
        following = {label: successors(block.terminator) for label, block in blocks.items()}
        order, back = depth_first(function.blocks[0].label, following)
        if back:
            return MANY
        counts = dict.fromkeys(order, 1)
        for label in reversed(order):
            onward = sum(counts[to] for to in following[label]) or 1
            for address in _called(blocks[label]):
                callee, body = self.side.callees.get(address), self.side.bodies.get(address)
                if deepest and body is not None and callee is not None and callee.name in self.inline:
                    onward *= self.through(body, deepest - 1)
            counts[label] = min(onward, MANY)
        return counts[order[0]]


def _called(block: Block) -> list[int]:
    found = [op.inputs[0].offset for op in block.operations if op.opcode is OpCode.CALL]
    if isinstance(block.terminator, TailCall) and block.terminator.target.space is Space.RAM:
        found.append(block.terminator.target.offset)
    return found


def alone(pair: Pair) -> tuple[frozenset[str], frozenset[str]]:
    """Callees of each side that the other never calls, not through others either, as far as their code is known and has
    no loops: what they do the other does in line."""
    return _alone(pair.original, pair.rewrite), _alone(pair.rewrite, pair.original)


def _alone(side: Side, other: Side) -> frozenset[str]:
    there = {callee.name for callee in other.callees.values()}
    paths = Paths(side, frozenset())
    return frozenset(
        callee.name
        for address, callee in side.callees.items()
        if callee.name not in there
        and (is_known(callee) or (address in side.bodies and paths.through(side.bodies[address]) < MANY))
    )
