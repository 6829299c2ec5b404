"""Coverage as text."""

from __future__ import annotations

from burnish.pipeline.coverage import Coverage
from burnish.report.tables import Column, percent, print_line, print_table

_REASON_COLUMNS = (
    Column("reason", folds=True),
    Column("functions", right=True),
    Column("", right=True),
    Column("instructions", right=True),
    Column("", right=True),
)
_REFUSED_COLUMNS = (Column("function"), Column("address", right=True), Column("reason", folds=True))


def print_coverage(coverage: Coverage, each: bool) -> None:
    """Print the totals and the reasons; with ``each``, every refused function too."""
    functions, instructions = coverage.functions, coverage.instructions
    print_line(f"{coverage.path}: {functions} functions, {instructions} instructions")
    rows = [("can be rebuilt", coverage.rebuildable_functions, coverage.rebuildable_instructions)]
    rows += [(count.reason.value, count.functions, count.instructions) for count in coverage.reasons]
    print_table(
        _REASON_COLUMNS,
        [(name, str(f), percent(f, functions), str(i), percent(i, instructions)) for name, f, i in rows],
    )
    if each:
        print_table(
            _REFUSED_COLUMNS,
            [
                (row.function.name, f"{row.function.address:#x}", str(row.refused))
                for row in coverage.rows
                if row.refused is not None
            ],
        )
