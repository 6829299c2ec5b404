"""Linear relations over the integers modulo 2^w.

Everything modulo a power of two has a notion of echelon form as over a field, where a pivot need not be a unit but
divides what it eliminates (Howell 1986; for relations between machine integers: Müller-Olm and Seidl, *Analysis of
modular arithmetic*, 2007).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from burnish.domains.smt.clock import look

Numbers = NDArray[np.uint64]


def _valuation(value: int, width: int) -> int:
    """How often 2 divides a value; the width for 0."""
    return (value & -value).bit_length() - 1 if value else width


def relations(samples: Numbers, width: int) -> list[dict[int, int]]:
    """A triangular basis of all ``x`` with ``samples @ x == 0`` modulo ``2 ** width``.

    ``samples`` has a row for each observation, a column for each value. Each relation maps columns to non-zero
    coefficients; its last column is where it leads: the coefficient there is a power of two, the least with which that
    column depends on those before. Relations come in the order of that column, at most one a column. Where the power
    is 1 the relation defines the column; else it is a congruence.
    """
    columns = samples.shape[1]
    mask = np.uint64((1 << width) - 1)
    basis: dict[int, tuple[Numbers, Numbers]] = {}
    found: list[dict[int, int]] = []
    unique: Numbers = np.unique(samples & mask, axis=0)
    for column in range(columns):
        look()
        least: Numbers | None = None
        chosen = _unit(column, columns)
        for relation in _insert(basis, unique[:, column].copy(), chosen, width):
            if relation[column] and (
                least is None
                or _valuation(int(relation[column]), width) < _valuation(int(least[column]), width)
            ):
                least = relation
        if least is not None:
            found.append(_reduced(_scaled(least, column, width), column, found, width))
    return found


def _unit(column: int, columns: int) -> Numbers:
    found: Numbers = np.zeros(columns, np.uint64)
    found[column] = 1
    return found


def _reduced(
    relation: dict[int, int], column: int, before: list[dict[int, int]], width: int
) -> dict[int, int]:
    """The relation with its coefficients made small by the congruences of the columns before."""
    modulus = 1 << width
    for other in reversed(before):
        lead = max(other)
        if lead != column and (coefficient := relation.get(lead, 0)):
            step = other[lead]
            near = (coefficient + step // 2) % step - step // 2 if step > 1 else 0
            factor = (near - coefficient) // step
            for k, c in other.items():
                total = (relation.get(k, 0) + factor * c) % modulus
                if total:
                    relation[k] = total
                else:
                    relation.pop(k, None)
    return relation


def _insert(
    basis: dict[int, tuple[Numbers, Numbers]], vector: Numbers, combination: Numbers, width: int
) -> Iterator[Numbers]:
    """Adds a vector to the span of ``basis`` (by pivot row), and yields the combinations that turn out to be 0."""
    mask = np.uint64((1 << width) - 1)
    pending = [(vector, combination)]
    while pending:
        vector, combination = pending.pop()
        while True:
            nonzero = np.flatnonzero(vector)
            if not len(nonzero):
                yield combination
                break
            row = int(nonzero[0])
            if row not in basis:
                basis[row] = (vector, combination)
                if (power := _valuation(int(vector[row]), width)) > 0:
                    factor = np.uint64(1 << (width - power))
                    pending.append((vector * factor & mask, combination * factor & mask))
                break
            pivot, before = basis[row]
            if _valuation(int(vector[row]), width) < _valuation(int(pivot[row]), width):
                basis[row] = (vector, combination)
                if (power := _valuation(int(vector[row]), width)) > 0:
                    factor = np.uint64(1 << (width - power))
                    pending.append((vector * factor & mask, combination * factor & mask))
                vector, combination, pivot, before = pivot, before, vector, combination
            factor = np.uint64(_quotient(int(vector[row]), int(pivot[row]), width))
            vector = (vector - factor * pivot) & mask
            combination = (combination - factor * before) & mask


def _quotient(value: int, pivot: int, width: int) -> int:
    """``q`` with ``q * pivot == value`` modulo ``2 ** width``, where the pivot's power of two divides the value."""
    power = _valuation(pivot, width)
    modulus = 1 << width
    return (value >> power) * pow(pivot >> power, -1, modulus) % modulus


def _scaled(relation: Numbers, column: int, width: int) -> dict[int, int]:
    """The relation times a unit, such that its last coefficient is a power of two."""
    modulus = 1 << width
    last = int(relation[column])
    unit = pow(last >> _valuation(last, width), -1, modulus)
    return {int(k): int(relation[k]) * unit % modulus for k in np.flatnonzero(relation)}
