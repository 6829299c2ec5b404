"""Comparisons that code has just made: what a way asks of values on its way to a pair of cuts often holds there always.

A loop that one compiler tests at its top and the other at its bottom is left where the two do not agree on the count;
what both need to know is in the condition of the branch (as templates of invariants are taken from a program's own
tests: Flanagan and Qadeer, *Predicate abstraction for software verification*, POPL 2002).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from burnish.core.code import Function
from burnish.core.pcode import OpCode, Space
from burnish.domains.smt.known import largest
from burnish.domains.smt.terms import Op, Term
from burnish.verify.loops.relations import Comparison, Order
from burnish.verify.loops.values import Value
from burnish.verify.solve.flat import all_conjuncts

_MOST = 24
_MOST_THRESHOLDS, _LEAST, _LARGEST = 16, 16, 1 << 31
"""Numbers that are compared with: of the smaller ones guards and data show as much."""
_ORDERS = frozenset((OpCode.INT_LESS, OpCode.INT_LESSEQUAL, OpCode.INT_SLESS, OpCode.INT_SLESSEQUAL))
_SWAPPED = {
    Comparison.DIFFERENT: Comparison.DIFFERENT,
    Comparison.BELOW: Comparison.ABOVE,
    Comparison.NOT_ABOVE: Comparison.NOT_BELOW,
    Comparison.LESS: Comparison.GREATER,
    Comparison.NOT_GREATER: Comparison.NOT_LESS,
}


def compared(values: Iterable[Value]) -> Iterator[Value]:
    """The parts of values that code compares: 8, 4 and 1 bytes from the lowest."""
    for value in values:
        if value.is_object:
            continue
        for size in (8, 4, 1):
            if size <= value.size:
                yield Value(value.side, value.cell, value.offset, size)


def thresholds(function: Function) -> tuple[int, ...]:
    """Numbers that code compares with, each and the next: what was reduced stays below one of them (as widening up to
    thresholds has it: Blanchet et al., PLDI 2003)."""
    found: set[int] = set()
    for operation in (one for block in function.blocks for one in block.operations):
        if operation.opcode in _ORDERS:
            for node in operation.inputs:
                if node.space is Space.CONST and node.size >= 4 and _LEAST < node.offset < _LARGEST:
                    found |= {node.offset, node.offset + 1}
    return tuple(sorted(found)[:_MOST_THRESHOLDS])


def guards(conditions: Iterable[Term], known: Mapping[Term, Sequence[Value]]) -> list[Order]:
    """What ``conditions`` say of the values that are ``known`` by the terms for them: few, the last first."""
    found: dict[Order, None] = {}
    for condition in reversed([*all_conjuncts(conditions)]):
        for order in _orders(condition, known):
            found[order] = None
    return list(found)[:_MOST]


def _orders(condition: Term, known: Mapping[Term, Sequence[Value]]) -> Iterator[Order]:
    negated = condition.op is Op.NOT
    inner = condition.args[0] if negated else condition
    match inner.op, negated:
        case Op.EQ, True:
            kind, (left, right) = Comparison.DIFFERENT, inner.args
        case Op.ULT, False:
            kind, (left, right) = Comparison.BELOW, inner.args
        case Op.ULT, True:
            kind, (right, left) = Comparison.NOT_ABOVE, inner.args
        case Op.SLT, False:
            kind, (left, right) = Comparison.LESS, inner.args
        case Op.SLT, True:
            kind, (right, left) = Comparison.NOT_GREATER, inner.args
        case _:
            return
    if left.is_const:
        left, right, kind = right, left, _SWAPPED[kind]
    for value in known.get(left, ()):
        if right.is_const:
            yield Order(value, kind, right.value)
        else:
            yield from (Order(value, kind, other) for other in known.get(right, ()))
            if (most := _most(kind, right)) is not None:
                yield Order(value, kind, most)


def _most(kind: Comparison, term: Term) -> int | None:
    """The largest number that a term may be which something is below, where a counter's type says: one that is loaded
    from 16 bits limits what counts up to it in more."""
    sign = 1 << (term.width - 1)
    if kind in (Comparison.LESS, Comparison.NOT_GREATER):
        narrow = term.args[0].width if term.op is Op.SEXT else term.width
        most = (1 << (narrow - 1)) - 1 if narrow < term.width else largest(term)
        return most if most < sign - 1 else None
    if kind in (Comparison.BELOW, Comparison.NOT_ABOVE):
        return most if (most := largest(term)) < 2 * sign - 1 else None
    return None
