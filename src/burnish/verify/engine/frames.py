"""Frames of two sides that have locals in common.

A local whose address is given to a callee is memory that both sides must agree on, though each has it at another place
in its frame. Where there are such locals (``pair.Shared``), they lie in memory, each at an address of its own of which
nothing is known (``LOCAL_BASES``), the same for both sides; an address of a local that leaves a side's frame, in an
argument, a store or a comparison, is put as a place in that local (``View.outward``).

So both do the same wherever these locals lie: the original with its locals where the rewrite has them. That it is the
original with its own holds as long as only which local an address points to matters: ``engine.escape`` sees to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from burnish.domains.smt.build import FALSE, add, const, eq, mul
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.addresses import (
    ENTRY_RSP,
    FRAME_BASES,
    LOCAL_BASES,
    Frame,
    UndecidedAccessError,
    linear,
    signed,
)
from burnish.verify.pair import Shared

_MINUS_ONE = (1 << 64) - 1
_PAGE = 4096
_FAR = 1 << 20
"""The stack is above twice as much (``engine.axioms``)."""


@dataclass(frozen=True, slots=True)
class View:
    """How one side looks at its frame; ``second`` for the rewrite."""

    shared: Shared = ()
    second: bool = False

    def outward(self, term: Term) -> Term:
        """A term as it is seen from outside of the frame."""
        return _outward(term, self.starts, self.shared) if self.shared else term

    @property
    def starts(self) -> tuple[int, ...]:
        """Where the shared locals lie in this side's frame."""
        return tuple(one.rewrite if self.second else one.original for one in self.shared)

    def local(self, where: Frame, size: int) -> int | None:
        """The number of the shared local that an access (of an address as seen from outside) goes to. Raises
        ``UndecidedAccessError`` for one that is not wholly inside, as far as its offset is known."""
        offset = where.offset
        if where.base is ENTRY_RSP:
            if isinstance(offset, int) and self._meets(offset, size):
                raise UndecidedAccessError(_ACROSS)
            return None
        number = LOCAL_BASES.index(where.base)
        low, high = (offset, offset + size) if isinstance(offset, int) else (0, size)
        if low < 0 or high > self.shared[number].size:
            raise UndecidedAccessError(_ACROSS)
        return number

    def place(self, offset: int, size: int) -> Term | None:
        """The place in a shared local at an offset of the frame, None for what is in none. Raises
        ``UndecidedAccessError`` for what is partly in one."""
        if not self._meets(offset, size):
            return None
        for base, start, one in zip(LOCAL_BASES, self.starts, self.shared, strict=False):
            if start <= offset and offset + size <= start + one.size:
                return add(base, const(offset - start, 64))
        raise UndecidedAccessError(_ACROSS)

    def _meets(self, offset: int, size: int) -> bool:
        places = zip(self.starts, self.shared, strict=True)
        return any(start < offset + size and offset < start + one.size for start, one in places)


OWN_VIEW = View()
"""Nothing is shared."""
_ACROSS = "an access across the end of a local"


def inside(base: Term, offset: int, shared: Shared) -> bool:
    """True for a place in a shared local."""
    return base in LOCAL_BASES and 0 <= offset < shared[LOCAL_BASES.index(base)].size


def pointer(term: Term) -> tuple[Term, int] | None:
    """The base and the offset of an address in a frame at a constant offset; None for anything else."""
    if term.width != 64:
        return None
    coefficients, constant = linear(term)
    base = next(iter(coefficients), None)
    return (base, signed(constant)) if base in FRAME_BASES and coefficients == {base: 1} else None


@lru_cache(maxsize=1 << 12)
def _outward(term: Term, starts: tuple[int, ...], shared: Shared) -> Term:
    """A term of a side with the addresses of locals as places in them."""
    done: dict[Term, Term] = {}
    touched: set[Term] = set(FRAME_BASES)
    for part in subterms(term):
        if part in FRAME_BASES or not any(arg in touched for arg in part.args):
            done[part] = part
            continue
        touched.add(part)
        if part.op is Op.EQ and part.args[0].width == 64:
            done[part] = _equation(part, starts, shared, done)
        elif (moved := _moved(part, starts, shared)) is not None:
            done[part] = moved
        else:
            done[part] = rebuild(part, [done[arg] for arg in part.args])
    return done[term]


def _moved(term: Term, starts: tuple[int, ...], shared: Shared) -> Term | None:
    """The address of a place in a local, as that."""
    if term.op is not Op.ADD or term.width != 64:
        return None
    coefficients, constant = linear(term)
    if coefficients.get(ENTRY_RSP) != 1:
        return None
    offset = signed(constant)
    rest = [mul(part, const(factor, 64)) for part, factor in coefficients.items() if part is not ENTRY_RSP]
    for base, start, one in zip(LOCAL_BASES, starts, shared, strict=False):
        if start <= offset < start + one.size:
            return add(base, const(offset - start, 64), *rest)
    return None


def _is_null(one: Term, other: Term) -> bool:
    """True for an address in a frame and a number that is none: no frame lies at the beginning of the address space."""
    place = pointer(one)
    return place is not None and abs(place[1]) < _FAR and other.is_const and other.value < _PAGE


def _equation(term: Term, starts: tuple[int, ...], shared: Shared, done: dict[Term, Term]) -> Term:
    """An equation between an address of a local and something else. Places in two locals are never one."""
    (left, first), (right, second) = linear(term.args[0]), linear(term.args[1])
    factors = {part: left.get(part, 0) - right.get(part, 0) & _MINUS_ONE for part in (*left, *right)}
    factor = factors.pop(ENTRY_RSP, 0)
    constant = first - second & _MINUS_ONE
    if factor == _MINUS_ONE:
        factors = {part: -times & _MINUS_ONE for part, times in factors.items()}
        constant = -constant & _MINUS_ONE
    rest = [mul(done.get(part, part), const(-times, 64)) for part, times in factors.items() if times]
    address = None
    if factor in (1, _MINUS_ONE):
        address = _moved(add(ENTRY_RSP, const(constant, 64)), starts, shared)
    if address is None:
        one, other = (done[arg] for arg in term.args)
    else:
        one, other = address, add(*rest) if rest else const(0, 64)
    if _is_null(one, other) or _is_null(other, one):
        return FALSE
    places = [place for place in map(pointer, (one, other)) if place and inside(*place, shared)]
    if len({base for base, _ in places}) == 2:
        return FALSE
    return eq(one, other) if address is not None else rebuild(term, [one, other])


def keeps_locals(original: int, rewrite: int, shared: Shared) -> bool:
    """True where a call changes no local of the rewrite that it does not change in the original: what lies below the
    stack pointer, at these depths, is anything afterwards."""
    return all(max(0, original - one.original) >= min(one.size, rewrite - one.rewrite) for one in shared)
