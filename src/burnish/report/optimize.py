"""The text of ``burnish optimize``."""

from __future__ import annotations

import math

from burnish.core.deployment import Deployment
from burnish.core.measure import Comparison
from burnish.core.verdict import Refuted, Unknown, Verdict, label
from burnish.pipeline.optimization import FunctionReport, Optimization
from burnish.report.tables import Column, print_line, print_table

_COLUMNS = (
    Column("function", folds=True),
    Column("file", folds=True),
    Column("time", right=True),
    Column("speed", right=True),
    Column("interval", right=True),
    Column("verdict"),
    Column("outcome", folds=True),
)

_SMALL = 0.005
"""Parts of the time below this are not worth a word."""


def print_optimization(done: Optimization) -> None:
    """The table of hot functions, what was written, and what it gained."""
    if done.functions:
        print_table(_COLUMNS, [_row(row) for row in done.functions])
    elsewhere = [f"{_share(part.share)} {part.place}" for part in done.elsewhere if part.share >= _SMALL]
    if elsewhere:
        print_line(f"The rest of the time: {', '.join(elsewhere)}.")
    if any(row.comparison is not None for row in done.functions):
        print_line("All intervals hold together with 95 % confidence.")
    print()
    for warning in done.warnings:
        print_line(f"Warning: {warning}")
    if done.deployment is None:
        print_line(f"Nothing was written: {done.reason.rstrip('.')}.")
    else:
        _print_deployment(done.deployment)
    if done.cpu_time is not None and done.wall_time is not None:
        _print_whole(done.cpu_time, done.wall_time)
    if done.report is not None:
        print_line(f"Report, with the assembly before and after: {done.report}")


def _print_deployment(deployment: Deployment) -> None:
    print_line(f"Written: {deployment.output}; on this workload its output is the same, byte for byte.")
    libraries = [image for image in deployment.images if image.path != deployment.output]
    for image in libraries:
        names = ", ".join(function.name for function in image.functions)
        print_line(f"  {names}: in a copy of {image.source.name}, {image.path}")
    if libraries:
        print_line(f"  How it finds them: {deployment.method.value}.")
    print_line(f"Run it as: {deployment.command}")


def _print_whole(cpu: Comparison, wall: Comparison) -> None:
    pairs = len(cpu.baseline.values)
    print_line(
        f"Whole runs: {_judged(cpu)} by processor time, {_judged(wall)} by the clock ({pairs} pairs of runs)."
    )
    for warning in cpu.warnings:
        print_line(f"Warning: {warning}")


def _judged(comparison: Comparison) -> str:
    """The figure, and in words where it says nothing."""
    if not math.isfinite(comparison.high):
        return f"{comparison.speedup:.2f}× (too few runs to tell)"
    decided = comparison.faster or comparison.slower
    return _speed(comparison) if decided else f"{_speed(comparison)}, within noise,"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _row(row: FunctionReport) -> tuple[str, ...]:
    detail = row.outcome.value
    if row.detail:
        detail = f"{detail}: {row.detail}"
    speed, interval = "–", ""
    if row.comparison is not None:
        speed, interval = f"{row.comparison.speedup:.2f}×", _interval(row.comparison)
    return (
        row.name,
        row.image.name,
        _share(row.share),
        speed,
        interval,
        _verdict(row.verdict),
        detail,
    )


def _verdict(verdict: Verdict | None) -> str:
    match verdict:
        case None:
            return "–"
        case Refuted():
            return "REFUTED"
        case Unknown():
            return "UNKNOWN"
        case _:
            return label(verdict)


def _interval(comparison: Comparison) -> str:
    if not math.isfinite(comparison.high):
        return "too few"
    return f"{comparison.low:.2f}–{comparison.high:.2f}"


def _speed(comparison: Comparison) -> str:
    return f"{comparison.speedup:.2f}× ({_interval(comparison)})"
