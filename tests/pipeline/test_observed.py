"""``record --what values,stores,snapshots``: totals are the counts, and nothing that changed is called constant."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import burnish
from burnish.core.errors import RecordingError, UsageError
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions, RecordResult
from burnish.pipeline.recording_words import burst, kinds
from burnish.record.observed import GAP

FILES = Path(__file__).parents[1] / "files"
WAYS = 16
SIZE = 64
OWN = ("look", "own_store", "own_vector", "own_string")


def run(
    program: Path, output: Path, *arguments: str, what: str, functions: tuple[str, ...], **options: Any
) -> RecordResult:
    chosen = RecordOptions(str(program), arguments, output, kinds(what), functions, **options)
    return record(chosen)


@pytest.fixture(scope="module")
def changing(build: Callable[..., Path]) -> Path:
    return build("changing", (FILES / "changing.c").read_text(), "-pthread", "-fno-ipa-sra")


@pytest.fixture(scope="module")
def recorded(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread", "-fno-ipa-sra")


def symbols(program: Path) -> dict[str, int]:
    lines = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[2]: int(line.split()[0], 16) for line in lines if len(line.split()) == 3}


@pytest.mark.parametrize("ending", ["return", "_exit"])
def test_what_changes_in_any_way_is_not_constant(changing: Path, tmp_path: Path, ending: str) -> None:
    original = subprocess.run([changing, ending], capture_output=True, check=True).stdout
    done = run(changing, tmp_path / "r", ending, what="stores", functions=OWN)
    assert done.exit_code == 0
    recording = done.open()
    where = symbols(changing)
    (first,) = {row["process"] for row in recording.threads.to_pylist()} & {
        row["process"] for row in recording.to_arrow("processes").to_pylist() if row["checked"]
    }
    constant: dict[int, int] = {}
    for run_ in recording.constants():
        if run_["process"] == first and run_["image"] == 0:
            constant |= {run_["address"] + k: byte for k, byte in enumerate(run_["value"])}
    # What was never written is, and so is what was written before it was first read.
    assert [constant.get(where["never"] + k) for k in range(SIZE)] == [77] * SIZE
    assert [constant.get(where["early"] + k) for k in range(SIZE)] == [0] * 8 + [7] * 16 + [0] * 40
    touched = {0: [3], 1: range(8, 24), 3: [5], 4: range(16, 32), 10: [5], 11: [3], 12: [5], 13: [5]}
    for name in ("seen_later", "seen_never"):
        for way in range(WAYS):
            start = where[name] + 4096 * way
            wrong = [k for k in touched.get(way, range(SIZE)) if start + k in constant]
            assert wrong == [], (name, way)
    assert len(original) > 1


def test_who_wrote_and_when(changing: Path, tmp_path: Path) -> None:
    recording = run(changing, tmp_path / "r", "kill", what="stores", functions=OWN).open()
    assert not any(row["checked"] for row in recording.to_arrow("processes").to_pylist())
    where = symbols(changing)
    names = {row["function"]: row["name"] for row in recording.functions.to_pylist()}
    owner = {row["block"]: names[row["function"]] for row in recording.blocks.to_pylist()}
    writer = {row["site"]: owner[row["block"]] for row in recording.to_arrow("sites").to_pylist()}
    rows = [row for row in recording.to_arrow("memory").to_pylist() if row["image"] == 0]
    stored = {row["image_address"]: row for row in rows if row["stored"]}
    for way, name, mask in ((0, "own_store", 1 << 3), (11, "own_store", 1 << 3)):
        row = stored[where["seen_later"] + 4096 * way]
        assert writer[row["writer"]] == name
        assert row["stored"] == mask
        assert row["written_ns"] > 0
    vector = stored[where["seen_later"] + 4096 + 8]
    assert (writer[vector["writer"]], vector["stored"]) == ("own_vector", 0xFF)
    string = stored[where["seen_later"] + 2 * 4096 + SIZE - 8]
    assert (writer[string["writer"]], string["stored"]) == ("own_string", 0xFF)
    assert where["seen_later"] + 5 * 4096 not in stored  # nobody who was recorded wrote there


VALUES = """
#include <stdio.h>
unsigned char table[256];
__attribute__((noinline, noclone)) long walk(const unsigned char *from, long rounds, double *out) {
    long sum = 0;
    double real = 0;
    for (long i = 0; i < rounds; i++) {
        unsigned kind = from[i & 255];      /* four values */
        sum += kind * 3 + i;
        sum ^= i * 24;
        real += 0.5;
        __asm__ volatile("" : "+r"(sum), "+x"(real));
    }
    *out = real;
    return sum;
}
int main(void) {
    double real;
    for (int i = 0; i < 256; i++) table[i] = "\\3\\3\\3\\3\\11\\11\\46\\107"[i & 7];
    long sum = walk(table, 100000, &real);
    printf("%ld %g\\n", sum, real);
    return 0;
}
"""


def test_values_are_those_that_the_source_says(build: Callable[..., Path], tmp_path: Path) -> None:
    program = build("values", VALUES)
    recording = run(program, tmp_path / "r", what="values", functions=("walk",)).open()
    rows = recording.values("walk").to_pylist()
    entered = {row["block"]: row["entered"] for row in recording.blocks.to_pylist()}
    assert [row["count"] for row in rows] == [entered[row["block"]] for row in rows]
    assert sum(row["count"] for row in rows) > 500_000
    tops = [{t["value"]: t["count"] for t in row["top"]} for row in rows if row["exact"]]
    assert {3: 50_000, 9: 25_000, 38: 12_500, 71: 12_500} in tops
    # i * 24, and the sum of halves, which is no line as a bit pattern.
    times = [row for row in rows if row["stride"] == 24 and row["strided"] == row["steps"] == 99_999]
    assert times
    assert all(abs(row["distinct"] - 100_000) < 15_000 for row in times)
    floats = [row for row in rows if row["register"].startswith("xmm") and row["count"] == 100_000]
    assert floats
    halves = {int(np.float64(k / 2).view(np.uint64)) for k in range(100_001)}
    assert all(entry["value"] in halves for row in floats for entry in row["top"])
    with pytest.raises(RecordingError, match="no function"):
        recording.values("other")
    with pytest.raises(RecordingError, match="no table"):
        recording.constants()


def test_values_of_threads_and_signal_handlers_are_all_there(recorded: Path, tmp_path: Path) -> None:
    for words in (("threads", "30000"), ("signals", "60000")):
        recording = run(
            recorded, tmp_path / words[0], *words, what="values,blocks", functions=("classify", "climb")
        ).open()
        entered = {row["block"]: row["entered"] for row in recording.blocks.to_pylist()}
        rows = recording.values().to_pylist()
        assert [row["count"] for row in rows] == [entered[row["block"]] for row in rows]
        traced = np.concatenate(
            [recording.trace(row["process"], row["thread"]) for row in recording.threads.to_pylist()]
        )
        assert Counter(traced.tolist()) == Counter({b: n for b, n in entered.items() if n})


def test_snapshots_come_before_what_happens(build: Callable[..., Path], tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    long cells[64];
    __attribute__((noinline, noclone)) long pick(long *at, long which) {
        if (which % 3 == 0) at[1] += which; else at[2] ^= which;
        for (long i = 0; i < which % 4; i++) at[3] += at[0];
        return at[3];
    }
    int main(void) {
        long sum = 0;
        for (long i = 0; i < 3000; i++) { cells[0] = i & 7; sum += pick(cells, i); }
        printf("%ld\\n", sum);
        return 0;
    }
    """
    program = build("snapshots", text, "-no-pie", "-fno-pie")
    recording = run(program, tmp_path / "r", what="snapshots", functions=("pick",)).open()
    trace = recording.trace()
    cells = symbols(program)["cells"]
    for later in (1, 2, 5):
        rows = recording.snapshots(later).to_pylist()
        assert len(rows) == len(trace)
        for row in rows:
            there = row["position"] + later
            assert row["block"] == trace[row["position"]]
            assert row["outcome"] == (trace[there] if there < len(trace) else None)
    entries = [
        row for row in recording.snapshots().to_pylist() if row["rdi"] == cells and row["rsi"] is not None
    ]
    which = [row["rsi"] for row in entries if row["block"] == trace[0]]
    assert which == list(range(3000))
    # What a register points to is known where recorded code has read or written it.
    assert sum(row["at_rdi"] is not None for row in entries) > 1000


def test_bursts_are_parts_of_the_whole(recorded: Path, tmp_path: Path) -> None:
    words = ("plain", "20000")
    options: dict[str, Any] = {"what": "blocks", "functions": ("classify",)}
    whole = run(recorded, tmp_path / "a", *words, **options).open()
    done = run(recorded, tmp_path / "b", *words, **options, burst=burst("300/7000"))
    part = done.open()
    assert part.blocks == whole.blocks
    assert part.edges == whole.edges
    all_of_them, some = whole.trace(), part.trace()
    parts = np.split(some, np.flatnonzero(some == GAP))
    parts = [row[row != GAP] for row in parts]
    assert {len(row) for row in parts[:-1]} == {300}
    for k, row in enumerate(parts):
        assert np.array_equal(row, all_of_them[7000 * k : 7000 * k + len(row)])
    assert len(parts) == len(all_of_them) // 7000 + 1
    for bad in ("7", "0/5", "5/5", "9/3", "a/b"):
        with pytest.raises(UsageError, match="no burst"):
            burst(bad)


def test_bursts_of_values_are_counted_as_what_they_are(recorded: Path, tmp_path: Path) -> None:
    recording = run(
        recorded,
        tmp_path / "r",
        "plain",
        "20000",
        what="values,blocks",
        functions=("classify",),
        burst=burst("500/5000"),
    ).open()
    traced = Counter(recording.trace().tolist())
    entered = {row["block"]: row["entered"] for row in recording.blocks.to_pylist()}
    for row in recording.values("classify").to_pylist():
        assert row["count"] == traced[row["block"]]
    assert 0.09 < sum(n for b, n in traced.items() if b != GAP) / sum(entered.values()) < 0.11


def test_without_names_the_hot_functions_are_observed(recorded: Path, tmp_path: Path) -> None:
    recording = burnish.record(
        [recorded, "plain", "2000000"], tmp_path / "r", what=["values", "stores"], burst="10000/20000"
    )
    assert recording.manifest.burst == "10000/20000"
    assert {row["name"] for row in recording.functions.to_pylist()} >= {"classify"}
    assert recording.values("classify").num_rows > 10
    # The table of the switch, which the sampled image alone would not have in it.
    assert any(run_["image"] is not None and run_["reads"] > 100_000 for run_ in recording.constants())
    found = burnish.profile(recording)
    assert found.constants
    assert found.functions[0].values
    lines = burnish.annotate(recording, "classify").lines
    assert any(line.values for line in lines)
