"""Claim: the tests of a function reach most of it: inputs that are guided by what they reach get further than inputs
that are drawn, and those that solvers make for its paths get further still.

Functions of zlib, bzip2, Lua and SQLite, of one source at -O1 and -O2. Of each the blocks at -O1 are counted that are
reached by 512 drawn inputs; by these and those that are looked for where none leads; and by all of them with inputs
that the solvers make, which ``burnish verify`` adds where it finds no proof. Functions whose inputs refute the pair,
or that do not run by themselves, are left out, and counted.

    python benchmarks/trial_reach.py [--limit N] [--seconds S] [--seed N] [--quick]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.report.tables import Column, print_line, print_table
from burnish.verify.decide import Reached
from burnish.verify.engines import StandardEngines
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair
from burnish.verify.subject.pairs import Reading
from burnish.verify.trials import Bench, CannotRunError, PreparedOriginal, Reach
from harness import Figure, common, finish, parser
from real_functions import Corpus, Pair, corpus
from verify_functions import drawn
from verifying import counted

_NAMES = ("zlib", "bzip2", "lua", "sqlite")
_KINDS = ("drawn", "guided", "with solvers")


@dataclass(frozen=True, slots=True)
class Row:
    """Blocks of one function that each kind of input reached, how many there are, and the seconds that it took."""

    project: str
    function: str
    blocks: int
    reached: tuple[int, int, int]
    seconds: tuple[float, float, float]


def measure(pairs: Sequence[Pair], seconds: float) -> tuple[list[Row], int]:
    """The rows, and how many functions were left out."""
    rows: list[Row] = []
    left_out = 0
    with StandardEngines() as engines, Bench() as bench:
        for number, pair in enumerate(pairs, 1):
            row = _row(pair, engines, bench, seconds)
            if row is None:
                left_out += 1
            else:
                rows.append(row)
            counted(f"{number} of {len(pairs)}")
    return rows, left_out


def _row(pair: Pair, engines: StandardEngines, bench: Bench, seconds: float) -> Row | None:
    one, two = read_input(pair.original), read_input(pair.rewrite)
    functions = choose_functions(one, two, pair.function)[0]
    reading = read_pair(one, two, functions, Overrides(same_callees=True))
    if not isinstance(reading, Reading):
        return None
    side, specification = reading.pair.original, reading.pair.specification
    began = time.monotonic()
    try:
        prepared = PreparedOriginal.prepare(side, specification, bench, seconds=seconds)
    except CannotRunError:
        return None
    took = [time.monotonic() - began]
    first = Reach.of(side)
    prepared.note(first)
    found: list[Reached] = []
    for step in (engines.test, engines.explore):
        began = time.monotonic()
        if step(reading.pair, seconds).counterexample is not None:
            return None
        took.append(time.monotonic() - began)
        found.append(engines.reached)
    (reached, blocks), (further, _) = found[0][0], found[1][0]
    counts = (first.counts[0], reached, further)
    return Row(pair.project, pair.function, blocks, counts, (took[0], took[1], took[2]))


def figures(rows: Sequence[Row], left_out: int) -> list[Figure]:
    """The rows of BENCHMARKS.md."""
    blocks = sum(row.blocks for row in rows)
    found: list[Figure] = []
    for kind, name in enumerate(_KINDS):
        reached = sum(row.reached[kind] for row in rows)
        whole = sum(row.reached[kind] == row.blocks for row in rows)
        measured = f"{reached / blocks:.1%} of {blocks:,} blocks; all of {whole} of {len(rows)} functions"
        found.append(Figure(f"blocks that inputs reach, {name}", measured.replace("%", " %")))
    found.append(Figure("functions left out", f"{left_out}"))
    return found


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--limit", type=int, default=40, help="functions of each project (40; quick: 4)")
    options_of.add_argument("--seconds", type=float, default=2.0, help="for each kind of input (2)")
    arguments = options_of.parse_args()
    options = common(arguments)
    with TemporaryDirectory(prefix="burnish-") as folder:
        made: Corpus | str = corpus(_NAMES, Path(folder))
        if isinstance(made, str):
            print_line(made)
            return 2
        chosen = drawn(made.pairs, 4 if options.quick else arguments.limit, options.seed)
        rows, left_out = measure(chosen, arguments.seconds)
    cells = [
        (
            name,
            str(len(mine)),
            str(sum(row.blocks for row in mine)),
            *(str(sum(row.reached[kind] for row in mine)) for kind in range(len(_KINDS))),
            *(f"{sum(row.seconds[kind] for row in mine):.1f}" for kind in range(len(_KINDS))),
        )
        for name in _NAMES
        if (mine := [row for row in rows if row.project == name])
    ]
    titles = ("project", "functions", "blocks", *_KINDS, *(f"{kind}, s" for kind in _KINDS))
    print_table([Column(title) for title in titles], cells)
    return finish("trial_reach", options, figures(rows, left_out), rows)


if __name__ == "__main__":
    sys.exit(main())
