"""What the benchmarks of claims share: their options, the rows that they print, and raw numbers kept on disk.

A claim's script prints a table, and appends one JSON document a run to ``out/benchmarks/NAME.jsonl``: when, where
and how it ran, the rows for BENCHMARKS.md (``Figure``), and every raw number.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from burnish.pipeline.results import plain
from burnish.report.tables import Column, print_table

ROOT = Path(__file__).resolve().parents[1]
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of BENCHMARKS.md. ``peer`` is what stands beside us, measured in the same run; ``holds`` says whether
    ``measured`` meets ``target``, and is None where there is none."""

    claim: str
    measured: str
    target: str = ""
    peer: str = ""
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What every benchmark takes. ``quick`` asks for a run of about a minute that shows that all works; its
    figures are not for quoting. ``folder`` is where raw numbers go."""

    quick: bool
    seed: int
    folder: Path


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the common options; ``description`` is the docstring of the script."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="small inputs, few rounds: does it work at all?")
    made.add_argument("--seed", type=int, default=1, help="of inputs and resampling (1)")
    made.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks", help="folder of raw numbers")
    return made


def common(arguments: argparse.Namespace) -> Options:
    """The common options of parsed arguments."""
    return Options(arguments.quick, arguments.seed, arguments.out)


def finish(name: str, options: Options, figures: Sequence[Figure], raw: object) -> int:
    """Print the rows, append the run to ``name``'s raw numbers; 1 where a figure misses its target, else 0.

    ``raw`` is anything that ``burnish.pipeline.results.plain`` takes.
    """
    print()
    columns = (
        Column("claim", folds=True),
        Column("measured", folds=True),
        Column("peer", folds=True),
        Column("target"),
        Column("holds"),
    )
    print_table(columns, [(f.claim, f.measured, f.peer, f.target, holds(f.holds)) for f in figures])
    document = {
        "schema_version": SCHEMA_VERSION,
        "benchmark": name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "arguments": sys.argv[1:],
        "quick": options.quick,
        "seed": options.seed,
        "machine": machine(),
        "revision": revision(),
        "figures": [asdict(figure) for figure in figures],
        "raw": plain(raw),
    }
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(document) + "\n")
    return 1 if any(figure.holds is False for figure in figures) else 0


def peak_bytes() -> int:
    """The most memory that this process has had. Not ``ru_maxrss``: that of a process begun by vfork includes its
    parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def holds(value: bool | None) -> str:
    """How the table and BENCHMARKS.md say it."""
    return {True: "yes", False: "NO", None: "–"}[value]


def machine() -> dict[str, str | int | float]:
    """What a figure depends on: processor, cores that we may use, load average (one minute), kernel, Python."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "system": _system(),
        "python": platform.python_version(),
    }


def revision() -> str:
    """The commit that was measured, with ``+`` where files differ from it; empty outside a repository."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    return commit + ("+" if commit and _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"
