"""Which values of a loop are surely equal within a round."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from burnish.analyze.loop_values import By, LoopValues
from burnish.analyze.values import Kind, Node
from burnish.core.pcode import OpCode

_EITHER_WAY = (OpCode.INT_ADD, OpCode.INT_MULT)


def value_numbers(loop: LoopValues) -> Mapping[Node, int]:
    """A number for each value; equal ones have equal values wherever both are computed in one round. Two loads of one
    address are equal where nothing was seen to write there in the loop."""
    found: dict[Node, int] = {}
    known: dict[Hashable, int] = {}
    for root in loop.nodes:
        work = [root, *root.arguments]
        while work:
            node = work[-1]
            if node in found:
                work.pop()
                continue
            waiting = [a for a in _parts(loop, node) if a not in found]
            if waiting:
                work += waiting
                continue
            work.pop()
            key = _key(loop, node, found)
            found[node] = known.setdefault(key, len(known))
    return found


def _parts(loop: LoopValues, node: Node) -> list[Node]:
    return node.arguments if _is_pure(loop, node) else []


def _is_pure(loop: LoopValues, node: Node) -> bool:
    if node.kind is Kind.LOAD:
        return loop.has(node) and not any(need.by is By.MEMORY for need in loop.into[node])
    return node.kind is Kind.OPERATION


def _key(loop: LoopValues, node: Node, found: Mapping[Node, int]) -> Hashable:
    if node.kind is Kind.CONSTANT:
        return (node.kind, node.value, node.size)
    if not _is_pure(loop, node):
        return (node.kind, id(node))
    numbers = [found[argument] for argument in node.arguments]
    if node.opcode in _EITHER_WAY:
        numbers.sort()
    return (node.kind, node.opcode, node.lane, node.size, *numbers)
