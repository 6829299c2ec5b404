"""Loads that may wait for another thread or a signal handler, and so must be done every time.

Machine code does not say which accesses were ``volatile`` or atomic. A compiler hoists a plain load of an address
that does not change out of a loop whenever it can; where it did not, either it could not (a store in the loop may
alias), or it must not. LLVM would hoist such a load and turn a wait into an endless loop. So, in a loop:

* without stores or calls, every load from an address that the loop does not change stays where it is;
* otherwise those on which leaving the loop depends do.

Loads from the function's own frame are its own business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.core.code import Branch, Function, Label, Switch, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.recompile.bits import BASE, cell_mask, varnode_mask
from burnish.recompile.loops import loops
from burnish.recompile.provenance import FrameAddress, Shape

_MASKS = {name: cell_mask(name) for name in BASE}
_CALLS = (OpCode.CALL, OpCode.CALLIND, OpCode.REP_MOVS, OpCode.REP_STOS)


def loads_that_may_wait(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    facts: Mapping[Label, Mapping[str, Shape]],
) -> frozenset[tuple[Label, int]]:
    """``(block, index in operations)`` of the loads that must stay where they are."""
    found: set[tuple[Label, int]] = set()
    for loop in loops(function):
        found |= _in_loop(function, loop, operations, facts)
    return frozenset(found)


def _in_loop(
    function: Function,
    loop: frozenset[Label],
    operations: Mapping[Label, Sequence[Operation]],
    facts: Mapping[Label, Mapping[str, Shape]],
) -> set[tuple[Label, int]]:
    changed = 0
    quiet = True
    for label in loop:
        for operation in operations[label]:
            if operation.opcode in _CALLS:
                quiet = False
                changed = -1
            elif operation.opcode is OpCode.STORE:
                quiet = quiet and _is_frame(operation.inputs[0], label, facts)
            elif operation.output is not None:
                changed |= varnode_mask(operation.output)
    invariant: set[tuple[Label, int]] = set()
    for label in loop:
        invariant |= _invariant_loads(label, operations[label], changed, facts)
    if quiet or not invariant:
        return invariant
    return invariant & _exit_loads(function, loop, operations)


def _is_frame(node: Varnode, label: Label, facts: Mapping[Label, Mapping[str, Shape]]) -> bool:
    if node.space is not Space.REGISTER:
        return False
    known = facts.get(label, {})
    return any(
        isinstance(shape, FrameAddress) and varnode_mask(node) == _MASKS[name]
        for name, shape in known.items()
    )


def _invariant_loads(
    label: Label, operations: Sequence[Operation], changed: int, facts: Mapping[Label, Mapping[str, Shape]]
) -> set[tuple[Label, int]]:
    """Loads whose address is made only of constants, of registers that the loop does not change, and of what the
    block takes from them or from the frame; but no loads from the frame."""
    steady = 0
    """Registers that the loop changes, and that this block has given such a value."""
    varying: set[int] = set()
    framed: set[int] = set()
    found: set[tuple[Label, int]] = set()
    for index, operation in enumerate(operations):
        nodes = operation.inputs
        varies = any(
            varnode_mask(n) & changed & ~steady or (n.space is Space.UNIQUE and n.offset in varying)
            for n in nodes
        )
        frame = any(
            _is_frame(n, label, facts) or (n.space is Space.UNIQUE and n.offset in framed) for n in nodes
        )
        if operation.opcode is OpCode.LOAD:
            if not varies and not frame:
                found.add((label, index))
            # What lies in the frame may be a pointer that the loop does not change: then LLVM sees that.
            varies, frame = not frame, False
        if operation.output is None:
            steady = 0 if operation.opcode in _CALLS else steady
        elif operation.output.space is Space.REGISTER:
            written = varnode_mask(operation.output)
            steady = steady & ~written if varies or frame else steady | written
        else:
            (varying.add if varies else varying.discard)(operation.output.offset)
            (framed.add if frame else framed.discard)(operation.output.offset)
    return found


def _exit_loads(
    function: Function, loop: frozenset[Label], operations: Mapping[Label, Sequence[Operation]]
) -> set[tuple[Label, int]]:
    """Loads in the loop that a decision to leave it may depend on, through registers and temporaries."""
    wanted = 0
    temporaries: set[int] = set()
    for block in function.blocks:
        if block.label not in loop or all(s in loop for s in successors(block.terminator)):
            continue
        match block.terminator:
            case Branch(condition):
                nodes = [condition]
            case Switch(selector=selector, index=index):
                nodes = [selector, *([index] if index is not None else [])]
            case _:
                nodes = []
        for node in nodes:
            wanted |= varnode_mask(node)
            if node.space is Space.UNIQUE:
                temporaries.add(node.offset)
    found: set[tuple[Label, int]] = set()
    changed = True
    while changed:
        changed = False
        for label in loop:
            for index in range(len(operations[label]) - 1, -1, -1):
                operation = operations[label][index]
                output = operation.output
                if output is None:
                    continue
                reaches = varnode_mask(output) & wanted or (
                    output.space is Space.UNIQUE and output.offset in temporaries
                )
                if not reaches:
                    continue
                if operation.opcode is OpCode.LOAD:
                    if (label, index) not in found:
                        found.add((label, index))
                        changed = True
                    continue
                for node in operation.inputs:
                    mask = varnode_mask(node)
                    if mask & ~wanted:
                        wanted |= mask
                        changed = True
                    if node.space is Space.UNIQUE and node.offset not in temporaries:
                        temporaries.add(node.offset)
                        changed = True
    return found
