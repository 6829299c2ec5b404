"""Registers that a called function leaves as they are, though the ABI would let it change them.

A compiler that sees a callee keeps values over its call in what that one, with all that it calls, does not write:
gcc's ``-fipa-ra``, part of ``-O2``. Only callees all of whose code is read count here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from burnish.core.code import Function, Reason, Refused
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode
from burnish.machine.registers import CALLER_SAVED, CELLS, GPR_NAMES, VECTOR_CELLS
from burnish.recompile.bits import cells_mask
from burnish.recompile.changes import Changes
from burnish.verify.pair import Side

_INTEGER = frozenset(GPR_NAMES) & frozenset(CALLER_SAVED)
_VALUES = _INTEGER | frozenset(cell.name for cell in VECTOR_CELLS)


@dataclass
class Kept:
    """The answers for the callees of one side."""

    side: Side
    _changes: Changes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._changes = Changes(self.side.image, self._body)

    def over(self, entry: int | None) -> frozenset[str]:
        """The caller-saved registers that a call of the function at an image address leaves alone. None of them for
        an address that is not known, or one through which another file's function may be called."""
        if entry is None or self.side.is_replaceable(entry):
            return frozenset()
        changed = self._changes.by(entry)
        if changed is None:
            return frozenset()
        return frozenset(name for name in _VALUES if not changed & cells_mask((name,)))

    def perhaps(self, entry: int | None) -> frozenset[str]:
        """The caller-saved registers that may hold after a call what they held before, for all that is known: a
        compiler that saw the callee may have its caller pass them on. None of them for a function of another file."""
        if entry is None or self.side.is_replaceable(entry):
            return frozenset()
        changed = self._changes.by(entry)
        if changed is None:
            return frozenset(CALLER_SAVED)
        return frozenset(
            name for name in CALLER_SAVED if name in self._pushed or not changed & cells_mask((name,))
        )

    @cached_property
    def _pushed(self) -> frozenset[str]:
        """Registers that a callee pushes, perhaps to restore them."""
        names = {CELLS[name].varnode: name for name in _INTEGER}
        found: set[str] = set()
        for body in self.side.bodies.values():
            for instruction in body.instructions:
                if any(op.output == CELLS["rsp"].varnode for op in instruction.operations):
                    stored = (op.inputs[-1] for op in instruction.operations if op.opcode is OpCode.STORE)
                    found |= {names[value] for value in stored if value in names}
        return frozenset(found)

    def _body(self, image: Image, bounds: FunctionBounds) -> Function | Refused:
        """The code of a callee, refused where any of it has a meaning that its operations do not show."""
        del image
        if self.side.is_replaceable(bounds.address):
            return Refused(Reason.NO_MEANING, bounds.address)
        own = self.side.function
        found = own if own.address == bounds.address else self.side.bodies.get(bounds.address)
        if found is None:
            return Refused(Reason.NO_MEANING, bounds.address)
        if any(one.refused is not None for one in found.instructions):
            return Refused(Reason.NO_MEANING, bounds.address)
        operations = (operation for block in found.blocks for operation in block.operations)
        if any(operation.opcode is OpCode.CALLOTHER for operation in operations):
            return Refused(Reason.NO_MEANING, bounds.address)
        return found
