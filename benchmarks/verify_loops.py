"""Claim: examples of loops are proved without a bound: sum, dot product, ``strlen``, ``memcpy``, ``memchr``, CRC,
Adler-32, a pass of bubble sort, scalar against unrolled by four, scalar against vectorised, a counting loop against its
closed form, and a store in each round against one after the loop.

Each is a file of ``tests/files/verify/loops``, and judged twice: compiled at ``-O1`` against ``-O2`` from one source,
and as its file says against another source that does the same in another way, which is harder.

    python benchmarks/verify_loops.py [--quick] [--only EXAMPLE …] [--jobs N] [--timeout SECONDS]
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.report.tables import Column, print_table
from harness import Figure, common, finish, parser
from mutation_subjects import Subject, loop, loop_files, loop_of_one_source
from verifying import Task, counted, judged, options_of, verdict_options

_PROVED = ("proved", "provided")
_ONE_SOURCE, _TWO_SOURCES = "-O1 against -O2", "another source"
_TYPES = "-g"
_QUICK = 4


@dataclass(frozen=True, slots=True)
class Row:
    """The verdict on one example."""

    example: str
    against: str
    kind: str
    reason: str
    seconds: float


def pairs(folder: Path, only: Sequence[str]) -> Iterator[tuple[str, Subject]]:
    """What is compared, with how."""
    for path in loop_files():
        one = loop(path, folder, _TYPES)
        if not only or one.name in only:
            yield _ONE_SOURCE, loop_of_one_source(path, folder, _TYPES)
            yield _TWO_SOURCES, one


def measure(folder: Path, only: Sequence[str], jobs: int, timeout: float, quick: bool) -> list[Row]:
    """Compile and judge all."""
    tasks = [
        Task(
            f"{one.name}\t{how}",
            one.original,
            one.rewrite,
            one.function,
            options_of(one.options) | {"timeout_s": timeout, "cache": False},
        )
        for how, one in pairs(folder, only)
    ]
    rows: list[Row] = []
    for task, answer in judged(tasks[:_QUICK] if quick else tasks, jobs, timeout):
        rows.append(Row(*task.key.split("\t"), answer.kind, answer.reason, answer.seconds))
        counted(f"{len(rows)} of {len(tasks)}")
    return sorted(rows, key=lambda row: (row.against, row.example))


def figures(rows: Sequence[Row]) -> list[Figure]:
    """The rows of BENCHMARKS.md."""
    found: list[Figure] = []
    for how in (_ONE_SOURCE, _TWO_SOURCES):
        mine = [row for row in rows if row.against == how]
        proved = [row for row in mine if row.kind in _PROVED]
        if mine:
            left = ", ".join(row.example for row in mine if row not in proved)
            measured = f"{len(proved)} of {len(mine)}{f' (not {left})' if left else ''}"
            claim = f"loops, {how}: proved without a bound"
            found.append(Figure(claim, measured, "all", "", len(proved) == len(mine)))
        if proved:
            slowest = max(proved, key=lambda row: row.seconds)
            median = statistics.median(row.seconds for row in proved)
            measured = f"median {median:.2f} s, at most {slowest.seconds:.1f} s ({slowest.example})"
            found.append(Figure(f"loops, {how}: time of proofs", measured))
    return found


def main() -> int:
    """The command."""
    options_of_all = parser(__doc__)
    options_of_all.add_argument("--only", nargs="+", default=(), metavar="EXAMPLE")
    verdict_options(options_of_all, timeout=60.0)
    arguments = options_of_all.parse_args()
    options = common(arguments)
    with TemporaryDirectory(prefix="burnish-") as folder:
        rows = measure(Path(folder), arguments.only, arguments.jobs, arguments.timeout, options.quick)
    cells = [
        (row.example, row.against, row.kind, f"{row.seconds:.2f}", "" if row.kind == "proved" else row.reason)
        for row in rows
    ]
    titles = (
        Column("example"),
        Column("against"),
        Column("verdict"),
        Column("s"),
        Column("reason", folds=True),
    )
    print_table(titles, cells)
    return finish("verify_loops", options, figures(rows), rows)


if __name__ == "__main__":
    sys.exit(main())
