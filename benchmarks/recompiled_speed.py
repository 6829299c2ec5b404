"""Claim: code that is merely recompiled, for the same CPU target as the original, runs at 0.95 of its speed or more:
geometric mean over the hot functions, before anything is selected.

Every hot function (2 % of the samples or more) of each workload is rebuilt, in a copy of the program, once for
baseline x86-64, which is what Debian and plain ``gcc -O2`` build for, and once for this processor. The original and
both copies run by turns and are sampled; a function's speed is the original's time in it divided by the copy's. The
original is the peer and runs twice in each round, first and last: "again" is its speed against itself, which shows the
noise. Every second round goes backwards, so that a machine that slows down meets all alike.

    python benchmarks/recompiled_speed.py [--quick] [--seed N] [--budget SECONDS] [--only WORKLOAD …]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from burnish.core.code import Refused
from burnish.core.deployment import Deployment, Replacement
from burnish.core.image import FunctionBounds, Image
from burnish.core.measure import Comparison
from burnish.core.profile import Profile
from burnish.cost.bootstrap import MIN_PAIRS, RESAMPLES, Array, interval
from burnish.cost.sampled import AddressRange, FunctionRanges, compare_sampled
from burnish.pipeline.deploy import deploy
from burnish.pipeline.hotspots import find_hot, frequency, load_images
from burnish.pipeline.optimization import HotSpot, OptimizeOptions
from burnish.pipeline.proposing import Key
from burnish.pipeline.recompile import rebuild_all
from burnish.pipeline.workload import Workload, prepare
from burnish.recompile import Target
from burnish.record.sampling import sample
from burnish.report.tables import Column, print_line, print_table
from burnish.runtime.command import Command, Stream
from burnish.runtime.outputs import capture_outputs, same_outputs
from harness import Figure, common, finish, parser
from workloads import NAMES, OWN, Task, prepared

CPUS = ("x86-64", "native")
_AGAIN = "again"
_CLAIM = 0.95
_MIN_SHARE = 0.02
_MAX_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A hot function of a workload: speed by variant (a CPU, or ``again``), or why it was not rebuilt."""

    name: str
    file: str
    address: int
    share: float
    speeds: Mapping[str, Comparison]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Mean:
    """A geometric mean of speeds with its 95 % interval, over ``functions`` functions."""

    speed: float
    low: float
    high: float
    functions: int

    def __str__(self) -> str:
        return f"{self.speed:.2f}× ({self.low:.2f}–{self.high:.2f}) of {self.functions}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A workload's functions. ``different`` are the ways in which a copy's output was not the original's, which
    must be none; ``problem`` says why there is nothing else."""

    workload: str
    rounds: int
    rows: tuple[Row, ...]
    different: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Variant:
    """A deployment; ``copies`` has, for each rebuilt function, the functions that it has copies of."""

    deployment: Deployment
    command: Command
    refused: Mapping[Key, Refused]
    copies: Mapping[Key, tuple[int, ...]]


def measure(task: Task, budget_s: float, seed: int, work: Path) -> Measured:
    """Rebuild a workload's hot functions and sample runs by turns for ``budget_s`` seconds."""
    options = OptimizeOptions(
        str(task.program), task.arguments, work / "unused", min_share=_MIN_SHARE, timeout_s=120.0, seed=seed
    )
    workload = prepare(options, work)
    hot = find_hot(workload, options)
    images = load_images(hot)
    variants = {cpu: _variant(workload, images, hot.functions, cpu, work) for cpu in CPUS}
    different: list[str] = []
    for cpu, variant in variants.items():
        seen = capture_outputs(variant.command, timeout_s=options.timeout_s)
        different += [f"{cpu}: {text}" for text in same_outputs(workload.expected, seen)]
    copies = {cpu: variant.command for cpu, variant in variants.items()}
    commands = {"original": workload.command, **copies, _AGAIN: workload.command}
    profiles = _sample_by_turns(workload, commands, options, budget_s)
    rows = tuple(_row(spot, images, variants, profiles, seed) for spot in hot.functions)
    return Measured(task.name, len(profiles["original"]), rows, tuple(different))


def _variant(
    workload: Workload, images: Mapping[Path, Image], hot: Sequence[HotSpot], cpu: str, work: Path
) -> _Variant:
    """A copy of the program, and of its libraries, in which all hot functions that can be are rebuilt."""
    replacements: dict[Path, list[Replacement]] = {}
    refused: dict[Key, Refused] = {}
    copies: dict[Key, tuple[int, ...]] = {}
    for path, image in images.items():
        built, left = rebuild_all(image, [spot.bounds for spot in hot if spot.image == path], Target(cpu))
        refused |= {(path, address): reason for address, reason in left.items()}
        for made in built:
            row = Replacement(made.bounds.name, made.object_code, made.bounds.size, "recompile", "UNKNOWN")
            replacements.setdefault(path, []).append(row)
            copies[path, made.bounds.address] = made.copies
    folder = work / cpu
    folder.mkdir()
    deployment = deploy(workload.program, folder / workload.program.name, replacements)
    for patched in deployment.images:
        refused |= {(patched.source, reason.address): reason for reason in patched.refused}
    command = workload.running(deployment.output, dict(deployment.environment))
    return _Variant(deployment, command, refused, copies)


def _sample_by_turns(
    workload: Workload, commands: Mapping[str, Command], options: OptimizeOptions, budget_s: float
) -> dict[str, list[Profile]]:
    profiles: dict[str, list[Profile]] = {name: [] for name in commands}
    began = time.monotonic()
    for done in range(_MAX_ROUNDS):
        started = time.monotonic()
        order = list(commands)
        for name in order if done % 2 == 0 else reversed(order):
            profile = sample(
                commands[name],
                frequency_hz=frequency(workload, options),
                timeout_s=options.timeout_s,
                stdout=Stream.DISCARD,
                stderr=Stream.DISCARD,
            )
            profiles[name].append(profile)
        now = time.monotonic()
        if done % 2 and done + 1 >= MIN_PAIRS and 2 * (now - started) + now - began > budget_s:
            break
    return profiles


def _row(
    spot: HotSpot,
    images: Mapping[Path, Image],
    variants: Mapping[str, _Variant],
    profiles: Mapping[str, Sequence[Profile]],
    seed: int,
) -> Row:
    own = (_range(spot.image, spot.bounds),)
    ranges = {_AGAIN: FunctionRanges(spot.bounds.name, own, own)}
    problem = ""
    for name, variant in variants.items():
        found = _ranges(spot, variant, images[spot.image])
        if isinstance(found, str):
            problem = found
        else:
            ranges[name] = found
    speeds: dict[str, Comparison] = {}
    if not problem:
        for name, part in ranges.items():
            (found,) = compare_sampled(profiles["original"], profiles[name], [part], seed=seed)
            speeds[name] = found.comparison
    return Row(spot.bounds.name, spot.image.name, spot.bounds.address, spot.share, speeds, problem)


def _range(file: Path, bounds: FunctionBounds) -> AddressRange:
    return AddressRange(file, bounds.address, bounds.address + bounds.size)


def _ranges(spot: HotSpot, variant: _Variant, image: Image) -> FunctionRanges | str:
    """The function in the original; and in the copy, what is left of it there and the new code. Functions that were
    copied into it count with it. A sentence where that cannot be told apart, or it was left as it is."""
    path, address = spot.key
    if spot.key not in variant.copies or spot.key in variant.refused:
        return str(variant.refused.get(spot.key, "not rebuilt"))
    if any(file == path and address in copied for (file, _), copied in variant.copies.items()):
        return "counted with its callers, which have copies of it"
    addresses = (address, *variant.copies[spot.key])
    bounds = [found for a in addresses if (found := image.bounds_at(a)) is not None]
    new: list[AddressRange] = []
    for patched in variant.deployment.images:
        if patched.source.resolve() != path.resolve():
            continue
        new += [_range(patched.path, part) for part in bounds]
        for function in patched.functions:
            if function.address in addresses:
                start = function.new_address
                new.append(AddressRange(patched.path, start, start + function.new_size))
    return FunctionRanges(spot.bounds.name, tuple(_range(path, part) for part in bounds), tuple(new))


def mean(parts: Sequence[Sequence[Comparison]], seed: int) -> Mean | None:
    """The geometric mean of the speeds of all functions; ``parts`` has those of each workload, measured in the
    same rounds, which are drawn together (bootstrap over rounds)."""
    random = np.random.default_rng(seed)
    total = np.zeros(RESAMPLES)
    logs = 0.0
    functions = 0
    rounds: list[int] = []
    for comparisons in parts:
        if not comparisons:
            continue
        count = len(comparisons[0].baseline.values)
        rounds.append(count)
        picks = random.integers(0, count, (RESAMPLES, count))
        for comparison in comparisons:
            logs += float(np.log(comparison.speedup))
            functions += 1
            old, new = (
                _sums(side, picks) for side in (comparison.baseline.values, comparison.candidate.values)
            )
            total += np.log(old) - np.log(new)
    if not functions:
        return None
    low, high = interval(total / functions, max(2, min(rounds)), 0.95)
    return Mean(float(np.exp(logs / functions)), float(np.exp(low)), float(np.exp(high)), functions)


def _sums(values: Sequence[float], picks: np.ndarray) -> Array:
    """Total times of resampled rounds, kept above zero by a tenth of a millisecond."""
    return np.array(values)[picks].sum(axis=1) + 1e-4


def _print(done: Measured) -> None:
    print_line(f"{done.workload}: {done.problem or f'{done.rounds} rounds'}")
    for text in done.different:
        print_line(f"  DIFFERENT OUTPUT, {text}")
    columns = [Column("function"), Column("file"), Column("address"), Column("time", right=True)]
    columns += [Column(name, right=True) for name in (*CPUS, _AGAIN)]
    rows: list[list[str]] = []
    for row in done.rows:
        cells = [row.name, row.file, f"{row.address:#x}", f"{100 * row.share:.1f} %"]
        if row.refused:
            cells += [row.refused, "", ""]
        else:
            cells += [_speed(row.speeds[name]) for name in (*CPUS, _AGAIN)]
        rows.append(cells)
    if rows:
        print_table(columns, rows)
    print(flush=True)


def _speed(comparison: Comparison) -> str:
    return f"{comparison.speedup:.2f}× ({comparison.low:.2f}–{comparison.high:.2f})"


def _speeds(row: Measured, variant: str) -> list[Comparison]:
    return [r.speeds[variant] for r in row.rows if variant in r.speeds]


def figures(found: Sequence[Measured], seed: int) -> list[Figure]:
    """Rows for BENCHMARKS.md: a mean for each workload, over all, and over all but our own program: its loops were
    written to gain."""
    rows: list[Figure] = []
    for cpu in CPUS:
        asked = cpu == CPUS[0]
        rows += [_figure(f"{done.workload}, rebuilt for {cpu}", [done], cpu, seed, False) for done in found]
        debian = [done for done in found if done.workload != OWN]
        rows.append(_figure(f"hot functions of Debian's programs, {cpu}", debian, cpu, seed, asked))
        rows.append(_figure(f"hot functions of all workloads, {cpu}", found, cpu, seed, asked))
    hot = [row for done in found for row in done.rows]
    refused = "; ".join(f"{row.name} ({row.refused})" for row in hot if row.refused)
    count = sum(not row.refused for row in hot)
    rows.append(Figure("hot functions that were rebuilt and measured", f"{count} of {len(hot)}", "", refused))
    different = [f"{done.workload}: {text}" for done in found for text in done.different]
    same = "; ".join(different) or f"those of {sum(bool(done.rows) for done in found)} workloads"
    rows.append(Figure("outputs are the original's", same, "all", "", not different))
    return rows


def _figure(claim: str, found: Sequence[Measured], cpu: str, seed: int, asked: bool) -> Figure:
    made = mean([_speeds(done, cpu) for done in found], seed)
    again = mean([_speeds(done, _AGAIN) for done in found], seed)
    if made is None or again is None:
        return Figure(claim, "; ".join(done.problem for done in found if done.problem) or "not measured")
    peer = f"{again.speed:.2f}× ({again.low:.2f}–{again.high:.2f})"
    if asked:
        return Figure(claim, str(made), f"≥ {_CLAIM}×", peer, made.speed >= _CLAIM)
    return Figure(claim, str(made), "", peer)


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument(
        "--budget", type=float, metavar="SECONDS", help="of sampling for each workload (60; quick: 5)"
    )
    options_of.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="WORKLOAD")
    arguments = options_of.parse_args()
    options = common(arguments)
    budget = arguments.budget or (5.0 if options.quick else 60.0)
    found: list[Measured] = []
    for name in arguments.only:
        with prepared(name, options.seed, options.quick) as task:
            if isinstance(task, str):
                found.append(Measured(name, 0, (), problem=task))
            else:
                with TemporaryDirectory(prefix="burnish-") as folder:
                    found.append(measure(task, budget, options.seed, Path(folder)))
        _print(found[-1])
    return finish("recompiled_speed", options, figures(found, options.seed), found)


if __name__ == "__main__":
    sys.exit(main())
