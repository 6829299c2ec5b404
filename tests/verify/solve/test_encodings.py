"""Other ways to put a query mean the same on numbers, or allow more; and what they are for is decided."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Op, Term, make, subterms
from burnish.verify.solve import Choice, Model, Query, Sat, Solver, Undecided, Unsat
from burnish.verify.solve import encodings as encodings_module
from burnish.verify.solve.algebra import normalise
from burnish.verify.solve.cells import in_cells
from burnish.verify.solve.encodings import encodings, sampled
from burnish.verify.solve.lower import (
    leading_zeros,
    lower,
    popcount_masks,
    popcount_tree,
    trailing_zeros,
)

from .terms import number, swar_popcount

WIDTHS = (1, 8, 16, 32, 64)
X, Y = t.var("x32", 32), t.var("y32", 32)


def _resized(term: Term, width: int, signed: bool) -> Term:
    if term.width > width:
        return t.extract(term, 0, width)
    return (t.sext if signed else t.zext)(term, width)


@st.composite
def terms(draw: st.DrawFn, depth: int = 5) -> Term:
    """Arithmetic over two variables of each width, in the ways that compilers put it."""
    width = draw(st.sampled_from(WIDTHS))
    if depth == 0 or draw(st.integers(0, 9)) == 0:
        if draw(st.booleans()):
            return t.var(draw(st.sampled_from("xy")) + str(width), width)
        return t.const(
            draw(st.sampled_from((0, 1, 2, 3, 5, 0x80, 0xFF, 0x8000, -1, -3, 1 << 31, 0x10001))), width
        )
    a = _resized(draw(terms(depth - 1)), width, draw(st.booleans()))
    b = _resized(draw(terms(depth - 1)), width, draw(st.booleans()))
    count = t.const(draw(st.integers(0, width)), width)
    mask = ((1 << draw(st.integers(1, width))) - 1) << draw(st.integers(0, width - 1))
    low = draw(st.integers(0, width - 1))
    match draw(st.integers(0, 19)):
        case 0 | 1:
            return t.add(a, b)
        case 2 | 3 | 4 | 5:
            return t.mul(a, b)
        case 6:
            return t.sub(a, b)
        case 7:
            return t.shl(a, count)
        case 8:
            return t.lshr(a, count)
        case 9:
            return t.ashr(a, count)
        case 10:
            return t.and_(a, t.const(mask, width))
        case 11:
            return t.concat(a, b) if width <= 32 else t.xor(a, b)
        case 12:
            return t.extract(a, low, draw(st.integers(1, width - low)))
        case 13:
            return t.ite(t.eq(a, b), t.not_(a), t.mul(b, b))
        case 14:
            return t.zext(t.eq(t.mul(a, b), t.mul(b, a)), width)
        case 15 | 16 | 17 | 18:
            return draw(st.sampled_from((t.udiv, t.urem, t.sdiv, t.srem)))(a, b)
        case _:
            return t.popcount(a)


def _models(seed: int, count: int = 12) -> Iterator[Model]:
    chance = random.Random(seed)
    for _ in range(count):
        corner = chance.random() < 0.5
        yield Model(
            {
                name + str(width): (
                    chance.choice((0, 1, -1, 1 << (width - 1), (1 << (width - 1)) - 1, 1 << width // 2))
                    if corner
                    else chance.getrandbits(width)
                )
                & (1 << width) - 1
                for name in "xy"
                for width in WIDTHS
            }
        )


class Computed(Mapping[tuple[int, ...], int]):
    """An uninterpreted function as what it stands for."""

    def __init__(self, name: str) -> None:
        kind, _, width = name.partition(":")
        self._width = int(width)
        self._op = {
            "product": Op.MUL,
            "quotient": Op.UDIV,
            "remainder": Op.UREM,
            "signed quotient": Op.SDIV,
            "signed remainder": Op.SREM,
        }[kind]

    def __getitem__(self, operands: tuple[int, ...]) -> int:
        leaves = [t.var(f"o{i}", self._width) for i in range(len(operands))]
        term = make(self._op, self._width, tuple(leaves))
        return evaluate([term], Model({f"o{i}": v for i, v in enumerate(operands)}))[0]

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(())

    def __len__(self) -> int:
        return 0


@settings(max_examples=100, deadline=None)
@given(term=terms(), seed=st.integers(0, 1 << 30))
def test_the_normal_form_of_a_term_has_its_value(term: Term, seed: int) -> None:
    lowered = lower([term])
    normal = normalise(lowered)
    for model in _models(seed):
        assert evaluate(normal, model) == evaluate(lowered, model) == evaluate([term], model)


@settings(max_examples=60, deadline=None)
@given(left=terms(), right=terms(), seed=st.integers(0, 1 << 30))
def test_no_encoding_loses_a_model(left: Term, right: Term, seed: int) -> None:
    right = _resized(right, left.width, False)
    for model in _models(seed, 4):
        values = evaluate([left, right], model)
        assertions = (
            t.eq(left, t.const(values[0], left.width)),
            t.eq(left, right) if values[0] == values[1] else t.ne(left, right),
        )
        for encoding in encodings(assertions):
            names = {term.name for term in subterms(*encoding.assertions) if term.op is Op.APPLY}
            extended = Model(model.variables, {}, {name: Computed(name) for name in names})
            assert all(evaluate(encoding.assertions, extended)), encoding.name


@st.composite
def memories(draw: st.DrawFn, depth: int = 5) -> Term:
    """Stores to one memory at addresses that may meet, and choices between such."""
    if depth == 0:
        return t.memory("m")
    below = draw(memories(depth - 1))
    if draw(st.integers(0, 4)) == 0:
        return t.ite(t.ult(draw(addresses()), draw(addresses())), below, draw(memories(depth - 1)))
    byte = t.select(draw(memories(0)), draw(addresses())) if draw(st.booleans()) else t.var("x8", 8)
    return t.store(below, draw(addresses()), byte)


@st.composite
def addresses(draw: st.DrawFn) -> Term:
    """Of bytes beside each other, and of those of an array's elements."""
    start = t.var(draw(st.sampled_from(("x64", "y64"))), 64)
    number = t.mul(t.sext(t.var("i8", 8), 64), t.const(draw(st.sampled_from((0, 0, 4, 8, 24))), 64))
    return t.add(start, number, t.const(draw(st.integers(0, 2)), 64))


def _read(memory: Term, at: Term, unfolded: bool) -> Term:
    return make(Op.SELECT, 8, (memory, at)) if unfolded else t.select(memory, at)


@settings(max_examples=100, deadline=None)
@given(a=memories(), b=memories(), at=addresses(), seed=st.integers(0, 1 << 30), unfolded=st.booleans())
def test_cells_are_the_memory(a: Term, b: Term, at: Term, seed: int, unfolded: bool) -> None:
    chance = random.Random(seed)
    shown = _read(a, at, unfolded), _read(b, t.add(at, t.const(1, 64)), unfolded), t.eq(a, b)
    x64 = chance.getrandbits(64)
    y64 = (x64 + chance.randrange(-2, 3)) & (1 << 64) - 1
    content = {(x64 + k) & (1 << 64) - 1: chance.getrandbits(8) for k in range(-40, 40)}
    numbers = {"x64": x64, "y64": y64, "x8": chance.getrandbits(8), "i8": chance.choice((0, 1, 0xFF))}
    model = Model(numbers, {"m": content})
    values = evaluate(shown, model)
    query = tuple(t.eq(term, t.const(value, term.width)) for term, value in zip(shown, values, strict=True))
    cells = in_cells(query)
    if cells is None:
        assert all(term.op is not Op.MEMORY for term in subterms(*query))
        return
    # The memory's own bytes as values of the cells: nothing that the query allows is lost.
    names = {
        cell.name: content.get(value, 0)
        for rows in cells.at_first.values()
        for cell, value in zip(rows.values(), evaluate([*rows], model), strict=True)
    }
    inside = Model({**model.variables, **names})
    far = {distance.name: evaluate([t.sub(*pair)], inside)[0] for pair, distance in cells.apart.items()}
    inside = Model({**inside.variables, **far})
    assert all(evaluate(cells.assertions, inside))
    # And back: what satisfies the cells satisfies the query.
    assert all(evaluate(query, cells.restored(inside)))


def test_memories_that_cells_do_not_express() -> None:
    m, n, a = t.memory("m"), t.memory("n"), t.var("a", 64)
    assert in_cells([t.eq(m, n), t.ult(t.select(m, a), t.select(n, a))]) is None
    assert in_cells([t.eq(t.apply("f", 8, m), t.select(m, a))]) is None
    assert in_cells([t.ult(a, t.const(5, 64))]) is None
    many = m
    for index in range(200):
        many = t.store(many, t.var(f"a{index}", 64), t.const(index, 8))
    reads = [t.ult(t.select(many, t.var(f"b{index}", 64)), t.const(9, 8)) for index in range(50)]
    assert in_cells(reads) is None


@pytest.mark.parametrize("size", [4, 8, 24])
def test_the_bytes_of_an_element_are_one_place(size: int) -> None:
    """What is written there as a word is read as one, and where it begins is compared with another place once."""
    element = t.add(t.var("a", 64), t.mul(t.sext(t.var("i", 32), 64), t.const(size, 64)))
    other, word = t.var("p", 64), t.var("w", 32)
    memory = t.memory("m")
    for k in range(4):
        memory = t.store(memory, t.add(other, t.const(k, 64)), t.extract(word, 8 * k, 8))
    read = t.concat(*[t.select(memory, t.add(element, t.const(k, 64))) for k in reversed(range(4))])
    at = t.eq(other, element)
    cells = in_cells([at, t.ne(read, word)])
    assert cells is not None and len(cells.apart) == 1
    with Solver(Choice.BOTH) as solver:
        assert isinstance(solver.check(Query((at, t.ne(read, word))), 60), Unsat)
        for apart in (1, 4):
            query = Query((t.eq(t.add(other, t.const(apart, 64)), element), t.ne(read, word)))
            answer = solver.check(query, 60)
            assert isinstance(answer, Sat) and evaluate(query.assertions, answer.model) == [1, 1]


def _stores(order: tuple[int, ...]) -> Term:
    memory = t.memory("m")
    for index in order:
        at = t.add(t.var("x64", 64), t.zext(t.extract(t.var("y64", 64), 4 * index, 4), 64))
        memory = t.store(memory, at, t.add(t.select(memory, at), t.const(2 * index + 1, 8)))
    return memory


def test_aliasing_is_decided() -> None:
    # Additions commute, whichever of the addresses are one.
    left, right = _stores((0, 1, 2, 3)), _stores((3, 1, 0, 2))
    at = t.var("at", 64)
    with Solver(Choice.BOTH) as solver:
        assert isinstance(solver.check(Query((t.ne(t.select(left, at), t.select(right, at)),)), 60), Unsat)
        wrong = t.store(right, t.var("x64", 64), t.const(0, 8))
        query = Query((t.ne(t.select(left, at), t.select(wrong, at)),))
        answer = solver.check(query, 60)
        assert isinstance(answer, Sat) and evaluate(query.assertions, answer.model) == [1]
        assert "m" in answer.model.memories and not any(":" in name for name in answer.model.variables)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 13, 16, 32, 33, 64])
def test_counting_bits(width: int) -> None:
    x = t.var("x", width)
    chance = random.Random(width)
    forms = (popcount_tree(x), popcount_masks(x), leading_zeros(x), trailing_zeros(x))
    edges = {
        0,
        1,
        (1 << width) - 1,
        *(1 << at for at in range(width)),
        *((1 << at) - 1 for at in range(width)),
    }
    for value in edges | {chance.getrandbits(width) for _ in range(100)}:
        text = f"{value:0{width}b}"
        ones = text.count("1") & (1 << width) - 1
        lead = (width - len(text.lstrip("0"))) & (1 << width) - 1
        trail = (width - len(text.rstrip("0")) if value else width) & (1 << width) - 1
        assert evaluate(forms, Model({"x": value})) == [ones, ones, lead, trail]


def _high_by_halves(x: Term, y: Term) -> Term:
    """The high half of a signed product by halves (Hacker's Delight, figure 8-2)."""
    low = number(0xFFFF)

    def up(term: Term) -> Term:
        return t.ashr(term, number(16))

    u0, u1, v0, v1 = t.and_(x, low), up(x), t.and_(y, low), up(y)
    w0 = t.mul(u0, v0)
    step = t.add(t.mul(u1, v0), t.lshr(w0, number(16)))
    w1 = t.add(t.mul(u0, v1), t.and_(step, low))
    return t.add(t.mul(u1, v1), up(step), up(w1))


def _high_at_once(x: Term, y: Term) -> Term:
    return t.extract(t.mul(t.sext(x, 64), t.sext(y, 64)), 32, 32)


def _unsigned_high(x: Term, y: Term) -> Term:
    return t.extract(t.mul(t.zext(x, 64), t.zext(y, 64)), 32, 32)


def _corrected_high(x: Term, y: Term) -> Term:
    """The signed high half out of the unsigned one."""
    zero = number(0)
    return t.sub(t.sub(_unsigned_high(x, y), t.ite(t.slt(x, zero), y, zero)), t.ite(t.slt(y, zero), x, zero))


HARD = {
    "p25: the high half by halves": (_high_by_halves(X, Y), _high_at_once(X, Y)),
    "p23: ones by masks": (t.popcount(X), swar_popcount(X)),
    "square of a sum": (
        t.mul(t.add(X, Y), t.add(X, Y)),
        t.add(t.mul(X, X), t.mul(X, Y, number(2)), t.mul(Y, Y)),
    ),
    "the low half of a long product": (t.extract(t.mul(t.sext(X, 64), t.sext(Y, 64)), 0, 32), t.mul(Y, X)),
    "products in another order": (t.mul(t.mul(X, Y), t.xor(X, Y)), t.mul(Y, t.mul(t.xor(X, Y), X))),
    "under other operations": (
        t.xor(t.mul(t.add(X, number(1)), Y), t.or_(X, Y)),
        t.xor(t.add(t.mul(X, Y), Y), t.or_(Y, X)),
    ),
    "division": (
        t.add(t.udiv(t.mul(X, Y), t.or_(X, number(1))), Y),
        t.add(Y, t.udiv(t.mul(Y, X), t.or_(number(1), X))),
    ),
    "a multiple by what is left": (
        t.sub(X, t.extract(t.urem(t.zext(X, 64), t.zext(Y, 64)), 0, 32)),
        t.mul(Y, t.extract(t.udiv(t.zext(X, 64), t.zext(Y, 64)), 0, 32)),
    ),
    "what a signed quotient leaves": (t.srem(X, Y), t.sub(X, t.mul(Y, t.sdiv(X, Y)))),
}


@pytest.mark.parametrize("choice", [Choice.FIRST, Choice.BOTH])
@pytest.mark.parametrize("name", HARD)
def test_hard_arithmetic_is_decided(name: str, choice: Choice) -> None:
    left, right = HARD[name]
    with Solver(choice) as solver:
        assert isinstance(solver.check(Query((t.ne(left, right),)), 60), Unsat)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (_high_by_halves(X, Y), t.add(_high_at_once(X, Y), t.zext(t.eq(X, number(0x12345678)), 32))),
        (_high_by_halves(X, Y), _unsigned_high(X, Y)),
        (t.mul(X, X), t.mul(X, t.add(X, t.zext(t.eq(Y, number(77)), 32)))),
    ],
)
def test_near_misses_are_found(left: Term, right: Term) -> None:
    query = Query((t.ne(left, right),))
    with Solver() as solver:
        answer = solver.check(query, 60)
    assert isinstance(answer, Sat) and evaluate(query.assertions, answer.model) == [1]


def test_a_mistake_in_the_algebra_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings_module, "normalise", lambda roots: [t.FALSE for _ in roots])
    monkeypatch.setattr(encodings_module, "QUICK_SECONDS", 0.0)
    with Solver() as solver:
        answer = solver.check(Query((t.ne(t.mul(X, Y), t.mul(X, X)),)))
    assert isinstance(answer, Undecided) and "has a model" in answer.reason


def test_guessing_finds_what_is_everywhere() -> None:
    memory = t.memory("m")
    wide = t.var("a", 64)
    assert sampled([t.ne(t.select(memory, wide), t.select(memory, t.add(wide, t.const(1, 64))))]) is not None
    assert sampled([t.ult(X, X)]) is None
    assert sampled([t.eq(X, number(0x7FFFFFFF))]) is not None


def test_normal_forms_of_deep_terms() -> None:
    term = t.mul(X, Y)
    for index in range(1500):
        # Unfolded, as a program can be that nothing simplifies.
        term = make(Op.NOT, 32, (make(Op.ADD, 32, (term, Y)),)) if index % 2 else make(Op.XOR, 32, (term, X))
    for model in _models(3, 3):
        assert evaluate(normalise([term]), model) == evaluate([term], model)
    squares = X
    for _ in range(40):
        squares = t.mul(squares, t.add(squares, Y))
    for model in _models(4, 3):
        assert evaluate(normalise([squares]), model) == evaluate([squares], model)
