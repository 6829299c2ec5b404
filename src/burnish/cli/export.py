"""``burnish export``."""

from __future__ import annotations

import sys
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
        help="callgrind, fdata, branches, champsim, folded, speedscope, chrome-trace or parquet; docs/exports.md "
        "describes each.",
    ),
]


ThreadOption = Annotated[
    int | None,
    typer.Option(
        "--thread",
        metavar="N",
        show_default=False,
        help="Only what the N-th thread did, in the order in which they began; for branches and champsim.",
    ),
]


def run(
    recording: RecordingArgument,
    kind: FormatOption,
    output: OutputOption,
    thread: ThreadOption = None,
    json: JsonOption = False,
) -> int:
    """Write RECORDING in the format of another tool."""
    from burnish.pipeline.export import export

    done = export(recording, kind, output, thread)
    if json:
        print(done.to_json())
    elif done.left_out:
        words = f"{done.left_out} more threads have a trace; --thread 2 is the next"
        print(f"burnish: {output} has the first thread; {words}.", file=sys.stderr)
    return 0
