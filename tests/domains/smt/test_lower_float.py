"""Floating-point operations through Z3's theory of floating-point numbers, against SSE's rules on patterns."""

from __future__ import annotations

import random

import pytest

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.floating import FLOAT_NAMES, compute
from burnish.domains.smt.lower_float import (
    FloatLowering,
    Rounding,
    Theory,
    exponent_and_significand,
    lower_float,
)
from burnish.verify.solve.query import Model

z3 = pytest.importorskip("z3")

_EDGES = {
    64: (0, 1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0xFFF0000000000000,
         0x7FF8000000000123, 0xFFF0000000000001, 0x3FF0000000000000, 0xBFF8000000000000, 0x41DFFFFFFFC00000,
         0x41DFFFFFFFE00000, 0x41DFFFFFFFDFFFFF, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000100000,
         0xC1E00000001FFFFF, 0xC1E0000000200000, 0x43E0000000000000, 0xC3E0000000000000, 0xC3E0000000000001,
         0x43DFFFFFFFFFFFFF, 0x47EFFFFFF0000000, 0x3690000000000000, 0x4004000000000000),
    32: (0, 1 << 31, 1, 0x007FFFFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00123, 0xFF800001, 0x3F800000,
         0xBFC00000, 0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001, 0x5F000000, 0xDF000000, 0x5EFFFFFF, 0x40200000),
}  # fmt: skip


def _sort(width: int) -> object:
    return z3.FPSort(*exponent_and_significand(width))


def _through_theory(found: FloatLowering, values: list[int]) -> int:
    """The result by the theory alone; None where it says nothing."""
    mode = z3.RNE() if found.rounding is Rounding.NEAREST else z3.RTZ()
    width = found.operands[0].width
    numbers = [z3.BitVecVal(value, width) for value in values]
    if found.theory is Theory.FROM_SIGNED:
        result = z3.fpSignedToFP(mode, numbers[0], _sort(found.width))
    else:
        floats = [z3.fpBVToFP(number, _sort(width)) for number in numbers]
        if found.theory is Theory.TO_SIGNED:
            return z3.simplify(z3.fpToSBV(mode, floats[0], z3.BitVecSort(found.width))).as_long()
        if found.theory is Theory.RESIZE:
            result = z3.fpFPToFP(mode, floats[0], _sort(found.width))
        else:
            operation = {
                Theory.ADD: z3.fpAdd, Theory.SUB: z3.fpSub, Theory.MUL: z3.fpMul, Theory.DIV: z3.fpDiv,
                Theory.SQRT: z3.fpSqrt,
            }[found.theory]  # fmt: skip
            result = operation(mode, *floats)
    if z3.is_true(z3.simplify(z3.fpIsNaN(result))):
        return found.default
    return z3.simplify(z3.fpToIEEEBV(result)).as_long()


def _forms() -> list[tuple[str, int, int]]:
    found = [
        (name, n, n)
        for name in ("FLOAT_ADD", "FLOAT_SUB", "FLOAT_MULT", "FLOAT_DIV", "FLOAT_SQRT")
        for n in (32, 64)
    ]
    found += [
        (name, n, m)
        for name in ("FLOAT_TRUNC", "FLOAT_ROUND_INT", "FLOAT_INT2FLOAT")
        for n in (32, 64)
        for m in (32, 64)
    ]
    return [*found, ("FLOAT_FLOAT2FLOAT", 32, 64), ("FLOAT_FLOAT2FLOAT", 64, 32)]


@pytest.mark.parametrize(("name", "width", "output"), _forms())
def test_the_theory_gives_what_sse_gives(name: str, width: int, output: int) -> None:
    rng = random.Random(f"{name} {width} {output}")
    count = 2 if name in ("FLOAT_ADD", "FLOAT_SUB", "FLOAT_MULT", "FLOAT_DIV") else 1
    operands = [t.var(f"v{k}", width) for k in range(count)]
    found = lower_float(t.floating(name, width, output, *operands))
    edges = [*_EDGES[width], *(1 << k for k in range(0, width, 7)), (1 << width) - 1]
    for _ in range(120):
        values = [rng.choice((rng.choice(edges), rng.getrandbits(width))) for _ in range(count)]
        model = Model(variables={f"v{k}": value for k, value in enumerate(values)})
        special, otherwise = evaluate([found.special, found.otherwise], model)
        got = otherwise if special else _through_theory(found, values)
        assert got == compute(name, width, output, values), [hex(value) for value in values]


def test_every_operation_has_a_form() -> None:
    assert {name for name, _, _ in _forms()} == FLOAT_NAMES
