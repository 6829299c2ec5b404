"""Questions in cases: what joined paths have made of a value is looked at for each way by itself.

Where paths were joined a value is a choice between two terms. Solvers take a choice under a product or a quotient apart
bit by bit; with the choice made, both sides are mostly the same term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from burnish.domains.smt.build import FALSE, TRUE, not_
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.terms import Op, Term, subterms

_CONNECTIVES = frozenset((Op.AND, Op.OR))


def cases(
    wrong: Term, conditions: Sequence[Term], *, paths: bool = False
) -> Iterator[tuple[Term, tuple[Term, ...]]]:
    """``wrong`` and ``conditions`` where the choice that occurs most in ``wrong`` goes one way, and where it goes the
    other: together they have the models of the given ones. Where ``wrong`` has none and ``paths`` are to be told apart
    it is a comparison of those that the conditions leave open. None where there is no choice."""
    choices = Counter(term.args[0] for term in subterms(wrong) if term.op is Op.ITE)
    if not choices and paths:
        choices = Counter(part for term in conditions for part in _open(term))
    if not choices:
        return
    choice, _ = choices.most_common(1)[0]
    for value, literal in ((TRUE, choice), (FALSE, not_(choice))):
        term, *rest = substitute([wrong, *conditions], {choice: value})
        yield term, (*rest, literal)


def _open(condition: Term) -> Iterator[Term]:
    """The comparisons of which a condition says that some hold, or not."""
    stack = [condition] if condition.op in _CONNECTIVES else []
    seen: set[Term] = set()
    while stack:
        term = stack.pop()
        if term in seen:
            continue
        seen.add(term)
        if term.op in _CONNECTIVES or term.op is Op.NOT:
            stack += term.args
        elif not term.is_const:
            yield term
