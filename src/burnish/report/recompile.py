"""The text of ``burnish recompile``."""

from __future__ import annotations

from collections import Counter
from statistics import median

from burnish.pipeline.recompile import Recompilation
from burnish.report.tables import Column, percent, print_line, print_table


def print_recompilation(done: Recompilation) -> None:
    """What was rebuilt, what was not and why."""
    rebuilt, left = len(done.patched.functions), len(done.refused)
    share = percent(rebuilt, rebuilt + left)
    print_line(f"{done.output}: {rebuilt} of {rebuilt + left} functions rebuilt for {done.cpu} ({share}).")
    if done.seconds:
        print_line(f"Median time to lift and rebuild one: {1000 * median(done.seconds):.1f} ms.")
    for warning in done.patched.warnings:
        print_line(f"Warning: {warning}")
    if not left:
        return
    reasons = Counter(row.refused.reason.value for row in done.refused)
    examples = {row.refused.reason.value: row for row in reversed(done.refused)}
    print()
    print_table(
        (
            Column("Left as they were because of", folds=True),
            Column("functions", right=True),
            Column("for example", folds=True),
        ),
        [
            (reason, str(count), f"{examples[reason].name}: {examples[reason].refused}")
            for reason, count in reasons.most_common()
        ],
    )
