"""Sums and products of floating-point numbers with their operands in one order.

Of two NaNs SSE hands on the first, so that ``a + b`` is ``b + a`` only where not both are NaNs with different bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt import build as t
from burnish.domains.smt import ieee
from burnish.domains.smt.rewrite import rebuild, rewrite
from burnish.domains.smt.terms import Op, Term, subterms

_COMMUTE = ("FLOAT_ADD", "FLOAT_MULT")


def in_one_order(roots: Sequence[Term]) -> list[Term] | None:
    """The roots where no sum and no product is of two different NaNs: with operands in one order, and that condition
    for each that was turned round beside them. None where every operation is in that order."""
    if not any(_commutes(term) for term in subterms(*roots)):
        return None
    turned = False
    numbers: dict[Term, None] = {}

    def rule(term: Term, args: Sequence[Term]) -> Term | None:
        nonlocal turned
        if not _commutes(term):
            return None
        ordered = sorted(args, key=lambda arg: (arg.is_const, arg.serial))
        turned = turned or ordered != args
        nans = t.and_(*[ieee.is_nan(arg) for arg in ordered])
        numbers[t.not_(t.and_(nans, t.ne(*ordered)))] = None
        return rebuild(term, ordered)

    found = rewrite(roots, rule)
    return [*found, *numbers] if turned else None


def _commutes(term: Term) -> bool:
    return term.op is Op.FLOAT and isinstance(term.payload, tuple) and term.payload[0] in _COMMUTE
