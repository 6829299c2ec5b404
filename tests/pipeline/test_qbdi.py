"""QBDI as the second observer: the same numbers and records as probes, and functions that cannot be rebuilt."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from burnish.core.errors import HostError, ImageError, RefusedError, TargetError
from burnish.core.recording import Observer, What
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions, RecordResult
from burnish.record.qbdi import find_qbdi
from burnish.record.store import Recording, open_recording

FILES = Path(__file__).parents[1] / "files"
ALL = (What.EDGES, What.BLOCKS, What.MEMORY)


@pytest.fixture(scope="module", autouse=True)
def qbdi() -> None:
    try:
        find_qbdi()
    except HostError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def recorded(build: Callable[..., Path]) -> Path:
    # Not position-independent, so that two runs see the same addresses.
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread", "-no-pie", "-fno-pie")


@pytest.fixture(scope="module")
def observed(build: Callable[..., Path]) -> Path:
    return build("observed", (FILES / "observed.c").read_text(), "-no-pie", "-fno-pie")


def run(
    program: Path,
    output: Path,
    *arguments: str,
    functions: tuple[str, ...],
    observer: Observer = Observer.QBDI,
    what: tuple[What, ...] = (What.EDGES, What.BLOCKS),
    **options: object,
) -> RecordResult:
    return record(
        RecordOptions(str(program), arguments, output, what, functions, observer=observer, **options)  # type: ignore[arg-type]
    )


def calls(recording: Recording) -> dict[str, int]:
    return {row.name: row.calls for row in profile(recording).functions}


def assert_same(first: Recording, second: Recording) -> None:
    for table in ("functions", "blocks", "edges", "sites"):
        assert first.to_arrow(table) == second.to_arrow(table), table
    assert np.array_equal(first.trace(), second.trace())
    accesses, others = first.accesses(), second.accesses()
    assert np.array_equal(accesses[["position", "site"]], others[["position", "site"]])
    # The stack lies elsewhere in each run.
    own = accesses["address"] < 1 << 32
    assert np.array_equal(accesses["address"][own], others["address"][own])
    assert np.count_nonzero(own) >= len(accesses) - 1


def test_both_observers_see_the_same(recorded: Path, observed: Path, tmp_path: Path) -> None:
    cases = (
        (recorded, ("plain", "2000"), ("classify", "climb", "leave")),
        # Accesses of all sizes, a repeated string instruction, blocks that end in calls, a jump to another function.
        (observed, ("plain",), ("walk", "triple", "hop", "main")),
    )
    for program, words, functions in cases:
        probes = run(program, tmp_path / "p", *words, functions=functions, observer=Observer.PROBES, what=ALL)
        under = run(program, tmp_path / "q", *words, functions=functions, what=ALL)
        assert under.warnings == ()
        first, second = probes.open(), under.open()
        assert (first.manifest.observer, second.manifest.observer) == ("probes", "qbdi")
        assert_same(first, second)
        assert len(second.trace()) == under.entered > 700
        assert len(second.accesses()) > 700


def test_counts_of_edges_alone_are_the_same(recorded: Path, tmp_path: Path) -> None:
    names, what = ("classify", "climb"), (What.EDGES,)
    probes = run(recorded, tmp_path / "p", functions=names, observer=Observer.PROBES, what=what).open()
    under = run(recorded, tmp_path / "q", functions=names, what=what).open()
    assert under.blocks == probes.blocks
    assert under.edges == probes.edges


def executed_under_callgrind(program: Path, folder: Path, *arguments: str) -> Counter[int]:
    """Executions of each instruction of the program's own file."""
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    out = folder / "callgrind.out"
    words = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no"]
    subprocess.run(
        [*words, f"--callgrind-out-file={out}", program, *arguments], capture_output=True, check=True
    )
    found: Counter[int] = Counter()
    own = inclusive = False
    for line in out.read_text().splitlines():
        if line.startswith("ob="):
            own = line.endswith(f"/{program.name}")
        elif line.startswith("calls="):
            inclusive = True
        elif line.startswith("0x"):
            address, _, count = line.split()
            if own and not inclusive:
                found[int(address, 16)] += int(count)
            inclusive = False
    return found


def test_what_cannot_be_rebuilt_is_recorded_by_qbdi(observed: Path, tmp_path: Path) -> None:
    names = ("real", "atomic", "walk")
    with pytest.raises(RefusedError, match="x87"):
        run(observed, tmp_path / "r", "plain", functions=names, observer=Observer.PROBES)
    done = run(observed, tmp_path / "r", "plain", functions=names, observer=Observer.AUTO, what=ALL)
    assert len(done.warnings) == 1
    assert "QBDI" in done.warnings[0]
    assert "x87" in done.warnings[0]
    recording = done.open()
    assert recording.manifest.observer == "qbdi"
    judge = executed_under_callgrind(observed, tmp_path, "plain")
    blocks = recording.blocks.to_pylist()
    assert {row["address"]: row["entered"] for row in blocks} == {
        row["address"]: judge[row["address"]] for row in blocks
    }
    assert min(calls(recording).values()) > 0
    trace = Counter(recording.trace().tolist())
    assert trace == Counter({row["block"]: row["entered"] for row in blocks if row["entered"]})
    passed = Counter[int]()
    for row in recording.edges.to_pylist():
        passed[row["target"]] += row["taken"]
    functions = {row["address"] for row in recording.functions.to_pylist()}
    assert all(passed[row["block"]] == row["entered"] for row in blocks if row["address"] not in functions)
    # real() reads eight numbers of table in order, each time; atomic() increments one of them each time.
    sites = {row["site"]: row for row in recording.to_arrow("sites").to_pylist()}
    kinds = Counter(
        (sites[site]["access"], sites[site]["size"]) for _, site, _ in recording.accesses().tolist()
    )
    assert kinds["load", 10] == calls(recording)["real"]


def test_the_program_is_not_disturbed(observed: Path, tmp_path: Path) -> None:
    plain = subprocess.run([observed, "show"], input=b"line\n", capture_output=True, check=False)
    command = [sys.executable, "-m", "burnish", "record", "-o", tmp_path / "r", "--observer", "qbdi"]
    done = subprocess.run(
        [*command, "-f", "triple", "--", observed, "show"], input=b"line\n", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert done.returncode == 23
    assert b"read line" in done.stdout
    assert calls(open_recording(tmp_path / "r")) == {"triple": 7}


@pytest.mark.parametrize(
    ("how", "code", "number"),
    [("1", 7, None), ("2", None, 6), ("3", None, 9), ("4", 3, None), ("5", None, 11)],
)
def test_whatever_ends_the_program_leaves_the_recording(
    recorded: Path, tmp_path: Path, how: str, code: int | None, number: int | None
) -> None:
    done = run(recorded, tmp_path / "r", "leave", how, functions=("classify", "leave"))
    assert (done.exit_code, done.signal) == (code, number)
    assert calls(done.open()) == {"classify": 100, "leave": 1}
    assert len(done.open().trace()) == done.entered


def test_a_forked_child_is_recorded_as_well(recorded: Path, tmp_path: Path) -> None:
    recording = run(recorded, tmp_path / "r", "fork", "300", functions=("classify",)).open()
    assert calls(recording)["classify"] == 2 * 300
    rows = recording.threads.to_pylist()
    assert len({row["process"] for row in rows}) == 2
    first, second = (recording.trace(row["process"], row["thread"]) for row in rows)
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("words", "name"), [(("threads", "50"), "work"), (("signals", "30000"), "tick")], ids=["thread", "signal"]
)
def test_what_qbdi_does_not_see_is_said(
    recorded: Path, tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    done = run(recorded, tmp_path / "r", *words, functions=("classify",), what=(What.EDGES,))
    assert done.exit_code == 0
    (warning,) = done.warnings
    assert f"({name})" in warning
    assert "not in the counts" in warning


def test_code_that_no_control_flow_leads_to_is_said(observed: Path, tmp_path: Path) -> None:
    done = run(observed, tmp_path / "r", "plain", functions=("hidden",), observer=Observer.AUTO)
    assert any("(hidden)" in text and "no control flow" in text for text in done.warnings)


SHARING = """
long first(long), second(long);
__asm__(".text\\n.globl first, second\\n.type first, @function\\n.type second, @function\\n"
        "first: .cfi_startproc\\n test $1, %dil\\n jne second\\n lea 1(%rdi), %rax\\n ret\\n .cfi_endproc\\n"
        "second: .cfi_startproc\\n lea (%rdi, %rdi, 2), %rax\\n ret\\n .cfi_endproc\\n");
int main(void) { return (int)(first(3) + second(4)); }
"""


def test_a_function_that_goes_on_in_another_is_refused(build: Callable[..., Path], tmp_path: Path) -> None:
    program = build("sharing", SHARING, "-no-pie", "-fno-pie")
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    first = next("0x" + line.split()[0] for line in symbols.splitlines() if line.endswith(" first"))
    # With symbols the jump is known to leave the function.
    names = ("first", "second")
    probes = run(program, tmp_path / "p", functions=names, observer=Observer.PROBES).open()
    whole = run(program, tmp_path / "r", functions=names).open()
    assert whole.blocks == probes.blocks
    assert whole.edges == probes.edges
    assert calls(whole) == {"first": 1, "second": 2}
    subprocess.run(["strip", program], check=True)
    with pytest.raises(RefusedError, match="goes on in"):
        run(program, tmp_path / "r", functions=(first,))


def test_a_program_that_leaves_frames_is_ended_and_told(observed: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="longjmp"):
        run(observed, tmp_path / "r", "jump", functions=("triple",))
    assert not (tmp_path / "r").exists()


def test_a_run_that_takes_too_long_is_kept_as_far_as_it_went(recorded: Path, tmp_path: Path) -> None:
    done = run(recorded, tmp_path / "r", "plain", "100000000", functions=("classify",), timeout_s=2.0)
    assert done.timed_out
    assert calls(done.open())["classify"] > 100


def test_what_qbdi_cannot_do_is_refused(
    build: Callable[..., Path], observed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = build("static", "int main(void) { return 0; }", "-static")
    with pytest.raises(ImageError, match="statically linked"):
        run(static, tmp_path / "r", functions=("main",))
    with pytest.raises(RefusedError, match="AVX-512"):
        run(observed, tmp_path / "r", functions=("wide",))
    monkeypatch.setattr("burnish.pipeline.observing.is_installed", lambda: False)
    with pytest.raises(RefusedError, match=r"x87.*burnish\[qbdi\]"):
        run(observed, tmp_path / "r", functions=("real",), observer=Observer.AUTO)
    assert list(tmp_path.iterdir()) == []
