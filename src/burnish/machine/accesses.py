"""Which explicit memory operands an instruction has, through capstone: also for those without a p-code meaning."""

from __future__ import annotations

from typing import Any, NamedTuple


class MemoryOperand(NamedTuple):
    """An operand in memory: ``size`` in bytes, and whether it is read and written."""

    size: int
    read: bool
    written: bool


def memory_operands(raw: bytes) -> tuple[MemoryOperand, ...]:
    """The memory operands of one instruction. What it does to the stack by itself (``push``, ``call``) is none of them,
    nor are those that it only computes with (``lea``), and those of repeated string instructions."""
    import capstone
    from capstone.x86 import X86_OP_MEM

    decoder: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found = next(decoder.disasm(raw, 0), None)
    if found is None or found.mnemonic.startswith(("rep", "nop", "prefetch", "lea", "clflush")):
        return ()
    return tuple(
        MemoryOperand(
            operand.size,
            bool(operand.access & capstone.CS_AC_READ),
            bool(operand.access & capstone.CS_AC_WRITE),
        )
        for operand in found.operands
        if operand.type == X86_OP_MEM
    )
