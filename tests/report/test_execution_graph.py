"""Pictures of executions: of a recording written here by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.analyze.loop_forest import ForestLoop, innermost
from burnish.analyze.program import Program, StaticLoop
from burnish.core.structure import Between, Dependence, Hazard, Region, Structure, Trips
from burnish.core.structure import Path as RoundPath
from burnish.core.superblocks import (
    Carried,
    Exit,
    Finding,
    Flow,
    Parallelism,
    Prediction,
    Recurrence,
    Superblock,
)
from burnish.report.execution_graph import MOST_REGIONS, picture
from burnish.report.graph import EdgeKind, GroupKind, Histogram, Picture, Spans, to_dot, to_svg
from burnish.report.layout import lay_out

NAME = "void sort<int, std::less<int>>(int*, int*)" + "::inner" * 20
CODE = bytes.fromhex("48ffc0 48ffc0 48ffc0 48ffc0 48ffc0 48ffc0 48ffc0 c3")
"""Seven times ``inc %rax``, and ``ret``."""


def block(number: int, entered: int, function: int = 0) -> dict[str, Any]:
    return {"block": number, "function": function, "address": 0x1000 + 3 * number, "last": 0x1000 + 3 * number,
            "part": 0, "size": 3, "instructions": 1, "entered": entered, "ending": "branch"}  # fmt: skip


def region(number: int, function: int, header: int | None, **more: Any) -> Region:
    made = Region(number, function, header, None, 0, 1, 1, 100, 0, 0, 0, 100, False, Trips(((1, 1),)), (), 0)
    return replace(made, **more)


# b0 → loop b1 { b2 → inner loop b3 → b4 } → b5; b6 never ran. b4 leaves seldom.
EDGES = {
    (0, 1): 1,
    (1, 2): 10,
    (2, 3): 10,
    (3, 3): 90,
    (3, 4): 10,
    (4, 1): 9,
    (4, 5): 1,
    (1, 5): 0,
    (5, 6): 0,
}
BLOCKS = {0: 1, 1: 10, 2: 10, 3: 100, 4: 10, 5: 1, 6: 0}
LOOPS = (StaticLoop(0, 0, 1, frozenset({1, 2, 3, 4}), None, 1), StaticLoop(1, 0, 3, frozenset({3}), 0, 2))
PROGRAM = Program(
    blocks={number: block(number, entered) for number, entered in BLOCKS.items()} | {7: block(7, 1, 1)},
    functions={
        0: {"function": 0, "name": NAME, "address": 0x1000, "code": CODE, "image": 0},
        1: {"function": 1, "name": "main", "address": 0x1015, "code": b"\xc3", "image": 0},
    },
    sites={n: {"site": n, "block": b, "address": 0x1000 + 3 * b} for n, b in enumerate((2, 4, 3, 3, 7))},
    entries={0: 0, 1: 7},
    following={},
    taken=EDGES,
    calls={},
    loops=LOOPS,
    loop_of=innermost([ForestLoop(loop.header, loop.blocks, loop.parent) for loop in LOOPS]),
    members={0: frozenset(BLOCKS), 1: frozenset({7})},
)
STRUCTURE = Structure(
    regions=(
        region(0, 0, 1, depth=1, rounds=10, instructions=130, trips=Trips(((10, 1),)),
               paths=(RoundPath((1, 2, ~1, 4), 10),)),
        region(1, 0, 3, parent=0, depth=2, entered=10, rounds=100, trips=Trips(((5, 5), (15, 5)))),
        region(2, 0, None, instructions=132, paths=(RoundPath((0, ~0, 5), 1),)),
        region(3, 1, None, instructions=133, paths=(RoundPath((7, ~2), 1),)),
    ),
    dependences=(
        Dependence(Hazard.RAW, Between.ROUNDS, 1, 0, 0, 1, 4, 9, 9),
        Dependence(Hazard.WAR, Between.ROUNDS, 0, 1, 0, 2, 2, 8, 8),
        Dependence(Hazard.WAW, Between.ROUNDS, 2, 3, 1, 1, 1, 90, 90),
        Dependence(Hazard.RAW, Between.ROUNDS, 1, 1, 0, 1, 1, 9, 9),
        Dependence(Hazard.RAW, Between.INSIDE, 1, 2, 0, 0, 0, 9, 0),
        Dependence(Hazard.RAW, Between.ROUNDS, 4, 4, None, 0, 0, 1, 1),
    ),
    instructions=133,
    blocks=133,
    gaps=0,
    left_out=0,
    has_accesses=True,
)  # fmt: skip
AFFINE = Carried(("memory",), Recurrence.AFFINE, step=1, pairs=((1, 1),))
SUM = Carried(("memory",), Recurrence.REDUCTION, operator="add", pairs=((1, 0),))
FINDINGS = (
    Finding(0, Parallelism.REDUCTION, Flow(0, carried=(AFFINE, SUM)), 0.9, (1, 4), (), (), (),
            (Prediction(2, 1.9), Prediction(8, 6.25)), 3.0, ("the sum is kept in memory",)),
)  # fmt: skip
SUPERBLOCKS = (
    Superblock(0, 0, (1, 2, 4), (1,), (1,), (Exit(4, 5, 1, True),), "(b1 b2 (b3)5 b4)10", ("heap",), 130, 0.97, (4,),
               ()),
    Superblock(1, 1, (3,), (), (3,), (), "(b3)100", ("stack",), 100, 0.75, (), (0,)),
)  # fmt: skip
LINES = {3: "a & b.c:7"}


def drawn(function: int | None = 0, **more: Any) -> Picture:
    return picture(STRUCTURE, PROGRAM, FINDINGS, SUPERBLOCKS, function, LINES, **more)


def test_blocks_that_ran_with_their_counts_and_code() -> None:
    found = drawn()
    assert [node.number for node in found.nodes] == [0, 1, 2, 3, 4, 5]
    assert found.notes == ("Not shown: 1 block that never ran.",)
    hot = found.nodes[3]
    assert hot.lines == ("b3  0x1009  s1", "1 instruction · 100 times", "75.2 % · a & b.c:7")
    assert hot.share == 100 / 133
    assert "a & b.c:7" in hot.tooltip.split("\n")
    assert hot.tooltip.endswith("0x1009  incq %rax")
    assert len(found.title) < 130
    assert found.title.startswith("void sort<int, std::less<int>>(int*, int*)")


def test_edges_that_were_taken_and_the_seldom_exit() -> None:
    edges = {
        (edge.source, edge.target): edge
        for edge in drawn().edges
        if edge.kind in (EdgeKind.FLOW, EdgeKind.EXIT)
    }
    assert {ends: edge.count for ends, edge in edges.items()} == {
        e: count for e, count in EDGES.items() if count
    }
    assert [ends for ends, edge in edges.items() if edge.kind is EdgeKind.EXIT] == [(4, 5)]
    assert edges[3, 4].label == "10"
    assert edges[0, 1].label == ""  # as often as b0


def test_loops_and_superblocks_lie_in_each_other() -> None:
    found = drawn()
    groups = {group.number: group for group in found.groups}
    chains: dict[int, list[tuple[GroupKind, str]]] = {}
    for node in found.nodes:
        at, chain = node.group, list[tuple[GroupKind, str]]()
        while at is not None:
            chain.insert(0, (groups[at].kind, groups[at].title.split()[0] + groups[at].title.split()[1]))
            at = groups[at].parent
        chains[node.number] = chain
    outer = [(GroupKind.LOOP, "loopb1:"), (GroupKind.SUPERBLOCK, "s0·")]
    assert chains == {0: [], 1: outer, 2: outer, 3: [*outer, (GroupKind.LOOP, "loopb3:")], 4: outer, 5: []}
    loop = next(group for group in found.groups if group.title.startswith("loop b1"))
    assert loop.title == "loop b1: 10 rounds · reduction (add)"
    assert "6.25× predicted on 8 cores" in loop.tooltip
    assert "the sum is kept in memory" in loop.tooltip
    inner = next(group for group in found.groups if group.title.startswith("loop b3"))
    assert inner.title == "loop b3: 100 rounds in 10 visits"


def test_superblocks_that_cross_loops_are_drawn_in_pieces() -> None:
    crossing = replace(SUPERBLOCKS[0], blocks=(0, 1), inner=())
    found = picture(STRUCTURE, PROGRAM, (), (crossing,), 0, {})
    pieces = [group for group in found.groups if group.kind is GroupKind.SUPERBLOCK]
    assert len(pieces) == 2
    assert len({group.parent for group in pieces}) == 2
    assert to_svg(found).count('class="superblock"') == 3  # one in the legend


def test_dependences_that_loops_carry_but_not_what_is_known_beforehand() -> None:
    carried = [edge for edge in drawn().edges if edge.kind not in (EdgeKind.FLOW, EdgeKind.EXIT)]
    assert [(edge.kind, edge.source, edge.target, edge.label) for edge in carried] == [
        (EdgeKind.RAW, 4, 2, "d=1–4 (add)"),
        (EdgeKind.WAW, 3, 3, "d=1"),
        (EdgeKind.WAR, 2, 4, "d=2"),
    ]
    assert (
        "0x100c → 0x1006: 1–4 rounds of loop b1 apart, 9 times in 9 rounds, reduction add"
        in carried[0].tooltip
    )


def test_charts_of_the_hottest_loops() -> None:
    trips, spans, inner, _ = drawn().charts
    assert trips == Histogram("Rounds of a visit: loop b1", "rounds", "visits", ((10, 1),))
    assert isinstance(spans, Spans)
    assert (spans.spans[0].kind, spans.spans[0].least, spans.spans[0].most) == (EdgeKind.RAW, 1, 4)
    assert isinstance(inner, Histogram)
    assert inner.counts == ((5, 5), (15, 5))
    with_distances = drawn(distances={0: [(0, 1), (1, 6), (4, 3)]}).charts[1]
    assert isinstance(with_distances, Histogram)
    assert with_distances.counts == ((1, 6), (4, 3))


def test_the_whole_program_is_a_tree_of_calls_and_loops() -> None:
    found = drawn(None)
    assert sorted(node.number for node in found.nodes) == [0, 1, 2, 3]
    assert found.nodes[0].number == 3  # nothing called it
    assert {(edge.kind, edge.source, edge.target, edge.count) for edge in found.edges} == {
        (EdgeKind.CALL, 3, 2, 1),
        (EdgeKind.FLOW, 2, 0, 1),
        (EdgeKind.FLOW, 0, 1, 10),
    }
    loop = next(node for node in found.nodes if node.number == 0)
    assert loop.lines[0] == "loop b1"
    assert loop.lines[2:] == ("10 rounds", "97.7 %", "reduction (add)", "6.2× on 8 cores")
    assert all(len(line) <= 40 for node in found.nodes for line in node.lines)
    assert "superblock 0: (b1 b2 (b3)5 b4)10 (97.0 %)" in loop.tooltip
    assert found.title == "133 instructions in 2 functions and 2 loops"


def test_of_many_regions_the_hottest_are_shown() -> None:
    many = replace(
        STRUCTURE, regions=tuple(region(n, 1, None, instructions=n) for n in range(MOST_REGIONS + 5))
    )
    found = picture(many, PROGRAM, (), (), None, {})
    boxes = lay_out(found).nodes
    assert sorted(boxes, key=lambda number: -number) == sorted(boxes, key=lambda number: boxes[number].top)
    assert sorted(node.number for node in found.nodes) == list(range(5, MOST_REGIONS + 5))
    assert found.notes == ("Not shown: 5 colder regions.",)


def test_a_function_that_never_ran_and_one_without_blocks() -> None:
    never = replace(PROGRAM, blocks={6: block(6, 0)})
    for program in (never, replace(PROGRAM, blocks={})):
        found = picture(replace(STRUCTURE, regions=(), dependences=()), program, (), (), 0, {})
        assert found.nodes == ()
        assert "Nothing of it ran." in to_svg(found)
        assert to_dot(found).startswith("digraph")


def everything() -> str:
    return "".join(to(drawn(function)) for function in (0, None) for to in (to_dot, to_svg))


def test_drawings_do_not_depend_on_the_order_of_hashes() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_execution_graph as t; print(t.everything())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert elsewhere.strip() == everything().strip()
    assert elsewhere.count("<svg") == 2
