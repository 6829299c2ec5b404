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
RecordingsArgument = Annotated[
    list[Path], typer.Argument(metavar="RECORDINGS", show_default=False, help="What burnish record wrote.")
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


DiffOption = Annotated[
    bool, typer.Option("--diff", help="Show what changed from the first recording to the second.")
]


def run(
    recordings: RecordingsArgument,
    function: FunctionOption = None,
    diff: DiffOption = False,
    json: JsonOption = False,
) -> int:
    """Show what RECORDINGS say: the functions that were recorded, how much they did, and their loops.

    Several recordings of one program are summed up, or with --diff two of them compared.
    """
    if diff:
        return _diff(recordings, function, json)
    from burnish.pipeline.profile import function_of, profile
    from burnish.report.profile import print_profile

    found = profile(*recordings)
    chosen = None if function is None else function_of(found, function)
    if json:
        print(found.to_json() if chosen is None else replace(found, functions=(chosen,)).to_json())
    else:
        print_profile(found, chosen)
    return 0


def _diff(recordings: list[Path], function: str | None, json: bool) -> int:
    from burnish.core.errors import UsageError
    from burnish.pipeline.compare import change_of, diff
    from burnish.report.compare import print_diff

    if len(recordings) != 2:
        raise UsageError("--diff takes two recordings.")
    found = diff(*recordings)
    chosen = None if function is None else change_of(found, function)
    if json:
        print(found.to_json() if chosen is None else replace(found, functions=(chosen,)).to_json())
    else:
        print_diff(found, chosen)
    return 0
