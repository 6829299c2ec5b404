"""How far what lies at a variable's place in a frame may reach.

Compilers give objects without a name (compound literals, structures that calls return) places in the frame as well, and
those that do not live at one time share a place: ``int x`` in one block and an unnamed structure in another both begin
there, and the debug information tells of ``x`` alone. So what is at a variable's address may reach up to the next
variable, or to the registers that the function saves first of all.

gcc begins the part of the frame that has locals at a multiple of 16 where the function calls something that needs an
aligned stack: the padding above is part of no object (``ix86_compute_frame_layout`` of gcc's ``i386.cc``, where a call
of a function that was compiled before, and needs less, asks for no more than that one does).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import replace

from burnish.core.code import Function, Instruction, successors
from burnish.core.pcode import OpCode, Space, Varnode
from burnish.machine.registers import CALLEE_SAVED, CELLS
from burnish.verify.pair import Local

_STACK_POINTER = CELLS["rsp"].varnode
_FRAME_POINTER = CELLS["rbp"].varnode
_POINTER_SIZE = 8
_SAVED = frozenset(CELLS[name].varnode for name in CALLEE_SAVED)


def widened(locals_: Sequence[Local], function: Function, *, aligned: bool = False) -> tuple[Local, ...]:
    """The variables of a function, each with the bytes above it that no other is known to have. ``function`` is the one
    whose frame it is; offsets are those from its stack pointer at entry, which is a multiple of 16, plus 8. ``aligned``
    if the part with locals ends at such an offset as well."""
    top = _top(locals_, function, aligned=aligned)
    starts = sorted({one.offset for one in locals_})
    found: list[Local] = []
    for one in locals_:
        above = (start for start in starts if start > one.offset)
        end = min(next(above, top), top)
        found.append(replace(one, size=max(one.size, end - one.offset), named=one.size))
    return tuple(found)


def ceiling(locals_: Sequence[Local], function: Function, *, aligned: bool = False) -> int | None:
    """Where objects end that lie below all variables, and of which the file does not tell: at the lowest variable, for
    none lies across where another begins, or at the registers that the function saves first of all. None for a
    function that takes no address in its frame: what it may have there is its own."""
    if not _takes_addresses(function):
        return None
    lowest = min((one.offset for one in locals_), default=0)
    return min(lowest, _top(locals_, function, aligned=aligned))


def _top(locals_: Sequence[Local], function: Function, *, aligned: bool) -> int:
    """Where the part of the frame that has locals ends."""
    top = -8 * _pushes(function)
    lower = top - (top - 8) % 16
    if aligned and not any(one.offset < top and one.end > lower for one in locals_):
        return lower
    return top


def _takes_addresses(function: Function) -> bool:
    """False if what is computed from the stack or the frame pointer is used to access the stack, and for nothing
    else."""
    framed = any(_FRAME_POINTER in _reached(one, {_STACK_POINTER}) for one in function.instructions)
    pointers = {_STACK_POINTER, _FRAME_POINTER} if framed else {_STACK_POINTER}
    return any(_takes_address(one, pointers) for one in function.instructions)


def _takes_address(instruction: Instruction, pointers: Set[Varnode]) -> bool:
    """True where an address in the frame comes into a register that is no pointer to the frame, or into memory."""
    reached = _reached(instruction, pointers)
    plain = any(o.opcode is OpCode.COPY and o.inputs[0] == _STACK_POINTER for o in instruction.operations)
    for output in reached:
        wide = output.space is Space.REGISTER and output.size >= _POINTER_SIZE
        if wide and output != _STACK_POINTER and (output != _FRAME_POINTER or not plain):
            return True
    held = reached | pointers
    pushes = _STACK_POINTER in reached
    return any(
        operation.opcode is OpCode.STORE
        and operation.inputs[-1] in held
        and not (pushes and operation.inputs[-1] == _FRAME_POINTER)
        for operation in instruction.operations
    )


def _reached(instruction: Instruction, pointers: Set[Varnode]) -> set[Varnode]:
    """What an instruction computes from pointers."""
    found: set[Varnode] = set()
    for operation in instruction.operations:
        made = operation.opcode is not OpCode.LOAD and any(
            one in found or one in pointers for one in operation.inputs
        )
        if made and operation.output is not None:
            found.add(operation.output)
    return found


def aligns_calls(function: Function, bodies: Mapping[int, Function], others: Container[int]) -> bool:
    """True if a function surely calls something for which gcc aligns the stack: a function of another file (``others``
    are the addresses of their stubs), or one of ``bodies``, by address, that does so itself."""
    waiting, seen = [function], {function.address}
    while waiting:
        for operation in (operation for block in waiting.pop().blocks for operation in block.operations):
            address = operation.inputs[0].offset if operation.opcode is OpCode.CALL else None
            if address is None or address in seen:
                continue
            if address in others:
                return True
            seen.add(address)
            if address in bodies:
                waiting.append(bodies[address])
    return False


def _pushes(function: Function) -> int:
    """How many callee-saved registers are pushed before anything else is done to the stack pointer, or anything is
    called: on every way on which that happens."""
    at = {instruction.address: instruction for instruction in function.instructions}
    blocks = {block.label: block for block in function.blocks}
    found: list[int] = []
    waiting = [(function.blocks[0].label, 0)]
    seen = set(waiting)
    while waiting:
        label, before = waiting.pop()
        count = _pushed(before, [at[address] for address, _ in blocks[label].marks if address in at])
        if count < 0:
            found.append(~count)
            continue
        for following in successors(blocks[label].terminator):
            if (following, count) not in seen:
                seen.add((following, count))
                waiting.append((following, count))
    return min(found, default=0)


def _pushed(count: int, instructions: Sequence[Instruction]) -> int:
    """How many were pushed after some instructions, ``count`` before; the complement of the number where something else
    was done."""
    for instruction in instructions:
        opcodes = [op.opcode for op in instruction.operations]
        if OpCode.RETURN in opcodes:
            break
        writes = any(op.output == _STACK_POINTER for op in instruction.operations)
        stores = [op.inputs[-1] for op in instruction.operations if op.opcode is OpCode.STORE]
        other = writes and not (len(stores) == 1 and stores[0] in _SAVED)
        if other or OpCode.CALL in opcodes or OpCode.CALLIND in opcodes:
            return ~count
        count += writes
    return count
