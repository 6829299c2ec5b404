"""Which of two commands takes less time: alternating runs until it is clear, or precise, or time is up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from burnish.core.errors import TargetError
from burnish.core.measure import Comparison, Samples
from burnish.cost.bootstrap import MIN_PAIRS, compare
from burnish.runtime.command import Command, CommandResult, Stream, run_command
from burnish.runtime.scratch import scratch_folder

_EARLY_CONFIDENCE = 0.999
"""To look after each pair and stop at the first 95 % interval that excludes 1 would find a difference between
equals far more often than in 5 % of cases. A look before the last one therefore needs this (Haybittle 1971,
Peto et al. 1976, for clinical trials), and costs the last one next to nothing."""
_SHORT_S = 0.005


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a comparison is: after ``pairs`` of at most ``most`` pairs, in seconds since it began."""

    pairs: int
    most: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class CommandComparison:
    """Two commands compared by processor time (user and system, of the whole tree that they waited for) and
    by the clock on the wall. ``stopped`` says why no more pairs were run: ``decided``, ``precise``,
    ``budget`` or ``runs``."""

    cpu: Comparison
    wall: Comparison
    pairs: int
    stopped: str

    def to_json(self) -> str:
        """Both comparisons with all raw samples as a JSON object."""
        parts = {"cpu": json.loads(self.cpu.to_json()), "wall": json.loads(self.wall.to_json())}
        return json.dumps({"schema_version": 1, "pairs": self.pairs, "stopped": self.stopped, **parts})


def compare_commands(
    baseline: Command,
    candidate: Command,
    *,
    seed: int,
    max_pairs: int = 30,
    warmup: int = 1,
    timeout_s: float | None = None,
    budget_s: float = 60.0,
    precision: float = 0.005,
    stdout: Path | Stream | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> CommandComparison:
    """Runs both commands by turns (ABBA …) and compares their times.

    It ends when the processor times differ clearly, when their ratio is known within ± ``precision``, after
    ``max_pairs``, or when the next pair would not fit in ``budget_s`` (one pair is always run). ``warmup``
    pairs are run first and not counted. What the commands print goes to ``stdout``, by default to a temporary file:
    some programs (grep, tar) do less when they see that it is discarded. ``timeout_s`` is for one run.

    Raises ``TargetError`` if a run fails or times out: the time of a failure says nothing.
    """
    if max_pairs < 1 or warmup < 0:
        raise ValueError("max_pairs must be at least 1 and warmup at least 0")
    begun = time.monotonic()
    old: list[CommandResult] = []
    new: list[CommandResult] = []
    with ExitStack() as stack:
        output = stdout
        if output is None:
            output = stack.enter_context(scratch_folder()) / "stdout"
        for _ in range(warmup):
            _run(baseline, output, timeout_s)
            _run(candidate, output, timeout_s)
        while True:
            started = time.monotonic()
            if len(old) % 2 == 0:
                old.append(_run(baseline, output, timeout_s))
                new.append(_run(candidate, output, timeout_s))
            else:
                new.append(_run(candidate, output, timeout_s))
                old.append(_run(baseline, output, timeout_s))
            now = time.monotonic()
            if on_progress is not None:
                on_progress(Progress(len(old), max_pairs, now - begun))
            stopped = _stop(old, new, seed, precision, max_pairs, now + (now - started) - begun > budget_s)
            if stopped:
                break
    cpu = _compare(old, new, "cpu", seed, 0.95, _warnings(old, new))
    return CommandComparison(cpu, _compare(old, new, "wall", seed, 0.95), len(old), stopped)


def _run(command: Command, output: Path | Stream, timeout_s: float | None) -> CommandResult:
    result = run_command(command, stdout=output, stderr=Stream.DISCARD, timeout_s=timeout_s)
    if not result.succeeded:
        raise TargetError(
            f"The command {command.executable or command.argv[0]} {result.outcome} while measured."
        )
    return result


def _stop(
    old: list[CommandResult], new: list[CommandResult], seed: int, precision: float, most: int, late: bool
) -> str:
    """Why to run no further pair; empty to go on."""
    if len(old) >= most:
        return "runs"
    if late:
        return "budget"
    if len(old) < MIN_PAIRS:
        return ""
    early = _compare(old, new, "cpu", seed, _EARLY_CONFIDENCE)
    # All of n pairs lie on one side by chance with probability 2^-n, whatever the resamples say.
    if len(old) >= 2 * MIN_PAIRS and (early.faster or early.slower):
        return "decided"
    usual = _compare(old, new, "cpu", seed, 0.95)
    return "precise" if usual.high / usual.low < 1 + 2 * precision else ""


def _compare(
    old: list[CommandResult],
    new: list[CommandResult],
    clock: str,
    seed: int,
    confidence: float,
    warnings: tuple[str, ...] = (),
) -> Comparison:
    def samples(label: str, results: list[CommandResult]) -> Samples:
        times = (result.cpu_s if clock == "cpu" else result.wall_s for result in results)
        # The kernel counts in microseconds.
        return Samples(label, "s", tuple(max(seconds, 1e-6) for seconds in times))

    return compare(
        samples("the original", old),
        samples("the candidate", new),
        seed=seed,
        confidence=confidence,
        warnings=warnings,
    )


def _warnings(old: list[CommandResult], new: list[CommandResult]) -> tuple[str, ...]:
    shortest = min(result.cpu_s for result in old + new)
    if shortest >= _SHORT_S:
        return ()
    return (f"A run computes only {shortest * 1000:.1f} ms, mostly to start and end: give it more work.",)
