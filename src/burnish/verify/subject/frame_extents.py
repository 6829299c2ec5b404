"""How far what lies at a variable's place in a frame may reach.

Compilers give objects without a name (compound literals, structures that calls return) places in the frame as well, and
those that do not live at one time share a place: ``int x`` in one block and an unnamed structure in another both begin
there, and the debug information tells of ``x`` alone. So what is at a variable's address may reach up to the next
variable, or to the registers that the function saves first of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from burnish.core.code import Function
from burnish.core.pcode import OpCode
from burnish.machine.registers import CALLEE_SAVED, CELLS
from burnish.verify.pair import Local

_STACK_POINTER = CELLS["rsp"].varnode
_SAVED = frozenset(CELLS[name].varnode for name in CALLEE_SAVED)


def widened(locals_: Sequence[Local], function: Function) -> tuple[Local, ...]:
    """The variables of a function, each with the bytes above it that no other is known to have. ``function`` is the one
    whose frame it is; offsets are those from its stack pointer at entry."""
    top = -8 * _pushes(function)
    starts = sorted({one.offset for one in locals_})
    found: list[Local] = []
    for one in locals_:
        above = (start for start in starts if start > one.offset)
        end = min(next(above, top), top)
        found.append(replace(one, size=max(one.size, end - one.offset), named=one.size))
    return tuple(found)


def _pushes(function: Function) -> int:
    """How many callee-saved registers are pushed before anything else is done to the stack pointer."""
    count = 0
    addresses = {address for address, _ in function.blocks[0].marks}
    for instruction in function.instructions:
        if instruction.address not in addresses:
            break
        writes = any(op.output == _STACK_POINTER for op in instruction.operations)
        stores = [op.inputs[-1] for op in instruction.operations if op.opcode is OpCode.STORE]
        if writes and not (len(stores) == 1 and stores[0] in _SAVED):
            break
        count += writes
    return count
