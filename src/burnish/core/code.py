"""Code at four sizes: function, block, instruction, operation; and the refusal to lift any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from burnish.core.pcode import Operation, Varnode


class Reason(Enum):
    """Why code is refused. The value is the sentence that the user reads."""

    UNKNOWN_BYTES = "bytes that do not decode"
    NO_MEANING = "an instruction without a p-code meaning"
    X87 = "x87 floating point or MMX"
    ATOMIC = "a locked or otherwise atomic instruction"
    AVX = "an AVX, AVX-512 or FMA instruction"
    SEGMENT = "an access through gs:"
    SYSTEM = "a system call or privileged instruction"
    CONTROL_STATE = "reads or writes MXCSR or the direction flag"
    UNRESOLVED_JUMP = "an indirect jump whose targets were not found"
    STACK_DEPTH = "a stack depth that differs or is not known"
    STACK_ARGUMENTS = "stack arguments whose extent is not known"
    RETURN_ADDRESS = "reads or moves its return address"
    CONVENTION = "does not follow the System V calling convention"
    VARIADIC = "takes a variable number of arguments"
    RETURNS_TWICE = "calls a function that returns twice"
    RUNS_ON = "runs past its end into other code"
    UNWIND = "has an exception handler"
    TOO_LARGE = "larger than the limit"
    EMPTY = "no code"
    TOO_SMALL = "too small to be patched"
    CODE_GENERATION = "the compiler rejected the rebuilt function"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: data that ``coverage`` counts. ``address`` is the image address of the culprit."""

    reason: Reason
    address: int
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.reason.value} at {self.address:#x}"
        return f"{text} ({self.detail})" if self.detail else text


@dataclass(frozen=True, slots=True)
class Instruction:
    """One machine instruction and its meaning.

    ``operations`` may contain ``BRANCH`` and ``CBRANCH`` whose first input is a ``CONST`` varnode: a jump inside
    this instruction, relative to the index of the operation itself, as in p-code. A target equal to
    ``len(operations)`` falls through to the next instruction.
    """

    address: int
    size: int
    operations: tuple[Operation, ...]
    refused: Refused | None = None

    @property
    def end(self) -> int:
        return self.address + self.size


class Label(NamedTuple):
    """Names a block: the address of its first instruction, and the index of its first operation in that
    instruction (non-zero for a block that begins inside an instruction)."""

    address: int
    part: int = 0

    def __str__(self) -> str:
        return f"{self.address:#x}" if not self.part else f"{self.address:#x}.{self.part}"


@dataclass(frozen=True, slots=True)
class Jump:
    """Always continues at ``target``."""

    target: Label


@dataclass(frozen=True, slots=True)
class Branch:
    """Continues at ``taken`` if ``condition`` (one byte, 0 or 1) holds, else at ``fallthrough``."""

    condition: Varnode
    taken: Label
    fallthrough: Label


@dataclass(frozen=True, slots=True)
class Switch:
    """A jump through a table. ``selector`` is the varnode that holds the target address at the end of the block;
    ``targets`` are all addresses that it can hold, without repetition, in order of first appearance.

    Where the index was recovered, ``index`` is a varnode live at the end of the block and ``cases`` maps each of
    its values to a label; values outside ``cases`` cannot occur. ``index`` is None where only the targets are known.
    ``index_after`` is of use only while control flow is being found: ``index`` holds the index after that many of the
    block's operations, and something else at its end.
    """

    selector: Varnode
    targets: tuple[Label, ...]
    index: Varnode | None = None
    cases: tuple[tuple[int, Label], ...] = ()
    index_after: int | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """Returns to the caller; the pop of the return address is implied."""


@dataclass(frozen=True, slots=True)
class TailCall:
    """Leaves the function by a jump to another. ``target`` is a ``RAM`` varnode (known address) or the varnode
    that holds the address."""

    target: Varnode


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Control never gets here: after a call that does not return, or a trap (``ud2``, ``hlt``)."""

    trap: bool = False


Terminator = Jump | Branch | Switch | Return | TailCall | Unreachable


@dataclass(frozen=True, slots=True)
class Block:
    """Straight-line operations with one entry and one terminator. ``CALL`` and ``CALLIND`` stand inside.

    ``marks`` gives for each machine instruction that begins in this block its address and the index in
    ``operations`` of its first operation.
    """

    label: Label
    operations: tuple[Operation, ...]
    terminator: Terminator
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its control flow. The first block is the entry.

    ``size`` is the number of bytes from ``address`` that belong to it; blocks may lie outside (``.cold`` parts).
    """

    name: str
    address: int
    size: int
    blocks: tuple[Block, ...]
    instructions: tuple[Instruction, ...] = field(repr=False)

    def block(self, label: Label) -> Block:
        """The block of that label; raises ``KeyError``."""
        for block in self.blocks:
            if block.label == label:
                return block
        raise KeyError(str(label))


def successors(terminator: Terminator) -> tuple[Label, ...]:
    """Labels that control may go to, without repetition; empty when it leaves the function."""
    match terminator:
        case Jump(target):
            return (target,)
        case Branch(_, taken, fallthrough):
            return (taken,) if taken == fallthrough else (taken, fallthrough)
        case Switch(targets=targets):
            return targets
        case Return() | TailCall() | Unreachable():
            return ()
