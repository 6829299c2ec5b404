"""The instruction trace is read back by byte, and follows what objdump and valgrind say of the program."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.cli.frame import main
from burnish.core.errors import RecordingError, UsageError
from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.areas import Burst
from burnish.record.store import Recording

FILES = Path(__file__).parents[1] / "files"
FUNCTIONS = ("leaf", "tail", "twice", "order", "climb", "pick", "sorts", "strings", "cold")
ROUNDS = "300"
RSP, FLAGS, RIP = 6, 25, 26


@dataclass(frozen=True)
class Line:
    """An instruction as objdump lists it."""

    end: int
    mnemonic: str
    target: int | None


@dataclass(frozen=True)
class Executed:
    """A record of the trace, as ``docs/exports.md`` describes it."""

    ip: int
    is_branch: int
    taken: int
    destinations: tuple[int, ...]
    sources: tuple[int, ...]
    stores: tuple[int, ...]
    loads: tuple[int, ...]

    @property
    def kind(self) -> str:
        """How ChampSim tells branches apart (``ooo_model_instr`` in its ``instruction.h``)."""
        writes_ip, writes_sp = RIP in self.destinations, RSP in self.destinations
        reads_ip, reads_sp, reads_flags = RIP in self.sources, RSP in self.sources, FLAGS in self.sources
        reads_other = any(n not in (0, RSP, FLAGS, RIP) for n in self.sources)
        if not writes_ip:
            return "none"
        if not reads_sp and not reads_flags and not reads_other:
            return "jump"
        if not reads_sp and not reads_ip and not reads_flags and reads_other:
            return "indirect jump"
        if not reads_sp and reads_ip and not writes_sp and (reads_flags or reads_other):
            return "conditional"
        if reads_sp and reads_ip and writes_sp and not reads_flags:
            return "indirect call" if reads_other else "call"
        if reads_sp and not reads_ip and writes_sp:
            return "return"
        return "other"


def read(path: Path) -> list[Executed]:
    data = path.read_bytes()
    assert len(data) % 64 == 0
    return [
        Executed(row[0], row[1], row[2], row[3:5], row[5:9], row[9:11], row[11:15])
        for row in struct.iter_unpack("<QBB2B4B2Q4Q", data)
    ]


def listing(program: Path) -> dict[int, Line]:
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True
    ).stdout
    rows = re.findall(r"^\s*([0-9a-f]+):\t(.*)$", text, flags=re.MULTILINE)
    addresses = [int(address, 16) for address, _ in rows]
    found: dict[int, Line] = {}
    for (_, words), address, end in zip(rows, addresses, [*addresses[1:], 0], strict=True):
        mnemonic = re.sub(r"^(notrack|bnd|repz?|repnz) +", r"", words).split()[0]
        target = re.search(r"^\S+ +([0-9a-f]+) <", re.sub(r"^(notrack|bnd) +", "", words))
        found[address] = Line(end, mnemonic, int(target[1], 16) if target else None)
    return found


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("walked", (FILES / "walked.c").read_text(), "-fno-ipa-sra", "-no-pie", "-fno-pie")


@pytest.fixture(scope="module")
def recording(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    output = tmp_path_factory.mktemp("recording") / "r"
    what = (What.EDGES, What.BLOCKS, What.MEMORY)
    return record(RecordOptions(str(program), (ROUNDS,), output, what, FUNCTIONS)).open()


@pytest.fixture(scope="module")
def trace(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> list[Executed]:
    output = tmp_path_factory.mktemp("trace") / "out"
    burnish.export(recording, "champsim", output)
    return read(output)


def test_each_instruction_is_followed_by_where_it_leads(trace: list[Executed], program: Path) -> None:
    lines = listing(program)
    waiting: list[int] = []
    kinds: Counter[str] = Counter()
    for now, then in itertools.pairwise(trace):
        line = lines[now.ip]
        kinds[now.kind] += 1
        assert (now.is_branch == 1) == (now.kind != "none"), hex(now.ip)
        match now.kind:
            case "none" if line.mnemonic.startswith("ret") or line.mnemonic == "jmp":
                pass  # to code that was not recorded
            case "none" if line.mnemonic.startswith("call"):
                # The callee was not recorded; it may have called back.
                called_back = lines[then.ip].mnemonic and then.ip != line.end
                assert called_back or then.ip == line.end
            case "none":
                assert then.ip == line.end, hex(now.ip)
            case "conditional":
                assert line.mnemonic.startswith("j")
                assert then.ip == (line.target if now.taken else line.end), hex(now.ip)
            case "jump":
                assert (line.mnemonic, then.ip, now.taken) == ("jmp", line.target, 1)
            case "indirect jump":
                assert (line.mnemonic, line.target, now.taken) == ("jmp", None, 1)
                assert then.ip in lines
            case "call":
                assert (line.mnemonic, then.ip, now.taken) == ("call", line.target, 1)
                waiting.append(line.end)
            case "indirect call":
                assert (line.mnemonic, line.target, now.taken) == ("call", None, 1)
                waiting.append(line.end)
            case "return":
                assert line.mnemonic.startswith("ret")
                assert then.ip == waiting.pop(), hex(now.ip)
            case _:
                pytest.fail(f"{now.ip:#x} is of another kind")
    assert waiting == []
    assert {"none", "conditional", "jump", "call", "indirect call", "return"} <= {*kinds}
    assert kinds["call"] + kinds["indirect call"] == kinds["return"] > 1000


def test_instructions_are_as_many_as_valgrind_counts(
    trace: list[Executed], program: Path, tmp_path: Path
) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("needs valgrind")
    out = tmp_path / "callgrind.out"
    words = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no"]
    # Else what the PLT executes counts for the call.
    words += ["--skip-plt=no", f"--callgrind-out-file={out}"]
    subprocess.run([*words, program, ROUNDS], capture_output=True, check=True)
    expected: Counter[int] = Counter()
    own = skip = False
    for line in out.read_text().splitlines():
        if line.startswith("ob="):
            own = line.endswith(f"/{program.name}")
        elif line.startswith("calls="):
            skip = True
        elif line.startswith("0x"):
            if own and not skip:
                address, _, count = line.split()
                expected[int(address, 16)] += int(count)
            skip = False
    found = Counter(row.ip for row in trace)
    lines = listing(program)
    bounds = {f.name: f.bounds for f in burnish.load(program).functions}
    inside = [
        address
        for name in FUNCTIONS
        for address in expected
        if bounds[name].address <= address < bounds[name].address + bounds[name].size
    ]
    rep = {address for address in inside if lines[address].mnemonic == "movsb"}
    assert len(rep) == 1
    # Valgrind counts a string instruction once a round.
    assert {a: n for a, n in found.items() if a not in rep and a in inside} == {
        address: expected[address] for address in inside if address not in rep
    }
    assert found[rep.pop()] == int(ROUNDS)
    apart = {*found} - {*inside}
    assert apart
    assert all(found[address] == expected[address] for address in apart)


def test_addresses_are_those_of_the_recording(trace: list[Executed], recording: Recording) -> None:
    sites = {row["site"]: row for row in recording.to_arrow("sites").to_pylist()}
    expected: dict[tuple[int, str], list[int]] = defaultdict(list)
    for _, site, address in recording.accesses().tolist():
        kind = sites[site]["access"]
        if kind != "string bytes":
            word = "load" if kind in ("load", "string source") else "store"
            expected[sites[site]["address"], word].append(address)
    found: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row in trace:
        for word, addresses in (("load", row.loads), ("store", row.stores)):
            found[row.ip, word] += [address for address in addresses if address]
    assert sum(map(len, expected.values())) > 5000
    assert {key: values for key, values in found.items() if values} == expected


def test_registers_are_those_that_objdump_names(trace: list[Executed], program: Path) -> None:
    """Of plain moves between two registers and additions, whose text says all."""
    numbers = {
        name: 3 + n
        for n, name in enumerate(
            ("rdi", "rsi", "rbp", "rsp", "rbx", "rdx", "rcx", "rax", *(f"r{k}" for k in range(8, 16)))
        )
    }
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True
    ).stdout
    moves = re.findall(r"^\s*([0-9a-f]+):\t(mov|add) +%(r\w\w?),%(r\w\w?)$", text, flags=re.MULTILINE)
    first = {row.ip: row for row in trace}
    checked = 0
    for address, word, source, destination in moves:
        row = first.get(int(address, 16))
        if row is None:
            continue
        reads = {numbers[source]} | ({numbers[destination]} if word == "add" else set())
        writes = {numbers[destination]} | ({FLAGS} if word == "add" else set())
        assert {*row.sources} - {0} == reads, address
        assert {*row.destinations} - {0} == writes, address
        checked += 1
    assert checked > 5


def test_branches_are_jumps_and_go_where_objdump_says(
    recording: Recording, trace: list[Executed], program: Path, tmp_path: Path
) -> None:
    burnish.export(recording, "branches", tmp_path / "out")
    lines = listing(program)
    rows = list(struct.iter_unpack("<QQBB", (tmp_path / "out").read_bytes()))
    for pc, target, taken, kind in rows:
        line = lines[pc]
        assert line.mnemonic.startswith("j")
        assert taken in (0, 1)
        assert kind == {"jmp": 1 if line.target is not None else 2}.get(line.mnemonic, 0)
        if kind < 2:
            assert target == line.target
        else:
            assert target in lines
    jumps = [
        (row.ip, row.taken)
        for row in trace
        if row.kind in ("conditional", "jump", "indirect jump") and lines[row.ip].target != 0
    ]
    own = {row[0] for row in rows}
    assert [(pc, taken) for pc, _, taken, _ in rows] == [pair for pair in jumps if pair[0] in own]
    assert len(rows) > 1000


def test_without_memory_the_instructions_are_the_same(
    program: Path, trace: list[Executed], tmp_path: Path
) -> None:
    what = (What.EDGES, What.BLOCKS)
    record(RecordOptions(str(program), (ROUNDS,), tmp_path / "r.zip", what, FUNCTIONS))
    burnish.export(tmp_path / "r.zip", "champsim", tmp_path / "out")
    plain = read(tmp_path / "out")
    assert [(row.ip, row.taken, row.sources) for row in plain] == [
        (row.ip, row.taken, row.sources) for row in trace
    ]
    assert not any((*row.loads, *row.stores) != (0,) * 6 for row in plain)


def test_long_traces_are_written_in_pieces_and_quickly(build: Callable[..., Path], tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    __attribute__((noinline, noclone)) long one(long x) { return x * 3 + 1; }
    __attribute__((noinline, noclone)) long many(long n) {
        long sum = 0;
        for (long i = 0; i < n; i++) { sum += i ^ (sum >> 3); if (sum & 4) sum ^= 9; if (i % 64 == 0) sum += one(sum); }
        return sum;
    }
    int main(void) { printf("%ld\\n", many(1000000)); return 0; }
    """
    program = build("many", text)
    what = (What.EDGES, What.BLOCKS)
    recording = record(RecordOptions(str(program), (), tmp_path / "r", what, ("one", "many"))).open()
    blocks = recording.blocks.to_pylist()
    began = time.process_time()
    burnish.export(recording, "champsim", tmp_path / "out")
    seconds = time.process_time() - began
    ips = np.fromfile(tmp_path / "out", np.dtype([("ip", "<u8"), ("rest", "V56")]))["ip"]
    assert len(ips) == sum(row["entered"] * row["instructions"] for row in blocks) > 8_000_000
    assert seconds < 30  # about 2
    begins = {row["address"]: row["entered"] for row in blocks if row["part"] == 0}
    found = dict(zip(*(column.tolist() for column in np.unique(ips, return_counts=True)), strict=True))
    assert {address: found.get(address, 0) for address in begins} == begins


def test_threads_are_apart(
    build: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    program = build("recorded", (FILES / "recorded.c").read_text(), "-pthread")
    what = (What.EDGES, What.BLOCKS)
    recording = record(RecordOptions(str(program), ("threads", "200"), Path("r"), what, ("classify",))).open()
    capfd.readouterr()
    for kind, size in (("champsim", 64), ("branches", 18)):
        for thread in ("1", "4"):
            words = ["export", "r", "--format", kind, "--thread", thread, "-o", f"{kind}{thread}"]
            assert main(words) == 0
        assert Path(f"{kind}1").read_bytes() == Path(f"{kind}4").read_bytes() != b""  # all did the same
        assert main(["export", "r", "--format", kind, "-o", kind]) == 0
        assert Path(kind).stat().st_size % size == 0
    assert Path("champsim").read_bytes() == Path("champsim1").read_bytes()
    assert Path("branches").stat().st_size == 4 * Path("branches1").stat().st_size
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "3 more threads" in err
    for thread in (0, 5):
        with pytest.raises(UsageError, match=f"no thread {thread}; 4"):
            burnish.export(recording, "champsim", "other", thread)
    with pytest.raises(UsageError, match="all threads"):
        burnish.export(recording, "callgrind", "other", 1)
    record(RecordOptions(str(program), ("plain", "1"), Path("counts"), functions=("classify",)))
    with pytest.raises(RecordingError, match="no table 'trace'"):
        burnish.export("counts", "champsim", "other")
    assert not Path("other").exists()


def test_gaps_of_bursts_are_kept_apart(
    program: Path, trace: list[Executed], recording: Recording, tmp_path: Path
) -> None:
    what = (What.EDGES, What.BLOCKS, What.MEMORY)
    options = RecordOptions(str(program), (ROUNDS,), tmp_path / "r", what, FUNCTIONS, burst=Burst(200, 1000))
    bursts = record(options).open()
    assert sum(bursts.trace().tolist().count(block) for block in (0xFFFFFFFF,)) > 3
    burnish.export(bursts, "champsim", tmp_path / "out")
    burnish.export(bursts, "branches", tmp_path / "branches")
    found = read(tmp_path / "out")
    assert 0 < len(found) < len(trace)
    lines = listing(program)
    for now, then in itertools.pairwise(found):
        line = lines[now.ip]
        if now.kind == "conditional":
            assert then.ip == (line.target if now.taken else line.end), hex(now.ip)
        elif now.kind in ("jump", "call"):
            assert then.ip == line.target
    kinds = Counter(row.kind for row in found)
    assert kinds["conditional"] > 100
    assert kinds["call"] > 20
    pcs = [row[0] for row in struct.iter_unpack("<QQBB", (tmp_path / "branches").read_bytes())]
    assert {*pcs} <= {pc for pc, line in lines.items() if line.mnemonic.startswith("j")}
    merged = burnish.merge([recording, bursts], tmp_path / "m")
    last = merged.traced_threads()[-1]
    assert merged.trace(*last).tolist() == bursts.trace().tolist()
