"""Reductions: cycles in which one associative and commutative operation folds something into a value.

Sums, products and the operations on bits are found by their form. A minimum or maximum may be a comparison and a
conditional move, a branch, a mask in a vector register: what a round makes of the value is computed for examples, and
compared with the operation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from burnish.analyze.evaluate import Example, NotComputedError
from burnish.analyze.loop_values import By, LoopValues, Need
from burnish.analyze.values import Kind, Node
from burnish.core.pcode import FLOAT_OPCODES, OpCode
from burnish.domains import floats
from burnish.domains.integers import join, signed, split

if TYPE_CHECKING:
    from burnish.analyze.recurrence_kinds import LoopKinds

_FOLDS = {
    OpCode.INT_ADD: "add",
    OpCode.INT_SUB: "add",
    OpCode.FLOAT_ADD: "add",
    OpCode.FLOAT_SUB: "add",
    OpCode.INT_MULT: "mul",
    OpCode.FLOAT_MULT: "mul",
    OpCode.INT_AND: "and",
    OpCode.BOOL_AND: "and",
    OpCode.INT_OR: "or",
    OpCode.BOOL_OR: "or",
    OpCode.INT_XOR: "xor",
    OpCode.BOOL_XOR: "xor",
    OpCode.INT_SMIN: "min",
    OpCode.INT_SMAX: "max",
    OpCode.INT_UMIN: "umin",
    OpCode.INT_UMAX: "umax",
    OpCode.FLOAT_MIN: "min",
    OpCode.FLOAT_MAX: "max",
}
_SUBTRACTIONS = (OpCode.INT_SUB, OpCode.FLOAT_SUB)
_RESIZING = (OpCode.INT_ZEXT, OpCode.INT_SEXT, OpCode.SUBPIECE, OpCode.PIECE)
_EXAMPLES = 64
_MOST_NODES = 200
_MOST_VALUES = 5
_SEED = 1


@dataclass(frozen=True, slots=True)
class Fold:
    """An operation: its name, whether it works on the lanes of a vector, and whether another order of operands changes
    its result."""

    operator: str
    packed: bool
    floating: bool

    def __str__(self) -> str:
        return f"packed {self.operator}" if self.packed else self.operator


def folded(
    kinds: LoopKinds, nodes: frozenset[Node], roots: Sequence[Node], into: Sequence[Need]
) -> Fold | None:
    """The operation that a cycle folds by, if it is a reduction; whether others read the value is asked elsewhere."""
    if not _memory_fits(kinds, nodes):
        return None
    chosen = any(need.by is By.CHOICE for need in into)
    found = None if chosen else _by_form(kinds.loop, nodes)
    if found is not None or len(roots) != 1 or len(nodes) > _MOST_NODES:
        return found
    return _by_example(kinds, nodes, roots[0])


def _memory_fits(kinds: LoopKinds, nodes: frozenset[Node]) -> bool:
    """Whether each store of a cycle goes where the load lies that it was computed from, and nothing else reads it."""
    for node in nodes:
        if node.kind is Kind.STORE and node.arguments[0] in nodes:
            return False
        if node.kind is Kind.STORE:
            number = kinds.numbers[node.arguments[0]]
            for load in _loads_before(node, nodes):
                if kinds.numbers[load.arguments[0]] != number or load.size != node.arguments[1].size:
                    return False
        if node.kind is Kind.LOAD and any(
            need.by is By.MEMORY and need.source not in nodes for need in kinds.loop.into[node]
        ):
            return False
    return True


def _loads_before(store: Node, nodes: frozenset[Node]) -> set[Node]:
    found: set[Node] = set()
    work, seen = [store.arguments[1]], {store}
    while work:
        node = work.pop()
        if node in seen or node not in nodes:
            continue
        seen.add(node)
        if node.kind is Kind.LOAD:
            found.add(node)
        else:
            work += node.arguments
    return found


def _by_form(loop: LoopValues, nodes: frozenset[Node]) -> Fold | None:
    names: set[str] = set()
    lanes: set[int] = set()
    floating = False
    last = False
    for node in nodes:
        inside = [argument in nodes for argument in node.arguments]
        if node.kind is Kind.PHI:
            last = last or any(argument not in nodes for argument in loop.kept_arguments(node))
        elif node.kind is not Kind.OPERATION or (node.opcode in _RESIZING and sum(inside) == 1):
            continue
        elif node.opcode is OpCode.SELECT and not inside[0]:
            last = last or not all(inside[1:])
        elif node.opcode in _FOLDS and sum(inside) == 1 and (node.opcode not in _SUBTRACTIONS or inside[0]):
            names.add(_FOLDS[node.opcode])
            lanes.add(node.lane)
            floating = floating or node.opcode in FLOAT_OPCODES
        else:
            return None
    if last:
        # What is put in the value's place is as good a fold, where nothing else is done to it.
        return Fold("last", False, False) if not names else None
    if len(names) != 1 or len({bool(lane) for lane in lanes}) != 1:
        return None
    return Fold(names.pop(), 0 not in lanes, floating)


def _integer(pick: Callable[[int, int], int], is_signed: bool) -> Callable[[int, int, int], int]:
    def choose(a: int, b: int, size: int) -> int:
        return (
            pick(a, b)
            if not is_signed
            else pick(signed(a, 8 * size), signed(b, 8 * size)) & (1 << 8 * size) - 1
        )

    return choose


_CHOICES: dict[bool, dict[str, Callable[[int, int, int], int]]] = {
    False: {
        "max": _integer(max, True),
        "min": _integer(min, True),
        "umax": _integer(max, False),
        "umin": _integer(min, False),
    },
    True: {"max": floats.maximum, "min": floats.minimum},
}


def _by_example(kinds: LoopKinds, nodes: frozenset[Node], root: Node) -> Fold | None:
    operations = [node for node in nodes if node.kind is Kind.OPERATION]
    lanes = {node.lane for node in operations if node.lane}
    is_float = [node for node in operations if node.opcode in FLOAT_OPCODES]
    lane = min(lanes) if lanes else root.size
    if is_float and not lanes:
        lane = is_float[0].arguments[0].size
    if len(lanes) > 1 or root.size % lane or lane > 8:
        return None
    draw = random.Random(_SEED)
    examples: list[Example] = []
    for _ in range(8 * _EXAMPLES):
        example = Example(kinds.loop, kinds.numbers, nodes, root, draw, lane if is_float else 0)
        try:
            example.compute()
        except NotComputedError as error:
            if error.always:
                return None
            continue
        examples.append(example)
        if len(examples) == _EXAMPLES:
            break
    if len(examples) < _EXAMPLES // 4:
        return None
    values = _candidates(nodes, root, kinds)
    for name, choose in _CHOICES[bool(is_float)].items():
        if _agrees(examples, values, choose, root.size, lane):
            return Fold(name, bool(lanes), False)
    return None


def _candidates(nodes: frozenset[Node], root: Node, kinds: LoopKinds) -> list[Node]:
    """Values from outside a cycle that it may fold in: all that its nodes read that are large enough."""
    found: dict[int, Node] = {}
    for node in nodes:
        for argument in node.arguments if node.kind is not Kind.STORE else node.arguments[1:]:
            outside = argument not in nodes and argument.size >= root.size
            if outside and node is not root and argument.kind is not Kind.CONSTANT:
                found.setdefault(kinds.numbers.get(argument, -id(argument)), argument)
    return list(found.values())


def _agrees(
    examples: Sequence[Example],
    values: Sequence[Node],
    choose: Callable[[int, int, int], int],
    size: int,
    lane: int,
) -> bool:
    """Whether each example folds the same of ``values``; where branches on other things decide, all or some of them."""
    mask = (1 << 8 * size) - 1

    def fold(example: Example, some: Sequence[Node]) -> int:
        found = example.start
        for node in some:
            other = example.value(node) & mask
            pairs = zip(split(found, lane, size // lane), split(other, lane, size // lane), strict=True)
            found = join([choose(b, a, lane) for a, b in pairs], lane)
        return found

    most = values if len(values) <= _MOST_VALUES else ()
    subsets = [some for k in range(1, len(most) + 1) for some in combinations(most, k)]
    for some in subsets or [tuple(values)]:
        parts = [part for k in range(len(some) + 1) for part in combinations(some, k)]
        if any(example.result != example.start for example in examples) and all(
            example.result == fold(example, some)
            or (example.decided and any(example.result == fold(example, part) for part in parts))
            for example in examples
        ):
            return True
    return False
