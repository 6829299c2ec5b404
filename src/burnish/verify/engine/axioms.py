"""What holds of every run, and a query may be told: the ABI, where objects lie, what constants hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from burnish.domains.smt.build import add, const, eq, extract, or_, select, ule, ult
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.engine.addresses import ENTRY_RSP, LOCAL_BASES, OBJECT, object_address
from burnish.verify.engine.state import constant_memory
from burnish.verify.pair import Pair

_LARGEST_CONSTANT = 4096
"""Bytes of a constant object whose contents a query is told."""
_STACK_LOW, _STACK_TOP = 1 << 21, 1 << 47


def extents(pair: Pair) -> dict[str, int]:
    """The sizes of the objects that either side refers to, by name."""
    sides = (pair.original, pair.rewrite)
    places = [place for side in sides for place in (*side.places.values(), *side.slots.values())]
    return {place.data.name: place.data.size for place in places}


def _alignments(pair: Pair) -> dict[str, int]:
    """What divides the address of each object, a power of two: as much as is sure on both sides."""
    found: dict[str, int] = {}
    for side in (pair.original, pair.rewrite):
        for place in (*side.places.values(), *side.slots.values()):
            known = place.data.alignment & -place.data.alignment or 1
            found[place.data.name] = min(known, found.get(place.data.name, known))
    return found


def axioms(pair: Pair, roots: Sequence[Term]) -> list[Term]:
    """As far as it is about variables that occur in ``roots``: the stack pointer is aligned and in the address space,
    objects and shared locals lie in it and apart, constants have their contents."""
    found = [
        eq(extract(ENTRY_RSP, 0, 4), const(8, 4)),
        ule(const(_STACK_LOW, 64), ENTRY_RSP),
        ult(ENTRY_RSP, const(_STACK_TOP, 64)),
    ]
    sizes = extents(pair)
    constants = {**pair.original.constants, **pair.rewrite.constants}
    named: set[str] = set()
    for term in subterms(*roots):
        if term.op is Op.VAR and term.name.startswith(OBJECT):
            named.add(term.name.removeprefix(OBJECT))
        elif term.op is Op.MEMORY and term.name.startswith("constant "):
            name = term.name.removeprefix("constant ")
            data = constants.get(name, b"")
            if len(data) <= _LARGEST_CONSTANT:
                table = constant_memory(name)
                found += [eq(select(table, const(k, 64)), const(byte, 8)) for k, byte in enumerate(data)]
    placed = sorted(name for name in named if name in sizes)
    alignments = _alignments(pair)
    for name in placed:
        bits = alignments[name].bit_length() - 1
        if bits:
            found.append(eq(extract(object_address(name), 0, bits), const(0, bits)))
        room = const(_STACK_TOP - 2 * 4096 - sizes[name], 64)
        found.append(ule(add(object_address(name), const(-4096, 64)), room))
    spans = [(object_address(name), sizes[name]) for name in placed]
    return [*found, *map(_apart, combinations([*spans, *_locals(pair, roots, found)], 2))]


def _locals(pair: Pair, roots: Sequence[Term], found: list[Term]) -> list[tuple[Term, int]]:
    """Where shared locals lie that occur in ``roots``, and their sizes. ``found`` gets that they are in the address
    space."""
    known = set(subterms(*roots))
    sizes = zip(LOCAL_BASES, (one.size for one in pair.shared), strict=False)
    spans = [(base, size) for base, size in sizes if base in known]
    found += [ule(const(_STACK_LOW, 64), base) for base, _ in spans]
    found += [ult(base, const(_STACK_TOP - size, 64)) for base, size in spans]
    return spans


def _apart(pair: tuple[tuple[Term, int], tuple[Term, int]]) -> Term:
    """That two objects do not overlap."""
    (first, one), (second, other) = pair
    return or_(ule(add(first, const(one, 64)), second), ule(add(second, const(other, 64)), first))
