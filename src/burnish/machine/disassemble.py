"""Machine code to assembly text in both syntaxes, through capstone."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class Syntax(Enum):
    """How assembly is written."""

    ATT = "att"
    INTEL = "intel"


class AssemblyLine(NamedTuple):
    """One instruction as text.

    ``target`` is the address that a direct jump or call names, or that a RIP-relative operand points to; None
    for other instructions.
    """

    address: int
    raw: bytes
    text: str
    target: int | None = None


def disassemble(code: bytes, address: int, syntax: Syntax = Syntax.ATT) -> tuple[AssemblyLine, ...]:
    """All of ``code``, which lies at ``address``. Bytes that do not decode become ``.byte``, one a line."""
    import capstone

    flavour = capstone.CS_OPT_SYNTAX_ATT if syntax is Syntax.ATT else capstone.CS_OPT_SYNTAX_INTEL
    decoder: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = flavour
    decoder.detail = True

    lines: list[AssemblyLine] = []
    offset = 0
    while offset < len(code):
        for found in decoder.disasm(code[offset:], address + offset):
            text = f"{found.mnemonic} {found.op_str}".rstrip()
            lines.append(AssemblyLine(found.address, bytes(found.bytes), text, _target(found)))
            offset += found.size
        if offset < len(code):
            raw = code[offset : offset + 1]
            lines.append(AssemblyLine(address + offset, raw, f".byte {raw[0]:#04x}"))
            offset += 1
    return tuple(lines)


def _target(found: Any) -> int | None:
    from capstone import CS_GRP_CALL, CS_GRP_JUMP
    from capstone.x86 import X86_OP_IMM, X86_OP_MEM, X86_REG_RIP

    transfers = found.group(CS_GRP_JUMP) or found.group(CS_GRP_CALL)
    for operand in found.operands:
        if operand.type == X86_OP_MEM and operand.mem.base == X86_REG_RIP:
            return found.address + found.size + operand.mem.disp
        if operand.type == X86_OP_IMM and transfers:
            return operand.imm
    return None
