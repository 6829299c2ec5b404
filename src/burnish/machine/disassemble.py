"""Machine code to assembly text in both syntaxes, through capstone."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


class TransferLine(NamedTuple):
    """A jump, call or system call as text: its mnemonic, and the address that it names, or, where that is
    ``indirect``, the one that it takes its target from; None where that is not known from the instruction."""

    mnemonic: str
    target: int | None
    indirect: bool


def transfer_lines(code: bytes, address: int) -> Iterator[TransferLine]:
    """Jumps, calls and system calls in ``code``, which lies at ``address``: ten times as fast as ``disassemble``."""
    import capstone

    decoder: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    decoder.skipdata = True
    for at, size, mnemonic, operands in decoder.disasm_lite(code, address):
        if mnemonic in _SYSTEM:
            yield TransferLine(mnemonic, None, False)
        elif mnemonic.startswith(("call", "j")):
            relative = _RELATIVE.fullmatch(operands)
            if relative is not None:
                yield TransferLine(mnemonic, at + size + int(relative[1], 16), True)
            else:
                direct = operands.startswith("0x")
                yield TransferLine(mnemonic, int(operands, 16) if direct else None, not direct)


_SYSTEM = ("syscall", "sysenter", "int")
_RELATIVE = re.compile(r"\*(-?0x[0-9a-f]+)\(%rip\)")


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
