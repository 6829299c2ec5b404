"""The text of ``burnish optimize``."""

from __future__ import annotations

from burnish.core.measure import Comparison
from burnish.core.verdict import Refuted, Verdict, label
from burnish.pipeline.optimization import FunctionReport, Optimization
from burnish.report.tables import Column, print_line, print_table

_COLUMNS = (
    Column("function", folds=True),
    Column("file", folds=True),
    Column("time", right=True),
    Column("speed", right=True),
    Column("95 % interval", right=True),
    Column("verdict"),
    Column("outcome", folds=True),
)


def print_optimization(done: Optimization) -> None:
    """The table of hot functions, what was written, and what it gained."""
    if done.functions:
        print_table(_COLUMNS, [_row(row) for row in done.functions])
        print()
    for warning in done.warnings:
        print_line(f"Warning: {warning}")
    if done.deployment is None:
        print_line(f"Nothing was written: {done.reason}.")
    else:
        _print_deployment(done)
    if done.cpu_time is not None and done.wall_time is not None:
        pairs = len(done.cpu_time.baseline.values)
        print_line(
            f"Whole runs: {_speed(done.cpu_time)} by processor time, {_speed(done.wall_time)} by the clock "
            f"({pairs} pairs of runs)."
        )


def _print_deployment(done: Optimization) -> None:
    assert done.deployment is not None
    deployment = done.deployment
    print_line(
        f"Written: {deployment.output} ({deployment.method.value}); its output is the same, byte for byte."
    )
    for image in deployment.images:
        for function in image.functions:
            if image.path != deployment.output:
                print_line(f"  {function.name} runs from {image.path}")
    print_line(f"Run it as: {deployment.command}")
    print_line(f"Before and after, as assembly: {deployment.output}.report")


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
        f"{100 * row.share:.1f} %",
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
        case _:
            return label(verdict)


def _interval(comparison: Comparison) -> str:
    return f"{comparison.low:.2f}–{comparison.high:.2f}"


def _speed(comparison: Comparison) -> str:
    return f"{comparison.speedup:.2f}× ({_interval(comparison)})"
