"""Random states in which the conditions of a way hold: they refute by the hundred what a solver would one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.domains.smt.build import concat, var
from burnish.domains.smt.evaluate_many import Array, Function, TooWideError, evaluate_many, mixed
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve.query import Model

_COUNT = 512
_CORNERS = (0, 1, 2, 3, 15, 16, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, 1 << 63)
_LEAST_CHANGED = 0.01
"""How much of a state, on average, differs from the known one, where least does."""
_LOW = (1 << 64) - 1
_U = np.uint64


class Guesses:
    """States that satisfy ``conditions``; most of them differ from one of those ``near`` in a few places only."""

    def __init__(
        self, conditions: Sequence[Term], roots: Sequence[Term], near: Sequence[Model], seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        leaves = [t for t in subterms(*conditions, *roots) if t.op in (Op.VAR, Op.MEMORY, Op.APPLY)]
        self._narrow = {
            term: concat(var(f"{term.name}/high", term.width - 64), var(f"{term.name}/low", 64))
            for term in leaves
            if term.op is Op.VAR and 64 < term.width <= 128
        }
        conditions, roots = substitute(conditions, self._narrow), substitute(roots, self._narrow)
        lanes = _Lanes(near or (Model(),), seed, rng)
        self._values = {"": np.zeros(_COUNT, np.uint64)}
        for term in leaves:
            if term.op is Op.VAR and term in self._narrow:
                self._values[f"{term.name}/high"] = lanes.values(term.name, 64)
                self._values[f"{term.name}/low"] = lanes.values(term.name, 0)
            elif term.op is Op.VAR:
                self._values[term.name] = lanes.values(term.name, 0)
        self._memories = {t.name: lanes.memory(t.name) for t in leaves if t.op is Op.MEMORY}
        self._functions = {t.name: lanes.function(t.name) for t in leaves if t.op is Op.APPLY}
        self._lanes = lanes
        self.valid = np.zeros(_COUNT, np.bool_)
        try:
            held = evaluate_many(conditions, self._values, self._memories, self._functions)
            self.valid = np.logical_and.reduce([np.ones(_COUNT, np.bool_), *(c != 0 for c in held)])
        except TooWideError:
            return
        chosen = np.flatnonzero(self.valid)
        self._values = {name: numbers[chosen] for name, numbers in self._values.items()}
        lanes.keep(chosen)

    @property
    def count(self) -> int:
        """How many states there are."""
        return int(self.valid.sum())

    def numbers(self, terms: Sequence[Term]) -> list[Array | None]:
        """The values of terms in all states; None for those that cannot be computed so."""
        return self._numbers(substitute(terms, self._narrow))

    def _numbers(self, terms: Sequence[Term]) -> list[Array | None]:
        try:
            return [*evaluate_many(terms, self._values, self._memories, self._functions)]
        except TooWideError:
            if len(terms) == 1:
                return [None]
        half = len(terms) // 2
        return self._numbers(terms[:half]) + self._numbers(terms[half:])


class _Lanes:
    """What each state has of its own: the model that it is near to, and how much of it is changed."""

    def __init__(self, near: Sequence[Model], seed: int, rng: np.random.Generator) -> None:
        self._near = near
        self._seed = seed
        self._rng = rng
        self._number = np.arange(_COUNT, dtype=np.uint64)
        # How much a state differs from the known one is drawn for the state: most stay close.
        self._changed = _LEAST_CHANGED ** np.linspace(1.0, 0.0, _COUNT)
        self._model = np.arange(_COUNT) % len(near)
        self._beneath = rng.integers(0, 3, _COUNT)
        """What memory holds that no model says: 0, small numbers, or anything."""

    def keep(self, chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        """Only these states from now on."""
        self._number, self._changed = self._number[chosen], self._changed[chosen]
        self._model, self._beneath = self._model[chosen], self._beneath[chosen]

    def values(self, name: str, shift: int) -> Array:
        """For one variable: mostly what it is in a known state, else small, or a multiple, or a corner, or anything."""
        rng = self._rng
        small = rng.integers(0, 48, _COUNT, np.uint64)
        known = np.array([model.variables.get(name, 0) >> shift & _LOW for model in self._near], np.uint64)
        choices = [
            known[self._model],
            small,
            small * _U(4),
            small * _U(16),
            rng.choice(np.array(_CORNERS, np.uint64), _COUNT),
            rng.integers(0, 1 << 64, _COUNT, np.uint64),
            rng.integers(1 << 32, 1 << 46, _COUNT, np.uint64),
        ]
        kind = np.where(rng.random(_COUNT) >= self._changed, 0, rng.integers(1, len(choices), _COUNT))
        return np.choose(kind, choices)

    def memory(self, name: str) -> Function:
        """What the models say, but for words that are changed in a state, and what they do not say."""
        tables = [_table(model.memories.get(name, {})) for model in self._near]

        def read(addresses: Sequence[Array]) -> Array:
            address = addresses[0]
            count = len(address)
            word = mixed(self._seed, [address >> _U(2), self._number], count)
            made = _made(word, address)
            found = np.where(self._beneath == 0, _U(0), np.where(self._beneath == 1, made[0], made[1]))
            for number, (places, bytes_) in enumerate(tables):
                if len(places):
                    at = np.minimum(np.searchsorted(places, address), len(places) - 1)
                    found = np.where((places[at] == address) & (self._model == number), bytes_[at], found)
            changed = (word >> _U(40)).astype(np.float64) < self._changed * (1 << 24)
            return np.where(changed, np.where(word & _U(8) == 0, made[0], made[1]), found)

        return read

    def function(self, name: str) -> Function:
        """As ``memory``, for an uninterpreted function."""
        tables = [model.functions.get(name, {}) for model in self._near]

        def apply(operands: Sequence[Array]) -> Array:
            anything = mixed(self._seed, [*operands, self._number], len(self._number))
            found = np.where(self._beneath == 0, _U(0), anything)
            for number, table in enumerate(tables):
                for given, value in table.items():
                    if len(given) == len(operands):
                        pairs = zip(operands, given, strict=True)
                        same = [operand == _U(one & _LOW) for operand, one in pairs]
                        hit = np.logical_and.reduce([self._model == number, *same])
                        found = np.where(hit, _U(value & _LOW), found)
            changed = (anything >> _U(40)).astype(np.float64) < self._changed * (1 << 24)
            return np.where(changed, anything, found)

        return apply


def _table(known: Mapping[int, int]) -> tuple[Array, Array]:
    places = np.array(sorted(known), np.uint64)
    return places, np.array([known[int(place)] for place in places], np.uint64)


def _made(word: Array, address: Array) -> tuple[Array, Array]:
    """Bytes of words of four: those of a number below 16, and any."""
    position = address & _U(3)
    small = np.where(position == 0, word >> _U(4) & _U(15), _U(0))
    return small, word >> (position * _U(8)) & _U(0xFF)
