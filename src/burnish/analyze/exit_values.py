"""What is known of a value behind a loop: where the loop is left only when it equals another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from burnish.analyze.ssa import Values
from burnish.analyze.values import Kind, Node
from burnish.core.code import Branch, Label
from burnish.core.pcode import OpCode

_DIFFERENCES = (OpCode.INT_SUB, OpCode.INT_XOR)


def put_exit_values(
    values: Values, branches: Mapping[Label, Branch], loops: Iterable[frozenset[Label]]
) -> None:
    """Where the only way out of a loop is taken when ``x == y``, with x from within it and y from outside, replace x by
    y in all that is computed outside: a next bound that a compiler computes from a counter's last value is then
    computed from the bound before. ``loops`` are the blocks of each, ``branches`` how blocks end.

    It holds for each use of x outside: x was computed before the last time that the condition was, which decided that
    the loop was left, and neither of them has been computed anew since, as x dominates its uses and y the condition.
    """
    for body in sorted(loops, key=len):
        ways = [
            (label, target)
            for label in sorted(body)
            for target in values.following.get(label, ())
            if target not in body
        ]
        if len(ways) != 1:
            continue
        ((label, target),) = ways
        branch, condition = branches.get(label), values.conditions.get(label)
        if branch is None or condition is None or branch.taken == branch.fallthrough:
            continue
        known = dict(_known(condition, branch.taken == target, body))
        if known:
            _replace(values, body, known)


def _known(condition: Node, holds: bool, body: frozenset[Label]) -> Iterator[tuple[Node, Node]]:
    """Values in the loop, and what they equal where the condition holds, or does not."""
    for one, other in _equal(condition, holds):
        if one.block in body and other.block not in body:
            yield one, other
        elif other.block in body and one.block not in body:
            yield other, one


def _equal(condition: Node, holds: bool) -> Iterator[tuple[Node, Node]]:
    while condition.kind is Kind.OPERATION and condition.opcode is OpCode.BOOL_NEGATE:
        condition, holds = condition.arguments[0], not holds
    wanted = OpCode.INT_EQUAL if holds else OpCode.INT_NOTEQUAL
    if condition.kind is not Kind.OPERATION or condition.opcode is not wanted or condition.lane:
        return
    one, other = condition.arguments
    yield one, other
    if one.kind is Kind.CONSTANT:
        one, other = other, one
    zero = other.kind is Kind.CONSTANT and other.value == 0
    if zero and one.kind is Kind.OPERATION and one.opcode in _DIFFERENCES and not one.lane:
        yield one.arguments[0], one.arguments[1]


def _replace(values: Values, body: frozenset[Label], known: Mapping[Node, Node]) -> None:
    for node in values.nodes:
        if node.block not in body and any(argument in known for argument in node.arguments):
            node.arguments = [known.get(argument, argument) for argument in node.arguments]
    values.conditions = {
        label: condition if label in body else known.get(condition, condition)
        for label, condition in values.conditions.items()
    }
    values.returned = [known.get(node, node) for node in values.returned]
