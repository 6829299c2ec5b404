"""Claims: the dependences of an execution are those of the definition: on random programs the native walk gives what a
plain, slow reference gives that keeps every access, in all fields, none missed; and the walk's time is linear.

Each seed is a small C program (``dependence_programs.py``), compiled at -O0, -O1, -O2 and -O3; several go into one
executable, which is recorded once. ``dependence_reference.py`` walks through the trace in another way. Regions are
compared as well: visits, rounds, conflicts and trip counts.

The time is that of three loops in each other, of 100 rounds each inside, with an access in each block and one more in
the innermost one.

    python benchmarks/dependences.py [--quick] [--count 200] [--seed N]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import burnish
from burnish._native import Nest
from burnish.analyze.nest import MOST_PATHS, structure, walk
from burnish.analyze.program import Program, StaticLoop, program_of
from burnish.record.store import Recording
from burnish.report.tables import Column, print_table
from dependence_programs import LEVELS, build
from dependence_reference import Reference
from harness import Figure, common, finish, parser

_BATCH = 10
_EXPONENT = 1.1
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Compared:
    """A recording of several programs: dependences by hazard, those that the walk lacks or has beyond the reference,
    in words, and regions that differ."""

    programs: int
    blocks: int
    accesses: int
    regions: int
    dependences: dict[str, int]
    missed: tuple[str, ...]
    different: tuple[str, ...]


def compared(recording: Recording, programs: int) -> Compared:
    """The native walk and the reference, over one recording."""
    program = program_of(recording)
    reference = Reference(recording)
    found = structure(recording, program, walk(recording, program))
    numbers: dict[tuple[int, int | None], int] = {
        (loop.function, loop.header): loop.number for loop in program.loops
    }
    numbers |= {(function, None): len(program.loops) + function for function in program.functions}
    wanted, got = reference.dependences(numbers), frozenset(found.dependences)
    keys = {(d.hazard, d.between, d.source, d.sink, d.region) for d in got}
    missed = [str(d) for d in wanted if (d.hazard, d.between, d.source, d.sink, d.region) not in keys]
    different = [f"{'reference' if d in wanted else 'walk'}: {d}" for d in wanted ^ got]
    by_number = {number: region for region, number in numbers.items()}
    for region in found.regions:
        row = reference.regions[by_number[region.number]]
        theirs = (row.entered, row.rounds, len(row.conflicts), dict(row.trips))
        ours = (region.entered, region.rounds, region.conflicts, dict(region.trips.counts))
        if theirs != ours:
            different.append(f"region {by_number[region.number]}: reference {theirs}, walk {ours}")
    if {by_number[region.number] for region in found.regions} != set(reference.regions):
        different.append("other regions were entered")
    return Compared(
        programs,
        found.blocks,
        sum(len(recording.accesses(*thread)) for thread in recording.traced_threads()),
        len(found.regions),
        dict(Counter(d.hazard.name for d in wanted)),
        tuple(missed),
        tuple(different),
    )


def recorded(seeds: range, folder: Path, levels: tuple[str, ...] = LEVELS) -> Recording:
    """A recording of the programs of all seeds. Raises ``RuntimeError`` where a function was not recorded."""
    program, names = build(seeds, folder, levels)
    what = ["edges", "blocks", "memory"]
    recording = burnish.record([program], folder / "r.burnish", what=what, functions=names)
    if len(recording.functions) != len(names):
        raise RuntimeError(f"not all functions were recorded: {recording.manifest.unrecorded}")
    return recording


def nest_program() -> Program:
    """Three loops in each other: blocks 0 to 6, the innermost loop is block 3; sites 1 to 4."""
    following = {0: (1,), 1: (2,), 2: (3,), 3: (3, 4), 4: (2, 5), 5: (1, 6)}
    ending = {6: "return", 3: "branch", 4: "branch", 5: "branch"}
    blocks = {
        n: {"block": n, "function": 0, "address": n, "instructions": 4, "ending": ending.get(n, "runs on")}
        for n in range(7)
    }
    sites = {
        number: {"site": number, "block": block, "address": number, "access": access, "size": 8}
        for number, (block, access) in enumerate(((3, "load"), (3, "load"), (4, "store"), (5, "load")), 1)
    }
    loops = (
        StaticLoop(0, 0, 1, frozenset(range(1, 6)), None, 1),
        StaticLoop(1, 0, 2, frozenset(range(2, 5)), 0, 2),
        StaticLoop(2, 0, 3, frozenset({3}), 1, 3),
    )
    loop_of = {1: 0, 2: 1, 3: 2, 4: 1, 5: 0}
    return Program(blocks, {0: {"function": 0}}, sites, {0: 0}, following, {}, {}, loops, loop_of, {})


def nest_records(events: int) -> NDArray[np.uint64]:
    """The trace of about so many block entries."""
    mark = 0xFFFF << 48
    n, base = _ROUNDS, 1 << 40
    outer = max(1, events // (n * (n + 2)))
    k = np.arange(n, dtype=np.uint64)
    rounds = np.empty((n, 3), np.uint64)
    rounds[:, 0] = mark | 3
    pieces = [np.array([mark], np.uint64)]
    for i in range(outer):
        pieces.append(np.array([mark | 1], np.uint64))
        for j in range(n):
            inner = rounds.copy()
            inner[:, 1] = (1 << 48) + base + 8 * (i % n * n + k)
            inner[:, 2] = (2 << 48) + base + (1 << 30) + 8 * (k * n + j)
            store = (3 << 48) + base + (1 << 31) + 8 * (i % n * n + j)
            pieces += [
                np.array([mark | 2], np.uint64),
                inner.reshape(-1),
                np.array([mark | 4, store], np.uint64),
            ]
        pieces.append(np.array([mark | 5, (4 << 48) + base + 8 * (i % n)], np.uint64))
    return np.concatenate([*pieces, np.array([mark | 6], np.uint64)])


def seconds(records: NDArray[np.uint64]) -> float:
    """What the walk over a trace takes."""
    nest = Nest(nest_program().native(), [], MOST_PATHS, MOST_PATHS, 200_000, 1 << 16)
    began = time.perf_counter()
    nest.begin_thread()
    nest.records(records)
    nest.finish()
    return time.perf_counter() - began


def speed(most: int, rounds: int) -> tuple[Figure, dict[str, Any]]:
    """The row of the time, and the raw numbers: events (blocks and accesses) and seconds of each run."""
    runs: list[tuple[int, int, float]] = []
    for size in (most // 8, most // 4, most // 2, most):
        records = nest_records(size)
        blocks = int(np.count_nonzero(records >> np.uint64(48) == 0xFFFF))
        runs += [(blocks, len(records), seconds(records)) for _ in range(rounds)]
    sizes = sorted({blocks for blocks, _, _ in runs})
    typical = [median(s for blocks, _, s in runs if blocks == size) for size in sizes]
    exponent = float(np.polyfit(np.log(sizes), np.log(typical), 1)[0])
    blocks, events, _ = runs[-1]
    figure = Figure(
        f"{blocks:,} block entries with {events - blocks:,} accesses, a regular nest",
        f"{typical[-1]:.2f} s, {1e9 * typical[-1] / events:.0f} ns an event, time ∝ n^{exponent:.2f}",
        "linear",
        "",
        exponent <= _EXPONENT,
    )
    return figure, {"runs": runs, "exponent": exponent}


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--count", type=int, help="programs (200; with --quick 10)")
    arguments = options_of.parse_args()
    options = common(arguments)
    count = arguments.count or (10 if options.quick else 200)
    rows: list[Compared] = []
    for first in range(0, count, _BATCH):
        seeds = range(options.seed + first, options.seed + min(first + _BATCH, count))
        with TemporaryDirectory(prefix="burnish-") as folder:
            row = compared(recorded(seeds, Path(folder)), len(seeds))
        rows.append(row)
        for line in row.different[:10]:
            print(f"seeds {seeds.start} to {seeds.stop - 1}: {line}", flush=True)
    names = ("RAW", "WAR", "WAW")
    columns = (
        Column("programs"),
        *(Column(n, right=True) for n in ("blocks", "accesses", "regions", *names, "differences")),
    )
    print_table(
        columns,
        [
            (
                f"{r.programs} at {len(LEVELS)} levels",
                *(f"{n:,}" for n in (r.blocks, r.accesses, r.regions)),
                *(f"{r.dependences.get(name, 0):,}" for name in names),
                str(len(r.different)),
            )
            for r in rows
        ],
    )
    missed, different = sum(len(r.missed) for r in rows), sum(len(r.different) for r in rows)
    dependences = sum(sum(r.dependences.values()) for r in rows)
    accesses, regions = sum(r.accesses for r in rows), sum(r.regions for r in rows)
    timed, raw = speed(1_000_000 if options.quick else 10_000_000, 1 if options.quick else 3)
    figures = [
        Figure(
            f"{count} random programs at {', '.join(f'-{level}' for level in LEVELS)}: {accesses:,} accesses, "
            f"{regions:,} regions, {dependences:,} dependences",
            f"{missed} missed, {different} differences",
            "0 missed, 0 differences",
            "every access logged, all pairs compared",
            not missed and not different,
        ),
        timed,
    ]
    return finish("dependences", options, figures, {"programs": rows, "speed": raw})


if __name__ == "__main__":
    sys.exit(main())
