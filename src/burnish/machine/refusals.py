"""Which instructions are refused, and why: what p-code gives no meaning, or one that we do not trust."""

from __future__ import annotations

from burnish.core.code import Reason, Refused
from burnish.core.pcode import OpCode, Operation


def refusal(raw: bytes, address: int, operations: tuple[Operation, ...]) -> Refused | None:
    """The reason to refuse the instruction ``raw``, or None."""
    del raw
    for op in operations:
        if op.opcode is OpCode.CALLOTHER:
            return Refused(Reason.NO_MEANING, address)
    return None
