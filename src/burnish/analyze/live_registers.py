"""Registers that a loop or function reads before it writes them, and those that it writes and that are read later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from burnish.core.code import Label, Return, successors
from burnish.core.pcode import OpCode, Operation
from burnish.machine.registers import FLAG_CELLS
from burnish.recompile.bits import ARGUMENTS, STACK_POINTER, cells_in, cells_mask
from burnish.recompile.liveness import terminator_uses, uses_and_defs
from burnish.recompile.planned import Plan
from burnish.recompile.provenance import FrameAddress

_RESULTS = cells_mask(("rax", "xmm0"))
"""The convention has second ones, and nearly no function uses them."""
_LEFT_OUT = STACK_POINTER | cells_mask(cell.name for cell in FLAG_CELLS)


def loop_registers(plan: Plan, blocks: frozenset[Label]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``(live in, live out)`` of a loop. Flags, the stack pointer, and registers that hold a fixed place in the frame
    are left out."""
    inside = [block for block in plan.function.blocks if block.label in blocks]
    after = _live(plan, {block.label for block in plan.function.blocks}, lambda label: _RESULTS)
    ways = {block.label: successors(block.terminator) for block in inside}
    exits = {target for targets in ways.values() for target in targets if target not in blocks}
    before = _live(plan, blocks, lambda label: 0)
    entries = {
        target
        for block in plan.function.blocks
        if block.label not in blocks
        for target in successors(block.terminator)
        if target in blocks
    }
    read = wanted = written = 0
    for label in entries:
        read |= before[label]
    for label in exits:
        wanted |= after[label]
    for block in inside:
        if isinstance(block.terminator, Return):
            wanted |= _RESULTS
        for operation in plan.operations[block.label]:
            written |= _effect(operation, plan)[1]
    fixed = _in_frame(plan, blocks)
    return _names(read & ~fixed), _names(wanted & written & ~fixed)


def function_registers(plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``(live in, live out)`` of a function: arguments, and results."""
    certain, perhaps = arguments_read(plan)
    written = 0
    for block in plan.function.blocks:
        for operation in plan.operations[block.label]:
            written |= _effect(operation, plan)[1]
    return _names(certain | perhaps), _names(plan.results & written & _RESULTS)


def arguments_read(plan: Plan) -> tuple[int, int]:
    """Register bytes that a function reads as its caller left them, and those that calls in it perhaps read. Unlike a
    plan's own, these are without what is only still there when it returns."""
    labels = [block.label for block in plan.function.blocks]
    certain = _live(plan, labels, lambda label: 0, surely=True)[labels[0]] & ARGUMENTS
    perhaps = _live(plan, labels, lambda label: 0)[labels[0]] & ARGUMENTS
    return certain, perhaps & ~certain


def _effect(operation: Operation, plan: Plan, surely: bool = False) -> tuple[int, int]:
    read, perhaps, written = uses_and_defs(operation, plan.summarise)
    if operation.opcode is OpCode.CALL and operation.inputs[0].offset == plan.function.address:
        return STACK_POINTER, written  # it reads what the function does
    return read | (0 if surely else perhaps), written


def _live(
    plan: Plan, blocks: Iterable[Label], at_return: Callable[[Label], int], surely: bool = False
) -> Mapping[Label, int]:
    """Register bytes live at the start of each of ``blocks``; nothing is behind them but what ``at_return`` says."""
    inside = set(blocks)
    bodies = {block.label: block for block in plan.function.blocks if block.label in inside}
    found = dict.fromkeys(bodies, 0)
    before: dict[Label, set[Label]] = {label: set() for label in bodies}
    for label, block in bodies.items():
        for target in successors(block.terminator):
            if target in inside:
                before[target].add(label)
    work = set(bodies)
    while work:
        label = work.pop()
        block = bodies[label]
        if isinstance(block.terminator, Return):
            live = at_return(label)
        else:
            certain, perhaps = terminator_uses(block, plan.summarise)
            live = certain if surely else certain | perhaps
        for target in successors(block.terminator):
            live |= found.get(target, 0)
        for operation in reversed(plan.operations[label]):
            read, written = _effect(operation, plan, surely)
            live = live & ~written | read
        if live != found[label]:
            found[label] = live
            work |= before[label]
    return found


def _in_frame(plan: Plan, blocks: Iterable[Label]) -> int:
    names: set[str] | None = None
    for label in blocks:
        facts = plan.layout.facts.get(label, {})
        here = {name for name, shape in facts.items() if isinstance(shape, FrameAddress)}
        names = here if names is None else names & here
    return cells_mask(names or ())


def _names(mask: int) -> tuple[str, ...]:
    return tuple(cell.name for cell, _ in cells_in(mask & ~_LEFT_OUT))
