"""``burnish export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import OutputOption
from burnish.cli.profile import RecordingArgument

FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        show_default=False,
        help="callgrind, fdata, branches or parquet; docs/exports.md describes each.",
    ),
]


def run(recording: RecordingArgument, kind: FormatOption, output: OutputOption) -> int:
    """Write RECORDING in the format of another tool."""
    from burnish.record.exports import export
    from burnish.record.store import open_recording

    export(open_recording(Path(recording)), kind, output)
    return 0
