"""What a block looks like from outside: its extent, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from burnish.core.code import (
    Block,
    Branch,
    Function,
    Jump,
    Label,
    Return,
    Switch,
    TailCall,
    Unreachable,
)
from burnish.core.recording import EdgeKind, Ending


@dataclass(frozen=True, slots=True)
class BlockShape:
    """A block: size in bytes and instructions that begin in it, the address of the last one, and its ending.
    ``taken`` is the target of the jump of a branch."""

    label: Label
    size: int
    instructions: int
    last: int
    ending: Ending
    taken: Label | None = None

    def kind(self, target: Label) -> EdgeKind:
        """Which way the edge to ``target`` is. Where both ways of a branch lead there, it is taken."""
        match self.ending:
            case Ending.BRANCH:
                return EdgeKind.TAKEN if target == self.taken else EdgeKind.FALLTHROUGH
            case Ending.SWITCH:
                return EdgeKind.CASE
            case Ending.RUNS_ON:
                return EdgeKind.FALLTHROUGH
            case _:
                return EdgeKind.JUMP


def block_shapes(function: Function) -> Iterator[BlockShape]:
    """The shapes of a function's blocks, in their order."""
    sizes = {instruction.address: instruction.size for instruction in function.instructions}
    for block in function.blocks:
        marks = [address for address, _ in block.marks]
        size = sum(sizes.get(address, 0) for address in marks)
        last = marks[-1] if marks else block.label.address
        taken = block.terminator.taken if isinstance(block.terminator, Branch) else None
        end = last + sizes.get(last, 0)
        yield BlockShape(block.label, size, len(marks), last, _ending(block, end), taken)


def _ending(block: Block, end: int) -> Ending:
    match block.terminator:
        case Jump(target):
            # A jump to the next instruction is hardly ever made; a block that another leads into in the middle is.
            return Ending.RUNS_ON if target == Label(end) else Ending.JUMP
        case Branch():
            return Ending.BRANCH
        case Switch():
            return Ending.SWITCH
        case Return():
            return Ending.RETURN
        case TailCall():
            return Ending.TAIL_CALL
        case Unreachable():
            return Ending.STOPS
        case _:
            assert_never(block.terminator)
