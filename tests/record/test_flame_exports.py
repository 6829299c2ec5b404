"""Folded stacks, speedscope and Chrome traces: totals are those of the counts, calls are those that callgrind saw."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from burnish.core.errors import RecordingError
from burnish.core.recording import What
from burnish.pipeline.export import export
from burnish.pipeline.importing import import_profile
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record import export_chrome, export_folded, export_speedscope
from burnish.record.store import Recording, open_recording

FILES = Path(__file__).parents[1] / "files"
ROUNDS = "3000"
BOTH = (What.EDGES, What.BLOCKS)


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread")


@pytest.fixture(scope="module")
def recording(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    output = tmp_path_factory.mktemp("recording") / "r"
    names = ("classify", "climb", "work")
    return record(RecordOptions(str(program), ("plain", ROUNDS), output, BOTH, names)).open()


@pytest.fixture(scope="module")
def threads(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    output = tmp_path_factory.mktemp("threads") / "r"
    options = RecordOptions(str(program), ("threads", "2000"), output, BOTH, ("classify", "work"))
    return record(options).open()


def folded(path: Path) -> dict[tuple[str, ...], int]:
    rows = (line.rpartition(" ") for line in path.read_text().splitlines())
    return {tuple(stack.split(";")): int(weight) for stack, _, weight in rows}


def work(recording: Recording) -> dict[str, int]:
    return {row.name: row.instructions for row in profile(recording).functions if row.instructions}


def by_leaf(stacks: dict[tuple[str, ...], int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for stack, weight in stacks.items():
        found[stack[-1]] += weight
    return dict(found)


def test_folded_has_every_instruction_once(recording: Recording, tmp_path: Path) -> None:
    assert export(recording, "folded", tmp_path / "out").notes == ()
    stacks = folded(tmp_path / "out")
    assert by_leaf(stacks) == work(recording)
    assert stacks["work", "classify"] == work(recording)["classify"]


def test_depths_of_recursion_are_those_of_callgrind(
    recording: Recording, program: Path, tmp_path: Path
) -> None:
    if shutil.which("callgrind_annotate") is None:
        pytest.skip("needs valgrind")
    out = tmp_path / "callgrind"
    words = ["valgrind", "--tool=callgrind", "--separate-recs=20", f"--callgrind-out-file={out}"]
    subprocess.run([*words, program, "plain", ROUNDS], capture_output=True, check=True)

    def rows(*options: str) -> dict[str, int]:
        words = ["callgrind_annotate", "--threshold=100", *options, out]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found = re.findall(r"^\s*([\d,]+) .*?:((?:climb|work|classify)(?:'\d+)?) ", shown, flags=re.MULTILINE)
        return {name: int(cost.replace(",", "")) for cost, name in found}

    export(recording, "folded", tmp_path / "out")
    stacks = folded(tmp_path / "out")
    depths = {len(stack): weight for stack, weight in stacks.items() if set(stack) == {"climb"}}
    own = rows()
    assert len(depths) > 8
    assert depths == {depth: own["climb" if depth == 1 else f"climb'{depth}"] for depth in depths}
    inclusive = rows("--inclusive=yes")
    assert sum(w for stack, w in stacks.items() if stack[0] == "work") == inclusive["work"]
    assert sum(depths.values()) == inclusive["climb"]


TREE = """
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#define KEEP __attribute__((noinline, noclone))
static jmp_buf away;
static volatile int sink;
KEEP void leaf(int x) { sink += x; }
KEEP void twice(int x) { leaf(x); leaf(x + 1); sink++; }
KEEP void last(int x) { sink ^= x; leaf(x); }          // a tail call
KEEP int order(const void *a, const void *b) { sink++; return *(const int *)a - *(const int *)b; }
KEEP void sorts(void) { int v[5] = {5, 1, 4, 2, 3}; qsort(v, 5, sizeof *v, order); sink += v[0]; }
KEEP void jumps(int x) { if (x == 3) longjmp(away, 1); sink += x; }
KEEP void tries(void) { for (int i = 0; i < 5; i++) if (setjmp(away) == 0) jumps(i); else sink++; }
KEEP void pointed(void (*f)(int)) { f(7); sink++; }
KEEP long down(long n) { return n < 2 ? n : down(n - 1) / 3 + 1; }
int main(void) {
    for (int i = 0; i < 10; i++) { twice(i); last(i); }
    sorts(); tries(); pointed(leaf); pointed(twice);
    printf("%d %ld\\n", sink, down(1000));
    return 0;
}
"""


def test_calls_of_every_sort_are_rebuilt(build: Callable[..., Path], tmp_path: Path) -> None:
    program = build("tree", TREE, "-fno-inline")
    names = ("leaf", "twice", "last", "order", "sorts", "jumps", "pointed", "down")
    recording = record(RecordOptions(str(program), (), tmp_path / "r", BOTH, names)).open()
    done = export(recording, "folded", tmp_path / "out")
    stacks = folded(tmp_path / "out")
    assert by_leaf(stacks) == work(recording)
    # Deep recursion is bounded.
    assert max(map(len, stacks)) == 250
    assert done.notes == ("750 calls deeper than 250 functions count as their callers.",)
    leaves = {stack for stack in stacks if stack[-1] == "leaf"}
    # ``last`` becomes ``leaf``: a tail call takes its caller's place.
    assert leaves == {("twice", "leaf"), ("leaf",), ("pointed", "leaf"), ("pointed", "twice", "leaf")}
    assert {stack for stack in stacks if stack[-1] == "order"} == {("sorts", "order")}
    assert {stack for stack in stacks if stack[-1] == "jumps"} == {("jumps",)}
    calls = {row.name: row.calls for row in profile(recording).functions}
    each = work(recording)["leaf"] // (calls["leaf"] or 1)
    assert {stack: stacks[stack] // each for stack in leaves} == {
        ("twice", "leaf"): 20,
        ("leaf",): 10,
        ("pointed", "leaf"): 1,
        ("pointed", "twice", "leaf"): 2,
    }
    export(recording, "speedscope", tmp_path / "speedscope")
    (line,) = speedscope(tmp_path / "speedscope")["profiles"]
    opened = Counter(event["frame"] for event in line["events"] if event["type"] == "O")
    frames = speedscope(tmp_path / "speedscope")["shared"]["frames"]
    assert {frames[number]["name"]: n for number, n in opened.items()} == {**calls, "down": 250}
    assert evented_work(speedscope(tmp_path / "speedscope")) == work(recording)


def speedscope(path: Path) -> dict[str, Any]:
    """The document, checked against speedscope's own schema and what its importer requires beyond it."""
    import jsonschema

    document: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(document, json.loads((FILES / "speedscope-schema.json").read_text()))
    for line in document["profiles"]:
        if line["type"] == "sampled":
            assert len(line["samples"]) == len(line["weights"])
            assert sum(line["weights"]) == line["endValue"]
            continue
        opened: list[int] = []
        at = line["startValue"]
        for event in line["events"]:
            assert event["at"] >= at
            at = event["at"]
            if event["type"] == "O":
                opened.append(event["frame"])
            else:
                assert opened.pop() == event["frame"]
        assert opened == []
        assert at <= line["endValue"]
    return document


def evented_work(document: dict[str, Any]) -> dict[str, int]:
    """What each function executed itself, from its events."""
    found: Counter[str] = Counter()
    for line in document["profiles"]:
        opened: list[int] = []
        at = 0
        for event in line["events"]:
            if opened:
                found[document["shared"]["frames"][opened[-1]]["name"]] += event["at"] - at
            at = event["at"]
            opened.append(event["frame"]) if event["type"] == "O" else opened.pop()
    return dict(found)


def test_speedscope_has_the_calls_of_each_thread(
    recording: Recording, threads: Recording, tmp_path: Path
) -> None:
    export(recording, "speedscope", tmp_path / "one")
    document = speedscope(tmp_path / "one")
    assert len(document["profiles"]) == 1
    assert evented_work(document) == work(recording)
    assert document["profiles"][0]["endValue"] == sum(work(recording).values())
    export(threads, "speedscope", tmp_path / "many")
    document = speedscope(tmp_path / "many")
    assert len(document["profiles"]) == 4
    assert evented_work(document) == work(threads)
    opened = Counter(
        document["shared"]["frames"][event["frame"]]["name"]
        for line in document["profiles"]
        for event in line["events"]
        if event["type"] == "O"
    )
    assert opened == {row.name: row.calls for row in profile(threads).functions}


def chrome(path: Path) -> list[dict[str, Any]]:
    """The complete events, checked: all fields are there, and those of a thread nest."""
    document = json.loads(path.read_text())
    assert {event["ph"] for event in document["traceEvents"]} == {"X", "M"}
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    for event in events:
        assert {"name", "cat", "ts", "dur", "pid", "tid", "args"} <= event.keys()
        assert event["ts"] >= 0
        assert event["dur"] >= 0
    lanes: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events:
        lanes.setdefault((event["pid"], event["tid"]), []).append(event)
    for lane in lanes.values():
        ends: list[float] = []
        for event in sorted(lane, key=lambda event: (event["ts"], -event["dur"])):
            while ends and ends[-1] <= event["ts"] + 0.002:  # they are rounded to nanoseconds
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1] + 0.002
            ends.append(event["ts"] + event["dur"])
    return events


def test_chrome_trace_has_calls_along_time(recording: Recording, threads: Recording, tmp_path: Path) -> None:
    export(recording, "chrome-trace", tmp_path / "one")
    events = chrome(tmp_path / "one")
    assert Counter(event["name"] for event in events) == {
        row.name: row.calls for row in profile(recording).functions
    }
    (outer,) = [event for event in events if event["name"] == "work"]
    inside = [event for event in events if event["name"] == "classify"]
    assert sum(event["args"]["instructions"] for event in inside) == work(recording)["classify"]
    assert outer["args"]["instructions"] == work(recording)["work"] + work(recording)["classify"]
    assert sum(event["dur"] for event in inside) <= outer["dur"] + 1
    assert 0 < outer["dur"] < 1e6 * recording.manifest.wall_s
    export(threads, "chrome-trace", tmp_path / "many")
    assert len({(event["pid"], event["tid"]) for event in chrome(tmp_path / "many")}) == 4


def test_times_are_those_of_the_chunks(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run has many chunks, which say when they began: calls are spread over the time that the run took."""
    options = RecordOptions(str(program), ("plain", "200000"), tmp_path / "r", BOTH, ("classify", "work"))
    recording = record(options).open()
    monkeypatch.setattr(export_chrome, "MOST_CALLS", 50_000)
    done = export(recording, "chrome-trace", tmp_path / "out")
    chunks = recording.to_arrow("trace").to_pylist()
    assert len(chunks) > 10
    (outer,) = [event for event in chrome(tmp_path / "out") if event["name"] == "work"]
    span = (max(row["began_ns"] for row in chunks) - min(row["began_ns"] for row in chunks)) / 1000
    assert span <= outer["dur"] < 1.5 * span
    # 200,000 calls are more than are kept: it is said how many were not.
    (note,) = done.notes
    match = re.match(r"([\d,]+) calls of fewer than", note)
    assert match is not None
    left = int(match[1].replace(",", ""))
    kept = len(chrome(tmp_path / "out"))
    assert left + kept == 200_001
    assert kept <= 50_000


def test_bounds_are_kept_and_said(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_folded, "MOST_LINES", 4)
    done = export(recording, "folded", tmp_path / "folded")
    stacks = folded(tmp_path / "folded")
    assert len(stacks) <= 4
    assert sum(stacks.values()) == sum(work(recording).values())
    assert len(done.notes) == 1
    assert "callers" in done.notes[0]
    monkeypatch.setattr(export_speedscope, "MOST_CALLS", 100)
    done = export(recording, "speedscope", tmp_path / "speedscope")
    document = speedscope(tmp_path / "speedscope")
    opened = sum(event["type"] == "O" for event in document["profiles"][0]["events"])
    assert 0 < opened <= 100
    assert sum(evented_work(document).values()) == sum(work(recording).values())
    assert f"{sum(row.calls or 0 for row in profile(recording).functions) - opened:,} calls" in done.notes[0]
    assert done.notes[0] in document["name"]


def test_without_a_trace_there_are_counts(recording: Recording, tmp_path: Path) -> None:
    shutil.copytree(recording.path, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "trace")
    without = open_recording(tmp_path / "r")
    export(without, "folded", tmp_path / "folded")
    assert folded(tmp_path / "folded") == {(name,): n for name, n in work(recording).items()}
    export(without, "speedscope", tmp_path / "speedscope")
    (line,) = speedscope(tmp_path / "speedscope")["profiles"]
    assert line["endValue"] == sum(work(recording).values())
    with pytest.raises(RecordingError, match="--what blocks"):
        export(without, "chrome-trace", tmp_path / "chrome")
    assert not (tmp_path / "chrome").exists()


def test_sampled_runs_keep_their_samples(program: Path, tmp_path: Path) -> None:
    options = RecordOptions(str(program), ("plain", "3000000"), tmp_path / "r")
    recording = record(options).open()
    samples = recording.samples.to_pylist()
    total = sum(row["count"] for row in samples)
    assert total > 50
    shares = {row.name: row.share for row in profile(recording).sampled}
    assert shares["classify"] > 0.5
    assert abs(sum(shares.values()) - 1) < 1e-9
    found = {row.name for row in profile(recording).functions}
    assert recording.manifest.covered is not None
    assert (
        abs(sum(share for name, share in shares.items() if name in found) - recording.manifest.covered) < 1e-9
    )
    (low,) = {row["address"] for row in recording.functions.to_pylist() if row["name"] == "classify"}
    places = [row["address"] for row in samples if row["function"] == "classify"]
    assert all(low <= place < low + 512 for place in places)
    export(recording, "folded", tmp_path / "folded")
    assert sum(folded(tmp_path / "folded").values()) == total


def test_samples_with_times_have_a_timeline(tmp_path: Path) -> None:
    text = """\
    a 5/6 1.000000: 1 cycles:
\t401010 leaf+0x1 (/a)
\t401000 main+0x1 (/a)

    a 5/6 1.001000: 1 cycles:
\t401020 other+0x1 (/a)
\t401000 main+0x1 (/a)

    a 5/6 1.002000: 1 cycles:
\t401020 other+0x1 (/a)
\t401000 main+0x1 (/a)

    a 5/6 2.000000: 1 cycles:
\t401000 main+0x1 (/a)

"""
    (tmp_path / "perf").write_text(text)
    recording = import_profile(tmp_path / "perf", tmp_path / "r").open()
    export(recording, "chrome-trace", tmp_path / "out")
    events = sorted((e["ts"], e["dur"], e["name"], e["tid"]) for e in chrome(tmp_path / "out"))
    # The thread slept from 1.003 on: nobody knows what it did.
    assert events == [
        (0.0, 1000.0, "leaf", 6),
        (0.0, 3000.0, "main", 6),
        (1000.0, 2000.0, "other", 6),
        (1000000.0, 1000.0, "main", 6),
    ]
    export(recording, "speedscope", tmp_path / "speedscope")
    (line,) = speedscope(tmp_path / "speedscope")["profiles"]
    assert line["weights"] == [1, 1, 1, 1]
    assert [len(stack) for stack in line["samples"]] == [2, 2, 2, 1]
