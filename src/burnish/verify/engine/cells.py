"""Memory at constant offsets, as pieces: what a frame mostly is."""

from __future__ import annotations

from collections.abc import Iterable

from burnish.domains.smt.build import add, concat, const, extract, select, store
from burnish.domains.smt.terms import Term


class Cells:
    """Pieces of memory by offset, without overlap. Sizes are in bytes; a piece has ``8 * size`` bits."""

    __slots__ = ("_at", "_pieces")

    def __init__(self) -> None:
        self._pieces: dict[int, Term] = {}
        self._at: dict[int, int] = {}
        """Each byte that is in a piece: where the piece starts."""

    def copy(self) -> Cells:
        """An independent copy."""
        other = Cells()
        other._pieces = dict(self._pieces)
        other._at = dict(self._at)
        return other

    def items(self) -> Iterable[tuple[int, Term]]:
        """``(offset, value)`` of each piece."""
        return self._pieces.items()

    def offsets(self) -> Iterable[int]:
        """Each byte that is in a piece."""
        return self._at.keys()

    def get(self, offset: int, size: int) -> Term | None:
        """The piece of exactly that place, or None."""
        piece = self._pieces.get(offset)
        return piece if piece is not None and piece.width == 8 * size else None

    def byte(self, offset: int) -> Term | None:
        """One byte, or None where no piece covers it."""
        start = self._at.get(offset)
        return None if start is None else extract(self._pieces[start], 8 * (offset - start), 8)

    def put(self, offset: int, value: Term) -> None:
        """Replaces what lies there; what remains of pieces that are cut stays."""
        size = value.width // 8
        self.drop(offset, offset + size)
        self._pieces[offset] = value
        for k in range(offset, offset + size):
            self._at[k] = offset

    def drop(self, low: int, high: int) -> None:
        """Forgets the bytes from ``low`` up to ``high``."""
        inside = (
            (k for k in range(low, high))
            if high - low < len(self._at)
            else (k for k in self._at if low <= k < high)
        )
        for start in {self._at[k] for k in inside if k in self._at}:
            piece = self._pieces.pop(start)
            end = start + piece.width // 8
            for k in range(start, end):
                del self._at[k]
            if start < low:
                self._keep(start, extract(piece, 0, 8 * (low - start)))
            if end > high:
                self._keep(high, extract(piece, 8 * (high - start), 8 * (end - high)))

    def _keep(self, offset: int, piece: Term) -> None:
        self._pieces[offset] = piece
        for k in range(offset, offset + piece.width // 8):
            self._at[k] = offset


def join_bytes(parts: Iterable[Term]) -> Term:
    """The little-endian value of bytes (or longer parts), lowest address first."""
    return concat(*reversed(list(parts)))


def read_bytes(memory: Term, address: Term, size: int) -> Term:
    """What ``size`` bytes of a memory hold."""
    return join_bytes(select(memory, add(address, const(k, 64))) for k in range(size))


def write_bytes(memory: Term, address: Term, value: Term, size: int) -> Term:
    """A memory with ``size`` bytes changed."""
    for k in range(size):
        memory = store(memory, add(address, const(k, 64)), extract(value, 8 * k, 8))
    return memory
