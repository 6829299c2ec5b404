"""Sums and products in either order: the same where one of the two is no NaN."""

from __future__ import annotations

import random

import pytest

from burnish.domains.smt.build import const, floating, var
from burnish.domains.smt.floating import compute

_NUMBERS = {
    32: (0, 1 << 31, 1, 0x3F000000, 0x7F7FFFFF, 0x7F800000, 0xFF800000),
    64: (0, 1 << 63, 1, 0x3FE0000000000000, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0xFFF0000000000000),
}
_NANS = {32: (0x7F800001, 0xFFC00000, 0x7FFFFFFF), 64: (0x7FF0000000000001, 0xFFF8000000000000)}


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("name", ["FLOAT_ADD", "FLOAT_MULT"])
def test_with_a_number_there_is_one_order(name: str, width: int) -> None:
    draw = random.Random(5)
    patterns = [*_NUMBERS[width], *_NANS[width], *(draw.getrandbits(width) for _ in range(300))]
    for number in _NUMBERS[width]:
        x, c = var("x", width), const(number, width)
        assert floating(name, width, width, x, c) is floating(name, width, width, c, x)
        for pattern in patterns:
            assert compute(name, width, width, [pattern, number]) == compute(
                name, width, width, [number, pattern]
            )


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("name", ["FLOAT_ADD", "FLOAT_MULT", "FLOAT_SUB", "FLOAT_DIV", "FLOAT_MIN"])
def test_with_a_nan_there_is_not(name: str, width: int) -> None:
    x = var("x", width)
    for pattern in (*_NANS[width], *(_NUMBERS[width] if name not in ("FLOAT_ADD", "FLOAT_MULT") else ())):
        c = const(pattern, width)
        assert floating(name, width, width, x, c) is not floating(name, width, width, c, x)
