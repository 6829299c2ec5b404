"""Linear relations of few terms and small coefficients: what is likely where runs are few.

With fewer runs than values almost any value is some combination of the others, and the ones that mean something are
lost among those that do not; a sum of two values that agrees everywhere is hardly ever chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.verify.loops.modular import Numbers
from burnish.verify.loops.relations import Affine
from burnish.verify.loops.values import Value

_SCALES = (2, 4, 8, 16)
_ROWS = 24
"""Samples by which relations are found; they must hold in all."""
_MOST = 40
"""Values of which sums are tried, beyond which only multiples are."""

_Parts = tuple[tuple[int, int], ...]
"""Coefficients and the numbers of values."""


def plain(table: Mapping[Value, Numbers], values: Sequence[Value], width: int) -> list[Affine]:
    """For each of ``values``, as far as there is one, a relation to at most two of those before it that have none."""
    mask = np.uint64((1 << width) - 1)
    first = [int(table[value][0]) for value in values]
    whole = [(table[value] - table[value][0]) & mask for value in values]
    rows = np.unique(np.linspace(0, len(whole[0]) - 1, _ROWS).astype(np.intp))
    steps = [column[rows] for column in whole]
    sums: dict[bytes, _Parts] = {}
    bases: list[int] = []
    found: list[Affine] = []
    for number, value in enumerate(values):
        parts = sums.get(steps[number].tobytes()) if value.side != "e" else None
        if parts is not None:
            total = np.zeros(len(whole[0]), np.uint64)
            for factor, base in parts:
                total += whole[base] * np.uint64(factor % (1 << 64))
            if (total & mask != whole[number]).any():
                parts = None
        if parts is not None:
            rest = sum(factor * first[base] for factor, base in parts) - first[number]
            terms = tuple((-factor % (1 << width), values[base]) for factor, base in parts)
            found.append(Affine((*terms, (1, value)), rest % (1 << width), width))
            continue
        _add(sums, steps, bases, number, mask)
        bases.append(number)
    return found


def _add(
    sums: dict[bytes, _Parts], steps: Sequence[Numbers], bases: Sequence[int], number: int, mask: np.uint64
) -> None:
    """Notes the multiples of one more value, and its sums with ``bases``; the plainest stays."""
    own = steps[number]
    for factor in (1, -1, *_SCALES):
        sums.setdefault((own * np.uint64(factor % (1 << 64)) & mask).tobytes(), ((factor, number),))
    if len(bases) > _MOST:
        return
    for base in bases:
        other = steps[base]
        for factor in (1, -1):
            signed = other if factor == 1 else (np.uint64(0) - other)
            sums.setdefault(((own + signed) & mask).tobytes(), ((factor, base), (1, number)))
            sums.setdefault(((signed - own) & mask).tobytes(), ((factor, base), (-1, number)))
            for scale in _SCALES:
                times = np.uint64(scale)
                sums.setdefault(((own * times + signed) & mask).tobytes(), ((factor, base), (scale, number)))
                sums.setdefault(
                    ((signed * times + own) & mask).tobytes(), ((factor * scale, base), (1, number))
                )
