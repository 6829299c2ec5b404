"""Addresses in the frame that leave the function: in arguments, in memory, in conditions.

Locals that are shared (``engine.frames``) lie elsewhere in the rewrite than they are looked at. That says something of
the rewrite as it is only where nothing but which local an address points to matters. So their addresses may be stored
and passed whole, compared for equality, and accessed; whatever else is computed from them ends the proof. What a callee
returns or stores may be such an address as well. Where locals have another distance from each other in the two frames
it ends the proof, too, if two of these are ordered or subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from burnish.domains.smt.build import add, concat, const
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.addresses import (
    ENTRY_RSP,
    FRAME_BASES,
    LOCAL_BASES,
    linear,
    made_of_frame,
    mentions_frame,
    signed,
)
from burnish.verify.engine.apart import is_given
from burnish.verify.engine.execute import Access, UnmodelledError
from burnish.verify.engine.frames import inside, pointer
from burnish.verify.pair import Shared, SharedLocal

CALLERS = SharedLocal(8, 8, 0)
"""Stands among what is shared for all above the return address, where that is the caller's memory: it lies in one place
for both sides, so that addresses there may be given away as they are. Functions with variable arguments do so."""
_MINUS_ONE = (1 << 64) - 1
_NOWHERE = const(0, 64)
_Use = tuple[Term, Term | None]
"""A term, and for a word that is passed or stored whole the address at which it is stored, ``_NOWHERE`` for what is no
part of a memory; None for anything else."""


class EscapeError(UnmodelledError):
    """Addresses in the frame, of locals that are not shared, are given to a callee: where each side's point to, as
    offsets from its own stack pointer at entry, None for no address."""

    def __init__(self, places: Iterable[tuple[int | None, int | None]]) -> None:
        super().__init__("an address in its frame is passed to a function")
        self.places = tuple(places)


@dataclass(slots=True)
class Leaving:
    """How addresses in the frame leave: ``pointers`` are those to places that are not shared, as offsets, each by the
    address at which it is stored, and its number among those that may be there; ``odd`` where something else depends
    on where the frame is."""

    pointers: dict[tuple[Term, int], int] = field(default_factory=dict[tuple[Term, int], int])
    odd: bool = False

    def note(self, stored_at: Term, offset: int) -> None:
        """One more pointer."""
        number = 0
        while self.pointers.setdefault((stored_at, number), offset) != offset:
            number += 1

    def __bool__(self) -> bool:
        return self.odd or bool(self.pointers)


def leaving(roots: Iterable[Term], shared: Shared, *, ended: bool = False) -> Leaving:
    """How addresses in the frame leave with values of 64 bits, memories and conditions, as they are seen from outside.
    Where the function has ``ended`` its locals are no more: what they held does not matter, and no address of them may
    be left."""
    roots = tuple(roots)
    rearranged = len({one.rewrite - one.original for one in shared}) > 1
    found = Leaving(odd=rearranged and any(map(_relates, roots)))
    whole_roots = [_NOWHERE if root.width == 64 and not ended else None for root in roots]
    waiting = [use for use in zip(roots, whole_roots, strict=True) if mentions_frame(use[0])]
    seen = set(waiting)
    while waiting:
        term, whole = waiting.pop()
        if whole is not None and _is_pointer(term, whole, shared, found):
            continue
        if term in FRAME_BASES:
            found.odd = True
            continue
        for part in _parts(term, whole, shared, ended):
            if part not in seen and mentions_frame(part[0]):
                seen.add(part)
                waiting.append(part)
    return found


def given_away(values: Iterable[Term], memories: Iterable[Term]) -> frozenset[int]:
    """The numbers of the shared locals of which an address may be made of one of the values, or of what was stored in
    the memories."""
    waiting, seen = list(memories), set[Term]()
    found = list(values)
    while waiting:
        term = waiting.pop()
        if term in seen:
            continue
        seen.add(term)
        match term.op:
            case Op.STORE:
                waiting.append(term.args[0])
                found.append(term.args[2])
            case Op.ITE:
                waiting += term.args[1:]
            case _:
                pass
    parts = set(subterms(*found))
    return frozenset(number for number, base in enumerate(LOCAL_BASES) if base in parts)


def _is_pointer(term: Term, stored_at: Term, shared: Shared, found: Leaving) -> bool:
    """True for the address of a place in a frame; one that is not in a shared local is noted."""
    place = pointer(term)
    if place is None:
        return False
    base, offset = place
    if base is ENTRY_RSP and offset >= CALLERS.original and CALLERS in shared:
        return True
    if base is ENTRY_RSP:
        found.note(stored_at, offset)
    elif not inside(base, offset, shared):
        found.odd = True
    return True


def _parts(term: Term, whole: Term | None, shared: Shared, ended: bool) -> Iterator[_Use]:
    """The operands and what they are used as, as far as they matter."""
    match term.op:
        case Op.ITE:
            condition, then, other = term.args
            yield from ((condition, None), (then, whole), (other, whole))
        case Op.SELECT:
            yield term.args[0], None
            yield from _place(term.args[1], shared)
        case Op.STORE:
            yield from _stores(term, shared, ended)
        case Op.EQ if term.args[0].width == 64:
            yield from _equation(term.args[0], term.args[1], shared)
        case _:
            yield from ((arg, None) for arg in term.args)


def _stores(term: Term, shared: Shared, ended: bool) -> Iterator[_Use]:
    """What a chain of stores stores, where, and what is beneath. Eight bytes beside each other that are one word are
    that."""
    bytes_: dict[Term, Term] = {}
    while term.op is Op.STORE:
        term, address, byte = term.args
        bytes_.setdefault(address, byte)
        yield from _place(address, shared)
    yield term, None
    done: set[Term] = set()
    for address, byte in bytes_.items():
        if address in done or not mentions_frame(byte) or (ended and mentions_frame(address)):
            continue
        word = None if ended else _word(bytes_, address)
        if word is None:
            yield byte, None
        else:
            done |= set(word[0])
            yield word[1], word[0][0]


def _word(bytes_: Mapping[Term, Term], address: Term) -> tuple[list[Term], Term] | None:
    """The addresses and the value of the word that may be an address, and has a byte at ``address``."""
    for before in range(8):
        places = [add(address, const(k - before, 64)) for k in range(8)]
        if all(place in bytes_ for place in places):
            value = concat(*(bytes_[place] for place in reversed(places)))
            if value.op in (Op.VAR, Op.ADD, Op.ITE):
                return places, value
    return None


def _place(address: Term, shared: Shared) -> Iterator[_Use]:
    """What of the address of an access is not simply a place in a shared local."""
    coefficients, constant = linear(address)
    for term, factor in coefficients.items():
        if factor != 1 or not inside(term, signed(constant), shared):
            yield term, None


def _equation(one: Term, other: Term, shared: Shared) -> Iterator[_Use]:
    """What of an equation does not simply ask if something is the address of a place in a shared local."""
    for chosen, rest in ((one, other), (other, one)):
        if chosen.op is Op.ITE and made_of_frame(chosen):
            condition, then, otherwise = chosen.args
            yield condition, None
            yield from _equation(then, rest, shared)
            yield from _equation(otherwise, rest, shared)
            return
    (left, first), (right, second) = linear(one), linear(other)
    factors = {term: left.get(term, 0) - right.get(term, 0) & _MINUS_ONE for term in (*left, *right)}
    bases = {term: times for term, times in factors.items() if times and term in FRAME_BASES}
    others = [times for term, times in factors.items() if times and term not in FRAME_BASES]
    for base, factor in bases.items():
        constant = first - second if factor == 1 else second - first
        known = factor in (1, _MINUS_ONE) and inside(base, signed(constant & _MINUS_ONE), shared)
        # With an index beside it the equation may ask how far something lies from the local.
        if not known or len(bases) > 1 or others not in ([], [-factor & _MINUS_ONE]):
            yield base, None
    for term, times in factors.items():
        if times and term not in bases:
            yield term, None


def needs_alignment(accesses: Iterable[Access], shared: Shared) -> bool:
    """True where an address that a callee returned or stored has to be a multiple of 16, and the locals that it may
    point to are not in both frames, or not in neither."""
    moved = any((one.rewrite - one.original) % 16 for one in shared)
    return moved and any(one.aligned and not is_given(one.address) for one in accesses)


@lru_cache(maxsize=1 << 14)
def _relates(root: Term) -> bool:
    """True where something depends on which of two addresses that came from callees is lower, or by how much."""
    return any(_is_relation(term) for term in subterms(root))


@lru_cache(maxsize=1 << 14)
def _is_relation(term: Term) -> bool:
    match term.op:
        case Op.ULT | Op.SLT | Op.EQ:
            (left, first), (right, second) = linear(term.args[0]), linear(term.args[1])
            factors = {part: left.get(part, 0) - right.get(part, 0) for part in (*left, *right)}
            plain = term.op is Op.EQ and first == second and sum(times != 0 for times in factors.values()) < 3
        case Op.ADD:
            factors, plain = linear(term)[0], False
        case _:
            return False
    if plain:
        return False
    sign = term.args[0].width - 1
    signs = {times >> sign & 1 for part, times in factors.items() if times and _may_be_local(part)}
    return len(signs) > 1


def _may_be_local(part: Term) -> bool:
    """True for what may be an address of a local, or the low part of one: it did not come with the function's
    arguments."""
    if part.op is Op.EXTRACT and part.payload == 0:
        part = part.args[0]
    narrow = part.op in (Op.ZEXT, Op.SEXT) and part.args[0].width <= 32
    narrow = narrow or (part.op is Op.CONCAT and part.args[0].is_const and part.args[0].width >= 32)
    return part.width == 64 and not narrow and part not in FRAME_BASES and not is_given(part)
