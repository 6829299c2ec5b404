"""Random states in which the conditions of a way hold: they refute by the hundred what a solver would one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.domains.smt.build import concat, var
from burnish.domains.smt.evaluate_many import Array, TooWideError, evaluate_many
from burnish.domains.smt.rewrite import substitute, variables
from burnish.domains.smt.terms import Op, Term

_COUNT = 2048
_CORNERS = (0, 1, 2, 3, 15, 16, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, 1 << 63)


class Guesses:
    """States that satisfy ``conditions``; ``near`` has values from which many of them differ in a few places only."""

    def __init__(
        self, conditions: Sequence[Term], roots: Sequence[Term], near: Mapping[str, int], seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        self._narrow = {
            term: concat(var(f"{term.name}/high", term.width - 64), var(f"{term.name}/low", 64))
            for term in variables([*conditions, *roots])
            if term.op is Op.VAR and 64 < term.width <= 128
        }
        conditions, roots = substitute(conditions, self._narrow), substitute(roots, self._narrow)
        names = [term for term in variables([*conditions, *roots]) if term.op is Op.VAR]
        self._values = {term.name: _values(rng, near.get(term.name, 0)) for term in names}
        self._values[""] = np.zeros(_COUNT, np.uint64)
        self.valid = np.zeros(_COUNT, np.bool_)
        try:
            self.valid = np.logical_and.reduce(
                [np.ones(_COUNT, np.bool_), *(c != 0 for c in evaluate_many(conditions, self._values))]
            )
        except TooWideError:
            return
        chosen = np.flatnonzero(self.valid)
        self._values = {name: numbers[chosen] for name, numbers in self._values.items()}

    @property
    def count(self) -> int:
        """How many states there are."""
        return int(self.valid.sum())

    def numbers(self, terms: Sequence[Term]) -> list[Array | None]:
        """The values of terms in all states; None for those that cannot be computed so."""
        terms = substitute(terms, self._narrow)
        try:
            return [*evaluate_many(terms, self._values)]
        except TooWideError:
            if len(terms) == 1:
                return [None]
        half = len(terms) // 2
        return self.numbers(terms[:half]) + self.numbers(terms[half:])


def _values(rng: np.random.Generator, near: int) -> Array:
    """For one variable: mostly what it is in a known state, else small, or a multiple, or a corner, or anything."""
    small = rng.integers(0, 48, _COUNT, np.uint64)
    choices = [
        np.full(_COUNT, near & (1 << 64) - 1, np.uint64),
        small,
        small * np.uint64(4),
        small * np.uint64(16),
        rng.choice(np.array(_CORNERS, np.uint64), _COUNT),
        rng.integers(0, 1 << 64, _COUNT, np.uint64),
        rng.integers(1 << 32, 1 << 46, _COUNT, np.uint64),
    ]
    # How much a state differs from the known one is drawn for the state: the first half stays close.
    close = np.linspace(0.9, 0.0, _COUNT)
    kind = np.where(rng.random(_COUNT) < close, 0, rng.integers(1, len(choices), _COUNT))
    return np.choose(kind, choices)
