"""Claim: lifting and recompiling the median function takes 30 ms or less.

Each function of libz, libbz2, liblzma and lua5.4 is rebuilt for this processor, in one process, in two ways:

* with its file: one after the other, and what is learned of callees is kept, as when a whole file is rebuilt. A
  callee that is looked at for the first time counts with the function that needed it, so the sum is the whole time;
* alone: from a file of which nothing is known yet, callees included. A sample of the functions.

The peer is ``gcc -O2 -c`` on our own C program, against all functions of what it compiles to, a function each.

    python benchmarks/rebuild_time.py [--quick] [--seed N] [--cpu NAME] [FILE …]
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.code import Refused
from burnish.core.image import FunctionBounds, Image
from burnish.images import load
from burnish.recompile import Summaries, Target, rebuild
from burnish.recompile.callers import Callers
from burnish.report.tables import Column, print_line, print_table
from harness import Figure, common, finish, parser
from workloads import built, pixels_source

_FILES = ("libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "lua5.4")
_CLAIM_S = 0.030
_STAGES = ("lift and analyse", "callers", "emit", "compile")
_ALONE = 40
_QUICK = 12
_GCC_RUNS = 9


@dataclass(frozen=True, slots=True)
class Times:
    """Elapsed seconds of each stage, ``stages[function][stage]``, for the functions that were rebuilt, and their
    processor time (less, where the machine is busy otherwise). ``refused`` is the number
    of the other functions, and ``refused_s`` what went into them."""

    file: str
    way: str
    stages: tuple[tuple[float, ...], ...]
    processor: tuple[float, ...]
    refused: int
    refused_s: float

    @property
    def totals(self) -> tuple[float, ...]:
        return tuple(sum(row) for row in self.stages)


def together(file: Path, cpu: str, limit: int | None, seed: int) -> Times:
    """All functions of a file (at most ``limit``), what is known of it kept from one to the next."""
    image = load(file)
    target = _warm(cpu)
    summaries = Summaries(image)
    callers = Callers(summaries)
    return _measure(image, "with its file", _choose(image, limit, seed), target, summaries, callers)


def alone(file: Path, cpu: str, limit: int, seed: int) -> Times:
    """``limit`` functions of a file, each as if it were the first that anyone asks for."""
    target = _warm(cpu)
    parts: list[Times] = []
    for bounds in _choose(load(file), limit, seed):
        image = load(file)
        summaries = Summaries(image)
        parts.append(_measure(image, "alone", [bounds], target, summaries, Callers(summaries)))
    return Times(
        parts[0].file,
        "alone",
        tuple(row for part in parts for row in part.stages),
        tuple(value for part in parts for value in part.processor),
        sum(part.refused for part in parts),
        sum(part.refused_s for part in parts),
    )


def _measure(
    image: Image,
    way: str,
    wanted: Sequence[FunctionBounds],
    target: Target,
    summaries: Summaries,
    callers: Callers,
) -> Times:
    rows: list[tuple[float, ...]] = []
    processor: list[float] = []
    refused, refused_s = 0, 0.0
    for bounds in wanted:
        used = time.process_time()
        began = time.perf_counter()
        summaries.plan(bounds)
        planned = time.perf_counter()
        kept = callers.kept([bounds.address]).get(bounds.address, 0)
        asked = time.perf_counter()
        made = rebuild(image, bounds, target, summaries, kept)
        if isinstance(made, Refused):
            refused += 1
            refused_s += time.perf_counter() - began
            continue
        processor.append(time.process_time() - used)
        seconds = dict.fromkeys(_STAGES, 0.0) | made.seconds
        seconds["lift and analyse"] += planned - began
        seconds["callers"] += asked - planned
        rows.append(tuple(seconds[stage] for stage in _STAGES))
    return Times(image.path.name, way, tuple(rows), tuple(processor), refused, refused_s)


def _warm(cpu: str) -> Target:
    """The target, after the tables of SLEIGH and LLVM have been read once: that takes 0.2 s a process."""
    target = Target(cpu)
    image = load(sys.executable)
    smallest = min(image.functions, key=lambda bounds: bounds.size)
    rebuild(image, smallest, target)
    return target


def _choose(image: Image, limit: int | None, seed: int) -> Sequence[FunctionBounds]:
    if limit is None or limit >= len(image.functions):
        return image.functions
    return random.Random(seed).sample(image.functions, limit)


def gcc_times(folder: Path) -> tuple[float, ...] | str:
    """Elapsed times of ``gcc -O2 -c`` on our own program, after one that does not count; or why there are none."""
    times: list[float] = []
    for _ in range(_GCC_RUNS + 1):
        began = time.perf_counter()
        made = built(pixels_source(), folder / "pixels.o", "-O2", "-c")
        times.append(time.perf_counter() - began)
        if isinstance(made, str):
            return made
    return tuple(times[1:])


def milliseconds(values: Sequence[float]) -> str:
    """Median and 90th percentile."""
    return f"{1e3 * statistics.median(values):.1f} ms (90 %: {1e3 * percentile(values, 0.9):.1f})"


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` of all are no larger than."""
    return sorted(values)[max(0, -int(-part * len(values) // 1) - 1)]


def _print(found: Sequence[Times]) -> None:
    columns = [Column("file"), Column("way"), Column("functions", right=True), Column("refused", right=True)]
    columns += [Column(name, right=True) for name in ("median", "90 %", "mean", "processor", *_STAGES)]
    rows: list[list[str]] = []
    for times in found:
        totals = times.totals
        cells = [times.file, times.way, str(len(totals)), str(times.refused)]
        parts = [statistics.median(totals), percentile(totals, 0.9), statistics.fmean(totals)]
        parts.append(statistics.median(times.processor))
        parts += [statistics.median(row[i] for row in times.stages) for i in range(len(_STAGES))]
        rows.append(cells + [f"{1e3 * value:.1f}" for value in parts])
    print_line("Elapsed milliseconds a function. Processor time and stages are medians.")
    print_table(columns, rows)


def figures(found: Sequence[Times], peer: str) -> list[Figure]:
    """Rows for BENCHMARKS.md."""
    rows: list[Figure] = []
    for way in dict.fromkeys(times.way for times in found):
        mine = [times for times in found if times.way == way]
        for times in mine:
            rows.append(Figure(f"{times.file}, {way}", milliseconds(times.totals)))
        every = [total for times in mine for total in times.totals]
        asked = "≤ 30 ms" if way == "with its file" else ""
        held = statistics.median(every) <= _CLAIM_S if asked else None
        rows.append(
            Figure(f"median of all {len(every)} functions, {way}", milliseconds(every), asked, peer, held)
        )
    return rows


def _in_process(function: Callable[..., Times], *arguments: object) -> Times:
    """Run in a process that has lifted nothing yet."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _against_gcc(cpu: str, folder: Path) -> tuple[str, object]:
    """What gcc and Burnish take for a function of the same program, as text and raw."""
    times = gcc_times(folder)
    if isinstance(times, str):
        return times, None
    ours = together(folder / "pixels.o", cpu, None, 1)
    count = len(ours.totals) + ours.refused
    share = 1e3 * statistics.median(times) / count
    mine = 1e3 * statistics.fmean(ours.totals)
    text = f"pixels.c: gcc -O2 -c {share:.1f} ms a function, Burnish {mine:.1f} ms"
    return text, {"gcc": times, "burnish": ours}


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("files", nargs="*", metavar="FILE", help=f"({' '.join(_FILES)})")
    options_of.add_argument("--cpu", default="native", help="to build for (native)")
    arguments = options_of.parse_args()
    options = common(arguments)
    found: list[Times] = []
    limits = (_QUICK, _QUICK // 3) if options.quick else (None, _ALONE)
    for name in arguments.files or _FILES:
        file = Path(shutil.which(name) or name)
        for way, limit in zip((together, alone), limits, strict=True):
            found.append(_in_process(way, file, arguments.cpu, limit, options.seed))
    with TemporaryDirectory(prefix="burnish-") as folder:
        peer, raw = _against_gcc(arguments.cpu, Path(folder))
    _print(found)
    return finish("rebuild_time", options, figures(found, peer), {"files": found, "peer": raw})


if __name__ == "__main__":
    sys.exit(main())
