"""Claim: what is recorded is exact: how often each block was entered and each jump was taken is what callgrind counts
(``--dump-instr=yes --collect-jumps=yes``), in the hot functions of gzip, bzip2, xz, Lua and SQLite, on real inputs; and
there are as many results of each instruction as its block was entered.

Each program is recorded twice and run once under callgrind, on the same input. A function whose own counts differ
between the two recordings does not do the same in every run (Lua seeds its hashes with an address and the time): it is
listed, and not compared. Nor is code that a function jumps to outside its bounds, unless it is recorded itself.

    python benchmarks/recording_exact.py [--quick] [--seed N] [--only WORKLOAD …]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import Recording
from burnish.report.tables import print_line
from burnish.runtime.command import Stream
from harness import Figure, common, finish, parser
from workloads import SQLITE, Task, prepared

_NAMES = ("gzip -6", "gzip -d", "bzip2 -9", "xz -6", "lua fannkuch", "lua binary_trees", SQLITE)
_LIMIT_S = 600.0


@dataclass(slots=True)
class Callgrind:
    """Executions of each instruction and passages of each jump, by file and image address."""

    executed: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    jumped: dict[str, Counter[tuple[int, int]]] = field(default_factory=dict[str, "Counter[tuple[int, int]]"])

    @classmethod
    def run(cls, task: Task, folder: Path) -> Callgrind:
        """The program under callgrind. Raises ``TimeoutExpired`` after ``_LIMIT_S``."""
        out = folder / "callgrind.out"
        words = [
            "valgrind",
            "--tool=callgrind",
            "--dump-instr=yes",
            "--collect-jumps=yes",
            "--compress-pos=no",
        ]
        words += ["--skip-plt=no"]  # else a call pays for the stub that it goes through
        words += ["--compress-strings=no", f"--callgrind-out-file={out}", str(task.program), *task.arguments]
        subprocess.run(words, capture_output=True, check=True, timeout=_LIMIT_S)
        made = cls()
        made._read(out.read_text().splitlines())
        return made

    def _read(self, lines: list[str]) -> None:
        own, skip, jump = "", False, None
        for line in lines:
            word, _, rest = line.partition("=")
            if word == "ob":
                own = str(Path(rest).resolve())
            elif word == "calls":
                skip = True  # the line that follows has what the callee did
            elif word in ("jump", "jcnd"):
                times, target = rest.split()[:2]
                jump = (int(times.split("/")[0]), int(target, 16))
            elif line.startswith("0x"):
                parts = line.split()
                address = int(parts[0], 16)
                if jump is not None:
                    self.jumped.setdefault(own, Counter())[address, jump[1]] += jump[0]
                    jump = None
                elif skip:
                    skip = False
                else:
                    self.executed.setdefault(own, Counter())[address] += int(parts[2])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A workload: what was compared, and what differed, as sentences."""

    workload: str
    functions: int
    blocks: int
    edges: int
    results: int
    entered: int
    changing: tuple[str, ...]
    wrong: tuple[str, ...]


def compare(task: Task, folder: Path) -> Comparison:
    """Record a workload twice, and compare with callgrind what both recordings agree on."""
    what = (What.EDGES, What.VALUES)
    first, second = (
        record(
            RecordOptions(str(task.program), task.arguments, folder / name, kinds, stdout=Stream.DISCARD)
        ).open()
        for name, kinds in (("first", what), ("second", (What.EDGES,)))
    )
    judge = Callgrind.run(task, folder)
    entries, ways = _sums(first)
    again = dict(_functions(second))
    wrong: list[str] = []
    changing: list[str] = []
    blocks = edges = entered = functions = 0
    for key, (name, rows, passages) in _functions(first):
        if key in again and again[key][1:] != (rows, passages):
            changing.append(name)
            continue
        functions += 1
        image, _ = key
        executed, jumped = judge.executed.get(image, Counter()), judge.jumped.get(image, Counter())
        for address in rows:
            count = entries[image, address]
            blocks += 1
            entered += count
            if executed[address] != count:
                wrong.append(f"{name}: block {address:#x} entered {count}, callgrind {executed[address]}")
        for start, end, target in passages:
            count = ways[image, start, target]
            if target == end:
                continue  # callgrind says nothing of falling through
            edges += 1
            theirs = sum(n for (at, to), n in jumped.items() if start <= at < end and to == target)
            if theirs != count:
                wrong.append(f"{name}: edge {start:#x} to {target:#x} taken {count}, callgrind {theirs}")
    counts = {row["block"]: row["entered"] for row in first.blocks.to_pylist()}
    results = first.values().to_pylist()
    wrong += [
        f"result at {row['address']:#x}: {row['count']} values, block entered {counts[row['block']]}"
        for row in results
        if row["count"] != counts[row["block"]]
    ]
    return Comparison(
        task.name, functions, blocks, edges, len(results), entered, tuple(changing), tuple(wrong)
    )


def _sums(recording: Recording) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int, int]]]:
    """Entries of blocks by image and address, and passages of edges, of all functions together: several may run the
    same code."""
    images = [str(Path(image.path).resolve()) for image in recording.manifest.images]
    owner = {row["function"]: images[row["image"]] for row in recording.functions.to_pylist()}
    blocks = {row["block"]: row for row in recording.blocks.to_pylist() if not row["part"]}
    entries: Counter[tuple[str, int]] = Counter()
    ways: Counter[tuple[str, int, int]] = Counter()
    for row in blocks.values():
        entries[owner[row["function"]], row["address"]] += row["entered"]
    for edge in recording.edges.to_pylist():
        source, target = blocks.get(edge["source"]), blocks.get(edge["target"])
        if source is not None and target is not None:
            ways[owner[source["function"]], source["address"], target["address"]] += edge["taken"]
    return entries, ways


Rows = dict[int, tuple[int, int]]
Passages = dict[tuple[int, int, int], int]


def _functions(recording: Recording) -> Iterator[tuple[tuple[str, int], tuple[str, Rows, Passages]]]:
    """Of each function by image and address: its blocks (size and entries) and its edges (start and end of the block,
    target). Blocks that begin inside an instruction are left out: valgrind counts whole ones."""
    images = [str(Path(image.path).resolve()) for image in recording.manifest.images]
    blocks: dict[int, dict[str, Any]] = {row["block"]: row for row in recording.blocks.to_pylist()}
    edges = recording.edges.to_pylist()
    for function in recording.functions.to_pylist():
        own = {n for n, row in blocks.items() if row["function"] == function["function"]}
        inside = {row["address"] for n, row in blocks.items() if n in own and row["part"]}
        rows = {
            blocks[n]["address"]: (blocks[n]["size"], blocks[n]["entered"])
            for n in own
            if not blocks[n]["part"]
            and blocks[n]["address"] not in inside
            and 0 <= blocks[n]["address"] - function["address"] < function["size"]
        }
        passages: Passages = {}
        for edge in edges:
            source, target = blocks[edge["source"]], blocks[edge["target"]]
            if edge["source"] in own and source["address"] in rows and target["address"] in rows:
                end = source["address"] + source["size"]
                key = (source["address"], end, target["address"])
                passages[key] = passages.get(key, 0) + edge["taken"]
        yield (images[function["image"]], function["address"]), (function["name"], rows, passages)


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES, metavar="WORKLOAD")
    arguments = options_of.parse_args()
    options = common(arguments)
    if shutil.which("valgrind") is None:
        print_line("valgrind is missing: apt-get install valgrind")
        return 1
    done: list[Comparison] = []
    for name in arguments.only:
        with (
            prepared(name, options.seed, quick=True) as task,
            TemporaryDirectory(prefix="burnish-") as folder,
        ):
            if isinstance(task, str):
                print_line(f"{name}: {task}")
                continue
            found = compare(task, Path(folder))
        done.append(found)
        print_line(
            f"{name}: {found.functions} functions, {found.blocks} blocks entered {found.entered:,} times, "
            f"{found.edges} edges, {found.results} results; {len(found.wrong)} differ; not the same in two runs: "
            f"{', '.join(found.changing) or 'none'}"
        )
        for text in found.wrong[:10]:
            print_line(f"  {text}")
    wrong = sum(len(found.wrong) for found in done)
    counted = (
        f"{sum(f.blocks for f in done)} blocks, {sum(f.edges for f in done)} edges, "
        f"{sum(f.results for f in done)} results of {sum(f.functions for f in done)} functions"
    )
    rows = [Figure(f"counts that differ from callgrind's ({counted})", str(wrong), "0", "", wrong == 0)]
    changing = sum(len(found.changing) for found in done)
    rows.append(Figure("functions not compared: they differ between two runs", str(changing)))
    return finish("recording_exact", options, rows, done)


if __name__ == "__main__":
    sys.exit(main())
