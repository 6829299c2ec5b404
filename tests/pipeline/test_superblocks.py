"""Programs whose parallelism is known, at three levels of optimisation, and reports that were checked by hand."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.core.recording import What
from burnish.core.superblocks import Finding, Parallelism
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.pipeline.superblocks import Superblocks, superblocks
from burnish.report.superblocks import print_superblocks
from burnish.runtime.command import Stream

FILES = Path(__file__).parents[1] / "files" / "superblocks"
TRUTH = (FILES / "truth.c").read_text()
ANSWERS = re.findall(r"^/\* answer: ([^\n]+?) \*/\nKEEP [^(]*?(\w+)\(", TRUTH, re.M)
LEVELS = ("-O0", "-O2", "-O3")
WHAT = (What.EDGES, What.BLOCKS, What.MEMORY)
REPORTS = {
    "matrix": ("multiply",),
    "bodies": ("attract", "move", "simulate"),
    "mandelbrot": ("escape", "draw"),
    "trees": ("grow", "add", "order"),
}
GOLDEN_COMPILER = "12"

Build = Callable[..., Path]


def analysed(program: Path, output: Path, functions: tuple[str, ...]) -> Superblocks:
    options = RecordOptions(str(program), (), output, WHAT, functions, stdout=Stream.DISCARD)
    return superblocks(record(options).open())


def answer(text: str, level: str) -> list[str]:
    """The words that are expected at a level: ``kind; -O3: kind`` has one for -O3 of its own."""
    general, *special = (part.split("(")[0].strip() for part in text.split(";"))
    for part in special:
        name, _, words = part.partition(":")
        if name == level:
            return words.split()
    return general.split()


def words(finding: Finding) -> list[str]:
    """A finding in the words of an answer, the most that there can be."""
    if finding.kind is Parallelism.REDUCTION:
        operators = {one.operator.removeprefix("packed ") for one in finding.flow.carried if one.operator}
        return ["reduction", *sorted(operators)]
    distance = [str(finding.distance[0])] if finding.distance[0] == finding.distance[1] > 0 else []
    return [finding.kind.value, *distance]


@pytest.fixture(scope="module", params=LEVELS)
def truth(
    request: pytest.FixtureRequest, build: Build, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Superblocks]:
    program = build("truth", TRUTH, request.param, "-g", "-w")
    functions = tuple(name for _, name in ANSWERS)
    return request.param, analysed(program, tmp_path_factory.mktemp("truth") / "r", functions)


def test_all_are_classified_right(truth: tuple[str, Superblocks]) -> None:
    level, found = truth
    regions = {region.region: region for region in found.regions}
    wrong: list[str] = []
    for text, name in ANSWERS:
        mine = [one for one in found.findings if regions[one.region].function == name]
        assert mine, name
        # The loop in which most ran; of a recursive function itself.
        hottest = max(mine, key=lambda one: regions[one.region].share)
        expected = answer(text, level)
        if words(hottest)[: len(expected)] != expected:
            wrong.append(f"{name}: {words(hottest)} instead of {expected}")
    assert len(ANSWERS) == 24
    assert wrong == []


def test_predictions_grow_with_cores_and_stay_below_them(truth: tuple[str, Superblocks]) -> None:
    for finding in truth[1].findings:
        speedups = [one.speedup for one in finding.predictions]
        assert [one.cores for one in finding.predictions] == [1, 2, 4, 8, 16, 32, 64]
        assert speedups == sorted(speedups)
        assert all(1 <= one.speedup <= one.cores for one in finding.predictions)
        assert finding.gain <= max(speedups)
        if finding.kind in (Parallelism.SERIAL, Parallelism.UNKNOWN):
            assert set(speedups) == {1.0}
            assert finding.obstacles


def test_superblocks_that_are_independent_share_no_dependence(truth: tuple[str, Superblocks]) -> None:
    found = truth[1]
    by_number = {one.number: one for one in found.superblocks}

    def blocks(number: int) -> set[int]:
        one = by_number[number]
        return set(one.blocks).union(*(found.program.loops[loop].blocks for loop in one.inner))

    block_of = {number: site["block"] for number, site in found.program.sites.items()}
    for one in found.superblocks:
        assert one.number not in one.independent_of
        for other in one.independent_of:
            assert one.number in by_number[other].independent_of
            mine, theirs = blocks(one.number), blocks(other)
            assert not mine & theirs
            for row in found.structure.dependences:
                ends = {block_of[row.source], block_of[row.sink]}
                assert not (ends & mine and ends & theirs)


def test_the_order_is_the_one_that_ran(truth: tuple[str, Superblocks]) -> None:
    """Blocks of a form, each as often as the numbers behind it say, are those that were counted."""
    found = truth[1]
    for region in found.regions:
        if not re.fullmatch(r"(\d|b|[() ])+", region.form) or region.recursive:
            continue  # sets of paths and calls
        text = re.sub(r"b(\d+)", r"(Counter({\1:1}))", region.form)
        text = re.sub(r"\)(?=\d)", ")*", text).replace(" ", "+")
        counts = eval(text, {"Counter": _Counts})
        scale = region.entered
        for block, count in counts.items():
            assert found.program.blocks[block]["entered"] == count * scale, region.form


class _Counts(dict[int, int]):
    def __add__(self, other: _Counts) -> _Counts:
        return _Counts({key: self.get(key, 0) + other.get(key, 0) for key in {**self, **other}})

    def __mul__(self, times: int) -> _Counts:
        return _Counts({key: count * times for key, count in self.items()})


def test_json_has_it_all(truth: tuple[str, Superblocks]) -> None:
    document = json.loads(truth[1].to_json())
    assert document["schema_version"] == 1
    assert document["verb"] == "superblocks"
    assert {one["kind"] for one in document["findings"]} >= {"INDEPENDENT", "REDUCTION", "FORK_JOIN"}
    assert document["superblocks"] and document["dependences"] and document["regions"]


def compiler() -> str:
    return subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_those_that_were_checked(
    name: str,
    build: Build,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """Addresses, and how much is gained, are left out; the rest was compared with the sources by hand."""
    if compiler().split(".")[0] != GOLDEN_COMPILER:
        pytest.skip(f"what was checked by hand is the code of gcc {GOLDEN_COMPILER}")
    program = build(name, (FILES / f"{name}.c").read_text(), "-g", "-fno-math-errno", "-lm")
    found = analysed(program, tmp_path / "r", REPORTS[name])
    capsys.readouterr()
    print_superblocks(found)
    text = capsys.readouterr().out.replace(str(tmp_path), "")
    text = re.sub(r"0x[0-9a-f]+", "0x…", text)
    text = re.sub(r" +", " ", re.sub(r"─+\n", "", text))
    path = FILES / "golden" / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()
