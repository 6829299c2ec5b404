"""SLEIGH's memory operands in the house's form: loads and stores that are written once.

SLEIGH spells a fixed address as a varnode in the ``ram`` space, and reads a memory operand again each time that a
flag needs it. Here every memory operand is one ``LOAD``, and a read of what the instruction has just stored is the
stored value: the processor reads memory once, and a compiler must see that.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.emit import SCRATCH, const

_CONTROL = frozenset((OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALL))


def explicit_memory(operations: Sequence[Operation]) -> list[Operation]:
    """``ram`` operands as ``LOAD`` and ``STORE`` of a constant address."""
    out: list[Operation] = []
    for op in operations:
        output = op.output
        if op.opcode in _CONTROL:
            out.append(op)
            continue
        inputs: list[Varnode] = []
        for node in op.inputs:
            if node.space is Space.RAM:
                loaded = Varnode(Space.UNIQUE, SCRATCH + 64 * len(out), node.size)
                out.append(Operation(OpCode.LOAD, loaded, (const(node.offset, 8),)))
                node = loaded
            inputs.append(node)
        if output is not None and output.space is Space.RAM:
            result = Varnode(Space.UNIQUE, SCRATCH + 64 * len(out), output.size)
            out.append(Operation(op.opcode, result, tuple(inputs), op.lane))
            out.append(Operation(OpCode.STORE, None, (const(output.offset, 8), result)))
        else:
            out.append(Operation(op.opcode, output, tuple(inputs), op.lane))
    return out


def single_loads(operations: Sequence[Operation]) -> list[Operation]:
    """Drop loads of bytes that this instruction has already loaded or stored."""
    known: dict[tuple[Varnode, int], Varnode] = {}
    out: list[Operation] = []
    for op in operations:
        opcode, output, inputs, _ = op
        if opcode is OpCode.LOAD and output is not None:
            key = (inputs[0], output.size)
            value = known.get(key)
            if value is not None:
                if value == output:
                    continue
                op = Operation(OpCode.COPY, output, (value,))
            _forget(known, output)
            if value is None and not _overlap(output, inputs[0]):
                known[key] = output
        elif opcode is OpCode.STORE:
            known = {(inputs[0], inputs[1].size): inputs[1]}
        elif output is not None:
            _forget(known, output)
        out.append(op)
    return out


def _forget(known: dict[tuple[Varnode, int], Varnode], written: Varnode) -> None:
    """Drop what is known through a varnode that is about to be overwritten."""
    stale = [key for key, value in known.items() if _overlap(value, written) or _overlap(key[0], written)]
    for key in stale:
        del known[key]


def _overlap(a: Varnode, b: Varnode) -> bool:
    return (
        a.space is b.space
        and a.space is not Space.CONST
        and a.offset < b.offset + b.size
        and b.offset < a.offset + a.size
    )
