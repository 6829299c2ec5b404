"""Whether a caller looks at bytes that a function left in a register, seen by following the caller.

The type of a function is not in its file, and ``rdx`` after a function that returns an ``int`` holds anything, as does
the upper half of ``xmm0`` after one that returns a ``double``. The caller's code says what counts: the copy in which
the original returned is stepped on until each byte in question is read or overwritten. Only what is overwritten first
is not seen; what is still open when the steps are used up, at a system call, or at an instruction without a known
meaning, counts as seen. Meanings are those of the lifter.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from burnish.core.code import Instruction
from burnish.core.pcode import OpCode, Space, Varnode
from burnish.machine.lift import lift
from burnish.machine.registers import CELLS
from burnish.runtime import ptrace
from burnish.runtime.ptrace import Event, Stopped
from burnish.runtime.snapshot import Snapshot

_STEPS = 400
_STEP_S = 1.0
_LONGEST = 15


def is_seen(copy: Snapshot, bits: Mapping[str, int]) -> bool:
    """True if code may look at ``bits`` (a mask for each register name) from where a stopped copy stands.

    The copy is of no use afterwards. Raises ``GoneError`` if it is killed.
    """
    open_bytes = {
        CELLS[name].offset + index
        for name, mask in bits.items()
        for index in range(CELLS[name].size)
        if mask >> 8 * index & 0xFF
    }
    for _ in range(_STEPS):
        if not open_bytes:
            return False
        rip = ptrace.get_registers(copy.pid).rip
        left = bytes_left(lift(copy.memory.read(rip, _LONGEST), rip), open_bytes)
        if left is None:
            return True
        open_bytes = left
        ptrace.step_without_calls(copy.pid)
        if ptrace.wait(copy.pid, _STEP_S) != Stopped(signal.SIGTRAP, Event.NONE):
            return True
    return bool(open_bytes)


def bytes_left(instruction: Instruction, open_bytes: set[int]) -> set[int] | None:
    """Those of ``open_bytes`` (offsets in the register space) that an instruction does not overwrite; None if it
    reads one of them before, or has no known meaning."""
    if instruction.refused is not None:
        return None
    left = set(open_bytes)
    surely = True
    for operation in instruction.operations:
        if any(not left.isdisjoint(_bytes(node)) for node in operation.inputs):
            return None
        if operation.opcode in (OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALLOTHER):
            surely = False
        if surely and operation.output is not None:
            left.difference_update(_bytes(operation.output))
    return left


def _bytes(node: Varnode) -> range:
    return range(node.offset, node.offset + node.size) if node.space is Space.REGISTER else range(0)
