"""Relations of few terms hold where they were found, and are found where runs are few."""

from __future__ import annotations

import random

import numpy as np

from burnish.verify.loops.plain import plain
from burnish.verify.loops.values import Value

BASE, COUNT, OTHER = Value("e", "rdi"), Value("a", "rcx"), Value("a", "rdx")
LEFT, RIGHT = Value("b", "rax"), Value("b", "rsi")
WIDTH = 1 << 64


def table(rows: list[list[int]]) -> dict[Value, np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    values = (BASE, COUNT, OTHER, LEFT, RIGHT)
    return {value: np.array([row[k] % WIDTH for row in rows], np.uint64) for k, value in enumerate(values)}


def test_a_scaled_index_and_a_difference_are_found() -> None:
    source = random.Random(5)
    rows: list[list[int]] = []
    for _ in range(3):
        base = source.getrandbits(46)
        for count in range(source.randrange(2, 9)):
            other = source.getrandbits(64)
            rows.append([base, count, other, base + 8 * count + 16, other - count])
    found = {
        relation.lead: relation for relation in plain(table(rows), (BASE, COUNT, OTHER, LEFT, RIGHT), 64)
    }
    assert set(found) == {LEFT, RIGHT}
    for relation in found.values():
        for row in rows:
            known = dict(zip((BASE, COUNT, OTHER, LEFT, RIGHT), row, strict=True))
            total = relation.constant + sum(factor * known[value] for factor, value in relation.terms)
            assert total % WIDTH == 0


def test_random_values_are_not_related() -> None:
    source = random.Random(6)
    rows = [[source.getrandbits(64) for _ in range(5)] for _ in range(40)]
    assert plain(table(rows), (BASE, COUNT, OTHER, LEFT, RIGHT), 64) == []


def test_a_relation_that_few_samples_break_is_none() -> None:
    rows = [[7, count, count * count, 3 * count, count] for count in range(200)]
    rows[150][4] += 1
    leads = {relation.lead for relation in plain(table(rows), (BASE, COUNT, OTHER, LEFT, RIGHT), 64)}
    assert RIGHT not in leads
