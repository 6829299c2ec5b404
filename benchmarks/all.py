"""Runs every benchmark, one after the other, and makes the figures of BENCHMARKS.md from what they found.

    python benchmarks/all.py                 # about two hours; on a machine that does nothing else
    python benchmarks/all.py --quick         # about 10 minutes: do they all work?
    python benchmarks/all.py --write         # puts the figures into BENCHMARKS.md
    python benchmarks/all.py --from-disk     # runs nothing: the figures of the last full runs

What each prints is kept beside its raw numbers. Exits with 1 where one fails or a figure misses its target.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import ROOT, Figure, Options, common, holds, parser

_DOCUMENT = ROOT / "BENCHMARKS.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True)
class Job:
    """A benchmark: its script without ``.py``, a heading, and its arguments in full and in quick runs. Where it keeps
    no rows for BENCHMARKS.md (``rows``), its output is quoted."""

    script: str
    title: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ("--quick",)
    rows: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a job: exit code (None: not run now), its last document or what it printed."""

    job: Job
    exit_code: int | None
    command: str
    document: dict[str, Any] | None
    printed: str

    @property
    def good(self) -> bool:
        return self.exit_code in (0, None) and (self.document is not None or not self.job.rows)


JOBS = (
    Job("startup", "Start-up"),
    Job("lifting", "Lifting", (), ("libz.so.1",), rows=False),
    Job("cosimulation", "Instructions against the processor", (), ("--states", "10"), rows=False),
    Job("isolated_execution", "Isolated execution", (), ("--states", "20000", "--repeat", "3"), rows=False),
    Job("rebuild_time", "Time to rebuild a function"),
    Job("recompile_libraries", "Whole libraries"),
    Job("recompile_fuzz", "Whole programs", ("--seeds", "100"), ("--seeds", "3", "--no-csmith"), rows=False),
    Job("recompiled_speed", "Speed of what is merely recompiled"),
    Job("optimize_programs", "Programs made faster"),
    Job("recording_cost", "Recording"),
    Job("recording_exact", "Recording is exact"),
    Job("factorise", "Strings as nested repetitions"),
    Job("factorise_traces", "Traces as nested repetitions"),
    Job("dependences", "Dependences through memory"),
    Job("superblocks", "The structure of real programs"),
    Job("solver_encodings", "Hard arithmetic in the solvers"),
    Job("verify_hackers_delight", "Proofs: Hacker's Delight"),
    Job("verify_functions", "Proofs: functions of real programs"),
    Job("verify_loops", "Proofs: examples of loops"),
    Job("mutation", "Proofs: mutants"),
    Job("trial_reach", "What native tests reach"),
)


def run(job: Job, options: Options) -> Run:
    """Run one job, show what it prints as it comes, and keep it."""
    extra = job.quick if options.quick else job.full
    if job.rows:
        extra = (*extra, "--seed", str(options.seed), "--out", str(options.folder))
    print(f"== {job.script}", flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    before = len(_documents(job, options))
    lines: list[str] = []
    with (
        _printed(job, options).open("w") as kept,
        subprocess.Popen(
            [sys.executable, "-u", f"benchmarks/{job.script}.py", *extra],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            kept.write(line)
            lines.append(line)
    print(flush=True)
    new = _documents(job, options)[before:]
    return Run(job, process.returncode, _command(job, options), new[-1] if new else None, "".join(lines))


def stored(job: Job, options: Options) -> Run:
    """The last run of a job in the same mode and with the usual arguments, from disk."""
    file = _printed(job, options)
    printed = file.read_text() if file.exists() else ""
    known = _documents(job, options)
    return Run(job, None, _command(job, options), known[-1] if known else None, printed)


def _command(job: Job, options: Options) -> str:
    return shlex.join(["python", f"benchmarks/{job.script}.py", *(job.quick if options.quick else job.full)])


def _printed(job: Job, options: Options) -> Path:
    return options.folder / f"{job.script}{'.quick' if options.quick else ''}.txt"


def _documents(job: Job, options: Options) -> list[dict[str, Any]]:
    """What a job has appended so far in runs like ours: those of parts of it, or with other budgets, do not count."""
    file = options.folder / f"{job.script}.jsonl"
    if not job.rows or not file.exists():
        return []
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    wanted = list(job.quick if options.quick else job.full)
    return [document for document in documents if _own(document["arguments"]) == wanted]


def _own(arguments: Sequence[str]) -> list[str]:
    """Arguments without ``--seed`` and ``--out`` and their values."""
    common_ones = ("--seed", "--out")
    before = ("", *arguments[:-1])
    return [
        a
        for a, last in zip(arguments, before, strict=False)
        if a not in common_ones and last not in common_ones
    ]


def markdown(runs: Sequence[Run], quick: bool) -> str:
    """The figures as the part of BENCHMARKS.md that is made."""
    parts: list[str] = []
    if quick:
        parts.append("Quick runs, which show only that all works: **not for quoting**.\n")
    for done in runs:
        parts += [f"## {done.job.title}\n", f"    {done.command}\n"]
        if done.document is not None:
            parts.append(_rows(done.document))
        elif done.printed and not done.job.rows:
            parts.append(f"```text\n{done.printed.strip()}\n```\n")
        else:
            parts.append("It has not been run, or failed.\n")
    return "\n".join(parts)


def _rows(document: dict[str, Any]) -> str:
    figures = [Figure(**row) for row in document["figures"]]
    machine = document["machine"]
    lines = ["| what | measured | peer in the same run | target | holds |", "|---|---|---|---|---|"]
    for figure in figures:
        cells = (figure.claim, figure.measured, figure.peer, figure.target, holds(figure.holds))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") or " " for cell in cells) + " |")
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Linux {machine['kernel']}"
    lines.append("")
    lines.append(
        f"{document['time'][:10]}, {where}, Python {machine['python']}, load {machine['load']}, "
        f"revision {document['revision'] or 'unknown'}.\n"
    )
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the figures between the marks of BENCHMARKS.md."""
    page = _DOCUMENT.read_text()
    head, begin, rest = page.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{_DOCUMENT.name} lacks the lines {_BEGIN} and {_END}.")
    _DOCUMENT.write_text(f"{head}{_BEGIN}\n\n{text}\n{_END}{tail}")


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    names = tuple(job.script for job in JOBS)
    options_of.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    options_of.add_argument("--write", action="store_true", help="into BENCHMARKS.md (full runs only)")
    options_of.add_argument("--from-disk", action="store_true", help="run nothing, show the last runs")
    arguments = options_of.parse_args()
    options = common(arguments)
    if arguments.write and options.quick:
        options_of.error("--write is for full runs: leave out --quick")
    began = time.monotonic()
    runs: list[Run] = []
    for job in JOBS:
        again = job.script in arguments.only and not arguments.from_disk
        runs.append(run(job, options) if again else stored(job, options))
    text = markdown(runs, options.quick)
    (options.folder / "figures.md").write_text(text)
    if arguments.write:
        write(text)
    else:
        print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    asked = [done for done in runs if done.job.script in arguments.only]
    bad = [done.job.script for done in asked if not done.good]
    if bad:
        print(f"Failed, or missed a target: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
