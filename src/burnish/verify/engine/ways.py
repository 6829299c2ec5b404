"""Which ways out of both sides can be taken at once, with few questions.

Of all pairs of ways hardly any can be, and to ask for each takes the product of both numbers. A model of any says which
it is; and that there is none beside those that were found is one question, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.domains.smt.build import FALSE, and_, or_
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.engine.points import AtReturn, AtTrap, Ways
from burnish.verify.solve.query import Answer, Model, Sat, Unsat

_MOST = 64
"""Questions."""
_FEW = 2
"""Pairs that are asked for one by one."""


def together(
    pairs: Sequence[Ways],
    ask: Callable[[Term], Answer],
    note: Callable[[Term, Model], None] = lambda condition, model: None,
    most: int = _MOST,
) -> Sequence[Ways]:
    """``pairs`` without those that cannot be taken, as far as that is soon seen: ``ask`` asks for a condition beside
    what is known anyway, ``most`` times. ``note`` is told of what can be taken, each condition with a model."""
    met = [and_(first.condition, second.condition) for first, second in pairs]
    left = [number for number, pair in enumerate(pairs) if met[number] is not FALSE and _is_asked(pair)]
    if len(left) <= _FEW:
        return pairs
    for _ in range(most):
        if not left:
            break
        answer = ask(or_(FALSE, *(met[number] for number in left)))
        if isinstance(answer, Unsat):
            gone = set(left)
            return [pair for number, pair in enumerate(pairs) if number not in gone]
        if not isinstance(answer, Sat):
            break
        taken = evaluate([met[number] for number in left], answer.model)
        if not any(taken):
            break
        for number, true in zip(left, taken, strict=True):
            if true:
                note(met[number], answer.model)
        left = [number for number, true in zip(left, taken, strict=True) if not true]
    return pairs


def _is_asked(pair: Ways) -> bool:
    """True for ways that do not belong together on their face, and of which it matters whether they can be taken."""
    return pair[0].condition is not pair[1].condition and not all(
        isinstance(one.where, AtReturn | AtTrap) for one in pair
    )
