"""``burnish export``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import JsonOption, OutputOption
from burnish.cli.profile import RecordingArgument

FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        show_default=False,
        help="callgrind, fdata, branches, folded, speedscope, chrome-trace or parquet; docs/exports.md describes each.",
    ),
]


def run(
    recording: RecordingArgument, kind: FormatOption, output: OutputOption, json: JsonOption = False
) -> int:
    """Write RECORDING in the format of another tool."""
    from burnish.pipeline.export import export
    from burnish.report.exported import print_notes

    done = export(recording, kind, output)
    if json:
        print(done.to_json())
    else:
        print_notes(done)
    return 0
