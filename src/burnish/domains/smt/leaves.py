"""Terms without operands, and terms whose operands are all known."""

from __future__ import annotations

from burnish.domains.smt import evaluate
from burnish.domains.smt.terms import Op, Payload, Term, make


def const(value: int, width: int) -> Term:
    """The number ``value`` modulo ``2 ** width``."""
    return make(Op.CONST, width, (), value & (1 << width) - 1)


TRUE, FALSE = const(1, 1), const(0, 1)


def var(name: str, width: int) -> Term:
    """A free variable. One name has one width."""
    return make(Op.VAR, width, (), name)


def memory(name: str) -> Term:
    """A memory that nothing is known of."""
    return make(Op.MEMORY, 0, (), name)


def signed(value: int, width: int) -> int:
    """The value read as two's complement."""
    return value - (1 << width) if value >> (width - 1) & 1 else value


def made(op: Op, width: int, args: tuple[Term, ...], payload: Payload = None) -> Term:
    """The term, or its value where all operands are known."""
    term = make(op, width, args, payload)
    if all(arg.op is Op.CONST for arg in args):
        return const(evaluate.number(term, [arg.value for arg in args]), width)
    return term
