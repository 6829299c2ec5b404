"""Machine code to p-code, one instruction at a time, through SLEIGH (pypcode), cached.

SLEIGH's output is normalised on the way: operands become plain tuples, the space operand of loads and stores is
dropped, and instructions for which ``idioms`` has a better spelling (whole vectors instead of torn lanes, a
count of trailing zeros instead of a loop) are replaced.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from burnish.core.code import Instruction, Reason, Refused
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.idioms import rewrite
from burnish.machine.refusals import refusal

if TYPE_CHECKING:
    import pypcode

_SPACES = {"const": Space.CONST, "register": Space.REGISTER, "unique": Space.UNIQUE, "ram": Space.RAM}
_MAX_INSTRUCTION = 15
_USER_NAMES: dict[int, str] = {}  # SLEIGH's own fixed numbering, read as it is met


@cache
def _context() -> pypcode.Context:
    import pypcode

    return pypcode.Context("x86:LE:64:default")


def _varnode(node: pypcode.Varnode) -> Varnode:
    return Varnode(_SPACES[node.space.name], node.offset, node.size)


def _operation(op: pypcode.PcodeOp) -> Operation:
    opcode = OpCode(op.opcode.value)
    if opcode is OpCode.CALLOTHER:
        _USER_NAMES.setdefault(op.inputs[0].offset, op.inputs[0].getUserDefinedOpName())
    nodes = op.inputs[1:] if opcode in (OpCode.LOAD, OpCode.STORE) else op.inputs
    output = op.output
    return Operation(opcode, None if output is None else _varnode(output), tuple(map(_varnode, nodes)))


def lift(code: bytes, address: int) -> Instruction:
    """The first instruction of ``code``, which lies at ``address``.

    Never raises: bytes that do not decode and instructions without a meaning come back with ``refused`` set (and,
    for bytes that do not decode, size 1).
    """
    return lift_all(code[:_MAX_INSTRUCTION], address, 1)[0]


def lift_all(code: bytes, address: int, limit: int = 0) -> tuple[Instruction, ...]:
    """Instructions of ``code`` in sequence, at most ``limit`` of them (0: all); stops after the first that does
    not decode."""
    return _lift_cached(code, address, limit)


@lru_cache(maxsize=4096)
def _lift_cached(code: bytes, address: int, limit: int) -> tuple[Instruction, ...]:
    import pypcode

    found: list[Instruction] = []
    offset = 0
    while offset < len(code) and (limit == 0 or len(found) < limit):
        try:
            translation = _context().translate(
                code, address + offset, offset=offset, max_instructions=limit and limit - len(found)
            )
        except (pypcode.BadDataError, pypcode.UnimplError):
            found.append(_undecodable(code, offset, address))
            break
        groups = _split(translation.ops)
        for start, size, operations in groups:
            raw = code[start - address : start - address + size]
            operations = rewrite(raw, start, operations)
            found.append(Instruction(start, size, operations, refusal(raw, start, operations)))
        offset = found[-1].end - address
    return tuple(found)


def _split(ops: list[pypcode.PcodeOp]) -> list[tuple[int, int, tuple[Operation, ...]]]:
    """One ``(address, size, operations)`` for each instruction mark."""
    import pypcode

    mark = pypcode.OpCode.IMARK
    groups: list[tuple[int, int, list[Operation]]] = []
    for op in ops:
        if op.opcode is mark or op.opcode == mark:
            node = op.inputs[0]
            groups.append((node.offset, node.size, []))
        else:
            groups[-1][2].append(_operation(op))
    return [(address, size, tuple(operations)) for address, size, operations in groups]


def _undecodable(code: bytes, offset: int, address: int) -> Instruction:
    where = address + offset
    raw = code[offset : offset + _MAX_INSTRUCTION].hex(" ")
    return Instruction(where, 1, (), Refused(Reason.UNKNOWN_BYTES, where, raw))
