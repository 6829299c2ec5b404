"""Claim: all 25 programs of Hacker's Delight are proved between ``gcc -O0`` and ``-O3``, and between ``-O0`` and
``-O2 -march=native``, half of them in less than 0.3 s; and four against the form with one instruction, in 30 s each.

Both sets of programs (``hackers_delight.py``). Each pair is judged once by the portfolio and once by each solver
alone, with nothing cached. A time is from two files that have been read to the verdict, in a process whose
solvers run.

    python benchmarks/verify_hackers_delight.py [--quick] [--jobs N] [--timeout SECONDS] [--only p01 …]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.report.tables import Column, print_table
from hackers_delight import FLAGS, INTRINSICS, LEVELS, SETS, intrinsic_source, source
from harness import Figure, Options, common, finish, parser
from verifying import Judged, Task, counted, judged, verdict_options

SOLVERS = ("first", "bitwuzla", "z3")
_BASE = "-O0"
_MEDIAN_S = 0.3
_HARD_S = 30.0


@dataclass(frozen=True, slots=True)
class Row:
    """One verdict: of a program of a set, between ``-O0`` and ``against``, by a solver."""

    which: str
    against: str
    program: str
    solver: str
    kind: str
    reason: str
    seconds: float


def compiled(folder: Path) -> dict[tuple[str, str], Path]:
    """The object with all programs of a set at a level, and for each intrinsic form one of its own."""
    made: dict[tuple[str, str], Path] = {}
    for which, programs in SETS.items():
        for level, flags in LEVELS.items():
            made[which, level] = _object(folder, f"{which}{level}", source(programs), flags)
    for form in INTRINSICS:
        made["intrinsic", form.name] = _object(folder, form.name, intrinsic_source(form), form.flags)
    return made


def _object(folder: Path, name: str, text: str, flags: Sequence[str]) -> Path:
    made = folder / f"{name.replace(' ', '_')}.o"
    made.with_suffix(".c").write_text(text)
    subprocess.run(["gcc", *FLAGS, *flags, "-c", made.with_suffix(".c"), "-o", made], check=True)
    return made


def tasks(
    objects: dict[tuple[str, str], Path], names: Sequence[str], timeout: float, quick: bool
) -> list[Task]:
    """All that is to be judged; ``key`` is set, side, program and solver."""
    found: list[Task] = []
    solvers = SOLVERS[:1] if quick else SOLVERS
    for which, programs in SETS.items():
        for level in list(LEVELS)[1:]:
            for program in programs:
                if program.name in names:
                    pair = objects[which, _BASE], objects[which, level]
                    found += _tasks((which, level, program.name), pair, solvers, timeout)
    for form in INTRINSICS:
        if form.name in names:
            pair = objects["corrected", _BASE], objects["intrinsic", form.name]
            found += _tasks(("corrected", "one instruction", form.name), pair, solvers, timeout)
    return found


def _tasks(
    key: tuple[str, str, str], pair: tuple[Path, Path], solvers: Sequence[str], timeout: float
) -> list[Task]:
    return [
        Task(
            "\t".join((*key, solver)), *pair, key[2], {"solver": solver, "timeout_s": timeout, "cache": False}
        )
        for solver in solvers
    ]


def _row(task: Task, answer: Judged) -> Row:
    which, against, program, solver = task.key.split("\t")
    return Row(which, against, program, solver, answer.kind, answer.reason, answer.seconds)


def _print(rows: Sequence[Row]) -> None:
    by_pair: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        by_pair.setdefault((row.which, row.against, row.program), {})[row.solver] = row
    cells: list[tuple[str, ...]] = []
    for (which, against, program), found in sorted(by_pair.items()):
        first = found[SOLVERS[0]]
        times = [f"{found[s].kind} {found[s].seconds:.3f}" if s in found else "–" for s in SOLVERS]
        cells.append((which, against, program, *times, "" if first.kind == "proved" else first.reason))
    titles = ("set", "-O0 against", "program", "portfolio, s", "Bitwuzla, s", "Z3, s")
    print_table((*(Column(title) for title in titles), Column("reason", folds=True)), cells)


def figures(rows: Sequence[Row]) -> list[Figure]:
    """The rows of BENCHMARKS.md."""
    found: list[Figure] = []
    for which in SETS:
        for level in list(LEVELS)[1:]:
            mine = [row for row in rows if (row.which, row.against) == (which, level)]
            if not mine:
                continue
            ours, peers = _split(mine)
            proved = sum(row.kind == "proved" for row in ours)
            claim = f"Hacker's Delight {which}, -O0 against {level}"
            found.append(
                Figure(
                    f"{claim}: proved", f"{proved} of {len(ours)}", "all", _proved(peers), proved == len(ours)
                )
            )
            median = statistics.median(row.seconds for row in ours)
            slowest = max(ours, key=lambda row: row.seconds)
            measured = f"median {median:.3f} s, at most {slowest.seconds:.2f} s ({slowest.program})"
            found.append(
                Figure(f"{claim}: time", measured, "median < 0.3 s", _medians(peers), median < _MEDIAN_S)
            )
    for row in rows:
        if row.against == "one instruction" and row.solver == SOLVERS[0]:
            _, peers = _split([r for r in rows if (r.against, r.program) == (row.against, row.program)])
            good = row.kind == "proved" and row.seconds <= _HARD_S
            claim = f"{row.program} against its form with one instruction"
            found.append(Figure(claim, f"{row.kind} in {row.seconds:.2f} s", "≤ 30 s", _times(peers), good))
    return found


def _split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    return [r for r in rows if r.solver == SOLVERS[0]], [r for r in rows if r.solver != SOLVERS[0]]


def _by_solver(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {s: mine for s in SOLVERS[1:] if (mine := [row for row in rows if row.solver == s])}


def _proved(rows: Sequence[Row]) -> str:
    return ", ".join(f"{s} {sum(r.kind == 'proved' for r in mine)}" for s, mine in _by_solver(rows).items())


def _medians(rows: Sequence[Row]) -> str:
    medians = ((s, statistics.median(r.seconds for r in mine)) for s, mine in _by_solver(rows).items())
    return ", ".join(f"{s} {median:.3f} s" for s, median in medians)


def _times(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.solver} {row.kind} {row.seconds:.2f} s" for row in rows)


def measure(options: Options, names: Sequence[str], jobs: int, timeout: float) -> list[Row]:
    """Compile and judge all."""
    with TemporaryDirectory(prefix="burnish-") as folder:
        wanted = tasks(compiled(Path(folder)), names, timeout, options.quick)
        rows: list[Row] = []
        for done, answer in judged(wanted, jobs, timeout):
            rows.append(_row(done, answer))
            counted(f"{len(rows)} of {len(wanted)}")
    return rows


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    known = [program.name for program in SETS["corrected"]]
    options_of.add_argument("--only", nargs="+", choices=known, default=known, metavar="PROGRAM")
    verdict_options(options_of, timeout=60.0)
    arguments = options_of.parse_args()
    options = common(arguments)
    rows = measure(options, arguments.only, arguments.jobs, arguments.timeout)
    _print(rows)
    return finish("verify_hackers_delight", options, figures(rows), rows)


if __name__ == "__main__":
    sys.exit(main())
