"""Simplified assertions hold for exactly the assignments for which the given ones do."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from burnish.domains.smt.build import (
    FALSE,
    add,
    and_,
    concat,
    const,
    eq,
    extract,
    ite,
    lshr,
    memory,
    mul,
    ne,
    not_,
    or_,
    select,
    sext,
    shl,
    slt,
    store,
    sub,
    ult,
    var,
    zext,
)
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.loops.ranges import simplified
from burnish.verify.solve.query import Model

WIDTH = 6
NAMES = ("i", "n", "m")


def number(rng: random.Random, depth: int) -> Term:
    """A random term of ``WIDTH`` bits, of the shapes that counters and addresses have."""
    if depth == 0 or rng.random() < 0.2:
        return (
            var(rng.choice(NAMES), WIDTH)
            if rng.random() < 0.75
            else const(rng.choice((0, 1, 2, 3, 4, 31, 32, 63)), WIDTH)
        )
    a = number(rng, depth - 1)
    shapes: list[Callable[[], Term]] = [
        lambda: add(a, const(rng.randrange(-4, 5), WIDTH)),
        lambda: add(a, number(rng, depth - 1)),
        lambda: sub(a, number(rng, depth - 1)),
        lambda: mul(a, const(rng.choice((2, 4, 3, 60)), WIDTH)),
        lambda: shl(a, const(rng.choice((1, 2)), WIDTH)),
        lambda: lshr(a, const(rng.choice((1, 2)), WIDTH)),
        lambda: and_(a, const(rng.choice((3, 60, 1, 62)), WIDTH)),
        lambda: concat(extract(a, 0, WIDTH - 2), const(rng.randrange(4), 2)),
        lambda: zext(extract(a, rng.randrange(3), 3), WIDTH),
        lambda: sext(extract(a, 0, 4), WIDTH),
        lambda: extract(
            rng.choice((zext, sext))(add(a, const(rng.randrange(4), WIDTH)), 2 * WIDTH),
            rng.randrange(3),
            WIDTH,
        ),
        lambda: extract(concat(a, const(rng.randrange(4), 2), zext(a, WIDTH + 2)), rng.randrange(4), WIDTH),
        lambda: ite(truth(rng, 0), a, number(rng, depth - 1)),
        lambda: quotient(add(a, number(rng, depth - 1)), rng.choice((3, 5, 13, 60, 61))),
    ]
    return rng.choice(shapes)()


def quotient(number: Term, divisor: int) -> Term:
    """As a compiler divides by a constant: the upper bits of a product."""
    magic = const(-(-(1 << 2 * WIDTH) // divisor), 3 * WIDTH)
    return extract(mul(zext(number, 3 * WIDTH), magic), 2 * WIDTH, WIDTH)


def truth(rng: random.Random, depth: int) -> Term:
    """A random condition."""
    if depth and rng.random() < 0.5:
        return rng.choice((and_, or_))(truth(rng, depth - 1), truth(rng, depth - 1))
    if rng.random() < 0.15:
        return eq(var(rng.choice(NAMES), WIDTH), number(rng, 2))
    a, b = number(rng, 2), number(rng, 2)
    if rng.random() < 0.4:
        wide = [rng.choice((zext, sext))(x, 2 * WIDTH) for x in (a, b)]
        a, b = add(mul(wide[0], const(4, 2 * WIDTH)), const(rng.randrange(8), 2 * WIDTH)), wide[1]
    found = rng.choice((ult, slt, eq, ne))(a, b)
    return not_(found) if rng.random() < 0.4 else found


def agree(assertions: list[Term], rng: random.Random, count: int) -> int:
    """Compares on random assignments; how many satisfied the given ones."""
    small = simplified(assertions)
    satisfied = 0
    for _ in range(count):
        model = Model({name: rng.randrange(1 << WIDTH) >> rng.choice((0, 0, 2, 3)) for name in NAMES})
        given, made = (all(evaluate([and_(*terms)], model)) for terms in (assertions, [*small, const(1, 1)]))
        assert given == made, (assertions, small, model.variables)
        satisfied += given
    return satisfied


@pytest.mark.parametrize("seed", range(80))
def test_random_assertions(seed: int) -> None:
    rng = random.Random(seed)
    satisfied = 0
    for _ in range(6):
        bounds = [slt(var("i", WIDTH), var("n", WIDTH)), not_(extract(var("i", WIDTH), WIDTH - 1, 1))]
        chosen = rng.sample(bounds, rng.randrange(3))
        satisfied += agree([*chosen, *(truth(rng, 1) for _ in range(rng.randrange(1, 4)))], rng, 120)
    assert satisfied


def test_a_counter_in_two_widths_is_one_address() -> None:
    i, n, base = var("i", 32), var("n", 32), var("base", 64)
    known = [not_(extract(i, 31, 1)), not_(extract(n, 31, 1)), slt(i, n)]
    first = add(base, mul(sext(add(i, const(1, 32)), 64), const(4, 64)))
    second = add(base, mul(zext(i, 64), const(4, 64)), const(4, 64))
    assert simplified([*known, ne(first, second)]) == [FALSE]
    assert simplified([ne(first, second)]) != [FALSE]


def test_the_last_round_says_what_the_length_is() -> None:
    i, n = var("i", 32), var("n", 32)
    ends = [slt(i, n), not_(slt(add(i, const(1, 32)), n)), not_(extract(i, 31, 1)), not_(extract(n, 31, 1))]
    assert simplified([*ends, ne(n, add(i, const(1, 32)))]) == [FALSE]


def test_a_sum_below_a_divisor_is_its_own_rest() -> None:
    a, b = var("a", 32), var("b", 8)
    total = add(a, zext(b, 32))
    magic = const(0x80078071, 64)
    rest = sub(total, mul(extract(lshr(mul(zext(total, 64), magic), const(47, 64)), 0, 32), const(65521, 32)))
    below = ult(a, const(65521, 32))
    assert simplified([below, ult(total, const(65521, 32)), ne(rest, total)]) == [FALSE]
    reduced = ne(rest, sub(total, const(65521, 32)))
    assert simplified([below, not_(ult(total, const(65521, 32))), reduced]) == [FALSE]
    assert simplified([below, ne(rest, total)]) != [FALSE]


def test_two_parts_that_are_one_when_extended_count_twice() -> None:
    """What lies beside each other, of which one part extends the other: each is an addend by itself."""
    x, p = var("x", 8), var("p", 8)
    beside = concat(p, sub(x, const(1, 8)), const(1, 8), sub(zext(x, 16), const(1, 16)))
    known = [ult(const(0, 8), x), ult(x, const(6, 8)), eq(p, const(0, 8))]
    assertions = [*known, not_(ult(zext(beside, 64), const(0x4010004, 64)))]
    small = [*simplified(assertions), const(1, 1)]
    for value in range(256):
        model = Model({"x": value, "p": 0})
        given, made = (all(evaluate([and_(*terms)], model)) for terms in (assertions, small))
        assert given == made == (value == 5)


def test_what_is_defined_is_put_in_its_place() -> None:
    n, i = var("n", 64), var("i", 62)
    count = concat(i, const(0, 2))
    known = eq(n, add(count, const(3, 64)))
    assert simplified([known, ne(extract(n, 0, 2), const(3, 2))]) == [FALSE]


def test_what_defines_each_other_stays_so() -> None:
    n, m = var("n", 64), var("m", 64)
    circle = [eq(n, add(m, const(1, 64))), eq(m, sub(const(9, 64), n)), ne(n, const(0, 64))]
    small = [*simplified(circle), const(1, 1)]
    for first, second in ((5, 4), (5, 5), (4, 4), (5 + (1 << 63), 4 + (1 << 63)), (1, 0)):
        model = Model({"n": first, "m": second})
        given, made = (all(evaluate([and_(*terms)], model)) for terms in (circle, small))
        assert given == made == (first % (1 << 63) == 5 and second % (1 << 63) == 4)


def overlap(rng: random.Random, distance: Term) -> Term:
    """What code may ask of a distance before it copies in blocks."""
    low, count = const(rng.randrange(-9, 9), 64), const(rng.choice((1, 2, 4, 8, 12)), 64)
    shapes: list[Callable[[], Term]] = [
        lambda: ne(distance, low),
        lambda: not_(ult(sub(distance, low), count)),
        lambda: ult(count, sub(low, distance)),
        lambda: not_(eq(extract(sub(distance, low), 2, 62), const(0, 62))),
        lambda: ult(distance, const(rng.choice((3, 1 << 63)), 64)),
        lambda: not_(ult(low, distance)),
    ]
    return rng.choice(shapes)()


@pytest.mark.parametrize("seed", range(40))
def test_random_copies(seed: int) -> None:
    """What a load finds beneath stores depends on what is asserted of the distance, and on nothing else."""
    rng = random.Random(seed)
    to, of, held = var("to", 64), var("of", 64), memory("held")
    satisfied = 0
    for _ in range(8):
        made = held
        for _ in range(rng.randrange(1, 5)):
            made = store(made, add(to, const(rng.randrange(6), 64)), var(rng.choice("xyz"), 8))
        read = select(made, add(of, const(rng.randrange(6), 64)))
        asked = [overlap(rng, sub(to, of)) for _ in range(rng.randrange(1, 3))]
        assertions = [*asked, ne(read, var("x", 8))]
        small = simplified(assertions)
        for _ in range(150):
            numbers = {
                "to": rng.randrange(24),
                "of": rng.randrange(24),
                **{n: rng.randrange(3) for n in "xyz"},
            }
            model = Model(numbers, {"held": {k: rng.randrange(3) for k in range(40)}})
            given, found = (
                all(evaluate([and_(*terms)], model)) for terms in (assertions, [*small, const(1, 1)])
            )
            assert given == found, (assertions, small, model)
            satisfied += given
    assert satisfied


def test_what_was_asked_of_an_overlap_shows_what_is_loaded() -> None:
    to, of = var("to", 64), var("of", 64)
    made = store(memory("held"), add(to, const(4, 64)), var("x", 8))
    asked = ult(const(8, 64), sub(to, add(of, const(4, 64))))
    found = select(made, add(of, const(12, 64)))
    plain = select(memory("held"), add(of, const(12, 64)))
    assert simplified([asked, ne(found, plain)]) == [FALSE]
    assert simplified([ne(found, plain)]) != [FALSE]
