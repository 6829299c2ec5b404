"""Linear relations among numbers of which it is known how they were made."""

from __future__ import annotations

import numpy as np

from burnish.verify.loops.candidates import linear
from burnish.verify.loops.relations import Affine
from burnish.verify.loops.values import Value

START, POINTER, COUNT, OTHER = Value("e", "rdi"), Value("a", "rdx"), Value("b", "rcx"), Value("b", "rsi")


def test_a_distance_that_is_a_multiple_is_one() -> None:
    """A pointer by 16 a round, which a round of the rewrite counts by 4: nothing else says that it counts by 4."""
    random = np.random.default_rng(1)
    start = random.integers(0, 1 << 40, 40, np.uint64)
    count = np.uint64(4) * random.integers(0, 1000, 40, np.uint64)
    table = {START: start, POINTER: start + np.uint64(4) * count, COUNT: count}
    assert set(linear(table, 64)) == {
        Affine((((1 << 64) - (1 << 60), START), (1 << 60, POINTER)), 0, 64),
        Affine(((1, START), ((1 << 64) - 1, POINTER), (4, COUNT)), 0, 64),
    }


def test_what_is_no_multiple_is_none() -> None:
    random = np.random.default_rng(2)
    start, other = random.integers(0, 1 << 40, (2, 40), np.uint64)
    assert linear({START: start, POINTER: start + other, OTHER: other >> np.uint64(1)}, 64) == []


def test_the_lower_half_of_a_value_is_what_another_extends() -> None:
    """A count in 32 bits, and the index that the other side makes of it once."""
    count = np.random.default_rng(3).integers(0, 1 << 32, 40, np.uint64)
    index = count.astype(np.uint32).view(np.int32).astype(np.int64).view(np.uint64)
    found = linear({POINTER: count, COUNT: index}, 64)
    assert Affine((((1 << 64) - 1, Value("a", "rdx", 0, 4, "sext")), (1, COUNT)), 0, 64) in found


def test_two_that_are_one_address_in_all_samples_are_equal() -> None:
    """What a solver's few models have in common is mostly an address that is the same in all of them."""
    random = np.random.default_rng(4)
    address, start = np.full(40, 1 << 46, np.uint64), random.integers(0, 1 << 40, 40, np.uint64)
    table = {START: start, POINTER: address, COUNT: address + np.uint64(24), OTHER: start}
    found = linear(table, 64)
    assert Affine((((1 << 64) - 1, POINTER), (1, COUNT)), (1 << 64) - 24, 64) in found
    far = linear({POINTER: address, COUNT: address + np.uint64(1 << 20)}, 64)
    assert not any(len(relation.terms) > 1 for relation in far)
