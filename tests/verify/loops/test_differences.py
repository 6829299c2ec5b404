"""Of each number it is known whether a comparison excludes it as a difference, to the last at either end."""

from __future__ import annotations

import pytest

from burnish.domains.smt.build import add, const, eq, extract, memory, ne, not_, select, store, sub, ult, var
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.loops.differences import Differences
from burnish.verify.solve.query import Model

TO, OF = var("to", 64), var("of", 64)
MASK = (1 << 64) - 1
NUMBERS = (*range(-24, 25), 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 63) + 1)


def number(value: int) -> Term:
    return const(value & MASK, 64)


def asked() -> list[Term]:
    """What code may ask of how far two pointers are from each other."""
    found: list[Term] = []
    for distance in (sub(TO, OF), sub(OF, TO), add(sub(TO, OF), number(5)), sub(number(-7), sub(TO, OF))):
        found += [ne(distance, number(3)), not_(eq(extract(distance, 3, 61), const(0, 61)))]
        for limit in (1, 8, 1 << 63, -9):
            for one in (ult(distance, number(limit)), ult(number(limit), distance)):
                found += [one, not_(one)]
    return found


UNDERSTOOD = [literal for literal in asked() if Differences([literal])]


def test_most_comparisons_are_understood() -> None:
    assert len(UNDERSTOOD) > 50


@pytest.mark.parametrize("literal", UNDERSTOOD, ids=str)
def test_what_is_excluded(literal: Term) -> None:
    known = Differences([literal])
    for value in NUMBERS:
        # The two are one address where the pointers are so far from each other.
        excluded = known.apart(TO, add(OF, number(value)))
        assert known.apart(add(OF, number(value)), TO) == excluded
        assert excluded != evaluate([literal], Model({"to": value & MASK, "of": 0}))[0], value
    assert list(known.sources) == [literal]


def test_other_comparisons_exclude_nothing() -> None:
    narrow = ne(var("a", 32), var("b", 32))
    others = [eq(TO, OF), ult(TO, OF), ne(TO, number(4)), narrow, ne(memory("one"), memory("other"))]
    assert not Differences(others)
    assert not Differences([ne(TO, add(OF, number(4)))]).apart(TO, OF)


def test_a_load_looks_beneath_stores_elsewhere() -> None:
    held = memory("held")
    made = store(store(held, TO, var("x", 8)), add(TO, number(1)), var("y", 8))
    known = Differences([ne(TO, OF), ne(add(TO, number(1)), OF)])
    assert known.loaded(made, OF) is select(held, OF)
    assert known.loaded(made, add(TO, number(1))) is var("y", 8)
    assert Differences([ne(add(TO, number(1)), OF)]).loaded(made, OF) is not select(held, OF)
