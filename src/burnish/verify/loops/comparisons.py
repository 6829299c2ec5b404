"""How values compare on samples of a pair of cuts: what induction starts from, beside what is equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import combinations

import numpy as np

from burnish.domains.smt.clock import look
from burnish.verify.loops.candidates import FEWEST_VALUES, PRESERVED, WIDTHS, columns, place_of
from burnish.verify.loops.modular import Numbers
from burnish.verify.loops.relations import Affine, Comparison, Order
from burnish.verify.loops.values import Sample, Side, Value

_LEAST = -4
"""The least number at which a count that passes 0 may end."""
_MOST_ORDERED = 24
"""Values of one width beyond which not all pairs are compared."""


def orders(
    samples: Sequence[Sample],
    values: Sequence[Value],
    equal: Iterable[Affine],
    thresholds: Sequence[int] = (),
) -> list[Order]:
    """How values compare with each other and with 0 wherever they were sampled, and that counts are below the next of
    the ``thresholds``; of several comparisons of a pair the strongest of each kind. Left out are values that one of
    ``equal`` says to be the same as another, what the convention preserves, and vectors."""
    known = _known(equal)
    wanted = [
        v
        for v in values
        if v.size <= 8 and not v.is_object and not v.word and not (v.side == "e" and v.cell in PRESERVED)
    ]
    found: list[Order] = []
    for width in (64, 32):
        table = columns(samples, wanted, width)
        sign = np.uint64(1 << (width - 1))
        kinds = {
            value: _kind(numbers, width)
            for value, numbers in table.items()
            if place_of(value) not in known and not value.extended
        }
        known |= {place_of(value) for value, kind in kinds.items() if kind is not None}
        for value in [v for v, kind in kinds.items() if kind is not None]:
            if kinds[value] is _Kind.COUNT:
                limits = (1 << 31, int(sign)) if width == 32 else (1 << 31, 1 << 32, int(sign))
                found.extend(
                    Order(value, Comparison.BELOW, limit)
                    for limit in dict.fromkeys(limits)
                    if (table[value] < np.uint64(limit)).all()
                )
                found.extend(_from_below(value, table[value], width))
                found.extend(_below_next(value, table[value], thresholds))
        for kind in _Kind:
            alike = [value for value, own in kinds.items() if own is kind][:_MOST_ORDERED]
            for a, b in combinations(alike, 2):
                look()
                found.extend(_ordered(a, b, table[a], table[b], sign if kind is _Kind.COUNT else None))
    return found


def _from_below(value: Value, numbers: Numbers, width: int) -> Iterator[Order]:
    """That a number that counts down to just below 0 gets no further, and stays one of 32 bits."""
    sign = 1 << (width - 1)
    least = int((numbers ^ np.uint64(sign)).min()) - sign
    if _LEAST <= least < 0:
        yield Order(value, Comparison.NOT_LESS, least % (1 << width))
        if width == 64:
            yield Order(value, Comparison.LESS, 1 << 31)


def _below_next(value: Value, numbers: Numbers, thresholds: Sequence[int]) -> Iterator[Order]:
    """That a number which is not always the same is below the two least thresholds that it was always below: one of
    them may be chance."""
    above = [limit for limit in thresholds if limit > int(numbers.max())]
    if len(np.unique(numbers)) >= FEWEST_VALUES:
        yield from (Order(value, Comparison.BELOW, limit) for limit in sorted(above)[:2])


def nonzero(samples: Sequence[Sample], values: Sequence[Value], equal: Iterable[Affine]) -> list[Order]:
    """What of both sides is never 0 where it was sampled, but for what one of ``equal`` says to be the same as
    another."""
    known = _known(equal)
    wanted = [v for v in values if v.size in (4, 8) and v.side != "e" and v.cell != "rsp" and not v.word]
    return [
        Order(value, Comparison.DIFFERENT, 0)
        for width, size in ((64, 8), (32, 4))
        for value, numbers in columns(samples, [v for v in wanted if v.size == size], width).items()
        if place_of(value) not in known and not value.extended and (numbers != 0).all()
        if len(np.unique(numbers)) >= FEWEST_VALUES
    ]


def truths(samples: Sequence[Sample], values: Sequence[Value], equal: Iterable[Affine]) -> list[Order]:
    """What of both sides is 0 or 1 wherever it was sampled, and both somewhere, but for what one of ``equal`` says to
    be the same as another."""
    known = _known(equal)
    wanted = [v for v in values if v.size in (1, 4, 8) and v.side != "e" and not v.word]
    return [
        Order(value, Comparison.NOT_ABOVE, 1)
        for width in WIDTHS
        for value, numbers in columns(samples, [v for v in wanted if 8 * v.size == width], width).items()
        if place_of(value) not in known and not value.extended and set(numbers.tolist()) == {0, 1}
    ]


def _known(equal: Iterable[Affine]) -> set[tuple[Side, str, int]]:
    """What is said to be a number, or the same as another value."""
    return {
        place_of(r.lead)
        for r in equal
        if r.defines
        and not r.lead.extended
        and (len(r.terms) == 1 or (len(r.terms) == 2 and place_of(r.terms[0][1]) != place_of(r.lead)))
    }


class _Kind(Enum):
    COUNT = "a number that counts"
    ADDRESS = "an address"


def _kind(numbers: Numbers, width: int) -> _Kind | None:
    """What values look like; None for what looks like neither, and is not worth comparing."""
    if width == 32:
        small = (numbers + np.uint64(1 << 24)) & np.uint64(0xFFFFFFFF)
        return _Kind.COUNT if (small < np.uint64(1 << 25)).all() else None
    small = numbers + np.uint64(1 << 31)
    if (small < np.uint64(1 << 32)).all():
        return _Kind.COUNT
    inside = (numbers >= np.uint64(1 << 16)) & (numbers < np.uint64(1 << 47))
    return _Kind.ADDRESS if inside.all() else None


def _ordered(a: Value, b: Value, x: Numbers, y: Numbers, sign: np.uint64 | None) -> list[Order]:
    found: list[Order] = []
    if (x == y).all():
        return found
    if (x != y).all():
        found.append(Order(a, Comparison.DIFFERENT, b))
    views = [(Comparison.BELOW, Comparison.NOT_ABOVE, x, y)]
    if sign is not None:
        views.append((Comparison.LESS, Comparison.NOT_GREATER, x ^ sign, y ^ sign))
    for strict, weak, p, q in views:
        for left, right, u, v in ((a, b, p, q), (b, a, q, p)):
            if (u < v).all():
                found.append(Order(left, strict, right))
            elif (u <= v).all():
                found.append(Order(left, weak, right))
    return found
