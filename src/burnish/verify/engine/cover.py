"""Accesses: a rewrite may read only where the original does, write only what it writes, and be aligned where it must.

Memory is protected by pages: a read is safe in a page in which the original reads or writes under the same condition,
or inside an object whose extent is known. A write must hit bytes that the original writes too, even if the value is the
one that is there already, for another thread may change it in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.domains.smt.build import (
    FALSE,
    TRUE,
    add,
    and_,
    const,
    eq,
    extract,
    lshr,
    ne,
    not_,
    or_,
    sub,
    ule,
    ult,
)
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import ENTRY_RSP, Named, UndecidedAccessError, linear, target
from burnish.verify.engine.execute import Access
from burnish.verify.engine.state import literals
from burnish.verify.pair import LOWEST

_PAGE_BITS = 12
_MARGIN = 1 << 17
_WORD = 8
_STACK = 1 << 20
"""Bytes on both sides of the stack pointer at entry."""
_TOP = 1 << 47
"""End of a process's addresses."""


def uncovered(
    original: Sequence[Access],
    rewrite: Sequence[Access],
    extents: dict[str, int],
    *,
    writes: bool,
    pages: bool = True,
    on_time: Callable[[], None] = lambda: None,
) -> list[Term]:
    """Conditions under each of which an access of the rewrite is not covered by one of the original; those that can
    be seen to be FALSE are left out. ``extents`` has the sizes of objects; without ``writes`` a write counts as a
    read. Without ``pages`` only accesses that are seen to contain the other's bytes count, where there are any: then
    the conditions are about paths alone, and more may be left open than is. ``on_time`` raises an error of its own when
    the time is up."""
    index = _Index(original)
    found: list[Term] = []
    for access in dict.fromkeys(rewrite):
        on_time()
        strict = access.write and writes
        if access.constant and not index.repeats(access):
            found.append(and_(access.condition, not_(_within(access, extents))))
        if not index.covers(access, strict):
            within = FALSE if strict else _within(access, extents)
            if within is not TRUE:
                containing = [] if pages else index.containing(access, strict)
                covered = or_(*containing) if containing else _covered(access, original, strict)
                found.append(and_(access.condition, not_(or_(within, covered))))
        if access.aligned and not index.aligns(access):
            low = extract(access.address, 0, 4)
            found.append(and_(access.condition, ne(low, const(0, 4))))
    return [term for term in found if term is not FALSE]


def facts(accesses: Sequence[Access], extents: dict[str, int]) -> list[Term]:
    """What the original's accesses say of their addresses where it does not fault, and reads constants only where they
    are."""
    found: list[Term] = []
    for access in dict.fromkeys(accesses):
        room = const(_TOP - LOWEST - access.size, 64)
        inside = ule(add(access.address, const(-LOWEST, 64)), room)
        found.append(or_(not_(access.condition), inside))
        if access.constant:
            found.append(or_(not_(access.condition), _within(access, extents)))
        if access.aligned:
            found.append(or_(not_(access.condition), eq(extract(access.address, 0, 4), const(0, 4))))
    return [fact for fact in found if fact is not TRUE]


def mappable(accesses: Sequence[Access]) -> list[Term]:
    """That accesses lie where a test can have memory, away from both ends of the address space and from the stack: no
    fact, but where inputs that are to be run are best looked for."""
    found = [ule(ENTRY_RSP, const(_TOP - 2 * _STACK, 64))]
    for access in dict.fromkeys(accesses):
        room = const(_TOP - 2 * _MARGIN - access.size, 64)
        inside = ule(add(access.address, const(-_MARGIN, 64)), room)
        apart = ule(const(2 * _STACK, 64), add(access.address, sub(const(_STACK, 64), ENTRY_RSP)))
        found.append(or_(not_(access.condition), and_(inside, apart)))
    return [term for term in found if term is not TRUE]


def natural(accesses: Sequence[Access]) -> list[Term]:
    """That accesses lie where programs have them, at multiples of their size up to that of a pointer: no fact, but
    inputs are better understood so, and what else they need is found more easily."""
    found: list[Term] = []
    for access in dict.fromkeys(accesses):
        bits = min(access.size, _WORD).bit_length() - 1
        if bits and access.size in (2, 4, 8, 16):
            whole = eq(extract(access.address, 0, bits), const(0, bits))
            found.append(or_(not_(access.condition), whole))
    return [term for term in found if term is not TRUE]


class _Index:
    """The original's accesses by what their addresses are made of."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        self._by_base: dict[frozenset[tuple[Term, int]], list[tuple[int, Access]]] = {}
        for access in accesses:
            base, offset = _split(access.address)
            self._by_base.setdefault(base, []).append((offset, access))

    def covers(self, access: Access, strict: bool) -> bool:
        """True where accesses that surely happen as well touch all its bytes."""
        base, offset = _split(access.address)
        known = literals(access.condition)
        missing = set(range(access.size))
        for at, other in self._by_base.get(base, ()):
            if (strict and not other.write) or not literals(other.condition) <= known:
                continue
            distance = (at - offset) & (1 << 64) - 1
            distance -= (1 << 64) if distance >> 63 else 0
            missing -= set(range(distance, distance + other.size))
            if not missing:
                return True
        return False

    def containing(self, access: Access, strict: bool) -> list[Term]:
        """The conditions of accesses that contain all its bytes, whenever they happen."""
        base, offset = _split(access.address)
        return [
            other.condition
            for at, other in self._by_base.get(base, ())
            if (other.write or not strict) and (offset - at) & (1 << 64) - 1 <= other.size - access.size
        ]

    def repeats(self, access: Access) -> bool:
        """True where the original surely makes the same access."""
        base, offset = _split(access.address)
        known = literals(access.condition)
        return any(
            at == offset and other.size == access.size and literals(other.condition) <= known
            for at, other in self._by_base.get(base, ())
        )

    def aligns(self, access: Access) -> bool:
        """True where an access that surely happens needs the same alignment at the same address."""
        base, offset = _split(access.address)
        known = literals(access.condition)
        return any(
            (at - offset) % 16 == 0 and other.aligned and literals(other.condition) <= known
            for at, other in self._by_base.get(base, ())
        )


def _split(address: Term) -> tuple[frozenset[tuple[Term, int]], int]:
    coefficients, constant = linear(address)
    return frozenset(coefficients.items()), constant


def _within(access: Access, extents: dict[str, int]) -> Term:
    """That an access lies inside an object of known size."""
    try:
        where = target(access.address)
    except UndecidedAccessError:
        return FALSE
    if not isinstance(where, Named) or where.name not in extents:
        return FALSE
    room = extents[where.name] - access.size
    if room < 0:
        return FALSE
    if isinstance(where.offset, int):
        return TRUE if 0 <= where.offset <= room else FALSE
    return ule(where.offset, const(room, 64))


def _covered(access: Access, original: Sequence[Access], strict: bool) -> Term:
    last = access.size - 1
    if strict:
        return and_(
            *(
                or_(
                    FALSE,
                    *(
                        _touches(other, add(access.address, const(k, 64)))
                        for other in original
                        if other.write
                    ),
                )
                for k in range(access.size)
            )
        )
    ends = (access.address, add(access.address, const(last, 64))) if last else (access.address,)
    return and_(*(or_(FALSE, *(_shares_page(other, end) for other in original)) for end in ends))


def _touches(access: Access, byte: Term) -> Term:
    return and_(access.condition, ult(sub(byte, access.address), const(access.size, 64)))


def _shares_page(access: Access, byte: Term) -> Term:
    page = _page(byte)
    ends = {access.address, add(access.address, const(access.size - 1, 64))}
    return and_(access.condition, or_(*(eq(page, _page(end)) for end in ends)))


def _page(address: Term) -> Term:
    return lshr(address, const(_PAGE_BITS, 64))
