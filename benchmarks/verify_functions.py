"""Claim: of the functions of zlib, bzip2, Lua, SQLite and small string functions, compiled at ``-O1`` and at ``-O2``,
at least 90 % of those without loops are proved or refuted, half of them in less than 0.1 s; at least 50 % of those
with loops are proved without a bound; and less than 10 % of all stay unknown.

Names alone say which functions belong together, and callees of one name are taken to be equal
(``--assume-same-callees``): each of them is judged by itself. Types come from DWARF. Clones that gcc made with a
convention of their own (``.isra``, ``.constprop``, ``.part``) are left out and counted. A time is from two files that
have been read to the verdict, in a process whose solvers run.

    python benchmarks/verify_functions.py [--quick] [--seed N] [--limit N] [--only PROJECT …] [--jobs N]
                                          [--first N] [--timeout SECONDS] [--keep FILE] [--flags=FLAGS]
                                          [--assume-types]

``--limit`` draws that many functions of each project by seed; without it all are in an order of chance, of which
``--first`` takes the beginning. Each verdict is a line of ``--keep`` as soon as it
is known, and a run that finds that file goes on where the last one stopped. ``--flags`` are more of gcc's, for both
levels, as ``--flags=-fno-strict-aliasing``: without it gcc builds at -O2 on C's rule on types, and what was compiled so
differs, unless ``--assume-types`` takes that rule for granted as ``burnish verify --assume-types`` does.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.report.tables import Column, percent, print_line, print_table
from harness import ROOT, Figure, common, finish, parser
from real_functions import PROJECTS, Corpus, Pair, corpus, loops
from verifying import DECIDED, KINDS, Judged, Task, counted, judged, verdict_options

_NAMES = tuple(project.name for project in PROJECTS)
_PROVED = ("proved", "provided")
_KEPT = ROOT / "out" / "benchmarks" / "verify_functions.rows.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """The verdict on one function. ``loops`` is None where no control flow was found."""

    project: str
    file: str
    function: str
    size: int
    loops: bool | None
    kind: str
    reason: str
    seconds: float


def drawn(pairs: Sequence[Pair], limit: int, seed: int) -> list[Pair]:
    """At most ``limit`` functions of each project (0: all), by seed, in an order of chance."""
    source = random.Random(seed)
    found: list[Pair] = []
    for name in _NAMES:
        mine = sorted((p for p in pairs if p.project == name), key=lambda pair: pair.name)
        found += source.sample(mine, min(limit, len(mine)) if limit else len(mine))
    source.shuffle(found)
    return found


def judge_all(
    pairs: Sequence[Pair], jobs: int, timeout: float, keep: Path, *, types: bool = False
) -> list[Row]:
    """The verdicts of all pairs, those that ``keep`` has taken from there."""
    keep.parent.mkdir(parents=True, exist_ok=True)
    rows = [Row(**json.loads(line)) for line in keep.read_text().splitlines()] if keep.exists() else []
    known = {(row.project, row.file, row.function) for row in rows}
    by_key = {pair.name: pair for pair in pairs if (pair.project, pair.file, pair.function) not in known}
    wanted = {(pair.project, pair.file, pair.function) for pair in pairs}
    rows = [row for row in rows if (row.project, row.file, row.function) in wanted]
    options = {"timeout_s": timeout, "same_callees": True, "types": types}
    waiting = (Task(name, p.original, p.rewrite, p.function, options) for name, p in by_key.items())
    with keep.open("a") as file:
        for task, answer in judged(waiting, jobs, timeout):
            rows.append(_row(by_key[task.key], answer))
            file.write(json.dumps(asdict(rows[-1])) + "\n")
            file.flush()
            counted(f"{len(rows)} of {len(pairs)}")
    return rows


def _row(pair: Pair, answer: Judged) -> Row:
    return Row(
        pair.project,
        pair.file,
        pair.function,
        pair.size,
        loops(pair),
        answer.kind,
        answer.reason,
        answer.seconds,
    )


def _table(rows: Sequence[Row]) -> None:
    """Counts by project and by loops."""
    columns = (
        Column("project"),
        Column("loops"),
        Column("functions"),
        *(Column(kind) for kind in KINDS),
        Column("median, s"),
    )
    cells: list[tuple[str, ...]] = []
    for name in (*_NAMES, "all"):
        for has in (False, True, None):
            mine = [row for row in rows if row.loops is has and name in (row.project, "all")]
            if mine:
                counts = Counter(row.kind for row in mine)
                word = {True: "yes", False: "no", None: "?"}[has]
                median = f"{statistics.median(row.seconds for row in mine):.3f}"
                cells.append((name, word, str(len(mine)), *(str(counts[kind]) for kind in KINDS), median))
    print_table(columns, cells)


def _reasons(rows: Sequence[Row], count: int = 40) -> None:
    """Why verdicts are not better, the most frequent first, with an example of each."""
    for title, chosen in (
        ("Not decided", [r for r in rows if r.kind not in DECIDED]),
        ("Refuted", [r for r in rows if r.kind == "refuted"]),
    ):
        by_reason: dict[str, list[Row]] = {}
        for row in chosen:
            by_reason.setdefault(f"{row.kind}: {_plain(row.reason)}", []).append(row)
        print_line("")
        print_line(f"{title}: {len(chosen)}")
        ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))[:count]
        cells = [
            (str(len(mine)), reason, f"{mine[0].project}/{mine[0].file}:{mine[0].function}")
            for reason, mine in ordered
        ]
        print_table((Column("functions"), Column("reason", folds=True), Column("such as")), cells)


def _plain(reason: str) -> str:
    """A reason without its numbers, so that equal ones count together."""
    return " ".join("…" if any(c.isdigit() for c in word) else word for word in reason.split())


def figures(rows: Sequence[Row], made: Corpus) -> list[Figure]:
    """The rows of BENCHMARKS.md."""
    free, with_loops = [r for r in rows if r.loops is False], [r for r in rows if r.loops]
    found: list[Figure] = []
    where = "functions at -O1 against -O2"
    _share(
        found,
        f"{where}, without loops: proved or refuted",
        free,
        lambda r: r.kind in DECIDED,
        0.9,
    )
    _share(
        found, f"{where}, with loops: proved without a bound", with_loops, lambda r: r.kind in _PROVED, 0.5
    )
    unknown = [row for row in rows if row.kind not in (*DECIDED, "bounded", "tested")]
    if rows:
        share = len(unknown) / len(rows)
        measured = f"{percent(len(unknown), len(rows))} ({len(unknown)} of {len(rows)})"
        found.append(Figure(f"{where}: unknown", measured, "< 10 %", "", share < 0.1))
    counts = Counter(row.kind for row in rows)
    found.append(Figure(f"{where}: tested alone, bounded", f"{counts['tested']}, {counts['bounded']}"))
    found.append(Figure(f"{where}: refuted", str(counts["refuted"])))
    found.append(Figure(f"{where}: proved under provisos", str(counts["provided"])))
    if free:
        median = statistics.median(row.seconds for row in free)
        found.append(
            Figure(f"{where}, without loops: time", f"median {median:.3f} s", "< 0.1 s", "", median < 0.1)
        )
    left = f"{made.clones} clones, {made.alone} functions that one side alone has"
    found.append(Figure("left out", left))
    return found


def _share(
    found: list[Figure], claim: str, rows: Sequence[Row], good: Callable[[Row], bool], wanted: float
) -> None:
    if rows:
        count = sum(map(good, rows))
        measured = f"{percent(count, len(rows))} ({count} of {len(rows)})"
        found.append(
            Figure(claim, measured, f"≥ {wanted:.0%}".replace("%", " %"), "", count >= wanted * len(rows))
        )


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES, metavar="PROJECT")
    options_of.add_argument(
        "--limit", type=int, default=0, help="functions of each project (0: all; quick: 20)"
    )
    options_of.add_argument(
        "--first", type=int, default=0, help="of all that are drawn, in their order of chance (0: all)"
    )
    verdict_options(options_of, timeout=20.0)
    options_of.add_argument("--keep", type=Path, default=_KEPT, help="file of verdicts, taken up again")
    options_of.add_argument("--flags", default="", help="more flags of gcc, for both sides")
    options_of.add_argument("--assume-types", action="store_true", help="take C's rule on types for granted")
    options_of.add_argument("--list", action="store_true", help="compile, count, and judge nothing")
    arguments = options_of.parse_args()
    options = common(arguments)
    with TemporaryDirectory(prefix="burnish-") as folder:
        made = corpus(arguments.only, Path(folder), flags=arguments.flags.split())
        if isinstance(made, str):
            print(made, file=sys.stderr)
            return 2
        chosen = drawn(made.pairs, arguments.limit or (20 if options.quick else 0), options.seed)
        chosen = chosen[: arguments.first or None]
        for file in made.skipped:
            print_line(f"not compiled: {file}")
        if arguments.list:
            counts = Counter(pair.project for pair in chosen)
            print_line(", ".join(f"{name}: {count}" for name, count in counts.items()))
            print_line(f"left out: {made.clones} clones, {made.alone} on one side alone")
            return 0
        rows = judge_all(
            chosen, arguments.jobs, arguments.timeout, arguments.keep, types=arguments.assume_types
        )
    _table(rows)
    _reasons(rows)
    return finish("verify_functions", options, figures(rows, made), rows)


if __name__ == "__main__":
    sys.exit(main())
