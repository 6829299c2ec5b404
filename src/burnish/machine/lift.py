"""Machine code to p-code, one instruction at a time.

An instruction's shape (``encoding``) says whether its meaning depends on its address: a rip-relative operand or a
branch distance. With those bytes zeroed, the rest is a *template*: lifted once (by a row of our own tables, else by
SLEIGH), kept, and moved to wherever it occurs. A library of 100,000 instructions has some 20,000 templates.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from burnish.core.code import Instruction, Reason, Refused
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine import sleigh
from burnish.machine.emit import Emitter
from burnish.machine.encoding import MAX_INSTRUCTION, Encoding, decode
from burnish.machine.idioms import UnspeakableError, normalise, spell
from burnish.machine.packed import is_packed, spell_packed
from burnish.machine.refusals import refusal
from burnish.machine.registers import FLAG_OFFSETS, VECTOR_BASE

_HOME = 0x5A17_C0DE_0000
"""Address at which templates are lifted: no immediate of a rip-relative instruction can be near it."""

_AF = Varnode(Space.REGISTER, FLAG_OFFSETS["af"], 1)
_CALL_NEXT = b"\xe8\x00\x00\x00\x00"
_ZEROS = tuple(bytes(n) for n in range(9))
_BRANCHES = frozenset((OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALL))
_ADDRESSED = frozenset((OpCode.LOAD, OpCode.STORE, OpCode.ADDRESS))


class _Template(NamedTuple):
    """A lifted instruction apart from where it lies. ``moved`` has the indices of the operations whose first input
    is the moving address; ``reason`` is None where it lifts."""

    operations: tuple[Operation, ...]
    moved: tuple[int, ...] = ()
    reason: Reason | None = None
    detail: str = ""


def lift(code: bytes, address: int) -> Instruction:
    """The first instruction of ``code``, which lies at ``address``.

    Never raises: bytes that do not decode and instructions without a meaning come back with ``refused`` set (and,
    for bytes that do not decode, size 1).
    """
    return _lift_one(code[:MAX_INSTRUCTION], 0, address)


def lift_all(code: bytes, address: int, limit: int = 0) -> tuple[Instruction, ...]:
    """Instructions of ``code`` in sequence, at most ``limit`` of them (0: all); stops after the first that does
    not decode."""
    found: list[Instruction] = []
    offset, end = 0, len(code)
    while offset < end and (limit == 0 or len(found) < limit):
        instruction = _lift_one(code, offset, address + offset)
        found.append(instruction)
        if instruction.refused is not None and instruction.refused.reason is Reason.UNKNOWN_BYTES:
            break
        offset += instruction.size
    return tuple(found)


def _lift_one(code: bytes, offset: int, address: int) -> Instruction:
    encoding = decode(code, offset)
    if encoding is None:
        return _undecodable(code, offset, address)
    size, at, moving = encoding.size, encoding.moves_at, encoding.moves_size
    raw = code[offset : offset + size]
    template = _template(raw[:at] + _ZEROS[moving] + raw[at + moving :] if moving else raw)
    if template.reason is not None:
        if template.reason is Reason.UNKNOWN_BYTES:
            return _undecodable(code, offset, address)
        return Instruction(address, size, (), Refused(template.reason, address, template.detail))
    operations = template.operations
    if raw == _CALL_NEXT:
        return Instruction(
            address, size, (), Refused(Reason.CONVENTION, address, "calls the next instruction")
        )
    if template.moved:
        distance = encoding.immediate if encoding.modrm < 0 else encoding.displacement
        operations = _moved(operations, template.moved, (address + size + distance) & 0xFFFF_FFFF_FFFF_FFFF)
    return Instruction(address, size, operations)


def _moved(
    operations: tuple[Operation, ...], indices: tuple[int, ...], address: int
) -> tuple[Operation, ...]:
    """The operations with ``address`` as the first input of those at ``indices``."""
    out = list(operations)
    for index in indices:
        opcode, output, inputs, lane = out[index]
        space = inputs[0].space
        out[index] = Operation(opcode, output, (Varnode(space, address, inputs[0].size), *inputs[1:]), lane)
    return tuple(out)


def _undecodable(code: bytes, offset: int, address: int) -> Instruction:
    raw = code[offset : offset + MAX_INSTRUCTION].hex(" ")
    return Instruction(address, 1, (), Refused(Reason.UNKNOWN_BYTES, address, raw))


@lru_cache(maxsize=1 << 16)
def _template(raw: bytes) -> _Template:
    """The meaning of ``raw``, whose moving bytes are zero, at ``_HOME``."""
    encoding = decode(raw)
    assert encoding is not None
    row = refusal(encoding)
    if row is not None:
        return _Template((), reason=row[0], detail=row[1])
    next_address = _HOME + encoding.size
    emitter = Emitter(encoding, next_address)
    if spell(emitter) or spell_packed(emitter):
        return _with_moves(emitter.operations, encoding, next_address)
    return _from_sleigh(raw, encoding, next_address)


def _from_sleigh(raw: bytes, encoding: Encoding, next_address: int) -> _Template:
    translation = sleigh.translate(raw, _HOME)
    if translation.size == 0:
        return _Template((), reason=Reason.UNKNOWN_BYTES)
    if translation.user_operation:
        return _Template((), reason=Reason.NO_MEANING, detail=translation.user_operation)
    if translation.size != encoding.size:
        return _Template((), reason=Reason.NO_MEANING, detail="prefixes that SLEIGH reads otherwise")
    if is_packed(encoding) or any(_is_vector(node) for op in translation.operations for node in _nodes(op)):
        # SLEIGH's vector instructions have not been held against the processor; those in our table have.
        return _Template((), reason=Reason.NO_MEANING, detail="a vector instruction beyond SSE2")
    try:
        operations = normalise(translation.operations)
    except UnspeakableError as error:
        return _Template((), reason=Reason.NO_MEANING, detail=str(error))
    return _with_moves([op for op in operations if op.output != _AF], encoding, next_address)


def _nodes(op: Operation) -> tuple[Varnode, ...]:
    return op.inputs if op.output is None else (op.output, *op.inputs)


def _is_vector(node: Varnode) -> bool:
    return node.space is Space.REGISTER and node.offset >= VECTOR_BASE


def _with_moves(operations: list[Operation], encoding: Encoding, next_address: int) -> _Template:
    """Find the operations that hold the moving address, and make ``ADDRESS`` of it where it is used as a number."""
    if not encoding.moves_size:
        return _Template(tuple(operations))
    out: list[Operation] = []
    moved: list[int] = []
    home = Varnode(Space.CONST, next_address, 8)
    for op in operations:
        if (op.opcode in _BRANCHES and op.inputs[0].space is Space.RAM) or (
            op.opcode in _ADDRESSED and op.inputs[0] == home
        ):
            moved.append(len(out))
        elif home in op.inputs:
            address = Varnode(Space.UNIQUE, 0x5000000, 8)
            moved.append(len(out))
            out.append(Operation(OpCode.ADDRESS, address, (home,)))
            op = Operation(
                op.opcode, op.output, tuple(address if node == home else node for node in op.inputs), op.lane
            )
        out.append(op)
    return _Template(tuple(out), tuple(moved))
