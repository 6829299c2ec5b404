"""The constructor of each kind of term. Rules of one need others of every kind; they find them here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from burnish.domains.smt.terms import Op, Payload, Term

Constructor = Callable[[int, Sequence[Term], Payload], Term]
"""``(width, operands, payload)``."""

_CONSTRUCTORS: dict[Op, Constructor] = {}


def constructor(*ops: Op) -> Callable[[Constructor], Constructor]:
    """Marks a function as the constructor of these kinds of terms."""

    def register(function: Constructor) -> Constructor:
        _CONSTRUCTORS.update(dict.fromkeys(ops, function))
        return function

    return register


def plain(op: Op, function: Callable[..., Term]) -> None:
    """Makes a function of the operands alone the constructor of a kind of terms."""

    def build(width: int, args: Sequence[Term], payload: Payload) -> Term:
        del width, payload
        return function(*args)

    _CONSTRUCTORS[op] = build


def construct(op: Op, width: int, args: Sequence[Term], payload: Payload = None) -> Term:
    """The folded term of that kind."""
    return _CONSTRUCTORS[op](width, args, payload)


def rebuild(term: Term, args: Sequence[Term]) -> Term:
    """The same operation on other operands, folded. Operands have the widths of those that they replace."""
    if not term.args:
        return term
    return _built(term.op, term.width, tuple(args), term.payload)


@lru_cache(maxsize=1 << 16)
def _built(op: Op, width: int, args: tuple[Term, ...], payload: Payload) -> Term:
    """What one query is rebuilt with is mostly what the one before was. Terms are what they are made of, and those
    that are kept here live as long: an operation on the same operands is always the same term."""
    return _CONSTRUCTORS[op](width, args, payload)
