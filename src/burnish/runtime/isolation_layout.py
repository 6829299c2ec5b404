"""Where everything of an isolated execution lies: checks what is asked for and turns it into page ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from burnish import _native
from burnish.core.image import Access
from burnish.core.state import DEFAULT_MXCSR, FLAGS_MASK
from burnish.runtime.batch import BatchResult, Placement, StateBatch, Window

_PAGE = 4096
_TOP = 1 << 47
_STUB = 21
"""Bytes of the jump out of tested code that follows it and stands at the return address."""


def _check_states(states: StateBatch) -> None:
    count = len(states)
    if (
        states.gpr.shape != (count, 16)
        or states.xmm.shape != (count, 16, 2)
        or states.flags.shape != (count,)
    ):
        raise ValueError("gpr, xmm and flags must have shapes (N, 16), (N, 16, 2) and (N,)")
    if states.mxcsr is not None and states.mxcsr.shape != (count,):
        raise ValueError("mxcsr must have shape (N,)")
    if np.any(states.flags & np.uint64(~FLAGS_MASK & (1 << 64) - 1)):
        raise ValueError(f"flags must lie within {FLAGS_MASK:#x}")
    if states.mxcsr is not None and np.any(states.mxcsr > 0xFFFF):
        raise ValueError("mxcsr must lie within 0xffff")
    if not 0 <= states.fs_base < _TOP:
        raise ValueError("fs_base must lie below 2^47")
    for window in states.windows:
        rows = window.contents.shape[0] if window.contents.ndim == 2 else 0
        if window.contents.ndim not in (1, 2) or (window.contents.ndim == 2 and rows != count):
            raise ValueError(f"the window at {window.address:#x} must have shape (size,) or (N, size)")
        if window.contents.ndim == 2 and Access.WRITE not in window.access:
            raise ValueError(
                f"the window at {window.address:#x} cannot be written, so all states must share it"
            )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes that something is to occupy."""

    address: int
    end: int
    access: Access
    what: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Memory of one batch as the native executor wants it."""

    memory: _native.ExecutorLayout
    slacks: list[tuple[int, int]]
    placement: Placement
    room: int
    fs_base: int
    key: tuple[object, ...] = field(repr=False)
    """All that it was made from."""

    @classmethod
    def of(
        cls, codes: Sequence[bytes], states: StateBatch, placement: Placement, last: Layout | None = None
    ) -> Layout:
        """The layout in which each of ``codes`` can run on each of ``states``: ``last`` where that is the same. Raises
        ``ValueError`` for states that do not fit together and for pieces that overlap or cannot be mapped."""
        _check_states(states)
        longest = max((len(code) for code in codes), default=0)
        key = (longest, placement, states.fs_base, *map(_held, states.windows))
        if last is not None and last.key == key:
            return last
        placed = longest > 0 or placement.entry is None
        pieces = [
            _Piece(window.address, window.end, window.access, "a memory region") for window in states.windows
        ]
        executable = Access.READ | Access.EXECUTE
        if placed:
            end = placement.address + longest + _STUB
            pieces.append(_Piece(placement.address, end, executable, "the code"))
        if placement.return_address is not None:
            end = placement.return_address + _STUB
            pieces.append(_Piece(placement.return_address, end, executable, "the return address"))
        pieces.sort(key=lambda piece: piece.address)
        _check_pieces(pieces)
        pages = _pages(pieces)
        return cls(
            memory=_native.ExecutorLayout(
                _maps(pages),
                [
                    (window.address, np.ascontiguousarray(window.contents))
                    for window in states.windows
                    if Access.WRITE not in window.access
                ],
                [] if placement.return_address is None else [placement.return_address],
            ),
            slacks=_gaps(pieces, pages),
            placement=placement,
            room=longest + _STUB if placed else 0,
            fs_base=states.fs_base,
            key=key,
        )

    def code(self, code: bytes) -> _native.ExecutorCode:
        """One of the codes of ``of``, at its place."""
        place = self.placement
        entry = place.address if place.entry is None else place.entry
        return _native.ExecutorCode(
            code, place.address, self.room, entry, place.return_address or 0, self.fs_base
        )

    def before(self, states: StateBatch, result: BatchResult) -> _native.ExecutorStates:
        """The states to start from; what writable windows hold afterwards goes into ``result``."""
        observed = iter(result.windows)
        mxcsr = states.mxcsr
        return _native.ExecutorStates(
            np.ascontiguousarray(states.gpr),
            np.ascontiguousarray(states.xmm),
            np.ascontiguousarray(states.flags),
            np.full(len(states), DEFAULT_MXCSR, np.uint32) if mxcsr is None else np.ascontiguousarray(mxcsr),
            [
                (
                    window.address,
                    np.ascontiguousarray(np.atleast_2d(window.contents)),
                    next(observed) if window.is_result else None,
                )
                for window in states.windows
                if Access.WRITE in window.access
            ],
            self.slacks,
        )


def _held(window: Window) -> tuple[int, int, Access, bytes | None]:
    """What of a window is the same in all batches of one layout."""
    content = None if Access.WRITE in window.access else window.contents.tobytes()
    return window.address, window.size, window.access, content


def _check_pieces(pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        if piece.end <= piece.address:
            raise ValueError(f"{piece.what} at {piece.address:#x} is empty")
        if piece.address < _PAGE or piece.end > _TOP - _PAGE:
            raise ValueError(
                f"{piece.what} at {piece.address:#x} lies outside the address space of a process"
            )
    for one, other in pairwise(pieces):
        if other.address < one.end:
            raise ValueError(f"{other.what} at {other.address:#x} overlaps {one.what} at {one.address:#x}")


def _pages(pieces: Sequence[_Piece]) -> list[tuple[int, int, Access]]:
    """Page ranges ``(start, end, access)`` that hold the sorted pieces: disjoint, sorted, neighbours of one access
    joined. Raises ``ValueError`` where a page would need two kinds of access."""
    ranges: list[tuple[int, int, Access]] = []
    for piece in pieces:
        start, end = piece.address & -_PAGE, -(-piece.end // _PAGE) * _PAGE
        if ranges:
            last_start, last_end, access = ranges[-1]
            if start < last_end and access != piece.access:
                raise ValueError(
                    f"{piece.what} at {piece.address:#x} shares a page with memory of other access"
                )
            if start <= last_end and access == piece.access:
                ranges[-1] = (last_start, max(last_end, end), access)
                continue
        ranges.append((start, end, piece.access))
    return ranges


def _maps(pages: Sequence[tuple[int, int, Access]]) -> list[tuple[int, int, int]]:
    """The ranges as ``(address, size, PROT_*)``."""
    return [
        (
            start,
            end - start,
            (1 if Access.READ in access else 0)
            | (2 if Access.WRITE in access else 0)
            | (4 if Access.EXECUTE in access else 0),
        )
        for start, end, access in pages
    ]


def _gaps(pieces: Sequence[_Piece], pages: Sequence[tuple[int, int, Access]]) -> list[tuple[int, int]]:
    """``(address, size)`` of what lies in writable page ranges and in no piece."""
    gaps: list[tuple[int, int]] = []
    for start, end, access in pages:
        if Access.WRITE not in access:
            continue
        position = start
        for piece in pieces:
            if not start <= piece.address < end:
                continue
            if piece.address > position:
                gaps.append((position, piece.address - position))
            position = piece.end
        if position < end:
            gaps.append((position, end - position))
    return gaps
