"""The execution graph, of a product of two matrices: as a string of blocks and as a trace (those of Saad and others),
and compiled, where registers are followed through the trace here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.analyze.execution import Nodes, execution_graph, folded
from burnish.analyze.live_registers import LiveRegisters
from burnish.analyze.loop_forest import innermost, loop_forest
from burnish.analyze.nest import structure, walk
from burnish.analyze.program import Program, StaticLoop
from burnish.core.code import Label, Refused
from burnish.core.execution import ExecutionGraph, VariableKind
from burnish.core.recording import What
from burnish.core.structure import Structure
from burnish.core.superblocks import Recurrence
from burnish.images import load
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.pipeline.superblocks import Superblocks, superblocks
from burnish.recompile.bits import cells_in
from burnish.recompile.plan import Summaries
from burnish.record.store import open_recording
from dependence_traces import MadeRecording, Rows

SEED = "abjbhcfefghcfefghijbhcfefghcfefghijk"
"""``ab(jb(hcfefg)2hi)2jk``"""
TEXT = """
#define N 24
double a[N][N], b[N][N], c[N][N];
static volatile int n = 4;
#define PRODUCT(name, level) __attribute__((noinline, noclone, optimize(level))) void name(int n) { \\
    for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) { double sum = 0; \\
        for (int k = 0; k < n; k++) sum += a[i][k] * b[k][j]; c[i][j] = sum; } }
PRODUCT(plain, "O0")
PRODUCT(quick, "O2")
PRODUCT(wide, "O3")
int main(void) { plain(n); quick(n); wide(n); return c[1][1] != 0; }
"""
FUNCTIONS = ("plain", "quick", "wide")
WHAT = (What.EDGES, What.BLOCKS, What.MEMORY)


def test_the_string_of_the_paper() -> None:
    nodes = Nodes()
    ends = nodes.add(0, 0, folded([ord(letter) for letter in SEED]), 1)
    assert "".join(chr(one.item) for one in nodes.instances) == "abjbhcfefghijk"
    assert [one.count for one in nodes.instances] == [1, 1, 2, 2, 4, 4, 4, 4, 4, 4, 2, 2, 1, 1]
    assert ends == (0, 13)
    taken = Counter[str]()
    for step in nodes.steps:
        source, target = nodes.instances[step.source], nodes.instances[step.target]
        taken[chr(source.item) + chr(target.item)] += step.count
        assert step.again == (step.target <= step.source)
    assert taken == Counter(a + b for a, b in pairwise(SEED))


def graph_of(times: int) -> tuple[ExecutionGraph, Structure]:
    """The string so often as the trace of a function whose edges are those of the string."""
    letters = sorted(set(SEED))
    number = {letter: k for k, letter in enumerate(letters)}
    following: dict[int, tuple[int, ...]] = {}
    for a, b in sorted({(number[a], number[b]) for a, b in pairwise(SEED)}):
        following[a] = (*following.get(a, ()), b)
    forest = loop_forest(0, following)
    loops = tuple(
        StaticLoop(k, 0, loop.header, loop.blocks, loop.parent, 1 if loop.parent is None else 2)
        for k, loop in enumerate(forest)
    )
    ending = {number["k"]: "return"}
    blocks = {
        k: {"block": k, "function": 0, "address": k, "instructions": 1, "ending": ending.get(k, "branch")}
        for k in number.values()
    }
    functions = {0: {"function": 0}}
    of_blocks = {0: frozenset(blocks)}
    program = Program(blocks, functions, {}, {0: 0}, following, {}, {}, loops, innermost(forest), of_blocks)
    words = np.array([number[letter] for letter in SEED] * times, np.uint64) | np.uint64(0xFFFF << 48)
    recording: Any = MadeRecording(Rows([]), Rows([]), Rows([]), Rows([]), [words])
    found = structure(recording, program, walk(recording, program))
    return execution_graph(found, program, {}, {}), found


def test_a_trace_is_folded() -> None:
    """Each visit is in one node, however long the trace is."""
    graph, _ = graph_of(1)
    visits = Counter[str]()
    for one in graph.instances:
        if one.item >= 0:
            visits[sorted(set(SEED))[one.item]] += one.count
    assert visits == Counter(SEED)
    longer, _ = graph_of(1000)
    assert len(longer.instances) == len(graph.instances)
    assert len(longer.steps) == len(graph.steps)
    assert [one.count for one in longer.instances] == [1000 * one.count for one in graph.instances]
    assert not longer.left_out


def test_instances_of_a_region_are_its_visits() -> None:
    graph, found = graph_of(3)
    inside = Counter[int]()
    for one in graph.instances:
        if one.item < 0:
            inside[~one.item] += one.count
    for region in found.regions:
        if region.header is not None:
            assert inside[region.number] == region.entered


@pytest.fixture(scope="module")
def products(build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Superblocks:
    folder = tmp_path_factory.mktemp("products")
    program = build("products", TEXT, "-fno-ipa-icf")
    record(RecordOptions(str(program), (), folder / "r", WHAT, FUNCTIONS))
    return superblocks(folder / "r")


def test_what_registers_hand_on_is_what_the_trace_says(products: Superblocks) -> None:
    """Each byte of a register or flag that a block reads comes from the block that wrote it last."""
    program = products.program
    graph = products.execution
    names = {one.number: one.name for one in graph.variables if one.kind is not VariableKind.FRAME}
    said = {(names[h.variable], h.source, h.sink) for h in graph.handed if h.variable in names}
    seen: set[tuple[str, int, int]] = set()
    for name in FUNCTIONS:
        number = next(n for n, row in program.functions.items() if row["name"] == name)
        effects = blocks_of(products, number)
        written: dict[str, tuple[int, int]] = {}
        for block in visited(products, number):
            read, wrote = effects[block]
            for cell, _ in cells_in(read):
                if cell.name in written and written[cell.name][1] == number:
                    seen.add((cell.name, written[cell.name][0], block))
            written |= {cell.name: (block, number) for cell, _ in cells_in(wrote)}
    own = {row for row in seen if row[0] != "rbp" and row[1] != row[2]}
    assert own
    assert own <= said
    # What the code permits and did not happen is little.
    assert len({row for row in said if row[1] != row[2]} - own) <= len(own)


def visited(products: Superblocks, function: int) -> list[int]:
    trace = open_recording(Path(products.recording)).trace().tolist()
    return [block for block in trace if products.program.blocks[block]["function"] == function]


def blocks_of(products: Superblocks, function: int) -> dict[int, tuple[int, int]]:
    image = load(Path(open_recording(Path(products.recording)).manifest.images[0].path))
    address = products.program.functions[function]["address"]
    plan = Summaries(image).plan(next(one for one in image.functions if one.address == address))
    assert not isinstance(plan, Refused)
    found = LiveRegisters(plan).blocks()
    rows = products.program.blocks.items()
    return {
        number: found[Label(row["address"], row["part"])]
        for number, row in rows
        if row["function"] == function
    }


def test_variables_and_their_uses(products: Superblocks) -> None:
    graph = products.execution
    names = {one.number: one for one in graph.variables}
    objects = {names[use.variable].name for use in graph.uses}
    assert objects == {"a", "b", "c"}
    innermost = [use for use in graph.uses if products.region(use.region).depth == 3]
    strides = {(names[use.variable].name, (use.range.strides or (0,))[0]) for use in innermost}
    assert {("a", 8), ("b", 192)} <= strides
    # At -O0 the counters are places in the frame, which the next round reads.
    counters = {
        names[one.variable].name
        for one in graph.handed
        if one.carried and products.region(one.region).function == "plain"
    }
    assert len(counters) == 4
    assert all(name.startswith("stack-") for name in counters)
    document = json.loads(products.to_json())
    sites = {row["site"] for row in document["sites"]}
    assert {row["source"] for row in document["dependences"]} <= sites
    assert len(document["execution"]["instances"]) == len(graph.instances)


def test_outer_loops_hand_on_values_that_grow_by_a_constant(products: Superblocks) -> None:
    """Also where a bound comes from where the innermost loop stopped (``test_exit_values``)."""
    outer = [one for one in products.findings if products.region(one.region).depth < 3]
    assert {products.region(one.region).function for one in outer} == {*FUNCTIONS}
    for one in outer:
        assert {carried.kind for carried in one.flow.carried} == {Recurrence.AFFINE}
        assert one.flow.counted
        assert one.conflicts == 0
