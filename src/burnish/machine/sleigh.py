"""SLEIGH (through pypcode): one instruction's p-code, as plain tuples."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from burnish.core.pcode import OpCode, Operation, Space, Varnode

if TYPE_CHECKING:
    import pypcode

_SPACES = {"const": Space.CONST, "register": Space.REGISTER, "unique": Space.UNIQUE, "ram": Space.RAM}
_LOAD, _STORE = OpCode.LOAD, OpCode.STORE


class Translation(NamedTuple):
    """What SLEIGH says of one instruction. ``user_operation`` names the first operation that has no meaning in
    p-code (CALLOTHER), or is empty. ``size`` 0: the bytes are no instruction."""

    size: int
    operations: tuple[Operation, ...]
    user_operation: str = ""


class _Tables:
    """pypcode's objects for opcodes, mapped to our own; made once, because both sides are fixed."""

    def __init__(self) -> None:
        import pypcode

        self.context = pypcode.Context("x86:LE:64:default")
        known = {opcode.value: opcode for opcode in OpCode}
        names = [name for name in dir(pypcode.OpCode) if name.isupper()]
        codes = [getattr(pypcode.OpCode, name) for name in names]
        self.opcodes = {code: known[code.value] for code in codes if code.value in known}
        self.instruction_mark = pypcode.OpCode.IMARK


@cache
def _tables() -> _Tables:
    return _Tables()


def translate(raw: bytes, address: int) -> Translation:
    """The p-code of the instruction ``raw``, as if it lay at ``address``; never raises for any bytes."""
    import pypcode

    tables = _tables()
    try:
        ops = tables.context.translate(raw, address, max_instructions=1).ops
    except pypcode.BadDataError:
        return Translation(0, ())
    except pypcode.UnimplError:
        return Translation(len(raw), (), "an instruction that SLEIGH does not implement")
    if not ops:
        return Translation(0, ())
    operations: list[Operation] = []
    user = ""
    for op in ops[1:]:
        opcode = tables.opcodes.get(op.opcode)
        if opcode is None:
            return Translation(ops[0].inputs[0].size, (), "an unexpected p-code operation")
        nodes = op.inputs
        if opcode is OpCode.CALLOTHER and not user:
            user = nodes[0].getUserDefinedOpName()
        if opcode is _LOAD or opcode is _STORE:
            nodes = nodes[1:]
        output = op.output
        operations.append(
            Operation(opcode, None if output is None else _varnode(output), tuple(map(_varnode, nodes)))
        )
    return Translation(ops[0].inputs[0].size, tuple(operations), user)


def _varnode(node: pypcode.Varnode) -> Varnode:
    return Varnode(_SPACES[node.space.name], node.offset, node.size)
