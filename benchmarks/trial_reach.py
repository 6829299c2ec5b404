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
from burnish.verify.engines import StandardEngines
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair
from burnish.verify.subject.pairs import Reading
from burnish.verify.trials import Bench, CannotRunError, PreparedOriginal, Reaches, run_trials
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


def _row(what: Pair, engines: StandardEngines, bench: Bench, seconds: float) -> Row | None:
    project, function = what.project, what.function
    one, two = read_input(what.original), read_input(what.rewrite)
    functions = choose_functions(one, two, function)[0]
    reading = read_pair(one, two, functions, Overrides(same_callees=True))
    if not isinstance(reading, Reading):
        return None
    pair = reading.pair
    drawn_, guided = Reaches.of(pair), Reaches.of(pair)
    clock = _Clock()
    try:
        prepared = PreparedOriginal.prepare(pair.original, pair.specification, bench, seconds=seconds)
        clock.lap()
        prepared.note(drawn_, pair.rewrite)
    except CannotRunError:
        return None
    clock.lap()
    trials = run_trials(pair, bench, seconds=seconds, reaches=guided)
    clock.lap()
    if trials.counterexample is not None or engines.test(pair, seconds).counterexample is not None:
        return None
    if engines.explore(pair, 2 * seconds).counterexample is not None:
        return None
    clock.lap()
    found = (drawn_.counts, guided.counts, engines.reached)
    first, second, third = (sides[0][0] for sides in found)
    took = clock.laps
    blocks = drawn_.original.counts[1]
    return Row(project, function, blocks, (first, second, third), (took[0], took[2], took[3]))


class _Clock:
    """Seconds between one call of ``lap`` and the next."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: list[float] = []

    def lap(self) -> None:
        now = time.monotonic()
        self.laps.append(now - self._last)
        self._last = now


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
