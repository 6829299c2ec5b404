"""A diagnosis as text."""

from __future__ import annotations

from burnish.pipeline.doctor import Diagnosis, State
from burnish.report.tables import Column, print_line, print_table

_COLUMNS = (
    Column(""),
    Column("what"),
    Column("here"),
    Column("detail", folds=True),
    Column("what the lack costs", folds=True),
)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print all findings and whether ``optimize`` can work."""
    group = ""
    rows: list[tuple[str, ...]] = []
    for finding in diagnosis.findings:
        heading = finding.group if finding.group != group else ""
        group = finding.group
        rows.append((heading, finding.subject, finding.state.value, finding.detail, finding.cost))
    print_table(_COLUMNS, rows)
    lacks = [finding.subject for finding in diagnosis.findings if finding.state is State.FATAL]
    if lacks:
        print_line(f"burnish optimize cannot work here: {', '.join(lacks)}.")
    else:
        print_line("burnish optimize can work here.")
