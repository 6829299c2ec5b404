"""Frames of two sides that have locals in common.

A local whose address is given to a callee is memory that both sides must agree on, though each has it at another place
in its frame. Where there are such locals (``pair.Shared``), they lie in memory, at their addresses in the original; the
rewrite's own frame has a base of its own (``OWN_RSP``), of which nothing is known, and an address of a local that
leaves the rewrite, in an argument, a store or a comparison, is put as what it is in the original (``View.outward``).
That is right as long as only which local an address points to matters: ``engine.escape`` sees to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from burnish.domains.smt.build import add, const, eq, mul
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.addresses import (
    ENTRY_RSP,
    OWN_RSP,
    Frame,
    UndecidedAccessError,
    frame_address,
    linear,
    signed,
)
from burnish.verify.pair import Local, Shared, SharedLocal

_MINUS_ONE = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class View:
    """How one side looks at its frame. ``moved`` for a rewrite whose frame has a base of its own."""

    shared: Shared = ()
    moved: bool = False

    @property
    def base(self) -> Term:
        """The stack pointer at entry."""
        return OWN_RSP if self.moved else ENTRY_RSP

    def outward(self, term: Term) -> Term:
        """A term as it is seen from outside of the frame."""
        return outward(term, self.shared) if self.moved else term

    def start(self, local: SharedLocal) -> int:
        """Where a local lies in this side's frame."""
        return local.rewrite if self.moved else local.original

    def local(self, where: Frame, size: int) -> SharedLocal | None:
        """The shared local that an access (of an address as seen from outside) goes to. Raises
        ``UndecidedAccessError`` for one that is not wholly inside, as far as its offset is known."""
        if self.moved and where.base is OWN_RSP:
            if isinstance(where.offset, int) and self._meets(where.offset, size):
                raise UndecidedAccessError(_ACROSS)
            return None
        offset = where.offset if isinstance(where.offset, int) else signed(linear(where.offset)[1])
        found = at(self.shared, offset, size if isinstance(where.offset, int) else 1)
        crossing = isinstance(where.offset, int) and any(
            one.original < offset + size and offset < one.original + one.size for one in self.shared
        )
        if found is None and (crossing or self.moved):
            raise UndecidedAccessError(_ACROSS)
        if found is not None and found.size < size:
            raise UndecidedAccessError(_ACROSS)
        return found

    def _meets(self, offset: int, size: int) -> bool:
        return any(one.rewrite < offset + size and offset < one.rewrite + one.size for one in self.shared)


OWN_VIEW = View()
"""Nothing is shared."""
_ACROSS = "an access across the end of a local"
_OTHERWISE = "its locals lie otherwise in the other's frame"


def at(shared: Shared, offset: int, size: int = 1) -> SharedLocal | None:
    """The local that has all of these bytes of the original's frame."""
    for one in shared:
        if one.original <= offset and offset + size <= one.original + one.size:
            return one
    return None


def pointer(term: Term, base: Term = ENTRY_RSP) -> int | None:
    """The offset of an address in a frame at a constant offset; None for anything else."""
    if term.width != 64:
        return None
    coefficients, constant = linear(term)
    return signed(constant) if coefficients == {base: 1} else None


@lru_cache(maxsize=1 << 12)
def outward(term: Term, shared: Shared) -> Term:
    """A term of the rewrite with the addresses of locals as they are in the original."""
    done: dict[Term, Term] = {}
    touched: set[Term] = {OWN_RSP}
    for part in subterms(term):
        if part is OWN_RSP or not any(arg in touched for arg in part.args):
            done[part] = part
            continue
        touched.add(part)
        if part.op is Op.EQ and part.args[0].width == 64:
            done[part] = _equation(part, shared, done)
        elif (moved := _moved(part, shared)) is not None:
            done[part] = moved
        else:
            done[part] = rebuild(part, [done[arg] for arg in part.args])
    return done[term]


def _moved(term: Term, shared: Shared) -> Term | None:
    """The address of a place in a local, as it is in the original."""
    if term.op is not Op.ADD or term.width != 64:
        return None
    coefficients, constant = linear(term)
    if coefficients.get(OWN_RSP) != 1:
        return None
    offset = signed(constant)
    rest = [mul(part, const(factor, 64)) for part, factor in coefficients.items() if part is not OWN_RSP]
    for one in shared:
        if one.rewrite <= offset < one.rewrite + one.size:
            return add(frame_address(offset - one.rewrite + one.original), *rest)
    return None


def _equation(term: Term, shared: Shared, done: dict[Term, Term]) -> Term:
    """An equation between an address of a local and something else."""
    (left, first), (right, second) = linear(term.args[0]), linear(term.args[1])
    factors = {part: left.get(part, 0) - right.get(part, 0) & _MINUS_ONE for part in (*left, *right)}
    factor = factors.pop(OWN_RSP, 0)
    constant = first - second & _MINUS_ONE
    if factor == _MINUS_ONE:
        factors = {part: -times & _MINUS_ONE for part, times in factors.items()}
        constant = -constant & _MINUS_ONE
    rest = [mul(done.get(part, part), const(-times, 64)) for part, times in factors.items() if times]
    address = _moved(add(OWN_RSP, const(constant, 64)), shared) if factor in (1, _MINUS_ONE) else None
    if address is None:
        return rebuild(term, [done[arg] for arg in term.args])
    return eq(address, add(*rest) if rest else const(0, 64))


def keeps_locals(original: int, rewrite: int, shared: Shared) -> bool:
    """True where a call changes no local of the rewrite that it does not change in the original: what lies below the
    stack pointer, at these depths, is anything afterwards."""
    return all(max(0, original - one.original) >= min(one.size, rewrite - one.rewrite) for one in shared)


def sharing(
    shared: Shared, escapes: Sequence[tuple[int | None, int | None]], locals_: Sequence[Local]
) -> Shared | str:
    """What has to be shared as well where addresses are given away, as an ``EscapeError`` has them; ``locals_`` are
    those of the original. Any answer is sound, for whatever is shared is compared; a phrase where there is none."""
    found = shared
    for mine, theirs in escapes:
        if mine is None or theirs is None:
            return "an address in its frame is passed to a function where the other passes another"
        local = _whole(mine, locals_)
        if local is None:
            return "an address in its frame is passed to a function, and the file does not say what is there"
        other = theirs - mine + local.offset
        one = SharedLocal(local.offset, other, local.size)
        if one in found:
            continue
        apart = all(
            one.original + one.size <= was.original or was.original + was.size <= one.original
            for was in found
        ) and all(
            one.rewrite + one.size <= was.rewrite or was.rewrite + was.size <= one.rewrite for was in found
        )
        # Elsewhere one local plus a number would be another in one frame only, whoever adds: to an address that was
        # loaded, or that a callee returned, as well.
        together = all(was.rewrite - was.original == other - local.offset for was in found)
        aligned = (other - 8) % min(local.alignment, 16) == 0 and local.alignment <= 16
        if not apart or not together or not aligned or max(one.original, one.rewrite) + one.size > 0:
            return _OTHERWISE
        found = (*found, one)
    return _OTHERWISE if found == shared else found


def _whole(offset: int, locals_: Sequence[Local]) -> Local | None:
    """The local at an offset, with all that it shares bytes with."""
    found = next((one for one in locals_ if one.offset <= offset < one.end), None)
    if found is None:
        return None
    touching = [found]
    for _ in locals_:
        start, end = min(one.offset for one in touching), max(one.end for one in touching)
        touching = [one for one in locals_ if one.offset < end and start < one.end]
    start, end = min(one.offset for one in touching), max(one.end for one in touching)
    return Local(start, end - start, max(one.alignment for one in touching))
