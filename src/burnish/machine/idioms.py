"""Better spellings of instructions than SLEIGH's.

``rewrite`` turns one instruction's raw p-code into the form that the rest of the house reads:

* direct memory operands become ``LOAD`` and ``STORE``;
* a call is one ``CALL`` or ``CALLIND`` (the push of the return address is implied), a return one ``RETURN``;
* ``rep movs`` and ``rep stos`` are one operation each, bit scans count zeros, packed code stays packed
  (``packed`` has the table).
"""

from __future__ import annotations

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.packed import packed
from burnish.machine.registers import GPR_OFFSETS, RIP_OFFSET, gpr

_SCRATCH = 0x4000000
"""Unique-space offset of the varnodes that we add; SLEIGH's lie below."""

_RSP = gpr("rsp")


def rewrite(raw: bytes, address: int, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The operations of the instruction ``raw`` at ``address`` in the house's form."""
    del address
    operations = _explicit_memory(operations)
    if not operations:
        return operations
    match operations[-1].opcode:
        case OpCode.CALL | OpCode.CALLIND:
            return _call(operations)
        case OpCode.RETURN:
            return _return(operations)
        case _:
            return packed(raw, operations) or _scalar_idiom(raw, operations) or operations


def _explicit_memory(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Direct memory operands (rip-relative ones, chiefly) as loads and stores of a constant address."""
    control = (OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALL)
    if not any(
        (op.opcode not in control and any(n.space is Space.RAM for n in op.inputs))
        or (op.output is not None and op.output.space is Space.RAM)
        for op in operations
    ):
        return operations
    if any(op.opcode is OpCode.CBRANCH and op.inputs[0].space is Space.CONST for op in operations):
        return _explicit_memory_with_jumps(operations)
    out: list[Operation] = []
    for op in operations:
        out.extend(_expand(op, len(out)))
    return tuple(out)


def _expand(op: Operation, serial: int) -> list[Operation]:
    if op.opcode in (OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALL):
        return [op]
    before: list[Operation] = []
    inputs: list[Varnode] = []
    for k, node in enumerate(op.inputs):
        if node.space is not Space.RAM:
            inputs.append(node)
            continue
        loaded = Varnode(Space.UNIQUE, _SCRATCH + 64 * serial + 0x400 * k, node.size)
        before.append(Operation(OpCode.LOAD, loaded, (Varnode(Space.CONST, node.offset, 8),)))
        inputs.append(loaded)
    output = op.output
    if output is None or output.space is not Space.RAM:
        return [*before, Operation(op.opcode, output, tuple(inputs), op.lane)]
    result = Varnode(Space.UNIQUE, _SCRATCH + 0x10000 + 64 * serial, output.size)
    store = Operation(OpCode.STORE, None, (Varnode(Space.CONST, output.offset, 8), result))
    return [*before, Operation(op.opcode, result, tuple(inputs), op.lane), store]


def _explicit_memory_with_jumps(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """As above where jumps inside the instruction count operations: their distances are recomputed."""
    groups = [_expand(op, 16 * i) for i, op in enumerate(operations)]
    starts = [0]
    for group in groups:
        starts.append(starts[-1] + len(group))
    out: list[Operation] = []
    for i, group in enumerate(groups):
        op = operations[i]
        if op.opcode in (OpCode.BRANCH, OpCode.CBRANCH) and op.inputs[0].space is Space.CONST:
            distance = signed(op.inputs[0])
            here = starts[i] + len(group) - 1
            moved = (starts[i + distance] - here) & ((1 << 8 * op.inputs[0].size) - 1)
            target = Varnode(Space.CONST, moved, op.inputs[0].size)
            last = group[-1]
            group = [*group[:-1], Operation(op.opcode, None, (target, *last.inputs[1:]))]
        out.extend(group)
    return tuple(out)


def signed(node: Varnode) -> int:
    """The value of a constant varnode, read as two's complement."""
    bits = 8 * node.size
    return node.offset - (1 << bits) if node.offset >> (bits - 1) & 1 else node.offset


def _call(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    kept = [
        op
        for op in operations
        if op.output != _RSP and not (op.opcode is OpCode.STORE and op.inputs[0] == _RSP)
    ]
    return tuple(kept)


def _return(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    rip = Varnode(Space.REGISTER, RIP_OFFSET, 8)
    kept = [op for op in operations if op.output not in (rip, _RSP) and op.opcode is not OpCode.RETURN]
    return (*kept, Operation(OpCode.RETURN, None, ()))


def _scalar_idiom(raw: bytes, operations: tuple[Operation, ...]) -> tuple[Operation, ...] | None:
    """String instructions with ``rep``, byte swaps and bit scans; None for anything else."""
    prefixes, body, rex = split_prefixes(raw)
    size = 8 if rex & 8 else 2 if 0x66 in prefixes else 4
    if 0xF3 in prefixes and 0x67 not in prefixes and body and body[0] in (0xA4, 0xA5, 0xAA, 0xAB):
        element = Varnode(Space.CONST, 1 if body[0] in (0xA4, 0xAA) else size, 8)
        if body[0] in (0xA4, 0xA5):
            return (Operation(OpCode.REP_MOVS, None, (gpr("rdi"), gpr("rsi"), gpr("rcx"), element)),)
        return (Operation(OpCode.REP_STOS, None, (gpr("rdi"), gpr("rax"), gpr("rcx"), element)),)
    if len(body) == 2 and body[0] == 0x0F and 0xC8 <= body[1] <= 0xCF and size in (4, 8):
        number = body[1] - 0xC8 + (8 if rex & 1 else 0)
        register = Varnode(Space.REGISTER, GPR_OFFSETS[number], size)
        return (Operation(OpCode.BSWAP, register, (register,)), *zero_extension(register))
    if len(body) >= 3 and body[:2] in (b"\x0f\xbc", b"\x0f\xbd"):
        return _bit_scan(body, rex, prefixes, size, operations)
    return None


def _bit_scan(
    body: bytes, rex: int, prefixes: bytes, size: int, operations: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    """BSF, BSR, TZCNT and LZCNT. For a zero source BSF and BSR leave their destination as it was, which is what
    AMD documents and every implementation does; TZCNT and LZCNT give the operand's width."""
    number = (body[2] >> 3 & 7) + (8 if rex & 4 else 0)
    output = Varnode(Space.REGISTER, GPR_OFFSETS[number], size)
    setup, source = rm_operand(body[2], rex, size, operations)
    zf, cf, count, found = (
        Varnode(Space.REGISTER, 0x206, 1),
        Varnode(Space.REGISTER, 0x200, 1),
        Varnode(Space.UNIQUE, _SCRATCH, size),
        Varnode(Space.UNIQUE, _SCRATCH + 16, size),
    )
    zero, bits = Varnode(Space.CONST, 0, size), Varnode(Space.CONST, 8 * size - 1, size)
    forward, counting = body[1] == 0xBC, 0xF3 in prefixes
    source_copy = Varnode(Space.UNIQUE, _SCRATCH + 32, size)
    counts = Operation(OpCode.TZCOUNT if forward else OpCode.LZCOUNT, count, (source_copy,))
    start = (*setup, Operation(OpCode.COPY, source_copy, (source,)), counts)
    if counting:
        return (
            *start,
            Operation(OpCode.INT_EQUAL, cf, (source_copy, zero)),
            Operation(OpCode.INT_EQUAL, zf, (count, zero)),
            Operation(OpCode.COPY, output, (count,)),
            *zero_extension(output),
        )
    index = (
        Operation(OpCode.COPY, found, (count,))
        if forward
        else Operation(OpCode.INT_SUB, found, (bits, count))
    )
    return (
        *start,
        index,
        Operation(OpCode.INT_EQUAL, zf, (source_copy, zero)),
        Operation(OpCode.SELECT, output, (zf, output, found)),
        *zero_extension(output),
    )


def zero_extension(register: Varnode) -> tuple[Operation, ...]:
    """What a write to a 32-bit register does to the upper half; nothing for other sizes."""
    if register.size != 4:
        return ()
    return (Operation(OpCode.INT_ZEXT, Varnode(Space.REGISTER, register.offset, 8), (register,)),)


def rm_operand(
    modrm: int, rex: int, size: int, operations: tuple[Operation, ...]
) -> tuple[tuple[Operation, ...], Varnode]:
    """The ModRM operand of an instruction whose r/m is a general register or memory, with the operations that
    compute its address and load it, taken from SLEIGH's own."""
    if modrm >> 6 == 3:
        return (), Varnode(Space.REGISTER, GPR_OFFSETS[(modrm & 7) + (8 if rex & 1 else 0)], size)
    for i, op in enumerate(operations):
        if op.opcode is OpCode.LOAD and op.output is not None:
            return operations[: i + 1], op.output
    raise ValueError("a memory operand without a load")


def split_prefixes(raw: bytes) -> tuple[bytes, bytes, int]:
    """``(legacy prefixes, the rest from the opcode on, REX byte or 0)``."""
    i = 0
    while i < len(raw) and raw[i] in b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0":
        i += 1
    prefixes = raw[:i]
    rex = 0
    if i < len(raw) and raw[i] & 0xF0 == 0x40:
        rex = raw[i]
        i += 1
    return prefixes, raw[i:], rex
