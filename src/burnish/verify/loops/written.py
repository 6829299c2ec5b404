"""Which registers code changes."""

from __future__ import annotations

from collections.abc import Iterable

from burnish.core.code import Block
from burnish.core.pcode import OpCode
from burnish.recompile.bits import cells_mask, varnode_mask
from burnish.recompile.calls import UNKNOWN


def written_by(blocks: Iterable[Block], calls: int = UNKNOWN.clobbers) -> int:
    """Register bytes that some operation changes, or a call: those in ``calls``; the stack pointer always."""
    mask = cells_mask(("rsp",))
    for block in blocks:
        for operation in block.operations:
            if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
                mask |= calls
            elif operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
                mask |= cells_mask(("rdi", "rsi", "rcx"))
            elif operation.output is not None:
                mask |= varnode_mask(operation.output)
    return mask
