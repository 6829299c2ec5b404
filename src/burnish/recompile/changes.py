"""Which registers a function may change, with all that it calls: what a compiler that saw it all knows as well.

gcc (``-fipa-ra``, part of ``-O2``) keeps values over a call in registers that the callee, and what that one calls,
does not write, those of arguments and of results included. Where any of them calls something that lies elsewhere,
all that the ABI lets it change counts as changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from burnish.core.code import Function, Refused, TailCall
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.recompile.bits import CLOBBERED, cells_in, cells_mask, varnode_mask

Lift = Callable[[Image, FunctionBounds], Function | Refused]


class Changes:
    """The answers for one image. Each function is read once."""

    def __init__(self, image: Image, lift: Lift) -> None:
        self._image = image
        self._lift = lift
        self._known: dict[int, int | None] = {}
        self._read: dict[int, tuple[int, frozenset[int]] | None] = {}

    def by(self, address: int) -> int | None:
        """The caller-saved registers (all bytes of each) that the function at an image address may change; None
        where some of it cannot be read."""
        if address not in self._known:
            self._known[address] = self._follow(address)
        return self._known[address]

    def _follow(self, address: int) -> int | None:
        changed, unread = 0, False
        pending, seen = [address], {address}
        while pending:
            found = self._own(pending.pop())
            if found is None:
                unread = True
                continue
            changed |= found[0]
            if changed & CLOBBERED == CLOBBERED:
                return CLOBBERED
            pending += found[1] - seen
            seen |= found[1]
        return None if unread else cells_mask(cell.name for cell, _ in cells_in(changed & CLOBBERED))

    def _own(self, address: int) -> tuple[int, frozenset[int]] | None:
        """What one function writes itself, and the functions that it calls; None where it cannot be read."""
        if address not in self._read:
            self._read[address] = self._look(address)
        return self._read[address]

    def _look(self, address: int) -> tuple[int, frozenset[int]] | None:
        if address in self._image.plt:
            return CLOBBERED, frozenset()
        bounds = self._image.bounds_at(address)
        if bounds is None or bounds.address != address:
            return None
        function = self._lift(self._image, bounds)
        if isinstance(function, Refused):
            return None
        called: set[int] = set()
        changed = 0
        for callee in _callees(function):
            if callee is None:
                return CLOBBERED, frozenset()
            called.add(callee)
        for operation in (o for block in function.blocks for o in block.operations):
            if operation.output is not None:
                changed |= varnode_mask(operation.output)
            elif operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
                for node in operation.inputs:
                    changed |= varnode_mask(node)
        return changed, frozenset(called)


def _callees(function: Function) -> Iterator[int | None]:
    """Addresses of the functions that a function calls or jumps to; None for one that is not known."""
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode is OpCode.CALL:
                yield operation.inputs[0].offset
            elif operation.opcode is OpCode.CALLIND:
                yield None
        if isinstance(block.terminator, TailCall):
            target = block.terminator.target
            yield target.offset if target.space is Space.RAM else None
