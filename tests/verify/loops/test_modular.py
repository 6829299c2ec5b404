"""Relations modulo powers of two: all of them, and no others, against enumeration."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from burnish.verify.loops.modular import relations


@pytest.mark.parametrize("seed", range(20))
def test_the_basis_spans_what_enumeration_finds(seed: int) -> None:
    rng = random.Random(seed)
    width, columns = 3, 3
    modulus = 1 << width
    rows = rng.randrange(1, 5)
    samples = [
        [rng.randrange(modulus) * rng.choice((1, 2, 4)) % modulus for _ in range(columns)]
        for _ in range(rows)
    ]
    every = {
        x
        for x in itertools.product(range(modulus), repeat=columns)
        if all(sum(a * b for a, b in zip(row, x, strict=True)) % modulus == 0 for row in samples)
    }
    basis = [
        tuple(found.get(k, 0) for k in range(columns))
        for found in relations(np.array(samples, np.uint64), width)
    ]
    span = {
        tuple(sum(f * v[k] for f, v in zip(factors, basis, strict=True)) % modulus for k in range(columns))
        for factors in itertools.product(range(modulus), repeat=len(basis))
    }
    assert span == every


def test_small_coefficients_are_found_among_random_columns() -> None:
    rng = np.random.default_rng(1)
    free = rng.integers(0, 1 << 64, (60, 8), np.uint64)
    made = free[:, 1] * np.uint64(4) - free[:, 3]
    found = relations(np.column_stack([np.ones(60, np.uint64), free, made]), 64)
    assert found == [{2: (1 << 64) - 4, 4: 1, 9: 1}]


def test_low_bits_that_never_change_are_a_congruence() -> None:
    values = np.array([[1, 4 * k + 3] for k in (5, 2, 9, 100)], np.uint64)
    (found,) = relations(values, 32)
    assert found[1] == 1 << 30
    assert (found[0] + 3 * (1 << 30)) % (1 << 32) == 0
