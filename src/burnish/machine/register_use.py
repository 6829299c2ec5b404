"""Which registers an instruction reads and writes, and how it transfers control, through capstone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from burnish.machine.registers import GPR_NAMES


class Transfer(Enum):
    """How an instruction transfers control; ``NONE`` goes on to the next."""

    NONE = 0
    CONDITIONAL = 1
    JUMP = 2
    INDIRECT_JUMP = 3
    CALL = 4
    INDIRECT_CALL = 5
    RETURN = 6


@dataclass(frozen=True, slots=True)
class RegisterUse:
    """An instruction from outside. Registers are full ones, by name (``rax``, ``rflags``, ``xmm0`` for all of a vector
    register; segments are left out), those of memory operands among ``reads``. ``target`` is that of a direct jump or
    call."""

    address: int
    size: int
    transfer: Transfer
    target: int | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]


def register_use(code: bytes, address: int) -> tuple[RegisterUse, ...]:
    """The instructions of ``code``, which lies at ``address``; bytes that do not decode are passed over."""
    import capstone

    decoder: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found: list[RegisterUse] = []
    offset = 0
    while offset < len(code):
        for line in decoder.disasm(code[offset:], address + offset):
            found.append(_use(line))
            offset += line.size
        offset += 1
    return tuple(found)


def _use(line: Any) -> RegisterUse:
    from capstone.x86 import X86_OP_IMM

    read, written = line.regs_access()
    reads, writes = (_full(line.reg_name(number) for number in side) for side in (read, written))
    direct = next((operand.imm for operand in line.operands if operand.type == X86_OP_IMM), None)
    transfer = _transfer(line, direct is not None)
    ends = transfer in (Transfer.NONE, Transfer.RETURN)
    return RegisterUse(line.address, line.size, transfer, None if ends else direct, reads, writes)


def _transfer(line: Any, direct: bool) -> Transfer:
    from capstone import CS_GRP_CALL, CS_GRP_JUMP, CS_GRP_RET
    from capstone.x86 import X86_INS_JMP

    if line.group(CS_GRP_RET):
        return Transfer.RETURN
    if line.group(CS_GRP_CALL):
        return Transfer.CALL if direct else Transfer.INDIRECT_CALL
    if not line.group(CS_GRP_JUMP):
        return Transfer.NONE
    if line.id != X86_INS_JMP:
        return Transfer.CONDITIONAL
    return Transfer.JUMP if direct else Transfer.INDIRECT_JUMP


def _parts(name: str) -> list[str]:
    """Names of a general register and of its parts."""
    if name[1:].isdigit():
        return [name, f"{name}d", f"{name}w", f"{name}b"]
    short = name[1:]
    bytes_of = [f"{short[0]}l", f"{short[0]}h"] if short.endswith("x") else [f"{short}l"]
    return [name, f"e{short}", short, *bytes_of]


_FULL = {
    **{part: name for name in GPR_NAMES for part in _parts(name)},
    **dict.fromkeys(("rflags", "eflags", "flags"), "rflags"),
    **dict.fromkeys(("rip", "eip", "ip"), "rip"),
}
_VECTOR = re.compile(r"[xyz](mm\d+)")


def _full(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        vector = _VECTOR.fullmatch(name)
        full = f"x{vector[1]}" if vector else _FULL.get(name)
        if full is not None:
            found[full] = None
    return tuple(found)
