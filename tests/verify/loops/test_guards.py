"""Relations that the comparisons of a way suggest, and that every comparison means what its sign says."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import pytest

from burnish.domains.smt.build import and_, const, eq, extract, not_, or_, sext, slt, ult, var, zext
from burnish.domains.smt.evaluate import evaluate
from burnish.verify.engine.state import State, entry_state
from burnish.verify.loops.guards import compared, guards
from burnish.verify.loops.relations import Comparison, Order, compare
from burnish.verify.loops.symbolic import relation_term
from burnish.verify.loops.values import Value
from burnish.verify.solve.query import Model

COUNT, LIMIT = Value("a", "rbx", 0, 4), Value("e", "rsi", 0, 4)
LEFT, RIGHT = extract(var("b", 64), 0, 32), extract(var("s", 64), 0, 32)
KNOWN = {LEFT: [COUNT], RIGHT: [LIMIT]}

OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def test_what_a_way_has_compared() -> None:
    seven = const(7, 32)
    conditions = [
        not_(eq(LEFT, seven)),
        and_(ult(LEFT, RIGHT), not_(slt(LEFT, seven))),
        slt(seven, RIGHT),
        eq(LEFT, const(3, 32)),
        or_(ult(RIGHT, seven), ult(LEFT, seven)),
    ]
    assert {str(order) for order in guards(conditions, KNOWN)} == {
        "a:rbx.4 != 7",
        "a:rbx.4 <u e:rsi.4",
        "a:rbx.4 >=s 7",
        "e:rsi.4 >=s 8",
    }


def test_few_are_taken() -> None:
    conditions = [not_(eq(LEFT, const(k, 32))) for k in range(100)]
    found = guards(conditions, KNOWN)
    assert len(found) < 30
    assert Order(COUNT, Comparison.DIFFERENT, 99) in found


def test_parts_that_code_compares() -> None:
    values = [Value("b", "rax"), Value("b", "xmm0", 0, 16), COUNT, Value("e", "&table")]
    assert [str(value) for value in compared(values)] == [
        "b:rax",
        "b:rax.4",
        "b:rax.1",
        "b:xmm0.8",
        "b:xmm0.4",
        "b:xmm0.1",
        "a:rbx.4",
        "a:rbx.1",
    ]


@pytest.fixture
def states() -> tuple[State, State]:
    return entry_state("a", 0), entry_state("b", 0)


@pytest.mark.parametrize("comparison", Comparison, ids=lambda one: one.value)
def test_comparisons_mean_what_they_say(comparison: Comparison, states: tuple[State, State]) -> None:
    """Python's integers say what is right, in relations between samples and between terms."""
    meant = OPERATORS[comparison.value.rstrip("us")]
    signed = comparison.value.endswith("s")
    rng = np.random.default_rng(5)
    numbers = [0, 1, 7, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, *rng.integers(0, 1 << 32, 6).tolist()]
    own = [n - (1 << 32) if signed and n >> 31 else n for n in numbers]
    for x, left in zip(numbers, own, strict=True):
        for y, right in zip(numbers, own, strict=True):
            assert compare(comparison, x, y, 32) == meant(left, right)
            term = relation_term(Order(Value("e", "rdi", 0, 4), comparison, LIMIT), *states)
            assert evaluate([term], Model({"rdi": x, "rsi": y}))[0] == meant(left, right)


def test_what_is_below_a_narrow_number_is_below_the_largest() -> None:
    """A count that is compared with a number of 16 bits: all that its type says."""
    loaded = var("x", 16)
    found = guards([slt(LEFT, sext(loaded, 32)), ult(RIGHT, zext(loaded, 32))], KNOWN)
    assert {str(order) for order in found} == {"a:rbx.4 <s 32767", "e:rsi.4 <u 65535"}
    assert not guards([slt(LEFT, var("y", 32))], KNOWN)
