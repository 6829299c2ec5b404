"""Captured entries: each replays to what the run left, on its own, and they are as different as they claim to be."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import burnish
from burnish.core.entry import ReplayVerdict
from burnish.core.errors import FunctionNotFoundError, RecordingError, UsageError
from burnish.core.recording import What
from burnish.core.state import MachineState, MemoryRegion
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.pipeline.recording_words import kinds
from burnish.record.entries import Entry
from burnish.record.replaying import executor
from burnish.record.store import Recording

TEXT = (Path(__file__).parents[1] / "files" / "entries.c").read_text()
PLAIN = ("walk", "global", "climb", "fill", "nested", "constant", "mix", "library", "local", "either")
RAX, RDI, RSI, RDX = 0, 7, 6, 2


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("entries", TEXT, "-pthread", "-lm")


def run(program: Path, output: Path, functions: tuple[str, ...], *words: str, most: int = 24) -> Recording:
    options = RecordOptions(str(program), words, output, (What.ENTRIES,), functions, entries=most)
    return record(options).open()


@pytest.fixture(scope="module")
def plain(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording whose program is gone."""
    folder = tmp_path_factory.mktemp("plain")
    copy = folder / "program"
    shutil.copy(program, copy)
    recording = run(copy, folder / "r", PLAIN, "plain")
    copy.unlink()
    return recording


def word(state: MachineState, address: int) -> int:
    region = next(m for m in state.memory if m.address <= address and address + 8 <= m.end)
    return int(struct.unpack_from("<q", region.data, address - region.address)[0])


def double(value: int) -> float:
    return float(struct.unpack("<d", value.to_bytes(16, "little")[:8])[0])


def test_every_entry_replays_to_what_the_run_left(plain: Recording) -> None:
    entries = plain.entries()
    with executor() as tool:
        assert {str(entry.replay(tool).difference) for entry in entries} == {""}
    counts = Counter(entry.function for entry in entries)
    assert set(counts) == set(PLAIN)
    assert min(counts[name] for name in ("walk", "global", "fill", "nested", "mix", "library")) >= 20
    assert all(entry.replayed.verdict is ReplayVerdict.SAME for entry in entries)


def test_states_are_those_of_the_calling_convention(plain: Recording) -> None:
    for entry in plain.entries("walk"):
        assert entry.after is not None
        head, factor = entry.before.gpr[RDI], double(entry.before.xmm[0])
        weights: list[float] = []
        while head:
            assert word(entry.after, head + 8) == word(entry.before, head + 8) + 1
            weights.append(struct.unpack("<d", entry.read(head + 16, 8))[0])
            head = word(entry.before, head)
        assert weights == [k * 0.5 for k in range(19, -1, -1)]
        assert double(entry.after.xmm[0]) == sum(weight * factor for weight in weights)
    rows = plain.entries("fill")
    assert {entry.before.gpr[RSI] for entry in rows} == {300}
    for entry in rows:
        assert entry.after is not None
        buffer = entry.before.gpr[RDI]
        values = bytes((entry.before.gpr[RDX] + k) & 0xFF for k in range(300))
        region = next(m for m in entry.after.memory if m.address <= buffer < m.end)
        assert region.data[buffer - region.address :][:300] == values
    for entry in plain.entries("climb"):
        assert entry.after is not None
        steps = [0, 1, 1, 2, 3, 5]
        assert entry.after.gpr[RAX] == steps[entry.before.gpr[RDI]]


def test_they_are_distinct_in_what_the_function_looks_at(plain: Recording) -> None:
    (same,) = plain.entries("constant")
    assert same.seen > 20
    # Ten factors, but each call also counts up all values of the list.
    assert len({double(entry.before.xmm[0]) for entry in plain.entries("walk")}) > 5
    # Without its first argument it does not look at the second one.
    taken = [
        (entry.before.gpr[RDI], entry.after and entry.after.gpr[RAX]) for entry in plain.entries("either")
    ]
    assert sorted(taken) == [(0, 7), (1, 1), (1, 10), (1, 100)]
    assert next(e for e in plain.entries("either") if e.before.gpr[RDI] == 0).seen > 5
    arguments = [(entry.before.gpr[RDI], entry.before.gpr[4]) for entry in plain.entries("climb")]
    assert len(arguments) == len(set(arguments))


def test_a_state_that_is_not_what_the_run_left_is_told_from_it(plain: Recording) -> None:
    entry = plain.entries("global")[3]
    assert entry.after is not None
    place = next(
        i
        for i, (a, b) in enumerate(zip(entry.before.memory, entry.after.memory, strict=True))
        if a.data != b.data and not a.address <= entry.start.rsp < a.end
    )

    def tampered(**changes: object) -> Entry:
        assert entry.after is not None
        return replace(entry, after=replace(entry.after, **changes))  # type: ignore[arg-type]

    gpr, xmm = entry.after.gpr, entry.after.xmm
    found = tampered(gpr=(gpr[0] + 1, *gpr[1:])).replay()
    assert found.verdict is ReplayVerdict.DIFFERENT
    assert found.difference == (
        f"rax was {gpr[0] + 1:#x} after the real call, and is {gpr[0]:#x} after the one in isolation."
    )
    assert not tampered(xmm=(*xmm[:9], xmm[9] ^ 1 << 127, *xmm[10:])).replay()
    assert not tampered(flags=entry.after.flags ^ 1).replay()
    region = entry.after.memory[place]
    for at in (0, 1234, len(region.data) - 1):
        data = region.data[:at] + bytes([region.data[at] ^ 0x40]) + region.data[at + 1 :]
        memory = list(entry.after.memory)
        memory[place] = MemoryRegion(region.address, data, region.access)
        found = tampered(memory=tuple(memory)).replay()
        assert f"The byte at {region.address + at:#x} was" in found.difference
    # And an input that was not the run's leads to another end.
    other = replace(
        entry.before, gpr=(*entry.before.gpr[:RDI], entry.before.gpr[RDI] + 1, *entry.before.gpr[8:])
    )
    assert not replace(entry, start=replace(entry.start, state=other)).replay()


def test_the_bound_is_kept_and_calls_are_those_of_the_whole_run(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", ("nested",), "plain", most=5)
    assert len(recording.entries()) == 5
    assert [entry.before.gpr[RDI] for entry in recording.entries()] == [0, 1, 2, 3, 4]
    later = run(program, tmp_path / "r", ("nested",), "plain", most=30)
    arguments = [entry.before.gpr[RDI] for entry in later.entries()]
    assert arguments == sorted(set(arguments))
    assert arguments[-1] > 50


def test_threads_have_their_own_entries(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", ("local", "nested", "fill"), "threads", most=40)
    entries = recording.entries()
    assert {str(entry.replay().difference) for entry in entries} == {""}
    assert len({entry.before.fs_base for entry in entries}) > 1
    assert len({entry.thread for entry in entries}) > 1
    assert len({entry.process for entry in entries}) == 1


def test_forked_processes_are_followed(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", ("global",), "fork", most=40)
    assert len({entry.process for entry in recording.entries()}) == 2
    assert all(entry.replay() for entry in recording.entries())


def test_what_cannot_be_replayed_is_kept_with_the_reason(program: Path, tmp_path: Path) -> None:
    recording = run(program, tmp_path / "r", ("now", "stamp", "talk"), "other")
    for name, verdict, text in (
        ("now", ReplayVerdict.CANNOT, "the kernel's clock"),
        ("talk", ReplayVerdict.CANNOT, "system call 1"),
        ("stamp", ReplayVerdict.DIFFERENT, "does not do the same twice"),
    ):
        entries = recording.entries(name)
        assert entries
        assert {entry.replayed.verdict for entry in entries} == {verdict}
        assert all(text in entry.replayed.difference for entry in entries)
    found = {row.name: (row.entries, row.replayed) for row in profile(recording).functions}
    assert all(replayed == 0 for _, replayed in found.values())
    assert found["talk"][0] == len(recording.entries("talk"))


def test_addresses_can_be_traced_to_their_files(plain: Recording) -> None:
    rows = plain.to_arrow("entry_mappings").to_pylist()
    code = {row["name"]: row for row in plain.functions.to_pylist()}
    for entry in plain.entries():
        where = [r for r in rows if r["process"] == entry.process and r["start"] <= entry.address < r["end"]]
        assert [Path(row["name"]).name for row in where] == ["program"]
        assert entry.address - where[0]["base"] == code[entry.function]["address"]
        assert entry.read(entry.address, 8) == code[entry.function]["code"][:8]
    names = {row["name"] for row in rows}
    assert {"[heap]", "[stack]"} <= names
    heap = next(row for row in rows if row["name"] == "[heap]")
    assert all(heap["start"] <= e.before.gpr[RDI] < heap["end"] for e in plain.entries("walk"))


def test_pages_are_kept_once(plain: Recording) -> None:
    pages = plain.to_arrow("entry_pages").to_pylist()
    assert len({row["data"] for row in pages}) == len(pages)
    assert {len(row["data"]) for row in pages} == {4096}
    memory = plain.to_arrow("entry_memory").to_pylist()
    assert len(memory) > 3 * len(pages) / 2
    assert any(row["after"] is None for row in memory)
    assert {row["access"] for row in memory} >= {"r-x", "rw-"}


def test_the_program_is_not_disturbed(program: Path, tmp_path: Path) -> None:
    words = ["plain", "42"]
    original = subprocess.run([program, *words], capture_output=True, check=False)
    command = [sys.executable, "-m", "burnish", "record", "--what", "entries", "-f", "nested,library"]
    done = subprocess.run(
        [*command, "-o", tmp_path / "r", "--", program, *words], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (42, original.stdout)
    assert b"replay in isolation" in done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "burnish", "profile", tmp_path / "r"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "entries" in shown.stdout
    assert "nested" in shown.stdout


def test_entries_beside_counts_come_from_a_run_of_their_own(program: Path, tmp_path: Path) -> None:
    both = (What.EDGES, What.ENTRIES)
    done = record(RecordOptions(str(program), ("plain",), tmp_path / "r", both, ("global",), entries=8))
    recording = done.open()
    assert (done.entries, done.replayed) == (8, 8)
    (row,) = profile(recording).functions
    assert (row.calls, row.entries, row.replayed) == (400, 8, 8)
    assert [entry.replay().difference for entry in recording.entries("global")] == [""] * 8


def test_what_was_not_recorded_is_said(program: Path, plain: Recording, tmp_path: Path) -> None:
    counts = burnish.record([program, "plain"], tmp_path / "r", functions=("global",))
    with pytest.raises(RecordingError, match="--what entries"):
        counts.entries("global")
    with pytest.raises(FunctionNotFoundError, match="no function 'nothing'"):
        plain.entries("nothing")
    assert plain.entries(hex(plain.functions.to_pylist()[0]["address"])) == plain.entries(PLAIN[0])
    assert kinds("entries") == (What.ENTRIES,)
    assert kinds("entries,edges") == (What.EDGES, What.ENTRIES)
    with pytest.raises(UsageError):
        kinds("entry")


def test_a_run_that_is_cut_short_keeps_its_entries(build: Callable[..., Path], tmp_path: Path) -> None:
    text = """
    #include <unistd.h>
    __attribute__((noinline, noclone)) long step(long a) { return a * 3 + 1; }
    int main(void) { volatile long x = 1; for (;;) { x = step(x); usleep(1000); } }
    """
    program = build("endless", text)
    options = RecordOptions(str(program), (), tmp_path / "r", (What.ENTRIES,), ("step",), timeout_s=1.5)
    done = record(options)
    assert done.timed_out
    assert done.entries == done.replayed > 5
    assert done.open().manifest.interrupted
