"""Other profilers' files: what is imported is what those profilers, and ``record``, say of the same run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ProfileFileError
from burnish.core.recording import What
from burnish.pipeline.annotate import annotate
from burnish.pipeline.importing import import_profile
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.exports import export
from burnish.record.imports import Kind, read_profile_file
from burnish.record.imports.places import Images
from burnish.record.store import Recording

FILES = Path(__file__).parents[1] / "files"
FUNCTIONS = ("classify", "climb")
ROUNDS = "3000"
PERF2BOLT = next(
    (p for p in ("/usr/lib/llvm-19/bin/perf2bolt",) if Path(p).exists()), shutil.which("perf2bolt")
)


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread", "-g", "-Wl,--emit-relocs")


@pytest.fixture(scope="module")
def recording(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    output = tmp_path_factory.mktemp("recording") / "r"
    options = RecordOptions(
        str(program), ("plain", ROUNDS), output, (What.EDGES, What.BLOCKS), (*FUNCTIONS, "work")
    )
    return record(options).open()


def callgrind(program: Path, folder: Path, *options: str) -> Path:
    if shutil.which("valgrind") is None or shutil.which("callgrind_annotate") is None:
        pytest.skip("needs valgrind")
    out = folder / "callgrind.out.1"
    words = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
        *options,
        program,
        "plain",
        ROUNDS,
    ]
    subprocess.run(words, capture_output=True, check=True)
    return out


@pytest.fixture(scope="module")
def with_instructions(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("callgrind")
    return callgrind(program, folder, "--dump-instr=yes", "--collect-jumps=yes")


def counts(recording: Recording, names: tuple[str, ...]) -> tuple[dict[object, object], dict[object, object]]:
    """Entries of the blocks of functions and passages of their edges, by addresses."""
    functions = {r["function"]: r["name"] for r in recording.functions.to_pylist() if r["name"] in names}
    blocks = {r["block"]: r for r in recording.blocks.to_pylist() if r["function"] in functions}
    edges = [r for r in recording.edges.to_pylist() if r["source"] in blocks]
    where = {number: (row["address"], row["part"]) for number, row in blocks.items()}
    return (
        {where[number]: row["entered"] for number, row in blocks.items()},
        {(where[row["source"]], where[row["target"]], row["kind"]): row["taken"] for row in edges},
    )


def annotated(out: Path, *options: str) -> tuple[int, dict[str, int]]:
    """The total and the functions' own costs that ``callgrind_annotate`` prints."""
    words = ["callgrind_annotate", "--threshold=100", "--auto=no", *options, out]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    total = re.search(r"^\s*([\d,]+).*PROGRAM TOTALS", shown, flags=re.MULTILINE)
    assert total is not None
    found: Counter[str] = Counter()
    for cost, place in re.findall(
        r"^\s*([\d,]+) \([ \d.]+%\)\s+(\S.*?)(?: \[.*\])?$", shown, flags=re.MULTILINE
    ):
        if "PROGRAM TOTALS" not in place:
            found[re.sub(r"'\d+$", "", place.partition(":")[2])] += int(cost.replace(",", ""))
    return int(total[1].replace(",", "")), dict(found)


def test_callgrind_gives_the_counts_of_record(
    with_instructions: Path, recording: Recording, program: Path, tmp_path: Path
) -> None:
    done = import_profile(with_instructions, tmp_path / "r", hot=12)
    assert (done.format, done.counts, done.unit) == ("callgrind", "exact", "instructions")
    imported = done.open()
    names = (*FUNCTIONS, "work")
    blocks, edges = counts(recording, names)
    assert len(blocks) > 20
    found_blocks, found_edges = counts(imported, names)
    assert found_blocks == blocks
    assert found_edges == edges
    calls = {row.name: row.calls for row in profile(imported).functions}
    assert calls["classify"] == 3000
    assert imported.manifest.command == (str(program), "plain", ROUNDS)
    assert imported.manifest.imported is not None
    assert imported.manifest.imported.file == with_instructions.name


def test_callgrind_adds_up_to_what_callgrind_annotate_says(with_instructions: Path, tmp_path: Path) -> None:
    total, own = annotated(with_instructions)
    done = import_profile(with_instructions, tmp_path / "r", hot=1)
    assert done.samples == total
    assert not any("add up" in note for note in done.notes)
    found: Counter[str] = Counter()
    for row in profile(done.path).sampled:
        found[row.name] += row.samples
    named = {name: cost for name, cost in own.items() if not name.startswith("0x")}
    assert len(named) > 100
    assert {name: found[name] for name in named} == named


def test_callgrind_without_instructions_has_functions(program: Path, tmp_path: Path) -> None:
    out = callgrind(program, tmp_path)
    total, own = annotated(out)
    done = import_profile(out, tmp_path / "r")
    assert (done.counts, done.samples, done.blocks) == ("none", total, 0)
    found = {row.name: row.samples for row in profile(done.path).sampled}
    assert found["classify"] == own["classify"] > 100_000


def test_callgrind_without_jumps_has_what_follows(
    program: Path, recording: Recording, tmp_path: Path
) -> None:
    done = import_profile(callgrind(program, tmp_path, "--dump-instr=yes"), tmp_path / "r", hot=12)
    blocks, edges = counts(recording, FUNCTIONS)
    found_blocks, found_edges = counts(done.open(), FUNCTIONS)
    assert found_blocks == blocks
    known = {edge: taken for edge, taken in found_edges.items() if taken is not None}
    assert known == {edge: edges[edge] for edge in known}
    assert len(known) > len(edges) / 2
    profile(done.path)  # says nothing where nothing is known


def test_fdata_comes_back_as_it_was(recording: Recording, program: Path, tmp_path: Path) -> None:
    export(recording, "fdata", tmp_path / "out.fdata")
    done = import_profile(tmp_path / "out.fdata", tmp_path / "r", images=[program])
    assert (done.format, done.counts) == ("fdata", "sampled")
    assert counts(done.open(), (*FUNCTIONS, "work")) == counts(recording, (*FUNCTIONS, "work"))
    calls = {row.name: row.calls for row in profile(recording).functions}
    assert {row.name: row.calls for row in profile(done.path).functions} == calls


def test_fdata_without_the_program_has_names(recording: Recording, tmp_path: Path) -> None:
    export(recording, "fdata", tmp_path / "out.fdata")
    done = import_profile(tmp_path / "out.fdata", tmp_path / "r")
    assert done.blocks == 0
    assert any("--image" in note for note in done.notes)
    rows = {row.name: row.samples for row in profile(done.path).sampled}
    taken = Counter[str]()
    for line in (tmp_path / "out.fdata").read_text().splitlines():
        words = line.split()
        if words[0] == "1":
            taken[words[1]] += int(words[-1])
    assert {name: count for name, count in rows.items() if count} == taken


@pytest.mark.skipif(PERF2BOLT is None, reason="needs perf2bolt (package bolt-19)")
def test_what_perf2bolt_writes_is_read(recording: Recording, program: Path, tmp_path: Path) -> None:
    """Made of the branches of the recording, as perf's last-branch records would be."""
    assert PERF2BOLT is not None
    blocks, edges = counts(recording, ("classify",))
    rows = {r["address"]: r for r in recording.blocks.to_pylist()}
    lines = [
        f"B {rows[source[0]]['last']:x} {target[0]:x} {taken} 0"
        for (source, target, kind), taken in edges.items()
        if kind != "fallthrough" and taken
    ]
    falls = {s[0]: (t[0], n) for (s, t, kind), n in edges.items() if kind == "fallthrough" and n}  # type: ignore[index]
    for source, (target, taken) in falls.items():
        lines.append(f"F {source:x} {rows[target]['last']:x} {taken}")
    (tmp_path / "pre").write_text("\n".join(lines) + "\n")
    words = [PERF2BOLT, "-pa", "-p", tmp_path / "pre", "-o", tmp_path / "out.fdata", program]
    subprocess.run(words, capture_output=True, check=True)
    done = import_profile(tmp_path / "out.fdata", tmp_path / "r", images=[program])
    _, found = counts(done.open(), ("classify",))
    assert len(found) > 10
    assert found == edges
    assert blocks


def test_other_lines_of_fdata(program: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        "no_lbr cycles:u\n1 classify 1a 5\n1 classify 2e 7\n1 work/1 0 1\n0 [unknown] 0 3\n"
    )
    done = import_profile(tmp_path / "a", tmp_path / "r", images=[program])
    assert (done.samples, done.unit, done.counts) == (16, "samples", "none")
    shares = {row.name: row.samples for row in profile(done.path).sampled}
    assert shares == {"classify": 12, "work": 1, "": 3}
    lines = {line.address: line.executed for line in annotate(done.path, "classify").lines}
    start = next(f for f in burnish.load(program).functions if f.name == "classify").bounds.address
    assert {k - start: n for k, n in lines.items() if n} == {0x2E: 7} | (
        {0x1A: 5} if start + 0x1A in lines else {}
    )
    (tmp_path / "b").write_text(
        "1 classify 2e 1 nosuch 0 0 2\n1 na\\ me 0 1 classify 0 1 4\n4 classify 10 3 7f0 0 9\n".replace(
            " 0 9", " 0 9"
        )
    )
    done = import_profile(tmp_path / "b", tmp_path / "r", images=[program])
    assert any("9 memory accesses" in note for note in done.notes)
    assert any("na me" in note and "nosuch" in note for note in done.notes)


def test_samples_of_perf_are_those_of_the_text(program: Path, tmp_path: Path) -> None:
    """The text was printed by perf; its lines were counted by hand."""
    done = import_profile(FILES / "flat.perf", tmp_path / "r", images=[program])
    assert (done.format, done.unit, done.samples) == ("perf-script", "samples of cpu-clock:u", 20)
    recording = done.open()
    found = {row.name: row.samples for row in profile(recording).sampled}
    assert found == {"classify": 17, "do_lookup_x": 1, "init_cpu_features.constprop.0": 1, "work": 1}
    rows = recording.samples.to_pylist()
    # 0x555caecc74d4 lies in the mapping of 0x1000 of the file at 0x555caecc7000.
    at = [row for row in rows if row["address"] == 0x14D4]
    assert len(at) == 4
    assert all(recording.manifest.images[row["image"]].path == str(program) for row in at)
    assert {(row["process"], row["thread"]) for row in rows} == {(16778, 16778)}
    assert (rows[0]["time_ns"], rows[-1]["time_ns"]) == (11956877300000, 11956922065000)


def test_call_chains_of_perf_are_stacks(program: Path, tmp_path: Path) -> None:
    done = import_profile(FILES / "chains.perf", tmp_path / "r", images=[program])
    assert (done.samples, done.stacks) == (3, 3)
    recording = done.open()
    chain = ["_start", "__libc_start_main_impl", "__libc_start_call_main", "main", "work", "classify"]
    assert recording.stacks.column("functions").to_pylist() == [chain] * 3
    # Callers' addresses are printed as offsets in their file.
    assert [row[-1] for row in recording.stacks.column("addresses").to_pylist()] == [0x1518, 0x14F2, 0x1520]
    assert [row[-2] for row in recording.stacks.column("addresses").to_pylist()] == [0x159B] * 3
    with_callees = {row.name: row.with_callees for row in profile(recording).sampled}
    assert with_callees == dict.fromkeys(chain, 3)
    export(recording, "folded", tmp_path / "folded")
    assert (tmp_path / "folded").read_text() == f"{';'.join(chain)} 3\n"
    again = import_profile(tmp_path / "folded", tmp_path / "again").open()
    assert again.stacks.column("functions").to_pylist() == [chain]
    assert profile(again).sampled[0].samples == 3


STEPS = """
__asm__(".text; .globl steps; .type steps, @function; steps: xor %eax, %eax; .Lnext: testb $1, %dil; je .Leven;"
        "add $3, %eax; .Leven: dec %edi; jne .Lnext; ret; .size steps, . - steps");
int steps(int);
int main(void) { return steps(4) != 6; }
"""
# What a processor writes down of steps(4), called from main: the call, and the jumps that are taken; offsets in
# ``steps``: .Lnext 2, je 6, add 8, .Leven 11, jne 13, ret 15.
BRANCHES = [("main", 0, "steps", 0)]
BRANCHES += [("steps", a, "steps", b) for a, b in ((6, 11), (13, 2), (13, 2), (6, 11), (13, 2))]
BRANCHES += [("steps", 15, "main", 5)]
PASSED = {0: 1, 2: 4, 8: 2, 11: 4, 15: 1}
"""How often each block of ``steps`` is entered then, by hand."""


@pytest.mark.parametrize("form", ["addresses", "symbols", "headless", "new"])
def test_branch_stacks_count_edges(build: Callable[..., Path], tmp_path: Path, form: str) -> None:
    program = build("steps", STEPS)
    starts = {f.name: f.bounds.address for f in burnish.load(program).functions}
    base = 0x5555_5555_4000

    def end(name: str, offset: int) -> str:
        place = f"{name}+{offset:#x}" if form == "symbols" else hex(base + starts[name] + offset)
        return place if form in ("headless", "new") else f"{place}({program})"

    flags = "/P/-/-/1/COND/-" if form == "new" else "/M/-/-/0"
    entries = [f"{end(a, b)}/{end(c, d)}{flags}" for a, b, c, d in reversed(BRANCHES)]
    stack = "  ".join(entries)
    text = [
        f"steps 7/7 1.000000: PERF_RECORD_MMAP2 7/7: [{base + 0x1000:#x}(0x1000) @ 0x1000 fe:00 1 2]: r-xp {program}"
    ]
    ip = f"{base + starts['main'] + 5:16x}"
    for k in range(3):
        match form:
            case "headless":
                text.append(f" {ip}  {stack} ")
            case "new":
                text += [
                    f"steps     7 {k + 2}.000000:          1 cycles:u: ",
                    f"\t{ip} main+0x5 ({program})",
                    f" {stack} ",
                    "",
                ]
            case _:
                text.append(
                    f"steps     7 {k + 2}.000000:          1 cycles:u: {ip} main+0x5 ({program})  {stack} "
                )
    (tmp_path / "perf").write_text("\n".join(text) + "\n")
    done = import_profile(tmp_path / "perf", tmp_path / "r")
    assert (done.samples, done.counts) == (3, "sampled")
    blocks, edges = counts(done.open(), ("steps",))
    start = starts["steps"]
    assert blocks == {(start + offset, 0): 3 * n for offset, n in PASSED.items()}
    assert edges == {
        ((start + a, 0), (start + b, 0), kind): 3 * n
        for a, b, kind, n in (
            (0, 2, "fallthrough", 1),
            (2, 8, "fallthrough", 2),
            (2, 11, "taken", 2),
            (8, 11, "fallthrough", 2),
            (11, 2, "taken", 3),
            (11, 15, "fallthrough", 1),
        )
    }
    (row,) = [row for row in profile(done.path).functions if row.name == "steps"]
    assert row.calls == 3


def test_real_samples_of_perf(program: Path, tmp_path: Path) -> None:
    """Against ``perf report`` of the same data."""
    if shutil.which("perf") is None:
        pytest.skip("needs perf")
    data = tmp_path / "data"
    words = ["perf", "record", "-e", "cpu-clock:u", "-o", data, program, "plain", "1000000"]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("perf cannot record here")
    script = ["perf", "script", "-i", data, "--show-mmap-events"]
    (tmp_path / "text").write_bytes(subprocess.run(script, capture_output=True, check=True).stdout)
    report = ["perf", "report", "-i", data, "--stdio", "-n", "-s", "sym", "-g", "none"]
    shown = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    theirs = {
        name: int(n)
        for n, name in re.findall(r"^\s+[\d.]+%\s+(\d+)\s+\[\.\] (\S+)", shown, flags=re.MULTILINE)
    }
    done = import_profile(tmp_path / "text", tmp_path / "r")
    ours = {row.name: row.samples for row in profile(done.path).sampled}
    assert ours["classify"] > 20
    assert {name: n for name, n in ours.items() if not name.startswith("[")} == {
        name: n for name, n in theirs.items() if name in ours
    }
    # Every address is where the function of that name lies.
    image = burnish.load(program).image
    for row in done.open().samples.to_pylist():
        if row["function"] in FUNCTIONS:
            bounds = image.bounds_at(row["address"])
            assert bounds is not None
            assert bounds.name == row["function"]


def test_folded_stacks(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("main;operator new(unsigned long);b 3\nmain;b 2\nmain 1\n\nmain;b 4\n")
    recording = import_profile(tmp_path / "f", tmp_path / "r").open()
    found = {row.name: (row.samples, row.with_callees) for row in profile(recording).sampled}
    assert found == {"main": (1, 10), "b": (9, 9), "operator new(unsigned long)": (0, 3)}
    export(recording, "folded", tmp_path / "again")
    assert (tmp_path / "again").read_text() == "main 1\nmain;b 6\nmain;operator new(unsigned long);b 3\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a;b 1\n", Kind.FOLDED),
        ("main 12\n", Kind.FOLDED),
        ("no_lbr\n1 main 0 1\n", Kind.FDATA),
        ("1 main 2e 1 main 0 0 5\n", Kind.FDATA),
        ("# callgrind format\nevents: Ir\nfn=f\n1 2\n", Kind.CALLGRIND),
        ("version: 1\nevents: Ir\nfn=f\n1 2\n", Kind.CALLGRIND),
        ("# ========\n# captured on : x\na 1 2.5: 1 cycles: 401000 f+0x1 (/a)\n", Kind.PERF_SCRIPT),
        ("     7f3864bae2bd f\n", Kind.PERF_SCRIPT),
        ("a b 1/2 [000] 2.5: sched:sched_switch: prev_comm=x\n\t401000 f+0x1 (/a)\n\n", Kind.PERF_SCRIPT),
    ],
)
def test_formats_are_told_by_their_content(tmp_path: Path, text: str, kind: Kind) -> None:
    (tmp_path / "file").write_text(text)
    run = read_profile_file(str(tmp_path / "file"), Images())
    assert run.kind is kind
    assert sum(sample.weight for sample in run.samples) >= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\nhello world\n", "line 3 is of none of the formats"),
        ("a;b 1\nc;d\n", "line 2 is no stack"),
        ("a;b 1\nc;d 1.5\n", "line 2 is no stack"),
        ("a;b 0\n# only\n", None),
        ("1 main 2e 1 main 0 0 5\n1 main zz 1 main 0 0 5\n", "line 2 says 'zz'"),
        ("1 main 2e 1 main 0 0 5\n1 main 2e 1 main 0 5\n", "line 2 has 7 fields"),
        ("1 main 2e 1 main 0 0 5\n7 main 2e 1 main 0 0 5\n", "line 2 says '7'"),
        ("1 main 2e 1 main 0 0 -5\n", "line 1"),
        ("no_lbr\n1 main 2e\n", "line 2 has 3 fields"),
        ("# callgrind format\nversion: 2\n", "line 2 has a version"),
        ("# callgrind format\nevents: Ir\nfn=(3)\n", r"line 3 uses the name \(3\)"),
        ("# callgrind format\nevents: Ir\nfn=f\n1 x\n", "line 4 has costs"),
        ("# callgrind format\nevents: Ir\nfn=f\ncalls=\n", "line 4 has no number of calls"),
        ("# callgrind format\nevents: Ir\nfn=f\n1 2\nwhat is this\n", "line 5 is nothing"),
        ("# callgrind format\nfn=f\n1 2\n", "line 3 has costs before"),
        ("# callgrind format\nversion: 1\n", "none says 'events:'"),
        ("# callgrind format\nevents: Ir\nfn=f\n", "nothing is counted"),
        ("a 1 2.5: 1 cycles: 401000 f+0x1 (/a)\n\tnonsense\n", "line 2 is no frame"),
        ("a 1 2.5: 1 cycles: 401000 f+0x1 (/a)\n???\n", "line 2 is neither"),
        ("a 1 2.5: 1 cycles: 401000 f (/a) 0x1/0x2/P/-/-/0 junk/P/-/-/0\n", "line 1 has a branch stack"),
        ("a 1 2.5: PERF_RECORD_COMM: a:1/1\n", "no samples"),
        ("a 1 2.5: 1 cycles: 401000 f (/a)\na 1 2.5: 1 faults: 401000 f (/a)\n", "choose one with --event"),
    ],
)
def test_malformed_files_are_told_with_their_line(tmp_path: Path, text: str, said: str | None) -> None:
    (tmp_path / "file").write_text(text)
    if said is None:
        assert import_profile(tmp_path / "file", tmp_path / "r").samples == 0
        return
    with pytest.raises(ProfileFileError, match=said):
        import_profile(tmp_path / "file", tmp_path / "r")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_one_event_can_be_chosen(tmp_path: Path) -> None:
    text = "a 1 2.5: 1 cycles: 401000 f (/a)\na 1 2.6: 1 faults: 401000 g (/a)\na 1 2.7: 1 faults: 401000 g (/a)\n"
    (tmp_path / "file").write_text(text)
    done = import_profile(tmp_path / "file", tmp_path / "r", event="faults")
    assert (done.samples, done.unit) == (2, "samples of faults")
    with pytest.raises(ProfileFileError, match="cycles"):
        import_profile(tmp_path / "file", tmp_path / "r", event="nosuch")
