"""Registers that a called function leaves as they are, though the ABI would let it change them.

A compiler that sees a callee keeps values over its call in what that one, with all that it calls, does not write:
gcc's ``-fipa-ra``, part of ``-O2``. Only integer registers count here, and only callees all of whose code is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.core.code import Function, Reason, Refused
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode
from burnish.machine.registers import CALLER_SAVED, GPR_NAMES
from burnish.recompile.bits import BASE
from burnish.recompile.changes import Changes
from burnish.verify.pair import Side

_INTEGER = frozenset(GPR_NAMES) & frozenset(CALLER_SAVED)


@dataclass(slots=True)
class Kept:
    """The answers for the callees of one side."""

    side: Side
    _changes: Changes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._changes = Changes(self.side.image, self._body)

    def over(self, entry: int | None) -> frozenset[str]:
        """The caller-saved registers that a call of the function at an image address leaves alone. None of them for
        an address that is not known, or one through which another file's function may be called."""
        if entry is None or entry in self.side.image.plt:
            return frozenset()
        changed = self._changes.by(entry)
        if changed is None:
            return frozenset()
        return frozenset(name for name in _INTEGER if not changed >> BASE[name] & 0xFF)

    def _body(self, image: Image, bounds: FunctionBounds) -> Function | Refused:
        """The code of a callee, refused where any of it has a meaning that its operations do not show."""
        del image
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
