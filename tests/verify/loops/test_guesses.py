"""States near a model: they satisfy what they are said to, as Z3 computes it; and models that are used again."""

from __future__ import annotations

import pytest

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Op, Term, make
from burnish.verify.loops.guesses import Guesses
from burnish.verify.loops.recent import RecentModels
from burnish.verify.solve.query import Model

z3 = pytest.importorskip("z3")

M, N = t.memory("m"), t.memory("n")
P, C, BYTE = t.var("p", 64), t.var("c", 1), t.var("byte", 8)


def word(memory: Term, address: Term) -> Term:
    """The two bytes at an address."""
    return t.concat(t.select(memory, t.add(address, t.const(1, 64))), t.select(memory, address))


def test_many_states_are_found_where_memory_decides() -> None:
    """A condition that a random state meets once in 65,536 times holds in hundreds that are near a model."""
    condition = t.eq(word(M, P), t.const(0x1234, 16))
    near = Model({"p": 0x5000}, {"m": {0x5000: 0x34, 0x5001: 0x12}})
    guesses = Guesses([condition], [BYTE], [near], 0)
    assert guesses.count > 200
    (held, bytes_, elsewhere) = guesses.numbers([condition, BYTE, t.select(M, t.const(0x6000, 64))])
    assert held is not None
    assert held.all()
    for numbers in (bytes_, elsewhere):
        assert numbers is not None
        assert len(set(numbers.tolist())) > 8
    assert Guesses([condition], [BYTE], [], 0).count < 20


def test_choices_between_memories_are_as_z3_has_them() -> None:
    chosen = make(Op.ITE, 0, (C, make(Op.STORE, 0, (M, P, BYTE)), N))
    address = t.const(0x5000, 64)
    near = Model({"p": 0x5000, "c": 1, "byte": 9}, {"m": {0x5000: 1, 0x5001: 2}, "n": {0x5000: 3, 0x5001: 4}})
    places = [t.add(address, t.const(k, 64)) for k in range(2)]
    roots = [C, P, BYTE, *(t.select(one, place) for one in (M, N) for place in places)]
    guesses = Guesses([], [*roots, t.select(chosen, places[0])], [near], 1)
    columns = guesses.numbers([*roots, *(make(Op.SELECT, 8, (chosen, place)) for place in places)])
    rows = list(zip(*(numbers.tolist() for numbers in columns if numbers is not None), strict=True))
    assert len({row[:3] for row in rows}) > 100
    sort = z3.BitVecSort(64)
    for c, p, byte, m0, m1, n0, n1, *got in rows[::32]:
        arrays = [
            z3.Store(z3.Store(z3.K(sort, z3.BitVecVal(0, 8)), 0x5000, z3.BitVecVal(low, 8)), 0x5001, high)
            for low, high in ((m0, m1), (n0, n1))
        ]
        either = z3.If(z3.BoolVal(bool(c)), z3.Store(arrays[0], z3.BitVecVal(p, 64), byte), arrays[1])
        wanted = [z3.simplify(z3.Select(either, z3.BitVecVal(0x5000 + k, 64))).as_long() for k in range(2)]
        assert got == wanted


def test_functions_are_near_those_of_the_model() -> None:
    value = t.apply("g", 32, P)
    condition = t.eq(value, t.const(0xABCDEF, 32))
    near = Model({"p": 7}, {}, {"g": {(7,): 0xABCDEF}})
    assert Guesses([condition], [], [near], 0).count > 200
    assert Guesses([condition], [], [Model({"p": 7})], 0).count == 0


def test_wide_variables_are_near_the_model() -> None:
    wide = t.var("w", 128)
    condition = t.eq(t.extract(wide, 60, 32), t.const(0x89ABCDEF, 32))
    assert Guesses([condition], [], [Model({"w": 0x89ABCDEF << 60})], 0).count > 200


def test_a_model_is_an_answer_only_where_it_holds() -> None:
    recent = RecentModels()
    above = t.ult(t.const(5, 64), P)
    assert recent.find([above]) is None
    recent.add(Model({"p": 9}))
    assert recent.find([above]) == Model({"p": 9})
    assert recent.find([above, t.ult(P, t.const(8, 64))]) is None
    # What a model does not name is 0, and counts as that only.
    assert recent.find([above, t.eq(t.var("q", 64), t.const(1, 64))]) is None
    for number in range(20):
        recent.add(Model({"p": number}))
    assert recent.find([t.eq(P, t.const(0, 64))]) is None
    assert recent.find([t.eq(P, t.const(19, 64))]) is not None
