"""Claim: recording costs little: edge counts at most 1.3 times the native processor time, the order of all blocks at
most 3 times, that with all addresses at most 8 times and the values of all results at most 10 times, in at most two
bytes a block on disk; a core writes at least 100 million records a second to the ring; and the order of blocks takes at
least ten times less than valgrind's tools and a Python callback of QBDI.

Debian's compressors, Lua and SQLite are recorded, each with its hot functions; those count of which they hold at
least 90 % of the samples. Native and recorded runs alternate on the same input. The peers run once on it: callgrind
with jumps (``--dump-instr=yes --collect-jumps=yes``), ``lackey --trace-mem=yes``, and QBDI with ``qbdi_blocks.py``.
Times are processor times of the target; how long it took by the clock, where the recorder may be what it waits for, is
given beside them. The time to sample and to rebuild is shown apart.

    python benchmarks/recording_cost.py [--quick] [--seed N] [--only WORKLOAD …]
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions, RecordResult
from burnish.record.qbdi import is_installed
from burnish.report.tables import Column, print_line, print_table
from burnish.runtime.command import Command, Stream, run_command
from harness import Figure, common, finish, parser
from workloads import SQLITE, Task, built, prepared

_NAMES = ("bzip2 -9", "gzip -6", "gzip -d", "xz -6", "lua fannkuch", "lua binary_trees", SQLITE)
_COVERED = 0.9
_MODES = {
    "edges": ((What.EDGES,), "edge counts", 1.3),
    "blocks": ((What.EDGES, What.BLOCKS), "order of all blocks", 3.0),
    "memory": ((What.EDGES, What.BLOCKS, What.MEMORY), "order of all blocks, and addresses", 8.0),
    "values": ((What.EDGES, What.VALUES), "values of all results", 10.0),
}
"""What is recorded, what that is called, and the most that it may cost, by native processor time."""
_BYTES, _CHEAPER, _RECORDS = 2.0, 10.0, 100e6
_PEER_LIMIT_S = 30.0
"""A peer that takes longer is ended, and counts as if it had been done: what it costs is more than what is printed."""
_PEERS = {
    "callgrind": (
        "valgrind", "--tool=callgrind", "--dump-instr=yes", "--collect-jumps=yes", "--callgrind-out-file=/dev/null",
    ),
    "lackey": ("valgrind", "--tool=lackey", "--trace-mem=yes", "--log-file=/dev/null"),
    "QBDI": (sys.executable, "-m", "pyqbdipreload", str(Path(__file__).with_name("qbdi_blocks.py")), "--"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """A workload: processor times in seconds of each run, native and by mode, and of the peers. ``blocks`` were
    entered, ``bytes_each`` is what one takes on disk, ``seconds`` the time to sample and rebuild; ``clock`` has times
    by the clock, as ``native`` and by mode."""

    workload: str
    covered: float
    functions: int
    native: tuple[float, ...]
    modes: dict[str, tuple[float, ...]]
    blocks: int
    bytes_each: float
    peers: dict[str, float]
    seconds: float
    clock: dict[str, tuple[float, ...]]
    problem: str = ""

    def ratio(self, mode: str) -> float:
        """The median of a mode against that of native runs."""
        return statistics.median(self.modes[mode]) / statistics.median(self.native)

    def clock_ratio(self, mode: str) -> float:
        """The same by the clock."""
        return statistics.median(self.clock[mode]) / statistics.median(self.clock["native"])

    def peer_ratio(self, peer: str) -> float:
        """A peer against native runs."""
        return self.peers[peer] / statistics.median(self.native)


def measure(task: Task, repeat: int, work: Path) -> Cost:
    """Record a workload in each mode, ``repeat`` times by turns with native runs."""
    command = Command((str(task.program), *task.arguments))
    native: list[float] = []
    clock: dict[str, list[float]] = {name: [] for name in ("native", *_MODES)}
    done: dict[str, list[RecordResult]] = {mode: [] for mode in _MODES}
    for _ in range(repeat):
        for mode, (kinds, _, _) in _MODES.items():
            plain = run_command(command, stdout=Stream.DISCARD, stderr=Stream.DISCARD)
            native.append(plain.cpu_s)
            clock["native"].append(plain.wall_s)
            options = RecordOptions(
                str(task.program), task.arguments, work / mode, kinds, stdout=Stream.DISCARD
            )
            done[mode].append(record(options))
            clock[mode].append(done[mode][-1].open().manifest.wall_s)
    peers: dict[str, float] = {}
    for name, words in _PEERS.items():
        if shutil.which(words[0]) is None or (name == "QBDI" and not is_installed()):
            continue
        under = Command((*words, *command.argv))
        done_by_peer = run_command(
            under, stdout=Stream.DISCARD, stderr=Stream.DISCARD, timeout_s=_PEER_LIMIT_S
        )
        peers[name] = done_by_peer.cpu_s
    last = done["blocks"][-1]
    return Cost(
        workload=task.name,
        covered=last.covered or 0.0,
        functions=last.functions,
        native=tuple(native),
        modes={mode: tuple(result.cpu_s for result in results) for mode, results in done.items()},
        blocks=last.entered,
        bytes_each=last.trace_bytes / max(1, last.events),
        peers=peers,
        seconds=last.seconds["Sampling"] + last.seconds["Rebuilding"],
        clock={name: tuple(times) for name, times in clock.items()},
        problem="" if last.events == last.entered and not last.dropped else "the trace is not complete",
    )


def _print(cost: Cost) -> None:
    titles = ("covered", *_MODES, "M blocks/s", "bytes each", *cost.peers, "to prepare")
    rate = cost.blocks / statistics.median(cost.modes["blocks"]) / 1e6
    row = [cost.workload, f"{100 * cost.covered:.1f} %", *(f"{cost.ratio(mode):.2f}×" for mode in _MODES)]
    row += [
        f"{rate:.0f}",
        f"{cost.bytes_each:.3f}",
        *(f"{cost.peer_ratio(peer):.0f}×" for peer in cost.peers),
    ]
    columns = [Column("workload"), *(Column(title, right=True) for title in titles)]
    print_table(columns, [[*row, f"{cost.seconds:.1f} s"]])
    if cost.problem:
        print_line(f"{cost.workload}: {cost.problem}")
    print(flush=True)


def figures(costs: Sequence[Cost]) -> list[Figure]:
    """Rows for BENCHMARKS.md: geometric means over the workloads."""
    counted = [cost for cost in costs if cost.covered >= _COVERED]
    if not counted:
        return [Figure("recording", "not measured: no workload is covered to 90 %")]
    rows: list[Figure] = []
    for mode, (_, claim, most) in _MODES.items():
        mean, text = _mean(counted, lambda cost, mode=mode: cost.ratio(mode))
        _, by_clock = _mean(counted, lambda cost, mode=mode: cost.clock_ratio(mode))
        text = f"{text}; {by_clock.partition(' of ')[0]} by the clock"
        rows.append(Figure(f"{claim}, by native processor time", text, f"≤ {most}×", "", mean <= most))
    largest = max(cost.bytes_each for cost in counted)
    claim = "bytes on disk a block, the most of any workload"
    rows.append(Figure(claim, f"{largest:.3f}", f"≤ {_BYTES}", "", largest <= _BYTES))
    for peer in _PEERS:
        known = [cost for cost in counted if peer in cost.peers]
        if known:
            _, theirs = _mean(known, lambda cost, peer=peer: cost.peer_ratio(peer))
            mean, text = _mean(known, lambda cost, peer=peer: cost.peer_ratio(peer) / cost.ratio("blocks"))
            claim = f"order of all blocks, cheaper than {peer}"
            rows.append(Figure(claim, text, f"≥ {_CHEAPER:.0f}×", f"{theirs} native", mean >= _CHEAPER))
    low, high = min(cost.covered for cost in costs), max(cost.covered for cost in costs)
    left = "; ".join(cost.workload for cost in costs if cost not in counted)
    claim = "samples in recorded functions" + (f" (not counted above: {left})" if left else "")
    rows.append(Figure(claim, f"{100 * low:.1f} to {100 * high:.1f} %"))
    broken = "; ".join(cost.workload for cost in costs if cost.problem)
    rows.append(Figure("traces that are complete", broken or "all", "all", "", not broken))
    return rows


_LOOP = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) long spin(long rounds) {
    long sum = 0;
    for (long i = 0; i < rounds; i++) {
        if (i & 1) sum += i; else sum ^= 5;
        if (sum & 4) __asm__ volatile("" : "+r"(sum)); else __asm__ volatile("nop" : "+r"(sum));
    }
    return sum;
}
int main(int argc, char **argv) { printf("%ld\\n", spin(argc > 1 ? atol(argv[1]) : 1)); return 0; }
"""


def throughput(work: Path, rounds: int) -> Figure:
    """How many records a second a core writes, in a loop of blocks of two or three instructions."""
    (work / "loop.c").write_text(_LOOP)
    program = built(work / "loop.c", work / "loop", "-O1")
    if isinstance(program, str):
        return Figure("records that a core writes to the ring", program)
    kinds = (What.EDGES, What.BLOCKS)
    words = (str(rounds),)
    done = record(
        RecordOptions(str(program), words, work / "loop.burnish", kinds, ("spin",), stdout=Stream.DISCARD)
    )
    each = done.events / done.cpu_s
    by_clock = done.events / done.open().manifest.wall_s
    text = f"{each / 1e6:.0f} million a second; {by_clock / 1e6:.0f} by the clock"
    return Figure("records that a core writes to the ring", text, "≥ 100 million", "", each >= _RECORDS)


def _mean(costs: Sequence[Cost], ratio: Callable[[Cost], float]) -> tuple[float, str]:
    values = [ratio(cost) for cost in costs]
    mean = statistics.geometric_mean(values)
    return mean, f"{mean:.2f}× ({min(values):.2f}–{max(values):.2f}) of {len(values)}"


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES, metavar="WORKLOAD")
    arguments = options_of.parse_args()
    options = common(arguments)
    costs: list[Cost] = []
    for name in arguments.only:
        # The small inputs: valgrind's tools take a hundred times as long.
        with prepared(name, options.seed, quick=True) as task:
            if isinstance(task, str):
                print_line(f"{name}: {task}")
                continue
            with TemporaryDirectory(prefix="burnish-") as folder:
                costs.append(measure(task, 1 if options.quick else 2, Path(folder)))
        _print(costs[-1])
    with TemporaryDirectory(prefix="burnish-") as folder:
        ring = throughput(Path(folder), 20_000_000 if options.quick else 100_000_000)
    return finish("recording_cost", options, [*figures(costs), ring], costs)


if __name__ == "__main__":
    sys.exit(main())
