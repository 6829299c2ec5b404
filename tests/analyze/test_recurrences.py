"""Recurrences: what rounds of a loop hand on, at three levels of optimisation; steps are those that registers had."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from burnish.analyze.nest import structure, walk
from burnish.analyze.program import Program, program_of
from burnish.analyze.recurrences import flows
from burnish.core.recording import What
from burnish.core.structure import Between, Hazard, Region, Structure
from burnish.core.superblocks import Carried, Flow, Recurrence
from burnish.machine.registers import CELLS
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import Recording
from burnish.runtime.command import Stream

TEXT = (Path(__file__).parents[1] / "files" / "recurrences.c").read_text()
EXPECTED = {name: words.split() for words, name in re.findall(r"^// ([^\n]+)\nF [^(]*?(\w+)\(", TEXT, re.M)}
FUNCTIONS = tuple(re.findall(r"^F [^(]*?(\w+)\(", TEXT, re.M))
FEW = (
    "down", "stepped", "most", "several", "histogram", "peak", "second", "marked",
    "shifted", "mixed", "list", "congruent", "fibonacci", "differences", "taken", "bump",
)  # fmt: skip
SCALAR = (
    *FEW,
    "calls",
    "work",
    "draws",
    "draw",
    "search",
    "prefix",
    "quadratic",
    "packed",
    "table",
    "written",
)
"""What no level makes vectors of."""
LEVELS = {
    "-O0": FEW,
    "-O2": SCALAR,
    "-O3": tuple(name for name in FUNCTIONS if name not in SCALAR[10:]),
}
WHAT = (What.EDGES, What.BLOCKS, What.MEMORY, What.SNAPSHOTS)


@dataclass(frozen=True)
class Analysed:
    recording: Recording
    program: Program
    structure: Structure
    flows: dict[int, Flow]
    level: str

    def name(self, region: Region) -> str:
        """The name of the region's function, where that was compiled at the level."""
        name = self.program.functions[region.function]["name"]
        return name[:-1] if name[-1] == self.level[-1] else ""

    def loops(self, name: str) -> list[tuple[Region, Flow]]:
        return [
            (region, self.flows[region.number])
            for region in self.structure.regions
            if region.header is not None and self.name(region) == name
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    """One run of a program that has all functions at each level, with its number behind their names."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("recurrences")
    names = "|".join((*FUNCTIONS, "main", "g"))
    for level in LEVELS:
        text = re.sub(rf"\b({names})\b", rf"\g<1>{level[-1]}", TEXT)
        subprocess.run(
            ["gcc", level, "-fno-ipa-sra", "-c", "-xc", "-", "-o", f"{level[-1]}.o"],
            cwd=folder, input=text.encode(), check=True,
        )  # fmt: skip
    both = "".join(f"int main{level[-1]}(void);" for level in LEVELS)
    calls = "+".join(f"main{level[-1]}()" for level in LEVELS)
    (folder / "main.c").write_text(f"{both} int main(void) {{ return {calls}; }}\n")
    objects = [f"{level[-1]}.o" for level in LEVELS]
    subprocess.run(["gcc", "main.c", *objects, "-o", "recurrences"], cwd=folder, check=True)
    functions = tuple(f"{name}{level[-1]}" for level, some in LEVELS.items() for name in some)
    options = RecordOptions(
        str(folder / "recurrences"), (), folder / "r", WHAT, functions, stdout=Stream.DISCARD
    )
    recording = record(options).open()
    program = program_of(recording)
    found = structure(recording, program, walk(recording, program))
    return Analysed(recording, program, found, flows(recording, program, found), "")


@pytest.fixture(params=list(LEVELS))
def run(request: pytest.FixtureRequest, whole: Analysed) -> Analysed:
    return replace(whole, level=request.param)


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
        assert loops or name not in LEVELS[run.level], name
        for region, flow in loops:
            assert not flow.refused
            assert all(c.ordered == c.operator.endswith(("last", "argmax")) for c in flow.carried)
            found = sorted(word(c) for c in flow.carried if c.kind is not Recurrence.AFFINE)
            found = found if "serial" not in found else sorted({*found})
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
    assert compared > 1000


def test_affine_values_explain_what_goes_through_memory(run: Analysed) -> None:
    for region, flow in run.loops("stepped"):
        met = {
            (d.source, d.sink)
            for d in run.structure.dependences
            if d.region == region.number and d.hazard is Hazard.RAW and d.between is Between.ROUNDS
        }
        pairs = {pair for carried in flow.carried for pair in carried.pairs}
        assert met == pairs


def test_a_list_is_a_pipeline(run: Analysed) -> None:
    """Going along the list is serial; what is done with its nodes is not."""
    for region, flow in run.loops("list"):
        assert [stage.parallel for stage in flow.stages] == [False, True]
        assert sum(stage.share for stage in flow.stages) == pytest.approx(1)
        addresses = [address for stage in flow.stages for address in stage.addresses]
        blocks = run.program.loops[region.number].blocks
        assert len(addresses) == len(set(addresses))
        assert len(addresses) == sum(run.program.blocks[block]["instructions"] for block in blocks)
    for _, flow in run.loops("fibonacci"):
        assert any(not stage.parallel for stage in flow.stages)
    for _, flow in run.loops("several"):
        assert [stage.parallel for stage in flow.stages] == [True]


def test_live_registers(run: Analysed) -> None:
    (function,) = (r for r in run.structure.regions if r.header is None and run.name(r) == "several")
    assert run.flows[function.number].live_in == ("rdi",)
    assert run.flows[function.number].live_out[0] == "rax"
    for _, flow in run.loops("several"):
        folded = {place for c in flow.carried if c.kind is Recurrence.REDUCTION for place in c.place}
        if run.level == "-O0":
            assert not flow.live_out
            assert all(place.startswith("stack-") for place in folded)
        else:
            assert folded <= set(flow.live_out)
            assert folded <= set(flow.live_in)


@pytest.mark.parametrize(
    ("path", "why"), [("nowhere", "does not exist"), ("/bin/true", "is not the file that was recorded")]
)
def test_another_file_is_refused(run: Analysed, path: str, why: str) -> None:
    images = tuple(replace(image, path=path) for image in run.recording.manifest.images)
    moved = replace(run.recording, manifest=replace(run.recording.manifest, images=images))
    found = flows(moved, run.program, run.structure)
    assert found.keys() == run.flows.keys()
    assert all(why in flow.refused for flow in found.values())
