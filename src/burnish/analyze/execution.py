"""The execution graph of a recording, from its structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.analyze.factorise import exact_form, stream_form
from burnish.analyze.program import Program
from burnish.core.execution import ExecutionGraph, HandedOn, Instance, Step, Use, Variable, VariableKind
from burnish.core.factorisation import Form, Repetition
from burnish.core.structure import Structure
from burnish.core.superblocks import Flow, Range
from burnish.machine.registers import FLAG_CELLS

MOST_PATHS = 16
"""Of a region that have nodes, the most frequent first."""
_EXACT = 512
_FLAGS = frozenset(cell.name for cell in FLAG_CELLS)


def execution_graph(
    structure: Structure,
    program: Program,
    flows: Mapping[int, Flow],
    ranges: Mapping[int, Sequence[Range]],
) -> ExecutionGraph:
    """The graph of all regions that were entered."""
    nodes = Nodes()
    left_out: list[tuple[int, int]] = []
    for region in structure.regions:
        for number, path in enumerate(region.paths[:MOST_PATHS]):
            nodes.add(region.number, number, folded(path.items), path.count)
        rest = region.other_rounds + sum(path.count for path in region.paths[MOST_PATHS:])
        if rest:
            left_out.append((region.number, rest))
    variables: dict[tuple[VariableKind, str, int | None], int] = {}

    def variable(kind: VariableKind, name: str, function: int | None = None) -> int:
        return variables.setdefault((kind, name, function), len(variables))

    uses: list[Use] = []
    handed: list[HandedOn] = []
    for region in structure.regions:
        for one in ranges.get(region.number, ()):
            block = program.sites[one.site]["block"]
            if _is_own(block, region.number, region.function, program):
                uses.append(Use(region.number, block, variable(VariableKind.MEMORY, one.object), one))
        flow = flows.get(region.number)
        for left in flow.left if flow else ():
            if program.blocks[left.source]["entered"] and program.blocks[left.sink]["entered"]:
                kind = _kind(left.place)
                number = variable(kind, left.place, region.function if kind is VariableKind.FRAME else None)
                handed.append(HandedOn(region.number, number, left.source, left.sink, left.carried))
    rows = tuple(Variable(number, *key) for key, number in variables.items())
    return ExecutionGraph(
        tuple(nodes.instances), tuple(nodes.steps), rows, tuple(uses), tuple(handed), tuple(left_out)
    )


def folded(items: Sequence[int]) -> Form:
    """A path as nested repetitions of its items."""
    names = list(dict.fromkeys(items))
    number = {item: k for k, item in enumerate(names)}
    symbols = np.array([number[item] for item in items], np.uint32)
    if not names:
        return ()
    made = (
        exact_form(symbols, len(names)) if len(items) <= _EXACT else stream_form([symbols], len(names))
    ).form()
    return _named(made, names)


def _named(form: Form, names: Sequence[int]) -> Form:
    return tuple(
        names[item] if isinstance(item, int) else Repetition(_named(item.form, names), item.count)
        for item in form
    )


class Nodes:
    """Makes the nodes of forms, and the steps between them."""

    def __init__(self) -> None:
        self.instances: list[Instance] = []
        self.steps: list[Step] = []

    def add(self, region: int, path: int, form: Form, count: int) -> tuple[int, int] | None:
        """The nodes of a form that ran so often: the numbers of the first and the last, None where it is empty."""
        first = last = None
        for item in form:
            if isinstance(item, int):
                here = len(self.instances), len(self.instances)
                self.instances.append(Instance(here[0], region, path, item, count))
            else:
                made = self.add(region, path, item.form, count * item.count)
                assert made is not None
                here = made
                self.steps.append(Step(here[1], here[0], count * (item.count - 1), again=True))
            if last is not None:
                self.steps.append(Step(last, here[0], count))
            first = here[0] if first is None else first
            last = here[1]
        return None if first is None or last is None else (first, last)


def _is_own(block: int, region: int, function: int, program: Program) -> bool:
    """Whether a region is the innermost one that a block is in."""
    loop = program.loop_of.get(block)
    if loop is not None:
        return loop == region
    return region >= len(program.loops) and program.blocks[block]["function"] == function


def _kind(place: str) -> VariableKind:
    if place.startswith("stack"):
        return VariableKind.FRAME
    return VariableKind.FLAG if place in _FLAGS else VariableKind.REGISTER
