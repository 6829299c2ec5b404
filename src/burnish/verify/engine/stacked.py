"""What lies in the original's part of the stack as far as it was executed: its frame, and those of callees in line.

Frames of functions that do not run at one time take the same place, so that it depends on how they were called what is
at an offset. A function's frame is known from its highest variable down to where the stack pointer was at its calls:
what lies below all variables is one object here, for the file does not say where those without a name begin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from burnish.core.code import Function, Label
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import Frame, UndecidedAccessError, target
from burnish.verify.engine.points import Point
from burnish.verify.pair import Callee, Local, Side

_Key = tuple[int, object]
"""Where a function begins, and which of its frames it is: its callers, or the number of a copy."""
_ALIGNMENT = 16
_RETURN_ADDRESS = 8


@dataclass(slots=True)
class Stacked:
    """The frames of one side. ``functions`` are those that may be executed."""

    side: Side
    functions: Iterable[Function] = field(repr=False)
    _homes: dict[Label, tuple[int, ...]] = field(init=False, repr=False)
    _entries: dict[_Key, dict[int, None]] = field(init=False)
    _lowest: dict[tuple[_Key, ...], int] = field(default_factory=dict[tuple[_Key, ...], int])
    """How deep the stack pointer was at calls, by the frames in one of which it was."""

    def __post_init__(self) -> None:
        self._homes = {}
        for function in self.functions:
            for block in function.blocks:
                known = self._homes.get(block.label, ())
                self._homes[block.label] = (*known, function.address)
        self._entries = {(self.side.function.address, ()): {0: None}}

    def enter(self, address: int, callers: tuple[Point, ...], top: Term) -> None:
        """A callee is executed in line. ``top`` is the stack pointer at its entry."""
        self._enter((address, callers), top)
        if callers:
            self._reach(self._keys(callers[-1]), top, _RETURN_ADDRESS)

    def begin(self, label: Label, top: Term) -> None:
        """A block begins: perhaps a callee whose code was put in place of a call."""
        copy = self.side.copies.get(label)
        if copy is not None and copy.entry:
            self._enter((copy.address, copy.number), top)
            caller = (self.side.function.address, ()) if copy.caller is None else copy.caller
            self._reach((caller,), top, _RETURN_ADDRESS)

    def _enter(self, key: _Key, top: Term) -> None:
        offset = _offset(top)
        if offset is not None:
            self._entries.setdefault(key, {})[offset] = None

    def call(self, point: Point, bottom: Term, callee: Callee) -> None:
        """Something else is called. Arguments on the stack are no object of the caller."""
        self._reach(self._keys(point), bottom, callee.stack_bytes or 0)

    def _keys(self, point: Point) -> tuple[_Key, ...]:
        """The frames in one of which a point is."""
        copy = self.side.copies.get(point.label)
        if copy is not None:
            return ((copy.address, copy.number),)
        return tuple((address, point.callers) for address in self._homes[point.label])

    def _reach(self, keys: tuple[_Key, ...], stack_pointer: Term, above: int) -> None:
        """One of those frames has its objects above the stack pointer, and as many bytes of something else."""
        offset = _offset(stack_pointer)
        if offset is not None:
            self._lowest[keys] = min(self._lowest.get(keys, 0), offset + above)

    @property
    def locals(self) -> tuple[Local, ...] | None:
        """All objects that there may be, by their offsets from the stack pointer at entry; None where some frame is
        not known."""
        found: dict[Local, None] = {}
        lowest: dict[_Key, int] = {}
        for keys, low in self._lowest.items():
            entered = [key for key in keys if key in self._entries]
            if not entered:
                return None
            for key in entered:
                lowest[key] = min(lowest.get(key, low), low)
        for key, entries in self._entries.items():
            own = key[0] == self.side.function.address and key[1] == ()
            known = self.side.locals if own else self.side.body_locals.get(key[0], ())
            ceiling = self.side.ceiling if own else self.side.body_ceilings.get(key[0])
            for top in entries:
                found |= {replace(one, offset=one.offset + top): None for one in known}
                low = lowest.get(key, 0)
                if ceiling is not None and low < top + ceiling:
                    found[Local(low, top + ceiling - low, _ALIGNMENT)] = None
        return tuple(found)


def _offset(stack_pointer: Term) -> int | None:
    """The offset of a stack pointer from that at entry; None where that is no number: then nothing is proved."""
    try:
        where = target(stack_pointer)
    except UndecidedAccessError:
        return None
    return where.offset if isinstance(where, Frame) and isinstance(where.offset, int) else None
