"""Exports say what valgrind says of the same run, and open in the tools that they are for."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.core.errors import HostError, UsageError
from burnish.core.recording import What
from burnish.pipeline.annotate import annotate
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.exports import export
from burnish.record.store import Recording, open_recording

FILES = Path(__file__).parents[1] / "files"
BOLT = shutil.which("llvm-bolt-19") or shutil.which("llvm-bolt")
ROUNDS = "3000"


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread", "-g", "-Wl,--emit-relocs")


@pytest.fixture(scope="module")
def recording(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    output = tmp_path_factory.mktemp("recording") / "r"
    options = RecordOptions(
        str(program), ("plain", ROUNDS), output, (What.EDGES, What.BLOCKS), ("classify", "climb")
    )
    return record(options).open()


def own_instructions(text: str) -> Counter[int]:
    """Instructions by address in callgrind's format, without what callees did."""
    counts: Counter[int] = Counter()
    skip = False
    for line in text.splitlines():
        if line.startswith("calls="):
            skip = True
        elif line.startswith("0x"):
            if not skip and len(line.split()) == 3:
                address, _, count = line.split()
                counts[int(address, 16)] += int(count)
            skip = False
    return counts


@pytest.fixture(scope="module")
def judge(program: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What callgrind itself writes of the same run."""
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    out = tmp_path_factory.mktemp("judge") / "out"
    words = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--collect-jumps=yes", "--compress-pos=no"]
    words += ["--compress-strings=no", f"--callgrind-out-file={out}"]
    subprocess.run([*words, program, "plain", ROUNDS], capture_output=True, check=True)
    text = out.read_text()
    start = text.index(f"/{program.name}\n")
    return text[start:]


def test_callgrind_has_the_counts_of_callgrind(recording: Recording, judge: str, tmp_path: Path) -> None:
    export(recording, "callgrind", tmp_path / "out")
    ours = own_instructions((tmp_path / "out").read_text())
    theirs = own_instructions(judge)
    assert len(ours) > 60
    assert ours == Counter({address: theirs[address] for address in ours})


def test_callgrind_annotate_reads_it(recording: Recording, tmp_path: Path) -> None:
    if shutil.which("callgrind_annotate") is None:
        pytest.skip("needs valgrind")
    export(recording, "callgrind", tmp_path / "out")
    shown = subprocess.run(
        ["callgrind_annotate", "--threshold=100", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = dict(re.findall(r"^\s*([\d,]+) .*\?\?\?:(\w+) ", shown, flags=re.MULTILINE))
    found = {name: int(count.replace(",", "")) for count, name in rows.items()}
    assert found == {row.name: row.instructions for row in profile(recording).functions}


def test_branches_go_the_ways_that_valgrind_saw(
    recording: Recording, program: Path, judge: str, tmp_path: Path
) -> None:
    export(recording, "branches", tmp_path / "out")
    data = (tmp_path / "out").read_bytes()
    assert len(data) % 18 == 0
    executed: Counter[int] = Counter()
    taken: Counter[tuple[int, int]] = Counter()
    kinds: dict[int, int] = {}
    for pc, target, went, kind in struct.iter_unpack("<QQBB", data):
        executed[pc] += 1
        kinds[pc] = kind
        if went:
            taken[pc, target] += 1
        assert kind < 3
    jumps: Counter[tuple[int, int]] = Counter()
    lines = judge.splitlines()
    for line, following in itertools.pairwise(lines):
        word, _, rest = line.partition("=")
        if word in ("jump", "jcnd"):
            times, target = rest.split()[:2]
            jumps[int(following.split()[0], 16), int(target, 16)] += int(times.split("/")[0])
    instructions = own_instructions(judge)
    assert {0, 1, 2} <= set(kinds.values())
    for pc, kind in kinds.items():
        assert executed[pc] == instructions[pc]
        if kind == 0:
            (target,) = {t for p, t in taken if p == pc} or {0}
            assert taken[pc, target] == jumps[pc, target]
    listed = subprocess.run(["objdump", "-d", program], capture_output=True, text=True, check=True).stdout
    addresses = {
        int(a, 16) for a in re.findall(r"^\s*([0-9a-f]+):.*\t(?:notrack )?j\w+ ", listed, flags=re.MULTILINE)
    }
    assert set(kinds) <= addresses


@pytest.mark.skipif(BOLT is None, reason="needs llvm-bolt (package bolt-19)")
def test_bolt_takes_the_profile(recording: Recording, program: Path, tmp_path: Path) -> None:
    assert BOLT is not None
    export(recording, "fdata", tmp_path / "out.fdata")
    output = tmp_path / "bolted"
    words = [BOLT, program, "-o", output, f"-data={tmp_path / 'out.fdata'}", "-reorder-blocks=ext-tsp"]
    words.append("-dyno-stats")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    match = re.search(r"(\d+) out of \d+ functions in the binary .* have non-empty execution profile", said)
    assert match is not None, said
    assert int(match[1]) >= 1
    # It rebuilds from the profile how much was executed, of the one function without an indirect jump.
    executed = re.search(r"(\d+) : executed instructions", said)
    assert executed is not None, said
    assert int(executed[1]) == {row.name: row.instructions for row in profile(recording).functions}["climb"]
    plain = subprocess.run([program, "plain", "50"], capture_output=True, check=True).stdout
    assert subprocess.run([output, "plain", "50"], capture_output=True, check=True).stdout == plain


def test_parquet_has_a_row_a_block(recording: Recording, tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    export(recording, "parquet", tmp_path / "out")
    trace = pq.read_table(tmp_path / "out" / "trace.parquet")
    assert trace.column("block").to_pylist() == recording.trace().tolist()
    assert pq.read_table(tmp_path / "out" / "edges.parquet") == recording.edges


def test_annotate_counts_instructions_beside_their_lines(recording: Recording, judge: str) -> None:
    found = annotate(recording, "classify")
    theirs = own_instructions(judge)
    assert sum(line.executed for line in found.lines) > 100_000
    assert {line.address: line.executed for line in found.lines} == {
        line.address: theirs[line.address] for line in found.lines
    }
    places = {line.source.path.rpartition("/")[2] for line in found.lines if line.source is not None}
    assert places == {"text.c"}


def test_wrong_requests_are_told_and_leave_nothing(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="callgrind"):
        export(recording, "nosuch", tmp_path / "out")
    (tmp_path / "folder").mkdir()
    with pytest.raises(HostError, match="in the way"):
        export(recording, "branches", tmp_path / "folder")
    with pytest.raises(HostError, match="cannot be written"):
        export(recording, "branches", tmp_path / "missing" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert open_recording(recording.path).manifest == recording.manifest
