"""``burnish profile``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import JsonOption

RecordingArgument = Annotated[
    Path, typer.Argument(metavar="RECORDING", show_default=False, help="What burnish record wrote.")
]
FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function",
        "-f",
        metavar="NAME",
        show_default=False,
        help="Show the blocks and loops of this function.",
    ),
]


def run(recording: RecordingArgument, function: FunctionOption = None, json: JsonOption = False) -> int:
    """Show what RECORDING says: the functions that were recorded, how much they did, and their loops."""
    from burnish.pipeline.profile import function_of, profile
    from burnish.report.profile import print_profile

    found = profile(recording)
    chosen = None if function is None else function_of(found, function)
    if json:
        print(found.to_json() if chosen is None else replace(found, functions=(chosen,)).to_json())
    else:
        print_profile(found, chosen)
    return 0
