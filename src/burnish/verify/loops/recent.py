"""Models that solvers found a moment ago: mostly one of them answers what is asked next.

A way is asked for again and again while it grows: whether it can be taken, and what may differ at its end. What was an
input for the shorter way is often one for the longer (as in the counterexample cache of KLEE: Cadar, Dunbar and Engler,
OSDI 2008). A model is only ever an answer after it was evaluated on all that is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt.evaluate import Evaluator
from burnish.domains.smt.terms import Term
from burnish.verify.solve.query import Model

_MOST = 6


class RecentModels:
    """The last few models, those first that were of use."""

    def __init__(self) -> None:
        self._models: list[Model] = []

    def add(self, model: Model) -> None:
        """Notes a model."""
        self._models.insert(0, model)
        del self._models[_MOST:]

    def find(self, assertions: Sequence[Term]) -> Model | None:
        """A model of all the assertions, if one is known."""
        if not self._models:
            return None
        evaluator = Evaluator(assertions)
        for number, model in enumerate(self._models):
            if evaluator.all_hold(model):
                self._models.insert(0, self._models.pop(number))
                return model
        return None

    def all(self) -> tuple[Model, ...]:
        """Those that are known."""
        return tuple(self._models)
