"""``burnish merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import JsonOption
from burnish.cli.profile import RecordingsArgument

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="RECORDING",
        show_default=False,
        help="The recording to write: a folder, or one file where this ends in .zip.",
    ),
]


def run(recordings: RecordingsArgument, output: OutputOption, json: JsonOption = False) -> int:
    """Write several RECORDINGS of one program as one: counts are added, traces follow one another."""
    from burnish.pipeline.merge import merge_recordings
    from burnish.report.merge import print_merged

    done = merge_recordings(recordings, output)
    if json:
        print(done.to_json())
    else:
        print_merged(done)
    return 0
