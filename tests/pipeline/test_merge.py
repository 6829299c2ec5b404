"""Recordings of one program are summed up and compared: counts are those that valgrind has of all runs together."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.cli.frame import main
from burnish.core.errors import RecordingError, UsageError
from burnish.core.recording import What
from burnish.pipeline.compare import Presence, diff
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.exports import instruction_counts
from burnish.record.merging import MERGES
from burnish.record.store import SCHEMAS, Recording, open_recording, pa, pq

FILES = Path(__file__).parents[1] / "files"
BLOCKS = (What.EDGES, What.BLOCKS)
EVERYTHING = (*BLOCKS, What.MEMORY, What.STORES, What.SNAPSHOTS)
Row = Mapping[str, object]


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread")


@pytest.fixture(scope="module")
def runs(program: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs, with other functions in another order, and memory in the second alone."""
    folder = tmp_path_factory.mktemp("runs")
    record(RecordOptions(str(program), ("plain", "300"), folder / "a", BLOCKS, ("classify", "climb")))
    functions = ("climb", "leave", "classify")
    record(RecordOptions(str(program), ("threads", "70"), folder / "b.zip", EVERYTHING, functions))
    return folder / "a", folder / "b.zip"


def executed(program: Path, folder: Path, *arguments: str) -> Counter[int]:
    """How often callgrind saw each instruction of the program's own file executed."""
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    out = folder / "callgrind.out"
    words = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no"]
    subprocess.run(
        [*words, f"--callgrind-out-file={out}", program, *arguments], capture_output=True, check=True
    )
    found: Counter[int] = Counter()
    own = skip = False
    for line in out.read_text().splitlines():
        if line.startswith("ob="):
            own = line.endswith(f"/{program.name}")
        elif line.startswith("calls="):
            skip = True
        elif line.startswith("0x"):
            parts = line.split()
            if own and not skip:
                found[int(parts[0], 16)] += int(parts[2])
            skip = False
    return found


def test_counts_are_those_of_all_runs_together(
    program: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    merged = burnish.merge(runs, tmp_path / "c")
    expected = executed(program, tmp_path, "plain", "300") + executed(program, tmp_path, "threads", "70")
    found = {address: n for rows in instruction_counts(merged).values() for address, n in rows.items()}
    assert len(found) > 60
    assert found == {address: expected[address] for address in found}
    assert merged.functions.column("name").to_pylist() == ["classify", "climb", "leave"]
    assert {row.name: row.calls for row in profile(merged).functions} == {
        "classify": 300 + 4 * 70,
        "climb": next(row.calls for row in profile(runs[0]).functions if row.name == "climb"),
        "leave": 0,
    }
    assert merged.manifest.runs == 2
    assert merged.manifest.threads == 1 + 5
    # The same without a file in between, and the other way round.
    assert profile(*runs).functions == profile(merged).functions == profile(*runs[::-1]).functions


def names(recording: Recording) -> dict[int, tuple[object, ...]]:
    """What a block is, whatever its number."""
    functions = {row["function"]: row["name"] for row in recording.functions.to_pylist()}
    return {
        row["block"]: (functions[row["function"]], row["address"], row["part"])
        for row in recording.blocks.to_pylist()
    }


def sequences(recording: Recording) -> list[list[object]]:
    """What each thread did: its blocks, or its accesses where they were recorded."""
    blocks = names(recording)
    sites = {row["site"]: (row["address"], row["access"]) for row in recording.to_arrow("sites").to_pylist()}
    found: list[list[object]] = []
    for process, thread in recording.traced_threads():
        trace: list[object] = [blocks[block] for block in recording.trace(process, thread).tolist()]
        (first, *_) = recording.record_chunks(process, thread)
        if first.dtype == np.uint64:
            accesses = recording.accesses(process, thread).tolist()
            trace += [(trace[at], sites[site], address) for at, site, address in accesses]
        found.append(trace)
    return found


def test_traces_follow_one_another(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = (open_recording(path) for path in runs)
    assert sequences(second)[0][-1][2] > 1 << 40  # type: ignore[index]
    merged = burnish.merge([second, first], tmp_path / "c.zip")
    assert sequences(merged) == [*sequences(second), *sequences(first)]
    assert merged.events == first.events + second.events
    edges = {(row["source"], row["target"]) for row in merged.edges.to_pylist()}
    assert len(edges) == merged.edges.num_rows


def test_a_recording_with_itself_is_twice_as_much(runs: tuple[Path, Path], tmp_path: Path) -> None:
    one = open_recording(runs[1])
    two = burnish.merge([runs[1], runs[1]], tmp_path / "c")
    for table, rule in MERGES.items():
        if table not in one.tables:
            continue
        single, double = one.to_arrow(table).to_pylist(), two.to_arrow(table).to_pylist()
        if rule.key:
            for row in single:
                for column in rule.sums:
                    row[column] *= 2
            assert double == single
        else:
            assert len(double) == 2 * len(single)
    others = {"samples", "stacks", "entries", "entry_pages", "entry_memory", "entry_mappings"}
    assert {*one.tables} == {*two.tables} == {*MERGES, "trace"} - others
    assert one.to_arrow("memory").num_rows > 0
    pairs = two.traced_threads()
    assert len(pairs) == len(set(pairs)) == 2 * len(one.traced_threads())
    assert sequences(two) == 2 * sequences(one)


def test_every_table_says_how_it_merges() -> None:
    # Sketches of values cannot be added up.
    assert {*SCHEMAS} == {*MERGES, "trace", "values"}
    for name, rule in MERGES.items():
        columns = {*SCHEMAS[name].names}
        assert {rule.number, *rule.key, *rule.same, *rule.sums, *rule.refers} - {None} <= columns
        summed = [SCHEMAS[name].field(column).type for column in rule.sums]
        assert all(pa.types.is_integer(kind) for kind in summed)


def test_what_cannot_be_merged_is_said(
    runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs[0], tmp_path / "a")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a" / "mystery.parquet")
    words = ["merge", str(tmp_path / "a"), str(runs[0]), "-o", str(tmp_path / "c")]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert "2 functions of 2 runs" in out
    assert err == "burnish: Warning: The table mystery was left out: it cannot be merged.\n"
    assert any("mystery" in text for text in open_recording(tmp_path / "c").manifest.warnings)
    assert main([*words, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["runs"] == 2


SOURCE = """
#include <stdio.h>
__attribute__((noinline, noclone)) long work(long n) {
    long sum = %d;
    for (long i = 0; i < n; i++) sum = sum * 7 + i;
    return sum;
}
__attribute__((noinline, noclone)) long other(long n) { return n * 3 + 1; }
int main(int argc, char **argv) { printf("%%ld\\n", work(argc * 1000) + other(argc)); return 0; }
"""


def test_code_that_differs_is_refused_and_compared_by_name(
    build: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for identified, said in ((True, "is another file"), (False, "differs")):
        flag = f"-Wl,--build-id={'sha1' if identified else 'none'}"
        place = tmp_path / "program"
        for number in (1, 2):
            shutil.copy(build("made", SOURCE % number, flag), place)
            arguments = ("x",) * (number - 1)
            options = RecordOptions(
                str(place), arguments, tmp_path / f"r{number}", functions=("work", "other")
            )
            record(options)
        with pytest.raises(RecordingError, match=said) as caught:
            burnish.merge([tmp_path / "r1", tmp_path / "r2"], tmp_path / "c")
        assert "\n" not in str(caught.value)
        with pytest.raises(RecordingError, match=said):
            profile(tmp_path / "r1", tmp_path / "r2")
        assert not (tmp_path / "c").exists()
        found = diff(tmp_path / "r1", tmp_path / "r2")
        rows = {row.name: row for row in found.functions}
        assert (rows["work"].presence, rows["other"].presence) == (Presence.OTHER_CODE, Presence.SAME)
        assert rows["work"].instructions.ratio == pytest.approx(2, rel=0.01)
        assert rows["work"].blocks == ()
        assert found.rebuilt == ((str(place),) if identified else ())
        capfd.readouterr()
        assert main(["profile", "--diff", str(tmp_path / "r1"), str(tmp_path / "r2")]) == 0
        out = capfd.readouterr().out
        assert "other code" in out
        assert ("by name" in out) == identified


def test_what_changed_stands_first(
    program: Path, runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    record(RecordOptions(str(program), ("plain", "900"), again, functions=("classify", "climb")))
    found = diff(runs[0], again)
    assert [row.name for row in found.functions] == ["classify", "climb"]
    classify, climb = found.functions
    assert (classify.calls.first, classify.calls.second, classify.calls.ratio) == (300, 900, 3.0)
    assert (climb.instructions.ratio, climb.instructions.size) == (1.0, 0)
    sizes = [row.entered.size * row.instructions for row in classify.blocks]
    assert sizes == sorted(sizes, reverse=True)
    before = {row["address"]: row["entered"] for row in open_recording(runs[0]).blocks.to_pylist()}
    after = {row["address"]: row["entered"] for row in open_recording(again).blocks.to_pylist()}
    for row in classify.blocks:
        assert (row.entered.first, row.entered.second) == (before[row.address], after[row.address])
    assert [row.entered.ratio for row in classify.loops] == [pytest.approx(3, rel=0.05)]
    one_sided = diff(runs[1], again)
    leave = next(row for row in one_sided.functions if row.name == "leave")
    assert (leave.presence, leave.calls.second) == (Presence.ONLY_FIRST, None)

    words = ["profile", "--diff", str(runs[0]), str(again)]
    assert main(words) == 0
    out = capfd.readouterr().out
    assert "classify" in out
    assert "3.000×" in out
    assert main([*words, "-f", "classify"]) == 0
    assert f"{classify.blocks[0].address:#x}" in capfd.readouterr().out
    assert main([*words, "--json", "-f", "climb"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [row["name"] for row in document["functions"]] == ["climb"]
    assert document["functions"][0]["presence"] == "SAME"
    assert main([*words, "-f", "nosuch"]) == 2
    assert main(["profile", str(runs[0]), str(again)]) == 0
    assert "1,200" in capfd.readouterr().out


def test_wrong_requests_are_one_sentence(
    build: Callable[..., Path], runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = build("elsewhere", SOURCE % 3)
    record(RecordOptions(str(elsewhere), (), tmp_path / "e", functions=("work",)))
    (tmp_path / "mine").write_text("mine")
    a, e = str(runs[0]), str(tmp_path / "e")
    capfd.readouterr()
    for words, said in (
        (["merge", a, e, "-o", "OUT"], "no recorded file in common"),
        (["profile", a, e], "no recorded file in common"),
        (["profile", "--diff", a, e], "different programs"),
        (["profile", "--diff", a], "two recordings"),
        (["profile", "--diff", a, a, a], "two recordings"),
        (["merge", a, "-o", "OUT"], "at least two"),
        (["merge", a, a], "--output"),
        (["merge", a, "nosuch", "-o", "OUT"], "does not exist"),
        (["merge", a, a, "-o", str(tmp_path / "mine")], "in the way"),
        (["merge", a, a, "-o", str(tmp_path / "no" / "where")], "does not exist"),
        (["profile", a, str(tmp_path / "mine")], "not a recording"),
    ):
        code = main([str(tmp_path / "out") if word == "OUT" else word for word in words])
        out, err = capfd.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1), (words, err)
        assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "mine"]
    with pytest.raises(UsageError):
        burnish.merge([a], tmp_path / "out")


def test_more_blocks_than_two_bytes_number(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Records get wider where the merged numbers need it."""
    shutil.copytree(runs[0], tmp_path / "many")
    blocks = pq.read_table(tmp_path / "many" / "blocks.parquet")
    rows = blocks.to_pylist()
    for number in range(len(rows), 1 << 16):
        rows.append({**rows[0], "block": number, "address": 0x100000 + 4 * number, "entered": 0})
    pq.write_table(pa.Table.from_pylist(rows, blocks.schema), tmp_path / "many" / "blocks.parquet")
    (tmp_path / "many" / "footers.json").unlink()  # it has the checksum of the table as it was
    options = open_recording(runs[1])
    only_blocks = burnish.merge([tmp_path / "many", options], tmp_path / "c")
    wide = burnish.merge([options, tmp_path / "many"], tmp_path / "d")
    (first, *_) = wide.record_chunks(*wide.traced_threads()[-1])
    assert first.dtype == np.uint32
    (first, *_) = only_blocks.record_chunks(*only_blocks.traced_threads()[0])
    assert sequences(only_blocks)[0] == sequences(open_recording(runs[0]))[0]
    assert sequences(wide)[-1] == sequences(open_recording(runs[0]))[0]
