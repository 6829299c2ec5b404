"""String instructions that repeat, as it is not known how often, or very often: as calls.

What ``rep movs`` and ``rep stos`` do to memory follows from their operands and from memory alone. So where both sides
make one with the same operands in the same memory they leave the same memory, whatever it is. Where one may touch the
frame, which each side has to itself, it has no meaning here.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.pcode import OpCode, Operation
from burnish.domains.smt.build import add, const, mul
from burnish.domains.smt.terms import Term
from burnish.domains.walker import Walker
from burnish.verify.engine.addresses import mentions_frame
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.frames import View
from burnish.verify.engine.repeat import LARGEST, fixed_count
from burnish.verify.engine.state import State
from burnish.verify.pair import Callee

REPEATED = (OpCode.REP_MOVS, OpCode.REP_STOS)


@dataclass(frozen=True, slots=True)
class Repeated(Callee):
    """A string instruction, of elements of ``size`` bytes; ``moves`` where they come from memory."""

    moves: bool = False
    size: int = 1


def as_call(operation: Operation, walker: Walker[Term], view: View) -> Repeated | None:
    """The instruction as a call; None where it is executed element by element. Raises ``UnmodelledError``."""
    into, source, times, width = operation.inputs
    size, moves = width.offset, operation.opcode is OpCode.REP_MOVS
    count = fixed_count(walker.read(times))
    if count is not None and count * size <= LARGEST:
        return None
    pointers = [view.outward(walker.read(node)) for node in ((into, source) if moves else (into,))]
    # A pointer that came from a callee, or from memory, may be one to a local that is shared.
    if view.shared or any(map(mentions_frame, pointers)):
        raise UnmodelledError("a repeated string instruction of unknown length, perhaps in its frame")
    arguments = (("rdi", 8), ("rsi", 8) if moves else ("rax", size), ("rcx", 8))
    name = f"rep {'movs' if moves else 'stos'} of {size} bytes"
    return Repeated(name, arguments, (), stack_bytes=0, moves=moves, size=size)


def after_repeated(instruction: Repeated, state: State, memory: Term) -> State:
    """The state behind it; ``memory`` is what it left."""
    after = state.copy()
    after.leave(memory)
    total = mul(state.register("rcx"), const(instruction.size, 64))
    for name in ("rdi", "rsi") if instruction.moves else ("rdi",):
        after.set_register(name, add(state.register(name), total))
    after.set_register("rcx", const(0, 64))
    return after
