"""Addresses in the frame that leave the function: in arguments, in memory, in conditions.

Locals that are shared (``engine.frames``) lie elsewhere in the rewrite than they are looked at. That says something of
the rewrite as it is only where nothing but which local an address points to matters. So their addresses may be stored
and passed whole, compared for equality, and accessed; whatever else is computed from them ends the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from burnish.domains.smt.build import add, concat, const
from burnish.domains.smt.terms import Op, Term
from burnish.verify.engine.addresses import ENTRY_RSP, FRAME_BASES, OWN_RSP, linear, mentions_frame, signed
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.frames import at, pointer
from burnish.verify.pair import Shared

_MINUS_ONE = (1 << 64) - 1
_Use = tuple[Term, bool]
"""A term, and whether it is a word that is passed or stored whole."""


class EscapeError(UnmodelledError):
    """Addresses in the frame, of locals that are not shared, are given to a callee: where each side's point to, as
    offsets from its own stack pointer at entry, None for no address."""

    def __init__(self, places: Iterable[tuple[int | None, int | None]]) -> None:
        super().__init__("an address in its frame is passed to a function")
        self.places = tuple(places)


@dataclass(slots=True)
class Leaving:
    """How addresses in the frame leave: ``pointers`` are those to places that are not shared, as offsets, each by the
    address at which it is stored (None for one that is no part of a memory); ``odd`` where something else depends on
    where the frame is."""

    pointers: dict[Term | None, int] = field(default_factory=dict[Term | None, int])
    odd: bool = False

    def __bool__(self) -> bool:
        return self.odd or bool(self.pointers)


def leaving(roots: Iterable[Term], shared: Shared, *, ended: bool = False) -> Leaving:
    """How addresses in the frame leave with values of 64 bits, memories and conditions, as they are seen from outside.
    Where the function has ``ended`` its locals are no more: what they held does not matter, and no address of them may
    be left."""
    found = Leaving()
    waiting = [(root, root.width == 64 and not ended) for root in roots if mentions_frame(root)]
    seen = set(waiting)
    while waiting:
        term, whole = waiting.pop()
        if term in FRAME_BASES:
            found.odd = True
            continue
        if whole and _is_pointer(term, None, shared, found):
            continue
        for part in _parts(term, whole, shared, ended, found):
            if part not in seen and mentions_frame(part[0]):
                seen.add(part)
                waiting.append(part)
    return found


def _is_pointer(term: Term, stored_at: Term | None, shared: Shared, found: Leaving) -> bool:
    """True for the address of a place in a frame; one that is not in a shared local is noted."""
    for base in (ENTRY_RSP, OWN_RSP):
        offset = pointer(term, base)
        if offset is not None:
            if base is OWN_RSP or at(shared, offset) is None:
                found.pointers[stored_at] = offset
            return True
    return False


def _parts(term: Term, whole: bool, shared: Shared, ended: bool, found: Leaving) -> Iterator[_Use]:
    """The operands and what they are used as, as far as they matter."""
    match term.op:
        case Op.ITE:
            condition, then, other = term.args
            yield from ((condition, False), (then, whole), (other, whole))
        case Op.SELECT:
            yield term.args[0], False
            yield from _place(term.args[1], shared)
        case Op.STORE:
            yield from _stores(term, shared, ended, found)
        case Op.EQ if term.args[0].width == 64:
            yield from _equation(term.args[0], term.args[1], shared)
        case _:
            yield from ((arg, False) for arg in term.args)


def _stores(term: Term, shared: Shared, ended: bool, found: Leaving) -> Iterator[_Use]:
    """What a chain of stores stores, where, and what is beneath. Eight bytes beside each other that are an address are
    that."""
    bytes_: dict[Term, Term] = {}
    while term.op is Op.STORE:
        term, address, byte = term.args
        bytes_.setdefault(address, byte)
        yield from _place(address, shared)
    yield term, False
    done: set[Term] = set()
    for address, byte in bytes_.items():
        if address in done or not mentions_frame(byte) or (ended and mentions_frame(address)):
            continue
        word = None if ended else _word(bytes_, address)
        if word is None:
            yield byte, False
        else:
            done |= set(word[0])
            _is_pointer(word[1], word[0][0], shared, found)


def _word(bytes_: Mapping[Term, Term], address: Term) -> tuple[list[Term], Term] | None:
    """The addresses and the value of the word that is an address in the frame and has a byte at ``address``."""
    for before in range(8):
        places = [add(address, const(k - before, 64)) for k in range(8)]
        if all(place in bytes_ for place in places):
            value = concat(*(bytes_[place] for place in reversed(places)))
            if any(pointer(value, base) is not None for base in FRAME_BASES):
                return places, value
    return None


def _place(address: Term, shared: Shared) -> Iterator[_Use]:
    """What of the address of an access is not simply a place in a shared local."""
    coefficients, constant = linear(address)
    for term, factor in coefficients.items():
        if term is not ENTRY_RSP or factor != 1 or at(shared, signed(constant)) is None:
            yield term, False


def _equation(one: Term, other: Term, shared: Shared) -> Iterator[_Use]:
    """What of an equation does not simply ask if something is the address of a place in a shared local."""
    (left, first), (right, second) = linear(one), linear(other)
    factors = {term: left.get(term, 0) - right.get(term, 0) & _MINUS_ONE for term in (*left, *right)}
    factor = factors.pop(ENTRY_RSP, 0)
    constant = first - second if factor == 1 else second - first
    if factor not in (0, 1, _MINUS_ONE) or (factor and at(shared, signed(constant & _MINUS_ONE)) is None):
        yield ENTRY_RSP, False
    # With an index beside it the equation may ask how far something lies from the local.
    others = [times for times in factors.values() if times]
    if factor and others not in ([], [-factor & _MINUS_ONE]):
        yield ENTRY_RSP, False
    for term, times in factors.items():
        if times:
            yield term, False
