"""What a specification lets both sides rely on at entry, over the entry state of the engine."""

from __future__ import annotations

from burnish.core.errors import UsageError
from burnish.core.specification import Specification
from burnish.domains.smt.build import FALSE, add, const, extract, select, var
from burnish.domains.smt.terms import Term
from burnish.machine.registers import CELLS
from burnish.verify.conditions import condition_term
from burnish.verify.engine.addresses import Frame, UndecidedAccessError, target
from burnish.verify.engine.cells import join_bytes
from burnish.verify.engine.state import ENTRY_MEMORY, entry_value


def entry_conditions(specification: Specification) -> tuple[Term, ...]:
    """The preconditions and assumptions as terms of width 1. Raises ``UsageError`` for what is no condition on the
    caller's state, and for what plainly never holds."""
    found = tuple(
        condition_term(
            text,
            lambda name: entry_value(CELLS[name], 0, CELLS[name].size),
            lambda address, size, text=text: _memory(address, size, specification.stack_bytes, text),
        )
        for text in specification.conditions
    )
    for text, term in zip(specification.conditions, found, strict=True):
        if term is FALSE:
            raise UsageError(f"the condition {text!r} never holds; operators bind as in C")
    return found


def _memory(address: Term, size: int, stack_bytes: int, text: str) -> Term:
    try:
        where = target(address)
    except UndecidedAccessError as error:
        raise UsageError(f"the condition {text!r} cannot be used: {error}") from None
    if not isinstance(where, Frame):
        return join_bytes(select(ENTRY_MEMORY, add(address, const(k, 64))) for k in range(size))
    if not isinstance(where.offset, int) or not 8 <= where.offset <= 8 + stack_bytes - size:
        raise UsageError(f"the condition {text!r} is about stack that holds no argument of the function")
    octets: list[Term] = []
    for offset in range(where.offset, where.offset + size):
        octets.append(extract(var(f"stack {offset & -8}", 64), 8 * (offset % 8), 8))
    return join_bytes(octets)
