"""Which ways both sides may go at once: of many pairs of exits most are impossible, and one question shows it of all.

Where the two sides have m and n exits there are m * n pairs, and mostly as many that can be as the larger of the two
has exits. The pairs that are left are asked for together: no model, and none of them can be; a model is an input for
at least one of them, which is left out of the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from burnish.domains.smt.build import FALSE, and_, or_
from burnish.domains.smt.evaluate import Evaluator
from burnish.domains.smt.terms import Term
from burnish.verify.engine.points import Exit
from burnish.verify.solve.query import Answer, Sat, Unsat

Way = tuple[Exit, Exit]
"""An exit of the original, and one of the rewrite."""


def ways(
    exits: tuple[Sequence[Exit], Sequence[Exit]],
    conditions: Sequence[Term],
    ask: Callable[[Sequence[Term]], Answer],
) -> Iterator[Way]:
    """The pairs of exits that an input may take where the ``conditions`` hold, in order. Some that none takes may be
    among them, where the answer does not come soon."""
    every = list(product(*exits))
    met = [and_(first.condition, second.condition) for first, second in every]
    never = _never(every, met, conditions, ask)
    for number, way in enumerate(every):
        if met[number] is not FALSE and number not in never:
            yield way


def _never(
    every: Sequence[Way],
    met: Sequence[Term],
    conditions: Sequence[Term],
    ask: Callable[[Sequence[Term]], Answer],
) -> frozenset[int]:
    """The numbers of those that no input takes. Equal conditions belong together, and are not asked for."""
    left = {
        number: met[number]
        for number, (first, second) in enumerate(every)
        if met[number] is not FALSE and first.condition is not second.condition
    }
    while len(left) > 1:
        answer = ask((*conditions, or_(*left.values())))
        if isinstance(answer, Unsat):
            return frozenset(left)
        if not isinstance(answer, Sat):
            break
        taken = {
            number
            for number, holds in zip(left, Evaluator(tuple(left.values()))(answer.model), strict=True)
            if holds
        }
        if not taken:
            break
        left = {number: one for number, one in left.items() if number not in taken}
    return frozenset()
