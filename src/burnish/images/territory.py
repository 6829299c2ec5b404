"""Which code belongs to a function: what lies between its bounds, and the parts that compilers put elsewhere.

A jump out of the bounds is either a tail call or leads to such a part (``name.cold``). Following a jump is always
right, since the processor does no more; taking it for a tail call is right only where the target is a function that
keeps to the calling convention. So in doubt the target is a part.
"""

from __future__ import annotations

from enum import Enum

from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Operation, Space
from burnish.images.control_shapes import is_relative_jump
from burnish.machine.encoding import decode
from burnish.machine.lift import lift_all
from burnish.machine.registers import CALLEE_SAVED, INTEGER_ARGUMENTS, VECTOR_ARGUMENTS, cell_of


class Place(Enum):
    """What a jump's target is to the function."""

    INSIDE = 0
    """Its own code."""
    FUNCTION = 1
    """Another function's entry, or a PLT stub."""
    FOREIGN = 2
    """The middle of another function."""
    NOWHERE = 3
    """No code."""


_PASSED = frozenset((*INTEGER_ARGUMENTS, *VECTOR_ARGUMENTS, *CALLEE_SAVED, "rsp", "rax", "r10", "df"))
"""What a function may read on entry: arguments, RAX (the number of vector arguments) and R10 (the static chain)."""

_PEEKED = 12
"""Instructions at the start of a nameless function that are looked at to see what it reads."""


class Territory:
    """The code of one function, growing as jumps to its parts are met."""

    def __init__(self, image: Image, bounds: FunctionBounds) -> None:
        self._image = image
        self._bounds = bounds
        self._ranges: list[tuple[int, int]] = [(bounds.address, bounds.end)]

    def end_of(self, address: int) -> int | None:
        """The end of the contiguous run of this function's code that holds ``address``, or None."""
        for start, end in self._ranges:
            if start <= address < end:
                return end
        return None

    def classify(self, target: int, conditional: bool = False) -> Place:
        """What a direct jump to ``target`` means; a part that is met is added."""
        if self.end_of(target) is not None:
            return Place.INSIDE
        if target in self._image.plt:
            return Place.FUNCTION
        if not self._image.is_code(target):
            return Place.NOWHERE
        other = self._image.bounds_at(target)
        if other is None:
            self._ranges.append((target, self._gap_end(target)))
            return Place.INSIDE
        if other.address == target and not self._is_part(other, conditional):
            return Place.FUNCTION
        if other.address != target and not other.is_part and other.source == "symbol":
            return Place.FOREIGN
        self._ranges.append((other.address, other.end))
        return Place.INSIDE

    def _gap_end(self, target: int) -> int:
        """The end of code that no function claims."""
        segment = self._image.segment_at(target)
        end = target + 1 if segment is None else segment.end
        for section in self._image.sections:
            if section.address <= target < section.end:
                end = min(end, section.end)
        following = (b.address for b in self._image.functions if b.address > target)
        return min(end, next(following, end))

    def _is_part(self, other: FunctionBounds, conditional: bool) -> bool:
        """True unless ``other``, whose start is jumped to, is a function of its own."""
        if other.is_part:
            return True
        if other.source == "symbol":
            return False
        if conditional or _jumps_into(self._image, other, self._bounds):
            return True
        code = self._image.read(other.address, min(other.size, 15 * _PEEKED)) or b""
        return _reads_beyond_convention(code, other.address)


def _jumps_into(image: Image, source: FunctionBounds, goal: FunctionBounds) -> bool:
    """True if a direct jump in ``source`` leads into the middle of ``goal``."""
    code = image.read(source.address, source.size) or b""
    offset = 0
    while offset < len(code):
        shape = decode(code, offset)
        if shape is None:
            return False
        offset += shape.size
        if is_relative_jump(shape):
            target = source.address + offset + shape.immediate
            if goal.address < target < goal.end:
                return True
    return False


def _reads_beyond_convention(code: bytes, address: int) -> bool:
    """True if the first straight line of code reads a register that no caller passes."""
    written: set[str] = set()
    for instruction in lift_all(code, address, _PEEKED):
        if instruction.refused is not None:
            return False
        for op in instruction.operations:
            if op.opcode in _LEAVING:
                return False
            read = {c.name for n in op.inputs if n.space is Space.REGISTER and (c := cell_of(n)) is not None}
            if not _ignores_inputs(op) and not read <= written | _PASSED:
                return True
            if op.output is not None and op.output.space is Space.REGISTER:
                cell = cell_of(op.output)
                if cell is not None:
                    written.add(cell.name)
    return False


_LEAVING = frozenset((
    OpCode.BRANCH, OpCode.CBRANCH, OpCode.BRANCHIND, OpCode.CALL, OpCode.CALLIND, OpCode.RETURN,
))  # fmt: skip


def _ignores_inputs(op: Operation) -> bool:
    """``xor r, r`` reads nothing."""
    same = len(op.inputs) == 2 and op.inputs[0] == op.inputs[1]
    return same and op.opcode in (OpCode.INT_XOR, OpCode.INT_SUB)
