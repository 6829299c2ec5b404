"""Reductions: cycles in which one associative operation folds something into a value. All but ``last`` commute.

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
from burnish.analyze.values import Kind, Node, closure
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
LAST = "last"
"""Some rounds put another value in its place."""
_SUBTRACTIONS = (OpCode.INT_SUB, OpCode.FLOAT_SUB)
_RESIZING = (OpCode.INT_ZEXT, OpCode.INT_SEXT, OpCode.SUBPIECE, OpCode.PIECE)
_EXAMPLES = 64
_WORD, _HALF = 8, 4
_LOW = (1 << 32) - 1
_MOST_LITERALS = 16
_MOST_NODES = 200
_MOST_VALUES = 8
_MOST_SUBSETS = 64
_SEED = 1


@dataclass(frozen=True, slots=True)
class Fold:
    """An operation: its name, whether it works on the lanes of a vector, and whether another order of operands changes
    its result."""

    operator: str
    packed: bool
    floating: bool

    @property
    def ordered(self) -> bool:
        """Whether partial results must be joined in order."""
        return self.operator == LAST or self.operator.startswith("arg")

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
        plain = 2 if node.kind is Kind.STORE else 1
        if node.kind in (Kind.STORE, Kind.LOAD) and (
            len(node.arguments) > plain or node.arguments[0] in nodes
        ):
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
        elif node.kind is Kind.CHANGED:
            last = True
        elif node.kind is not Kind.OPERATION or (node.opcode in _RESIZING and sum(inside) == 1):
            continue
        elif node.opcode is OpCode.SELECT and not inside[0]:
            last = last or not all(inside[1:])
        elif node.opcode in _FOLDS and sum(inside) == 1 and (node.opcode not in _SUBTRACTIONS or inside[0]):
            names.add(_FOLDS[node.opcode])
            lanes.add(node.lane)
            # MINSS and MAXSS give the second operand where one is no number.
            ordered = node.opcode in (OpCode.FLOAT_MIN, OpCode.FLOAT_MAX) and inside[1]
            floating = floating or (node.opcode in FLOAT_OPCODES and not ordered)
        else:
            return None
    if last:
        # What is put in the value's place is as good a fold, where nothing else is done to it.
        return Fold(LAST, False, False) if not names else None
    if len(names) != 1 or len({bool(lane) for lane in lanes}) != 1:
        return None
    return Fold(names.pop(), 0 not in lanes, floating)


Choose = Callable[[int, int, int], int]
"""A value of a lane and another one, and the size of the lane in bytes, to what becomes of the first."""


def _integer(pick: Callable[[int, int], int], is_signed: bool) -> Choose:
    def choose(a: int, b: int, size: int) -> int:
        mask = (1 << 8 * size) - 1
        return pick(signed(a, 8 * size), signed(b, 8 * size)) & mask if is_signed else pick(a, b) & mask

    return choose


def _either(pick: Callable[[int, int, int], int]) -> Choose:
    return lambda a, b, size: pick(b, a, size)


_CHOICES: dict[bool, dict[str, Choose]] = {
    False: {
        "max": _integer(max, True),
        "min": _integer(min, True),
        "umax": _integer(max, False),
        "umin": _integer(min, False),
        "mul": _integer(int.__mul__, False),
    },
    True: {"max": _either(floats.maximum), "min": _either(floats.minimum)},
}


def _by_example(kinds: LoopKinds, nodes: frozenset[Node], root: Node) -> Fold | None:
    operations = [node for node in nodes if node.kind is Kind.OPERATION]
    floating = [node for node in operations if node.opcode in FLOAT_OPCODES]
    packed = any(node.lane for node in operations)
    lanes = [root.size]
    if floating:
        lanes = [floating[0].lane or floating[0].arguments[0].size]
    elif packed:
        lanes = sorted({node.lane for node in operations if node.lane and node.lane <= _WORD} | {_HALF})
    examples = _examples(kinds, nodes, root, lanes[0] if floating else 0)
    values = _candidates(nodes, root, kinds)
    for lane in lanes:
        if not examples or not values or root.size % lane or lane > _WORD:
            continue
        for name, choose in _CHOICES[bool(floating)].items():
            if _agrees(examples, values, choose, root.size, lane):
                return Fold(name, packed, False)
        if _puts(examples, values, root.size, lane):
            return Fold(LAST, packed, False)
    return None


def _examples(kinds: LoopKinds, nodes: frozenset[Node], root: Node, lane: int) -> list[Example]:
    draw = random.Random(_SEED)
    examples: list[Example] = []
    # What is compared with a constant is sometimes equal to it.
    literals = sorted({n.value & _LOW for n in closure(nodes) if n.kind is Kind.CONSTANT and n.size > 1})
    literals = literals[:_MOST_LITERALS]
    for _ in range(4 * _EXAMPLES):
        example = Example(kinds.loop, kinds.numbers, nodes, root, draw, lane, literals)
        try:
            example.compute()
        except NotComputedError as error:
            if error.always:
                return []
            continue
        examples.append(example)
        if len(examples) == _EXAMPLES:
            break
    return examples if len(examples) > _EXAMPLES // 4 else []


def _candidates(nodes: frozenset[Node], root: Node, kinds: LoopKinds) -> list[Node]:
    """Values from outside a cycle that it may fold in: all that its nodes read, and what that is computed from, as far
    as it is large enough."""
    found: dict[int, Node] = {}
    work = [a for node in nodes for a in node.arguments[node.kind is Kind.STORE :] if node is not root]
    while work and len(found) < _MOST_VALUES:
        node = work.pop(0)
        number = kinds.numbers.get(node, -id(node))
        if node in nodes or number in found or node.kind is Kind.CONSTANT:
            continue
        if node.size >= root.size:
            found[number] = node
        if node.kind is Kind.OPERATION:
            work += node.arguments
    return list(found.values())


def _agrees(
    examples: Sequence[Example], values: Sequence[Node], choose: Choose, size: int, lane: int
) -> bool:
    """Whether each example folds the same of ``values``; where branches on other things decide, all or some of them."""

    def fold(example: Example, some: Sequence[Node]) -> int:
        found = _split(example.start, size, lane)
        for node in some:
            other = _split(example.value(node), size, lane)
            found = [choose(a, b, lane) for a, b in zip(found, other, strict=True)]
        return join(found, lane)

    if all(example.result == example.start for example in examples):
        return False
    subsets = [some for k in range(1, len(values) + 1) for some in combinations(values, k)]
    for some in subsets[:_MOST_SUBSETS]:
        parts = [part for k in range(len(some) + 1) for part in combinations(some, k)]
        if all(
            example.result == fold(example, some)
            or (example.decided and any(example.result == fold(example, part) for part in parts))
            for example in examples
        ):
            return True
    return False


def _puts(examples: Sequence[Example], values: Sequence[Node], size: int, lane: int) -> bool:
    """Whether each lane stays or becomes that of one value, as something says that does not depend on it."""
    for node in values:
        moved = False
        for example in examples:
            if example.decided:
                continue
            other = _split(example.value(node), size, lane)
            again = example.again()
            for start, new, then, at_last, put in zip(
                _split(example.start, size, lane),
                _split(example.result, size, lane),
                _split(again.start, size, lane),
                _split(again.result, size, lane),
                other,
                strict=True,
            ):
                if not ((new, at_last) == (start, then) or new == at_last == put):
                    break
                moved = moved or new != start
            else:
                continue
            moved = False
            break
        if moved:
            return True
    return False


def _split(value: int, size: int, lane: int) -> list[int]:
    return split(value & (1 << 8 * size) - 1, lane, size // lane)
