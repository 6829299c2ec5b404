"""Claim: ``burnish --help`` takes less than 0.3 s.

Elapsed time of whole processes, the command and its peer by turns, after one of each to warm up. The peer is the
bare interpreter, ``python -c pass``: what no Python program can be faster than.

    python benchmarks/startup.py [--quick] [--runs N]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from burnish.core.measure import Samples
from burnish.report.tables import Column, print_table
from harness import Figure, common, finish, parser

_CLAIM_S = 0.3


def seconds(words: Sequence[str | Path]) -> float:
    """Elapsed time of one run. Raises ``CalledProcessError`` where it fails."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(commands: dict[str, Sequence[str | Path]], runs: int) -> list[Samples]:
    """``runs`` times of each command, by turns, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for done in range(runs + 1):
        for name, words in commands.items():
            took = seconds(words)
            if done:
                times[name].append(took)
    return [Samples(name, "s", tuple(values)) for name, values in times.items()]


def text(samples: Samples) -> str:
    """Median and quartiles in milliseconds."""
    low, high = samples.quartiles
    return f"{1e3 * samples.median:.0f} ms ({1e3 * low:.0f}–{1e3 * high:.0f})"


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument(
        "--runs", type=int, metavar="N", help="counted runs of each command (10; quick: 3)"
    )
    arguments = options_of.parse_args()
    options = common(arguments)
    runs: int = arguments.runs or (3 if options.quick else 10)
    script = Path(sys.executable).with_name("burnish")
    commands: dict[str, Sequence[str | Path]] = {
        "burnish --help": [script, "--help"],
        "burnish --version": [script, "--version"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
    }
    found = measure(commands, runs)
    columns = (Column("command"), Column("median (quartiles)", right=True), Column("slowest", right=True))
    print_table(columns, [(s.label, text(s), f"{1e3 * s.maximum:.0f} ms") for s in found])
    ours, peer = found[0], found[2]
    figure = Figure(
        "burnish --help", text(ours), "< 300 ms", f"{peer.label}: {text(peer)}", ours.median < _CLAIM_S
    )
    return finish("startup", options, [figure], found)


if __name__ == "__main__":
    sys.exit(main())
