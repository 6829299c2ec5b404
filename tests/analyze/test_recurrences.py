"""Recurrences: what rounds of a loop hand on, at three levels of optimisation; steps are those that registers had."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from burnish.analyze.nest import structure, walk
from burnish.analyze.program import Program, program_of
from burnish.analyze.recurrences import flows
from burnish.core.recording import What
from burnish.core.structure import Region, Structure
from burnish.core.superblocks import Carried, Flow, Recurrence
from burnish.machine.registers import CELLS
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import Recording
from burnish.runtime.command import Stream

TEXT = (Path(__file__).parents[1] / "files" / "recurrences.c").read_text()
EXPECTED = {name: words.split() for words, name in re.findall(r"^// ([^\n]+)\nF [^(]*?(\w+)\(", TEXT, re.M)}
FUNCTIONS = tuple(re.findall(r"^F [^(]*?(\w+)\(", TEXT, re.M))
WHAT = (What.EDGES, What.BLOCKS, What.MEMORY, What.SNAPSHOTS)


@dataclass(frozen=True)
class Analysed:
    recording: Recording
    program: Program
    structure: Structure
    flows: dict[int, Flow]

    def loops(self, name: str) -> list[tuple[Region, Flow]]:
        return [
            (region, self.flows[region.number])
            for region in self.structure.regions
            if region.header is not None and self.program.functions[region.function]["name"] == name
        ]


def analysed(recording: Recording) -> Analysed:
    program = program_of(recording)
    found = structure(recording, program, walk(recording, program))
    return Analysed(recording, program, found, flows(recording, program, found))


@pytest.fixture(scope="module", params=["-O0", "-O2", "-O3"])
def level(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(level: str, build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    program = build("recurrences", TEXT, level)
    output = tmp_path_factory.mktemp("recorded") / "r"
    options = RecordOptions(str(program), (), output, WHAT, FUNCTIONS, stdout=Stream.DISCARD)
    return analysed(record(options).open())


def word(carried: Carried) -> str:
    match carried.kind:
        case Recurrence.REDUCTION:
            return carried.operator.removeprefix("packed ") + ("~" if carried.floating else "")
        case Recurrence.CHASE:
            return "chase"
        case Recurrence.HANDED:
            return "handed"
        case kind:
            return kind.value


def test_what_rounds_hand_on(run: Analysed) -> None:
    wrong: list[str] = []
    for name, words in EXPECTED.items():
        loops = run.loops(name)
        assert loops, name
        for region, flow in loops:
            assert not flow.refused
            found = sorted(word(c) for c in flow.carried if c.kind is not Recurrence.AFFINE)
            wanted = sorted(w for w in words if w not in ("none", "counted"))
            if (found, flow.counted) != (wanted, "counted" in words):
                wrong.append(f"{name} (loop {region.number}): {found}, counted: {flow.counted}")
            if not any(c.kind is Recurrence.AFFINE for c in flow.carried) and name != "list":
                wrong.append(f"{name}: nothing is affine")
    assert not wrong, "\n".join(wrong)


def test_steps_are_those_of_the_registers(run: Analysed) -> None:
    """Registers as they were at each round's start, as the recorder wrote them down."""
    rows = run.recording.snapshots().to_pylist()
    at: dict[int, list[dict[str, int | None]]] = {}
    for row in rows:
        at.setdefault(row["block"], []).append(row)
    compared = 0
    for region in run.structure.regions:
        for carried in run.flows[region.number].carried if region.header is not None else ():
            place = carried.place[0]
            if carried.kind is not Recurrence.AFFINE or carried.step is None or place not in CELLS:
                continue
            seen = [row.get(place) for row in at.get(region.header or 0, ())]
            steps = [(y - x) & 0xFFFFFFFF for x, y in pairwise(seen) if None not in (x, y)]
            assert sum(step != carried.step & 0xFFFFFFFF for step in steps) < region.entered
            compared += len(steps)
    assert compared or all(
        "stack" in c.place[0] or "memory" in c.place for _, f in run.loops("sum") for c in f.carried
    )
