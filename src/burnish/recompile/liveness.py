"""Which register bytes are read later, and which hold a value at all.

Liveness is the textbook backward analysis (Cooper and Torczon, *Engineering a Compiler*, section 8.6), by bytes:
a write to EAX followed by its zero extension does not keep the old RAX alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from burnish.core.code import Block, Branch, Function, Label, Return, Switch, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import CALLEE_SAVED
from burnish.recompile.bits import (
    ARGUMENTS,
    RETURN_VALUES,
    STACK_POINTER,
    cells_mask,
    varnode_mask,
)
from burnish.recompile.calls import CallSummary

Summarise = Callable[[Operation | TailCall], CallSummary]
"""What a call or tail call does; given the call's operation or the terminator."""

_RESTORED = cells_mask(CALLEE_SAVED)
_ZEROING = frozenset((OpCode.INT_XOR, OpCode.INT_SUB))


def uses_and_defs(operation: Operation, summarise: Summarise) -> tuple[int, int, int]:
    """``(read for certain, read perhaps, written)`` as sets of register bytes."""
    opcode, output, inputs, lane = operation
    match opcode:
        case OpCode.CALL | OpCode.CALLIND:
            summary = summarise(operation)
            target = varnode_mask(inputs[0])
            return summary.certain | STACK_POINTER | target, summary.arguments, summary.clobbers
        case OpCode.REP_MOVS:
            mask = varnode_mask(inputs[0]) | varnode_mask(inputs[1]) | varnode_mask(inputs[2])
            return mask, 0, mask
        case OpCode.REP_STOS:
            written = varnode_mask(inputs[0]) | varnode_mask(inputs[2])
            return written | varnode_mask(inputs[1]), 0, written
        case _:
            pass
    written = varnode_mask(output) if output is not None else 0
    if opcode in _ZEROING and inputs[0] == inputs[1] and inputs[0].space is Space.REGISTER:
        return 0, 0, written
    if lane and opcode is OpCode.INT_EQUAL and inputs[0] == inputs[1]:
        return 0, 0, written
    read = 0
    for node in inputs:
        read |= varnode_mask(node)
    return read, 0, written


def has_effect(operation: Operation) -> bool:
    """True for operations that do more than give their output a value."""
    return operation.output is None


@dataclass(frozen=True, slots=True)
class Liveness:
    """For each block: bytes live at its start and at its end; and, for the convention's sake, those that are
    certainly read (unknown calls excepted)."""

    live_in: dict[Label, int]
    live_out: dict[Label, int]
    certain_out: dict[Label, int]


def terminator_uses(block: Block, summarise: Summarise) -> tuple[int, int]:
    """Register bytes that a terminator reads: ``(certainly, perhaps)``."""
    match block.terminator:
        case Return():
            return RETURN_VALUES | _RESTORED | STACK_POINTER, 0
        case TailCall(target) as tail:
            summary = summarise(tail)
            return summary.certain | _RESTORED | STACK_POINTER | varnode_mask(target), summary.arguments
        case Branch(condition):
            return varnode_mask(condition), 0
        case Switch(selector=selector, index=index):
            return varnode_mask(selector) | (varnode_mask(index) if index is not None else 0), 0
        case _:
            return 0, 0


def liveness(function: Function, summarise: Summarise) -> Liveness:
    """Solve both analyses to their fixed points."""
    transfer: dict[Label, tuple[int, int, int, int]] = {}
    for block in function.blocks:
        certain, perhaps = terminator_uses(block, summarise)
        live, sure, kill = certain | perhaps, certain, 0
        for operation in reversed(block.operations):
            read, maybe, written = uses_and_defs(operation, summarise)
            live = live & ~written | read | maybe
            sure = sure & ~written | read
            kill |= written
        transfer[block.label] = (live, sure, kill, 0)
    order = [block.label for block in reversed(function.blocks)]
    following = {block.label: successors(block.terminator) for block in function.blocks}
    live_in = dict.fromkeys(order, 0)
    sure_in = dict.fromkeys(order, 0)
    live_out = dict.fromkeys(order, 0)
    sure_out = dict.fromkeys(order, 0)
    changed = True
    while changed:
        changed = False
        for label in order:
            out = sure = 0
            for successor in following[label]:
                out |= live_in[successor]
                sure |= sure_in[successor]
            live, certain, kill, _ = transfer[label]
            live_out[label], sure_out[label] = out, sure
            new, new_sure = live | out & ~kill, certain | sure & ~kill
            if new != live_in[label] or new_sure != sure_in[label]:
                live_in[label], sure_in[label] = new, new_sure
                changed = True
    return Liveness(live_in, live_out, sure_out)


def carried_temporaries(function: Function) -> dict[int, int]:
    """Temporaries that one block writes and another reads, as an instruction with jumps inside has them: offset
    to size."""
    carried: dict[int, int] = {}
    for block in function.blocks:
        written: set[int] = set()
        for operation in block.operations:
            for node in operation.inputs:
                if node.space is Space.UNIQUE and node.offset not in written:
                    carried[node.offset] = max(node.size, carried.get(node.offset, 0))
            if operation.output is not None and operation.output.space is Space.UNIQUE:
                written.add(operation.output.offset)
        for node in _terminator_temporaries(block):
            if node.offset not in written:
                carried[node.offset] = max(node.size, carried.get(node.offset, 0))
    return carried


def without_dead(
    block: Block, live_out: int, summarise: Summarise, carried: Iterable[int] = ()
) -> tuple[Operation, ...]:
    """The block's operations less those whose result nobody reads."""
    certain, perhaps = terminator_uses(block, summarise)
    live = live_out | certain | perhaps
    always = frozenset(carried)
    temporaries = {node.offset for node in _terminator_temporaries(block)}
    kept: list[Operation] = []
    for operation in reversed(block.operations):
        output = operation.output
        if output is not None:
            if output.space is Space.REGISTER:
                if not varnode_mask(output) & live:
                    continue
            elif output.offset in always:
                pass
            elif output.offset not in temporaries:
                continue
            else:
                temporaries.discard(output.offset)
        read, maybe, written = uses_and_defs(operation, summarise)
        live = live & ~written | read | maybe
        temporaries.update(n.offset for n in operation.inputs if n.space is Space.UNIQUE)
        kept.append(operation)
    kept.reverse()
    return tuple(kept)


def _terminator_temporaries(block: Block) -> list[Varnode]:
    nodes: list[Varnode] = []
    match block.terminator:
        case Branch(condition):
            nodes = [condition]
        case Switch(selector=selector, index=index):
            nodes = [selector] if index is None else [selector, index]
        case TailCall(target):
            nodes = [target]
        case _:
            pass
    return [n for n in nodes if n.space is Space.UNIQUE]


def defined(function: Function, summarise: Summarise) -> dict[Label, int]:
    """Register bytes that hold a value on *every* path to the start of each block, under the ABI: arguments at
    entry, and what was written since the last call, or returned by it."""
    initial = ARGUMENTS | _RESTORED | STACK_POINTER
    order = [block.label for block in function.blocks]
    blocks = {block.label: block for block in function.blocks}
    state: dict[Label, int | None] = dict.fromkeys(order, None)
    state[order[0]] = initial
    pending = [order[0]]
    while pending:
        label = pending.pop()
        current = state[label]
        assert current is not None
        for operation in blocks[label].operations:
            current = define(current, operation, summarise)
        for successor in successors(blocks[label].terminator):
            before = state[successor]
            after = current if before is None else before & current
            if after != before:
                state[successor] = after
                pending.append(successor)
    return {label: mask or 0 for label, mask in state.items()}


def define(current: int, operation: Operation, summarise: Summarise) -> int:
    """The bytes that hold a value after an operation, given those before."""
    if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
        return current & ~summarise(operation).clobbers | RETURN_VALUES
    _, _, written = uses_and_defs(operation, summarise)
    return current | written
