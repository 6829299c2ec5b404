"""Linear relations of few terms and small coefficients: what is likely where runs are few.

With fewer runs than values almost any value is some combination of the others, and the ones that mean something are
lost among those that do not; a sum of two values that agrees everywhere is hardly ever chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.domains.smt.clock import look
from burnish.verify.loops.modular import Numbers
from burnish.verify.loops.relations import Affine
from burnish.verify.loops.values import Value

_FACTORS = (1, -1, 2, 4, 8, 16)
_ROWS = 24
"""Samples by which relations are found; they must hold in all."""

_Parts = tuple[tuple[int, int], ...]
"""Coefficients and the numbers of values."""


def plain(table: Mapping[Value, Numbers], values: Sequence[Value], width: int) -> list[Affine]:
    """For each of ``values``, as far as there is one, a relation to at most two of those before it that have none."""
    mask = np.uint64((1 << width) - 1)
    first = [int(table[value][0]) for value in values]
    whole = [(table[value] - table[value][0]) & mask for value in values]
    rows = np.unique(np.linspace(0, len(whole[0]) - 1, _ROWS).astype(np.intp))
    steps = [column[rows] for column in whole]
    multiples: dict[bytes, tuple[int, int]] = {}
    bases: list[int] = []
    found: list[Affine] = []
    for number, value in enumerate(values):
        look()
        parts = _parts(steps, number, bases, multiples, mask) if value.side != "e" else ()
        total = np.zeros(len(whole[0]), np.uint64)
        for factor, base in parts:
            total += whole[base] * np.uint64(factor % (1 << 64))
        if parts and (total & mask == whole[number]).all():
            rest = sum(factor * first[base] for factor, base in parts) - first[number]
            terms = tuple((-factor % (1 << width), values[base]) for factor, base in parts)
            found.append(Affine((*terms, (1, value)), rest % (1 << width), width))
            continue
        for factor in _FACTORS:
            times = steps[number] * np.uint64(factor % (1 << 64)) & mask
            multiples.setdefault(times.tobytes(), (factor, number))
        bases.append(number)
    return found


def _parts(
    steps: Sequence[Numbers],
    number: int,
    bases: Sequence[int],
    multiples: Mapping[bytes, tuple[int, int]],
    mask: np.uint64,
) -> _Parts:
    """What a value is a sum of: a multiple of one of ``bases``, or two; empty where it is none."""
    own = steps[number]
    single = multiples.get(own.tobytes())
    if single is not None or not bases:
        return () if single is None else (single,)
    others = np.stack([steps[base] for base in bases])
    for factor in _FACTORS:
        rests = (own - others * np.uint64(factor % (1 << 64))) & mask
        for base, rest in zip(bases, rests, strict=True):
            second = multiples.get(rest.tobytes())
            if second is not None:
                return tuple(sorted(((factor, base), second), key=lambda part: part[1]))
    return ()
