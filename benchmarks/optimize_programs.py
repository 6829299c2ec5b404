"""Claim: ``burnish optimize`` makes our own C program and at least one of Debian's faster, changes no output anywhere,
and says so honestly where nothing is gained.

Each workload goes through the command as a user runs it. What it reports is not taken on trust: the program that it
wrote is run here against the original, on the same input and on an input that it has never seen, and must put out the
same bytes and exit code; both are then measured by turns on both inputs. On its own input it must not be slower; what
the unseen one gains is shown, and promised by nobody. For our own program the peer is the same
source through ``gcc -O3 -march=native``, which needs the source.

    python benchmarks/optimize_programs.py [--quick] [--seed N] [--budget SECONDS] [--only WORKLOAD …]
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from burnish.core.measure import Comparison
from burnish.cost.bootstrap import MIN_PAIRS
from burnish.cost.commands import compare_commands
from burnish.report.tables import Column, print_line, print_table
from burnish.runtime.command import Command, Stream
from burnish.runtime.outputs import capture_outputs, same_outputs
from harness import Figure, common, finish, parser
from workloads import NAMES, OWN, Task, built, pixels_source, prepared

_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Function:
    """A row of the report: what became of a hot function."""

    name: str
    file: str
    address: int
    share: float
    outcome: str
    speedup: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Optimized:
    """One workload. ``outcome`` is ``written``, ``nothing gained`` or ``failed``, and ``reason`` the command's own
    words for the last two; ``different`` are the differences between both programs' outputs, which must be none;
    ``seen``, ``unseen`` and ``peer`` are whole runs against the original by processor time."""

    workload: str
    outcome: str
    reason: str
    seconds: float
    functions: tuple[Function, ...] = ()
    different: tuple[str, ...] = ()
    seen: Comparison | None = None
    unseen: Comparison | None = None
    peer: Comparison | None = None

    @property
    def kept(self) -> tuple[Function, ...]:
        return tuple(row for row in self.functions if row.outcome == "KEPT")


def optimize(task: Task, budget_s: float, seed: int) -> Optimized:
    """Run the command on a workload in the working directory, and check and measure what it wrote."""
    with TemporaryDirectory(prefix="burnish-") as name:
        output = Path(name) / task.program.name
        words = [sys.executable, "-m", "burnish", "optimize", str(task.program), "-o", str(output)]
        words += ["--json", "--seed", str(seed), "--budget", str(budget_s), "--timeout", str(_TIMEOUT)]
        done = subprocess.run(
            [*words, "--", *task.arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return Optimized(task.name, "failed", f"exit code {done.returncode}: {last}", 0.0)
        report: dict[str, Any] = json.loads(done.stdout)
        functions = tuple(_function(row) for row in report["functions"])
        seconds = sum(report["seconds"].values())
        peer = _peer(task, budget_s, seed, Path(name))
        if report["deployment"] is None:
            left = [str(path) for path in Path(name).iterdir() if path.name.startswith(task.program.name)]
            reason = report["reason"] + (f"; BUT WROTE {left}" if left else "")
            outcome = "failed" if left else "nothing gained"
            return Optimized(task.name, outcome, reason, seconds, functions, peer=peer)
        environment = _environment(report["deployment"]["environment"])
        different, seen = _judge(task, output, task.arguments, environment, budget_s, seed)
        more, unseen = _judge(task, output, task.unseen, environment, budget_s, seed)
        different += [f"unseen input: {text}" for text in more]
        return Optimized(task.name, "written", "", seconds, functions, tuple(different), seen, unseen, peer)


def _function(row: dict[str, Any]) -> Function:
    comparison = row["comparison"]
    speedup = comparison["speedup"] if comparison else None
    file = Path(row["image"]).name
    return Function(row["name"], file, row["address"], row["share"], row["outcome"], speedup, row["detail"])


def _environment(added: dict[str, str]) -> dict[str, str] | None:
    return {**os.environ, **added} if added else None


def _judge(
    task: Task,
    output: Path,
    arguments: tuple[str, ...],
    environment: dict[str, str] | None,
    budget_s: float,
    seed: int,
) -> tuple[list[str], Comparison | None]:
    """Differences between what both programs do with ``arguments``, and the comparison of their times."""
    argv = (str(task.program), *arguments)
    original = Command(argv, stdin=Stream.DISCARD)
    faster = Command(argv, executable=output, env=environment, stdin=Stream.DISCARD)
    expected = capture_outputs(original, timeout_s=_TIMEOUT)
    if not expected.result.succeeded:
        return [f"the original {expected.result.outcome}"], None
    different = same_outputs(expected, capture_outputs(faster, timeout_s=_TIMEOUT))
    if different:
        return different, None
    return [], _compare(original, faster, expected.result.wall_s, budget_s, seed)


def _compare(original: Command, other: Command, run_s: float, budget_s: float, seed: int) -> Comparison:
    # Two runs a pair, one pair to warm up and one for luck: fewer would give no interval.
    enough = 2 * (MIN_PAIRS + 2) * run_s
    budget_s = max(budget_s, enough)
    return compare_commands(original, other, seed=seed, budget_s=budget_s, timeout_s=_TIMEOUT).cpu


def _peer(task: Task, budget_s: float, seed: int, folder: Path) -> Comparison | None:
    """What the compiler makes of our own program when it may use this processor."""
    if task.name != OWN:
        return None
    program = built(pixels_source(), folder / "peer", "-O3", "-march=native")
    if isinstance(program, str):
        return None
    argv = (str(task.program), *task.arguments)
    original = Command(argv, stdin=Stream.DISCARD)
    peer = Command(argv, executable=program, stdin=Stream.DISCARD)
    run_s = capture_outputs(original, timeout_s=_TIMEOUT).result.wall_s
    return _compare(original, peer, run_s, budget_s, seed)


def _print(done: Optimized, task: Task) -> None:
    words = shlex.join([task.program.name, *task.arguments])
    print_line(f"{done.workload} ({words}): {done.outcome} {done.reason}".rstrip())
    columns = (
        Column("function"),
        Column("file"),
        Column("address"),
        Column("time", right=True),
        Column("speed", right=True),
        Column("outcome"),
        Column("detail", folds=True),
    )
    rows = [
        (
            row.name,
            row.file,
            f"{row.address:#x}",
            f"{100 * row.share:.1f} %",
            f"{row.speedup:.2f}×" if row.speedup else "–",
            row.outcome.lower(),
            row.detail,
        )
        for row in done.functions
    ]
    if rows:
        print_table(columns, rows)
    for text in done.different:
        print_line(f"DIFFERENT OUTPUT: {text}")
    print(flush=True)


def speed(comparison: Comparison | None) -> str:
    """``1.08× (1.06–1.09)``; a dash for None."""
    if comparison is None:
        return "–"
    return f"{comparison.speedup:.2f}× ({comparison.low:.2f}–{comparison.high:.2f})"


def figures(found: Sequence[Optimized], missing: Sequence[str]) -> list[Figure]:
    """Rows for BENCHMARKS.md."""
    rows: list[Figure] = []
    for done in found:
        peer = f"gcc -O3 -march=native: {speed(done.peer)}" if done.peer else "the original"
        if done.outcome == "written":
            kept = ", ".join(row.name for row in done.kept)
            measured = f"{speed(done.seen)}; unseen input {speed(done.unseen)}; kept {kept}"
        else:
            measured = f"{done.outcome}: {done.reason}"
        slower = done.seen is not None and done.seen.slower
        fails = done.outcome == "failed" or bool(done.different) or slower
        rows.append(Figure(f"optimize {done.workload}", measured, "same bytes, not slower", peer, not fails))
    gains = [done for done in found if done.seen is not None and done.seen.faster]
    own = [done.workload for done in gains if done.workload == OWN]
    debian = [done.workload for done in gains if done.workload.split()[0] in ("bzip2", "gzip", "xz")]
    ran = {done.workload for done in found}
    if OWN in ran:
        rows.append(Figure("own C program gains", "yes" if own else "no", "yes", "", bool(own)))
    if ran != {OWN}:
        rows.append(Figure("Debian's that gain", ", ".join(debian) or "none", "one", "", bool(debian)))
    rows += [Figure("not run", text) for text in missing]
    return rows


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument(
        "--budget",
        type=float,
        metavar="SECONDS",
        help="for each of checking, measuring, comparing (30; quick: 6)",
    )
    options_of.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="WORKLOAD")
    arguments = options_of.parse_args()
    options = common(arguments)
    budget = arguments.budget or (6.0 if options.quick else 30.0)
    found: list[Optimized] = []
    missing: list[str] = []
    for name in arguments.only:
        with prepared(name, options.seed, options.quick) as task:
            if isinstance(task, str):
                missing.append(f"{name}: {task}")
                continue
            found.append(optimize(task, budget, options.seed))
            _print(found[-1], task)
    return finish("optimize_programs", options, figures(found, missing), found)


if __name__ == "__main__":
    sys.exit(main())
