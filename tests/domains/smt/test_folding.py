"""Folding keeps the meaning: random terms, as they stand and as the constructors make them, on numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.evaluate_many import TooWideError, evaluate_many
from burnish.domains.smt.rewrite import rebuild, substitute, variables
from burnish.domains.smt.terms import Op, Term, make, subterms
from burnish.verify.solve.query import Model

_BINARY = (Op.UDIV, Op.UREM, Op.SDIV, Op.SREM, Op.SHL, Op.LSHR, Op.ASHR)
_MANY = (Op.AND, Op.OR, Op.XOR, Op.ADD, Op.MUL)
_ONE = (Op.NOT, Op.POPCOUNT, Op.CLZ, Op.CTZ)
_RELATIONS = (Op.EQ, Op.ULT, Op.SLT)
_WIDTHS = (1, 2, 7, 8, 16, 32, 33, 64)


class Maker:
    """Random terms without folding. Few leaves, few widths and odd constants, so that the rules of folding apply."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.pool: list[Term] = []
        self.memories: list[Term] = [make(Op.MEMORY, 0, (), "m")]
        base = self.rng.choice((8, 32))
        self.widths = (1, base, base, 2 * base, self.rng.choice(_WIDTHS))
        for width in sorted({*self.widths, 64}):
            self.pool += [
                make(Op.VAR, width, (), f"{name}{width}") for name in "xyz"[: 2 if width == 1 else 3]
            ]

    def some(self, width: int) -> Term:
        """A term of that width, made or found."""
        rng = self.rng
        if rng.random() < 0.2:
            return self.constant(width)
        found = [term for term in self.pool[-30:] if term.width == width]
        if found and rng.random() < 0.9:
            return rng.choice(found)
        wider = [term for term in self.pool if term.width > width]
        narrower = [term for term in self.pool if term.width < width]
        if wider and (rng.random() < 0.5 or not narrower):
            term = rng.choice(wider)
            low = rng.choice((0, 0, term.width - width, rng.randint(0, term.width - width)))
            return make(Op.EXTRACT, width, (term,), low)
        return make(rng.choice((Op.ZEXT, Op.SEXT)), width, (rng.choice(narrower or self.pool[:1]),))

    def constant(self, width: int) -> Term:
        rng = self.rng
        value = rng.choice(
            (0, 1, 2, 3, 5, -1, -2, 1 << width - 1, (1 << width - 1) - 1, width, width - 1, 1 << rng.randrange(width),
             (1 << rng.randrange(1, width + 1)) - 1, 0xFF << rng.randrange(width), rng.getrandbits(width))
        )  # fmt: skip
        return make(Op.CONST, width, (), value & (1 << width) - 1)

    def grow(self) -> None:
        """One more term in the pool."""
        rng = self.rng
        width = rng.choice(self.widths)
        kind = rng.randrange(12)
        if kind < 5:
            count = rng.choice((2, 2, 2, 3))
            term = make(rng.choice(_MANY), width, tuple(self.some(width) for _ in range(count)))
        elif kind == 5:
            term = make(rng.choice(_BINARY), width, (self.some(width), self.some(width)))
        elif kind == 6:
            term = make(rng.choice(_ONE), width, (self.some(width),))
        elif kind < 9:
            term = make(rng.choice(_RELATIONS), 1, (self.some(width), self.some(width)))
        elif kind == 9:
            term = make(Op.ITE, width, (self.some(1), self.some(width), self.some(width)))
        elif kind == 10:
            parts = tuple(self.some(rng.choice(self.widths)) for _ in range(rng.choice((2, 3))))
            term = make(Op.CONCAT, sum(part.width for part in parts), parts)
            if term.width > 128:
                return
        else:
            term = self._of_memory()
        self.pool.append(term)

    def _of_memory(self) -> Term:
        rng = self.rng
        address = make(Op.ADD, 64, (make(Op.VAR, 64, (), "x64"), make(Op.CONST, 64, (), rng.randrange(4))))
        address = rng.choice((address, self.some(64)))
        if rng.random() < 0.5:
            memory = make(Op.STORE, 0, (rng.choice(self.memories), address, self.some(8)))
            self.memories.append(memory)
        if rng.random() < 0.3:
            either = (self.some(1), rng.choice(self.memories), rng.choice(self.memories))
            self.memories.append(make(Op.ITE, 0, either))
        return make(Op.SELECT, 8, (self.memories[-1], address))


def _folded(terms: list[Term]) -> dict[Term, Term]:
    known: dict[Term, Term] = {}
    for term in subterms(*terms):
        known[term] = rebuild(term, [known[arg] for arg in term.args])
    return known


def _inputs(terms: list[Term], rng: random.Random) -> Model:
    values: dict[str, int] = {}
    for term in variables(terms):
        if term.op is Op.VAR:
            edge = rng.choice((0, 1, -1, 1 << term.width - 1, rng.randrange(70), 0x80, 0xFF))
            values[term.name] = rng.choice((edge, rng.getrandbits(term.width))) & (1 << term.width) - 1
    return Model(variables=values, memories={"m": _Noise()})


class _Noise(dict[int, int]):
    def __missing__(self, address: int) -> int:
        return address * 0x9E3779B97F4A7C15 >> 40 & 0xFF


@pytest.mark.parametrize("seed", range(300))
def test_folded_terms_have_the_value_of_the_terms(seed: int) -> None:
    maker = Maker(seed)
    for _ in range(40):
        maker.grow()
    plain = maker.pool
    known = _folded(plain)
    folded = [known[term] for term in plain]
    assert [term.width for term in folded] == [term.width for term in plain]
    rng = random.Random(seed)
    for _ in range(12):
        model = _inputs(plain, rng)
        want, got = evaluate(plain, model), evaluate(folded, model)
        for before, after, a, b in zip(plain, folded, want, got, strict=True):
            assert a == b, (before, after, model.variables)


@pytest.mark.parametrize("seed", range(60))
def test_terms_that_are_folded_stay_as_they_are(seed: int) -> None:
    maker = Maker(1000 + seed)
    for _ in range(40):
        maker.grow()
    once = [_folded(maker.pool)[term] for term in maker.pool]
    model = _inputs(once, random.Random(seed))
    assert evaluate([_folded(once)[term] for term in once], model) == evaluate(once, model)


@pytest.mark.parametrize("seed", range(60))
def test_many_values_at_once_are_those_of_each(seed: int) -> None:
    maker = Maker(2000 + seed)
    for _ in range(30):
        maker.grow()
    rng = random.Random(seed)
    models = [_inputs(maker.pool, rng).variables for _ in range(9)]
    checked = 0
    for term in maker.pool:
        names = [v.name for v in variables([term]) if v.op is Op.VAR]
        if not names or any(part.op is Op.MEMORY for part in subterms(term)):
            continue
        arrays = {name: np.array([model.get(name, 0) for model in models], np.uint64) for name in names}
        try:
            (got,) = evaluate_many([term], arrays)
        except TooWideError:
            continue
        assert got.tolist() == [evaluate([term], Model(variables=model))[0] for model in models]
        checked += 1
    assert checked > 5


def test_many_values_of_one_memory_agree_with_each_other() -> None:
    """Bytes at equal addresses are equal, bytes that were written are those, others differ."""
    m, a, b = t.memory("m"), t.var("a", 64), t.var("b", 64)
    terms = [
        make(Op.EQ, 1, (make(Op.SELECT, 8, (m, a)), make(Op.SELECT, 8, (m, b)))),
        make(Op.SELECT, 8, (make(Op.STORE, 0, (m, a, t.const(7, 8))), b)),
    ]
    one = np.arange(100, dtype=np.uint64)
    same, written = evaluate_many(terms, {"a": one, "b": one})
    assert same.all()
    assert (written == 7).all()
    same, written = evaluate_many(terms, {"a": one, "b": one + np.uint64(5)})
    assert same.mean() < 0.1
    assert (written == 7).mean() < 0.1


def test_substitution_folds_again() -> None:
    x, y = t.var("x", 32), t.var("y", 32)
    term = t.ite(t.ult(x, t.const(10, 32)), t.add(x, y), y)
    assert substitute([term, x], {x: t.const(3, 32)}) == [t.add(t.const(3, 32), y), t.const(3, 32)]
    # All at once: what takes the place of a key is not replaced again.
    assert substitute([t.sub(x, y)], {x: y, y: x}) == [t.sub(y, x)]


def test_variables_are_found_once() -> None:
    m, x, y = t.memory("m"), t.var("x", 64), t.var("y", 8)
    term = t.select(t.store(m, t.add(x, x), y), x)
    assert set(variables([term, x])) == {m, x, y}
    assert len(variables([term, x])) == 3


def test_evaluation_of_functions_and_memories() -> None:
    x = t.var("x", 8)
    model = Model({"x": 3}, {"m": {3: 9}}, {"f": {(3, 9): 77}})
    byte = t.select(t.memory("m"), t.zext(x, 64))
    assert evaluate([t.apply("f", 32, x, byte), t.apply("f", 32, byte, x)], model) == [77, 0]
    changed = t.store(t.memory("m"), t.var("free", 64), t.const(1, 8))
    assert evaluate([make(Op.EQ, 1, (changed, t.memory("m")))], model) == [0]
    back = make(Op.STORE, 0, (changed, t.var("free", 64), t.const(0, 8)))
    assert evaluate([make(Op.EQ, 1, (back, t.memory("m")))], model) == [1]


def test_models_are_assignments() -> None:
    empty: Mapping[str, int] = {}
    assert evaluate([t.var("x", 8)], Model(variables=empty)) == [0]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_product_divided_back_is_the_factor_unless_it_wraps(width: int) -> None:
    x, y = (t.var(name, width) for name in "xy")
    for product, divisor, factor in ((t.mul(x, y), y, x), (t.mul(y, x), x, y), (t.mul(x, x), x, x)):
        folded = t.eq(t.udiv(product, divisor), factor)
        for a in range(1 << width):
            for b in range(1 << width):
                model = Model(variables={"x": a, "y": b})
                dividend = evaluate([product], model)[0]
                over = evaluate([divisor], model)[0]
                quotient = dividend // over if over else (1 << width) - 1
                assert evaluate([folded], model) == [int(quotient == evaluate([factor], model)[0])]


@pytest.mark.parametrize("seed", range(100))
def test_a_choice_of_memories_holds_what_the_chosen_one_does(seed: int) -> None:
    """Also where the two addresses that it was written at are the same, or overlap."""
    rng = random.Random(seed)
    places = [t.add(base, t.const(k, 64)) for base in (t.var("a", 64), t.var("b", 64)) for k in range(3)]
    octets = [t.var(f"v{k}", 8) for k in range(4)]
    for _ in range(30):
        memory = t.memory("m")
        for _ in range(rng.randrange(3)):
            memory = t.store(memory, rng.choice(places), rng.choice(octets))
        first = second = memory
        same = [rng.choice(places) for _ in range(4)]
        for k in range(rng.randrange(5)):
            alike = rng.random() < 0.7
            first = t.store(first, same[k % 4], rng.choice(octets))
            second = t.store(second, same[k % 4] if alike else rng.choice(places), rng.choice(octets))
        plain = make(Op.ITE, 0, (t.var("c", 1), first, second))
        folded = t.ite(t.var("c", 1), first, second)
        values = {**{f"v{k}": rng.randrange(256) for k in range(4)}, "c": rng.randrange(2)}
        model = Model({"a": rng.randrange(4), "b": rng.randrange(4), **values}, memories={"m": _Noise()})
        want, got = (
            evaluate([make(Op.SELECT, 8, (one, t.const(k, 64))) for k in range(8)], model)
            for one in (plain, folded)
        )
        assert want == got, (first, second)
