"""What solvers have answered: rounds are explored again and again, and ask the same each time.

A search goes round until no relation breaks, and the check that follows asks once more for what the search has found;
most rounds differ in few relations from those before. A question is answered from here only where it is one that was
answered, or has more assertions than one that no model satisfies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.domains.smt.terms import Term
from burnish.verify.engine.proof import Solves
from burnish.verify.solve.query import Answer, Query, Sat, Undecided, Unsat

_MOST = 256
"""Questions without a model, the last ones, that may be parts of others."""

_HARDLY_MORE = 1.2
"""So much more time than was not enough is no reason to ask again: times are never quite the same."""

_Asked = frozenset[Term]


@dataclass(slots=True)
class RememberingSolver:
    """Hands on to ``solver`` what it does not know."""

    solver: Solves
    _answers: dict[_Asked, Sat | Unsat] = field(default_factory=dict[_Asked, Sat | Unsat])
    _without: list[_Asked] = field(default_factory=list[_Asked])
    _given_up: dict[_Asked, tuple[float, Undecided]] = field(
        default_factory=dict[_Asked, tuple[float, Undecided]]
    )

    def check(self, query: Query, timeout_s: float) -> Answer:
        """Is there a model? What was not decided is asked again only with more time."""
        asked = frozenset(query.assertions)
        known = self._answers.get(asked)
        if known is not None:
            return known
        part = next((part for part in reversed(self._without) if part <= asked), None)
        if part is not None:
            return self._answers[part]
        seconds, undecided = self._given_up.get(asked, (0.0, None))
        if undecided is not None and timeout_s <= _HARDLY_MORE * seconds:
            return undecided
        answer = self.solver.check(query, timeout_s)
        match answer:
            case Sat():
                self._answers[asked] = answer
            case Unsat():
                self._answers[asked] = answer
                self._without.append(asked)
                del self._without[:-_MOST]
            case Undecided():
                self._given_up[asked] = timeout_s, answer
        return answer
