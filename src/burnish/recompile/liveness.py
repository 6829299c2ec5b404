"""Which register bytes are read later, and which hold a value at all.

Liveness is the textbook backward analysis (Cooper and Torczon, *Engineering a Compiler*, section 8.6), by bytes:
a write to EAX followed by its zero extension does not keep the old RAX alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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


def uses_and_defs(operation: Operation, summarise: Summarise) -> tuple[int, int, int]:
    """``(read for certain, read perhaps, written)`` as sets of register bytes."""
    opcode, output, inputs, _ = operation
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
    certainly read: by an instruction whose result may be read, or by a call that is known to read them. What only
    an unknown call may read where it stands is live, and not certain."""

    live_in: dict[Label, int]
    live_out: dict[Label, int]
    certain_in: dict[Label, int]
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
    """Solve both analyses to their fixed points. An operation reads its operands only if its own result is read:
    flags that a shift by zero would keep do not keep each other alive."""
    carried = carried_temporaries(function)
    rows = {block.label: _rows(block, summarise) for block in function.blocks}
    ends = {block.label: terminator_uses(block, summarise) for block in function.blocks}
    following = {block.label: successors(block.terminator) for block in function.blocks}
    before: dict[Label, list[Label]] = {label: [] for label in following}
    for label, targets in following.items():
        for target in targets:
            before[target].append(label)
    live_in = dict.fromkeys(following, 0)
    live_out = dict.fromkeys(following, 0)
    certain_in = dict.fromkeys(following, 0)
    certain_out = dict.fromkeys(following, 0)
    pending = dict.fromkeys(following)
    while pending:
        label, _ = pending.popitem()
        out = certain = 0
        for successor in following[label]:
            out |= live_in[successor]
            certain |= certain_in[successor]
        live_out[label], certain_out[label] = out, certain
        sure, perhaps = ends[label]
        new, new_certain = _backwards(rows[label], out | sure | perhaps, certain | sure, carried)
        if new != live_in[label] or new_certain != certain_in[label]:
            live_in[label], certain_in[label] = new, new_certain
            pending.update(dict.fromkeys(before[label]))
    return Liveness(live_in, live_out, certain_in, certain_out)


_Row = tuple[int, int, int, int | None, frozenset[int]]
"""Of one operation: bytes read, perhaps read, written; the temporary written; the temporaries read. The
temporary is -1 for an operation with an effect."""


def _rows(block: Block, summarise: Summarise) -> list[_Row]:
    """The operations of a block from the last to the first, as the analysis needs them."""
    rows: list[_Row] = []
    for operation in reversed(block.operations):
        read, maybe, written = uses_and_defs(operation, summarise)
        output = operation.output
        temporary = -1 if output is None else output.offset if output.space is Space.UNIQUE else None
        used = frozenset(n.offset for n in operation.inputs if n.space is Space.UNIQUE)
        rows.append((read, maybe, written, temporary, used))
    ends = frozenset(n.offset for n in _terminator_temporaries(block))
    rows.insert(0, (0, 0, 0, -1, ends))
    return rows


def _backwards(rows: Iterable[_Row], live: int, certain: int, carried: Mapping[int, int]) -> tuple[int, int]:
    wanted: set[int] = set()
    for row in rows:
        live, certain = _step(row, live, certain, wanted, carried)
    return live, certain


def _step(
    row: _Row, live: int, certain: int, wanted: set[int], carried: Mapping[int, int]
) -> tuple[int, int]:
    """Bytes live, and certainly read, before one operation; ``wanted``, the temporaries read later, is updated."""
    read, maybe, written, temporary, used = row
    if temporary is None:
        if not written & live:
            return live, certain
    elif temporary != -1:
        if temporary not in wanted and temporary not in carried:
            return live, certain
        wanted.discard(temporary)
    wanted |= used
    return live & ~written | read | maybe, certain & ~written | read


def live_across_calls(
    block: Block, known: Liveness, summarise: Summarise, carried: Mapping[int, int]
) -> list[tuple[Operation, int]]:
    """The calls of a block, last first, each with the register bytes that are certainly read after it."""
    found: list[tuple[Operation, int]] = []
    sure, perhaps = terminator_uses(block, summarise)
    live, certain = known.live_out[block.label] | sure | perhaps, known.certain_out[block.label] | sure
    wanted: set[int] = {n.offset for n in _terminator_temporaries(block)}
    for operation, row in zip(reversed(block.operations), _rows(block, summarise)[1:], strict=True):
        if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
            found.append((operation, certain))
        live, certain = _step(row, live, certain, wanted, carried)
    return found


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
    return tuple(block.operations[place] for place in alive(block, live_out, summarise, carried))


def alive(block: Block, live_out: int, summarise: Summarise, carried: Iterable[int] = ()) -> tuple[int, ...]:
    """The places of those operations in the block. The same operation may be in several."""
    certain, perhaps = terminator_uses(block, summarise)
    live = live_out | certain | perhaps
    always = frozenset(carried)
    temporaries = {node.offset for node in _terminator_temporaries(block)}
    kept: list[int] = []
    for place in reversed(range(len(block.operations))):
        operation = block.operations[place]
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
        kept.append(place)
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


def defined(function: Function, summarise: Summarise, *, surely: bool = False) -> dict[Label, int]:
    """Register bytes that hold a value on *every* path to the start of each block, under the ABI: arguments at
    entry, and what was written since the last call, or returned by it (``surely``: see ``define``)."""
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
            current = define(current, operation, summarise, surely=surely)
        for successor in successors(blocks[label].terminator):
            before = state[successor]
            after = current if before is None else before & current
            if after != before:
                state[successor] = after
                pending.append(successor)
    return {label: mask or 0 for label, mask in state.items()}


def define(current: int, operation: Operation, summarise: Summarise, *, surely: bool = False) -> int:
    """The bytes that hold a value after an operation, given those before. After a call those of the result may hold
    one; ``surely`` asks for those that the callee is known to give one."""
    if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
        summary = summarise(operation)
        results = summary.results if surely else RETURN_VALUES
        return current & ~summary.clobbers | results & summary.clobbers
    _, _, written = uses_and_defs(operation, summarise)
    return current | written
