"""``record``: counts are valgrind's, the trace has them in order, whatever the program does; recordings outlive it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.core.errors import FunctionNotFoundError, HostError, RecordingError, RefusedError, TargetError
from burnish.core.recording import What
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions, RecordResult
from burnish.record.store import Recording, open_recording

FILES = Path(__file__).parents[1] / "files"
FUNCTIONS = ("classify", "climb", "leave")
BOTH = (What.EDGES, What.BLOCKS)


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread", "-fno-ipa-sra")


def run(
    program: Path, output: Path, *arguments: str, what: tuple[What, ...] = (What.EDGES,), **options: object
) -> RecordResult:
    wanted: dict[str, object] = {"functions": FUNCTIONS, **options}
    return record(RecordOptions(str(program), arguments, output, what, **wanted))  # type: ignore[arg-type]


def calls(recording: Recording) -> dict[str, int]:
    return {row.name: row.calls for row in profile(recording).functions}


class Callgrind:
    """What valgrind says of a run: executions of each instruction, and of each jump, of the program's own file."""

    def __init__(self, program: Path, folder: Path, *arguments: str) -> None:
        if shutil.which("valgrind") is None:
            pytest.skip("needs valgrind")
        out = folder / "callgrind.out"
        words = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--collect-jumps=yes"]
        words += ["--compress-pos=no", "--compress-strings=no", f"--callgrind-out-file={out}"]
        subprocess.run([*words, program, *arguments], capture_output=True, check=True)
        self.executed: Counter[int] = Counter()
        self.jumped: Counter[tuple[int, int]] = Counter()
        own = skip = False
        jump: tuple[int, int] | None = None
        for line in out.read_text().splitlines():
            word = line.partition("=")[0]
            if word == "ob":
                own = line.endswith(f"/{program.name}")
            elif word == "calls":
                skip = True  # the line that follows has what the callee did
            elif word in ("jump", "jcnd"):
                times, target = line.partition("=")[2].split()[:2]
                jump = (int(times.split("/")[0]), int(target, 16))
            elif line.startswith("0x"):
                parts = line.split()
                address = int(parts[0], 16)
                if jump is not None:
                    self.jumped[address, jump[1]] += jump[0] * own
                    jump = None
                elif skip:
                    skip = False
                elif own:
                    self.executed[address] += int(parts[2])


def test_block_and_edge_counts_are_those_of_callgrind(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", "plain", "3000").open()
    judge = Callgrind(program, tmp_path, "plain", "3000")
    blocks = recording.blocks.to_pylist()
    assert sum(row["entered"] for row in blocks) > 50_000
    assert {row["address"]: row["entered"] for row in blocks} == {
        row["address"]: judge.executed[row["address"]] for row in blocks
    }
    where = {row["block"]: row for row in blocks}
    checked = 0
    for row in recording.edges.to_pylist():
        source, target = where[row["source"]], where[row["target"]]
        jumps = {
            pair: n
            for pair, n in judge.jumped.items()
            if source["address"] <= pair[0] < source["address"] + source["size"]
        }
        taken = sum(n for pair, n in jumps.items() if pair[1] == target["address"])
        if target["address"] == source["address"] + source["size"]:
            continue  # valgrind says nothing of falling through
        assert row["taken"] == taken, (hex(source["address"]), hex(target["address"]))
        checked += 1
    assert checked > 10


def test_the_trace_has_every_block_in_order(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "r", "plain", "20000", what=BOTH, functions=("classify",))
    recording = done.open()
    trace = recording.trace()
    entered = dict(zip(*(recording.blocks.column(n).to_pylist() for n in ("block", "entered")), strict=True))
    assert Counter(trace.tolist()) == Counter({block: n for block, n in entered.items() if n})
    assert len(trace) == done.events == done.entered
    edges = Counter(zip(trace.tolist(), trace[1:].tolist(), strict=False))
    for row in recording.edges.to_pylist():
        assert edges.pop((row["source"], row["target"]), 0) == row["taken"]
    # What is left are returns followed by the next call.
    (entry,) = {pair[1] for pair in edges}
    assert edges.total() == entered[entry] - 1 == 20000 - 1


WALK = """
#include <stdio.h>
#include <string.h>
struct row { long key; int count; short half; char byte; double real; } rows[300];
unsigned char bytes[4096], copy[4096];
__attribute__((noinline, noclone)) long walk(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; i++) {
        struct row *r = &rows[(i * 7) % 300];
        r->count += i;
        r->half = (short)(r->count >> 3);
        r->byte ^= (char)i;
        r->real = r->real * 0.5 + i;
        if (r->key != i % 5) r->key = sum; else sum += r->key;
        sum += bytes[(sum + i) & 4095]++;
    }
    __asm__ volatile("rep movsb" : : "D"(copy), "S"(bytes), "c"(100L) : "memory");
    return sum;
}
int main(void) { printf("%ld\\n", walk(2000)); return 0; }
"""


def test_addresses_are_those_that_lackey_sees(build: Callable[..., Path], tmp_path: Path) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    program = build("walk", WALK, "-no-pie", "-fno-pie")
    what = (What.EDGES, What.BLOCKS, What.MEMORY)
    recording = record(RecordOptions(str(program), (), tmp_path / "r", what, ("walk",))).open()
    done = subprocess.run(
        ["valgrind", "--tool=lackey", "--trace-mem=yes", program], capture_output=True, text=True, check=True
    )
    (code,) = recording.functions.to_pylist()
    # Only the program's data: the stack lies elsewhere under valgrind.
    sections = burnish.load(program).image.sections
    data = [(s.address, s.address + s.size) for s in sections if s.name in (".data", ".bss")]
    expected: list[tuple[int, str, int, int]] = []
    inside = 0
    for line in done.stderr.splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind not in ("I", "L", "S", "M"):
            continue
        address, size = rest.strip().split(",")
        place = int(address, 16)
        if kind == "I":
            inside = place if code["address"] <= place < code["address"] + code["size"] else 0
        elif inside and any(low <= place < high for low, high in data):
            words = {"L": ["load"], "S": ["store"], "M": ["load", "store"]}[kind]
            expected += [(inside, word, place, int(size)) for word in words]
    sites = {row["site"]: row for row in recording.to_arrow("sites").to_pylist()}
    trace = recording.trace()
    found: list[tuple[int, str, int, int]] = []
    string: list[int] = []
    for position, site, address in recording.accesses().tolist():
        row = sites[site]
        assert row["block"] == trace[position]
        if row["access"].startswith("string"):
            string.append(address)
        elif any(low <= address < high for low, high in data):
            found.append((row["address"], row["access"], address, row["size"]))
    plain = [
        row
        for row in expected
        if row[0] not in {s["address"] for s in sites.values() if "string" in s["access"]}
    ]
    assert len(found) > 10_000
    assert found == plain
    target, source, size = string
    assert size == 100
    assert {row[2] for row in expected if row not in plain} == {
        *range(target, target + 100),
        *range(source, source + 100),
    }


def test_the_program_is_not_disturbed(program: Path, tmp_path: Path) -> None:
    words = ["plain", "500", "42"]
    original = subprocess.run([program, *words], capture_output=True, check=False)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "burnish",
            "record",
            "-o",
            tmp_path / "r",
            "-f",
            "classify",
            "--",
            program,
            *words,
        ],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (original.returncode, original.stdout) == (42, original.stdout)
    assert done.stderr.startswith(b"burnish: ")
    assert calls(open_recording(tmp_path / "r")) == {"classify": 500}


def test_threads_are_counted_apart_and_together(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "r", "threads", "30000", what=BOTH)
    recording = done.open()
    assert calls(recording)["classify"] == 4 * 30000
    threads = recording.threads.to_pylist()
    assert len(threads) == 5
    parts = [len(recording.trace(row["process"], row["thread"])) for row in threads]
    assert sum(parts) == done.entered
    assert sorted(parts)[0] == 0
    assert len(set(parts)) == 2  # four threads did the same


def test_a_forked_child_is_recorded_as_well(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", "fork", "5000", what=BOTH).open()
    assert calls(recording)["classify"] == 2 * 5000
    rows = recording.threads.to_pylist()
    assert len({row["process"] for row in rows}) == 2
    first, second = (recording.trace(row["process"], row["thread"]) for row in rows)
    assert np.array_equal(first, second)


def test_signal_handlers_lose_nothing(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "r", "signals", "400000", what=BOTH)
    recording = done.open()
    assert calls(recording)["classify"] > 400000
    assert done.events == done.entered
    entered = dict(zip(*(recording.blocks.column(n).to_pylist() for n in ("block", "entered")), strict=True))
    found = np.bincount(recording.trace(), minlength=len(entered))
    assert found.tolist() == [entered[block] for block in range(len(found))]


@pytest.mark.parametrize(
    ("how", "code", "number"),
    [("1", 7, None), ("2", None, 6), ("3", None, 9), ("4", 3, None), ("5", None, 11)],
)
def test_whatever_ends_the_program_leaves_the_recording(
    program: Path, tmp_path: Path, how: str, code: int | None, number: int | None
) -> None:
    done = run(program, tmp_path / "r", "leave", how, what=BOTH)
    assert (done.exit_code, done.signal) == (code, number)
    recording = done.open()
    assert calls(recording) == {"classify": 100, "climb": 0, "leave": 1}
    assert len(recording.trace()) == done.entered
    assert (recording.manifest.exit_code, recording.manifest.signal) == (code, number)


def test_a_run_that_takes_too_long_is_kept_as_far_as_it_went(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "r", "plain", "100000000000", timeout_s=1.0)
    assert (done.timed_out, done.interrupted) == (True, False)
    assert done.open().manifest.interrupted
    assert calls(done.open())["classify"] > 1000


def test_a_full_ring_waits_or_counts_what_it_loses(program: Path, tmp_path: Path) -> None:
    lossless = run(program, tmp_path / "a", "plain", "3000000", what=BOTH, functions=("classify",))
    assert (lossless.dropped, lossless.events) == (0, lossless.entered)
    lossy = run(program, tmp_path / "b", "plain", "3000000", what=BOTH, functions=("classify",), drop=True)
    assert lossy.entered == lossless.entered
    assert lossy.events + lossy.dropped // 2 == lossy.entered


def test_a_bound_on_the_trace_is_kept_and_what_it_cost_is_said(program: Path, tmp_path: Path) -> None:
    done = run(
        program, tmp_path / "r", "plain", "2000000", what=BOTH, functions=("classify",), most_bytes=20_000
    )
    assert done.trace_bytes < 400_000
    assert done.left_out > 0
    assert done.events + done.left_out // 2 == done.entered
    assert len(done.open().trace()) == done.events


def test_without_names_the_hot_functions_are_found(program: Path, tmp_path: Path) -> None:
    done = record(RecordOptions(str(program), ("plain", "3000000"), tmp_path / "r"))
    found = profile(done.path).functions
    assert found[0].name == "classify"
    assert found[0].calls == 3000000
    assert done.covered is not None
    assert done.covered > 0.5
    assert done.slowdown is not None


def test_both_runs_read_the_same_input(build: Callable[..., Path], tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    #define KEEP __attribute__((noinline, noclone))
    KEEP long stir(long x) { for (int i = 0; i < 3000; i++) x = x * 31 + i % 7; return x; }
    int main(void) { long x = 1, n = 0; int c; while ((c = getchar()) != EOF) { x = stir(x + c); n++; }
                     printf("%ld %ld\\n", n, x); return 0; }
    """
    program = build("reads", text)
    done = subprocess.run(
        [sys.executable, "-m", "burnish", "record", "-o", tmp_path / "r", "--", program],
        input=b"x" * 30_000,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"30000 ")
    assert calls(open_recording(tmp_path / "r"))["stir"] == 30_000


def test_hot_functions_of_libraries_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bzip2 = shutil.which("bzip2")
    if bzip2 is None:
        pytest.skip("needs bzip2")
    data = b"".join(b"%d squared is %d\n" % (k, k * k) for k in range(120_000))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_bytes(data)
    expected = subprocess.run([bzip2, "-c", "data"], stdout=subprocess.PIPE, check=True).stdout
    done = record(RecordOptions(bzip2, ("-k", "-f", "data"), tmp_path / "r", BOTH))
    assert (tmp_path / "data.bz2").read_bytes() == expected
    recording = done.open()
    assert any("libbz2" in image.path for image in recording.manifest.images)
    assert done.events == done.entered > 1_000_000
    assert done.trace_bytes < 2 * done.events


def test_in_python(program: Path, tmp_path: Path) -> None:
    recording = burnish.record([program, "plain", "700"], tmp_path / "r", functions=("climb",))
    assert recording.manifest.command == (str(program), "plain", "700")
    names = recording.functions.column("name").to_pylist()
    assert names == ["climb"]
    bounds = next(f for f in burnish.load(program).functions if f.name == "climb")
    assert recording.functions.column("code").to_pylist() == [bounds.code]
    assert burnish.open_recording(tmp_path / "r").to_arrow("blocks") == recording.blocks
    assert json.loads(burnish.profile(recording).to_json())["functions"][0]["name"] == "climb"


def test_an_earlier_recording_is_replaced_and_nothing_else_is(program: Path, tmp_path: Path) -> None:
    run(program, tmp_path / "r", "plain", "10")
    run(program, tmp_path / "r", "plain", "20")
    assert calls(open_recording(tmp_path / "r"))["classify"] == 20
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(HostError, match="in the way"):
        run(program, tmp_path / "mine", "plain", "10")
    assert (tmp_path / "mine" / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "r"]


def test_what_cannot_be_recorded_is_refused_with_its_reason(program: Path, tmp_path: Path) -> None:
    with pytest.raises(FunctionNotFoundError):
        run(program, tmp_path / "r", functions=("nosuch",))
    with pytest.raises(TargetError):
        record(RecordOptions("nosuchprogram", (), tmp_path / "r"))
    with pytest.raises(RefusedError):
        run(program, tmp_path / "r", functions=("_start",))
    assert list(tmp_path.iterdir()) == []


def test_damaged_recordings_are_told(program: Path, tmp_path: Path) -> None:
    run(program, tmp_path / "r", "plain", "10")
    with pytest.raises(RecordingError, match="does not exist"):
        open_recording(tmp_path / "nothing")
    with pytest.raises(RecordingError, match="not a recording"):
        open_recording(tmp_path)
    manifest = tmp_path / "r" / "manifest.json"
    good = manifest.read_text()
    for bad, words in (
        ("{", "not a recording"),
        ("[1, 2]", "not a recording"),
        ("{}", "says no version"),
        (good.replace('"schema_version": 1', '"schema_version": 99'), "later Burnish"),
        (good.replace('"command"', '"other"'), "damaged"),
    ):
        manifest.write_text(bad)
        with pytest.raises(RecordingError, match=words):
            open_recording(tmp_path / "r")
    manifest.write_text(good)
    table = tmp_path / "r" / "blocks.parquet"
    table.write_bytes(table.read_bytes()[:40])
    with pytest.raises(RecordingError, match="damaged"):
        profile(tmp_path / "r")
    with pytest.raises(RecordingError, match="no table"):
        open_recording(tmp_path / "r").to_arrow("trace")
