"""``burnish coverage``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import FileArgument, JsonOption

RefusedOption = Annotated[bool, typer.Option("--refused", help="List each refused function with its reason.")]


def run(file: FileArgument, refused: RefusedOption = False, json: JsonOption = False) -> int:
    """Count which functions of FILE can be rebuilt, and why others cannot.

    Refused functions are grouped by reason. Exits 0 whatever the count is.
    """
    from burnish.pipeline.coverage import coverage
    from burnish.report.coverage import print_coverage
    from burnish.report.progress import progress

    with progress() as say:
        found = coverage(file, say)
    if json:
        print(found.to_json())
    else:
        print_coverage(found, refused)
    return 0
