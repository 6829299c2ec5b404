"""Floating-point arithmetic in the solvers: what the theory says is what SSE computes, in bits."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Iterator

import pytest

from burnish.domains.smt import build as t
from burnish.domains.smt import ieee
from burnish.domains.smt.floating import compute
from burnish.domains.smt.terms import Term
from burnish.verify.solve.query import Answer, Choice, Query, Sat, Undecided, Unsat
from burnish.verify.solve.solver import Solver

X, Y, Z = (t.var(name, 32) for name in ("x", "y", "z"))
V, W = (t.var(name, 64) for name in ("v", "w"))
NAN, OTHER_NAN = t.const(0x7FC00001, 32), t.const(0xFFC00002, 32)


@pytest.fixture(scope="module", params=[Choice.BITWUZLA, Choice.Z3])
def one(request: pytest.FixtureRequest) -> Iterator[Solver]:
    with Solver(request.param) as found:
        yield found


def _f(name: str, *operands: Term, width: int = 0) -> Term:
    size = operands[0].width
    return t.floating(f"FLOAT_{name}", size, width or size, *operands)


def _n(number: float, width: int = 32) -> Term:
    return t.const(int.from_bytes(struct.pack("<f" if width == 32 else "<d", number), "little"), width)


def _double(x: Term) -> Term:
    return _f("FLOAT2FLOAT", x, width=64)


def _single(v: Term) -> Term:
    return _f("FLOAT2FLOAT", v, width=32)


SAME = {
    "twice": (_f("ADD", X, X), _f("MULT", X, _n(2.0))),
    "a half": (_f("DIV", X, _n(2.0)), _f("MULT", X, _n(0.5))),
    "an integer there and back": (_f("TRUNC", _f("INT2FLOAT", X, width=64), width=32), X),
    "minus nothing of a sum": (_f("SUB", _f("ADD", X, Y), _n(0.0)), _f("ADD", X, Y)),
    "rounding a truncated number": (
        _f("ROUND_INT", _f("INT2FLOAT", _f("TRUNC", X, width=32), width=64), width=32),
        _f("TRUNC", X, width=32),
    ),
    "equal where they are compared": (
        t.and_(t.eq(X, Y), t.eq(_f("ADD", X, Z), t.const(5, 32))),
        t.and_(t.eq(X, Y), t.eq(_f("ADD", Y, Z), t.const(5, 32))),
    ),
}
DIFFERENT = {
    "plus zero": (_f("ADD", X, _n(0.0)), X),
    "a signalling NaN": (_f("SUB", X, _n(0.0)), X),
    "through a double": (_single(_double(X)), X),
    "a third": (_f("DIV", X, _n(3.0)), _f("MULT", X, _n(1 / 3))),
    "the other order": (_f("MULT", X, Y), _f("MULT", Y, X)),
    "the other brackets": (_f("ADD", _f("ADD", X, Y), _n(1.0)), _f("ADD", X, _f("ADD", Y, _n(1.0)))),
    "minus a difference": (t.xor(_f("SUB", X, Y), _n(-0.0)), _f("SUB", Y, X)),
    "an integer too long": (_f("TRUNC", _f("INT2FLOAT", V, width=64), width=64), V),
}


def _ask(solver: Solver, *assertions: Term, seconds: float = 60) -> Answer:
    return solver.check(Query(assertions), seconds)


@pytest.mark.parametrize("name", SAME)
def test_what_is_the_same_has_no_model(one: Solver, name: str) -> None:
    assert isinstance(_ask(one, t.ne(*SAME[name])), Unsat)


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_has_one(one: Solver, name: str) -> None:
    # The model was evaluated before it became an answer.
    assert isinstance(_ask(one, t.ne(*DIFFERENT[name])), Sat)


def test_both_agree() -> None:
    with Solver(Choice.BOTH) as both:
        answer = _ask(both, t.ne(*SAME["twice"]))
    assert isinstance(answer, Unsat) and set(answer.solvers) == {"bitwuzla", "z3"}


_FORMS = [
    (name, n, m)
    for name in ("ADD", "SUB", "MULT", "DIV", "SQRT", "TRUNC", "ROUND_INT", "INT2FLOAT", "FLOAT2FLOAT")
    for n in (32, 64)
    for m in (32, 64)
    if (name in ("TRUNC", "ROUND_INT", "INT2FLOAT")) or (n != m) == (name == "FLOAT2FLOAT")
]
_EDGES = {
    32: (0, 1 << 31, 1, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00123, 0xFF800001, 0x4EFFFFFF, 0x4F000000),
    64: (0, 1 << 63, 1, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000123, 0xFFF0000000000001,
         0x41DFFFFFFFE00000, 0xC1E0000000200000, 0x43DFFFFFFFFFFFFF, 0x47EFFFFFF0000000),
}  # fmt: skip


@pytest.mark.parametrize(("name", "width", "output"), _FORMS)
def test_solvers_compute_what_sse_computes(one: Solver, name: str, width: int, output: int) -> None:
    rng = random.Random(f"{name} {width} {output}")
    count = 2 if name in ("ADD", "SUB", "MULT", "DIV") else 1
    operands = [t.var(f"o{k}", width) for k in range(count)]
    result = t.floating(f"FLOAT_{name}", width, output, *operands)
    for _ in range(6):
        case = [rng.choice((rng.choice(_EDGES[width]), rng.getrandbits(width))) for _ in operands]
        given = [t.eq(operand, t.const(value, width)) for operand, value in zip(operands, case, strict=True)]
        right = t.eq(result, t.const(compute(f"FLOAT_{name}", width, output, case), output))
        assert isinstance(_ask(one, *given, t.not_(right)), Unsat)
        assert isinstance(_ask(one, *given, right), Sat)


def test_what_takes_too_long_is_undecided() -> None:
    product = _single(_f("MULT", _double(X), _double(Y)))
    start = time.monotonic()
    with Solver() as found:
        answer = _ask(found, t.ne(product, _f("MULT", X, Y)), seconds=1)
    assert isinstance(answer, Undecided) and "floating-point" in answer.reason
    assert time.monotonic() - start < 5


def test_operands_may_be_turned_round_where_not_both_are_nans(one: Solver) -> None:
    wrong = t.ne(_f("SUB", _f("MULT", X, Y), Z), _f("SUB", _f("MULT", Y, X), Z))
    assert isinstance(_ask(one, wrong), Sat)
    assert isinstance(_ask(one, wrong, t.not_(ieee.is_nan(X))), Unsat)
    assert isinstance(_ask(one, wrong, t.eq(X, NAN), t.eq(Y, OTHER_NAN)), Sat)
