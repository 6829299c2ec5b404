"""Cuts reached instructions into basic blocks."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from burnish.core.code import Block, Instruction, Jump, Label, Switch, Terminator
from burnish.core.pcode import OpCode, Operation, Space, Varnode

_CONTROL = (OpCode.BRANCH, OpCode.CBRANCH, OpCode.BRANCHIND, OpCode.RETURN)

_INDEX = 1 << 40
"""Offset of the temporary that keeps the index of a table: beyond all that lifting makes."""


def cut_blocks(
    entry: int,
    instructions: Mapping[int, Instruction],
    ends: Mapping[int, Terminator],
    leaders: Set[int],
) -> tuple[Block, ...]:
    """The blocks that begin at ``leaders``, the entry's first and then by address.

    ``instructions`` has all reached instructions by address, ``ends`` the terminator after each of those that
    end a block. A leader that is no reached instruction is left out.
    """
    order = sorted(leaders & instructions.keys())
    order.remove(entry)
    return tuple(_block(start, instructions, ends, leaders) for start in (entry, *order))


def _block(
    start: int, instructions: Mapping[int, Instruction], ends: Mapping[int, Terminator], leaders: Set[int]
) -> Block:
    operations: list[Operation] = []
    marks: list[tuple[int, int]] = []
    address = start
    while True:
        instruction = instructions[address]
        marks.append((address, len(operations)))
        operations.extend(instruction.operations)
        if operations and operations[-1].opcode in _CONTROL:
            operations.pop()
        terminator = ends.get(address)
        if terminator is not None:
            break
        address = instruction.end
        if address in leaders:
            terminator = Jump(Label(address))
            break
    return Block(Label(start), tuple(operations), terminator, tuple(marks))


def with_index_kept(block: Block) -> Block:
    """The block with a copy of its table's index in a temporary, where its last register is written over before the
    jump."""
    switch = block.terminator
    if not isinstance(switch, Switch) or switch.index is None or switch.index_after is None:
        return block
    after = switch.index_after
    kept = Varnode(Space.UNIQUE, _INDEX, switch.index.size)
    copy = Operation(OpCode.COPY, kept, (switch.index,))
    return Block(
        block.label,
        (*block.operations[:after], copy, *block.operations[after:]),
        replace(switch, index=kept, index_after=None),
        # The copy belongs to the instruction before it, or to the first.
        tuple((address, index + (index >= max(after, 1))) for address, index in block.marks),
    )
