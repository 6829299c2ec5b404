"""``burnish import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import JsonOption
from burnish.cli.record import OutputOption

InputArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="What perf script printed, callgrind's out file, an .fdata file, or folded stacks; - is standard input.",
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        show_default=False,
        help="perf-script, callgrind, fdata or folded, where FILE itself does not tell.",
    ),
]
ImageOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        metavar="PROGRAM",
        show_default=False,
        help="The program that an .fdata file is about; or a file to take for the one of the same name that FILE "
        "speaks of. Can be given several times.",
    ),
]
EventOption = Annotated[
    str | None,
    typer.Option(
        "--event", metavar="NAME", show_default=False, help="Which event's samples or costs to keep."
    ),
]
HotOption = Annotated[
    int,
    typer.Option(
        "--hot", metavar="N", min=1, help="Count the blocks of the N functions with the largest shares."
    ),
]


def run(
    file: InputArgument,
    output: OutputOption = Path("run.burnish"),
    kind: KindOption = None,
    image: ImageOption = None,
    event: EventOption = None,
    hot: HotOption = 20,
    json: JsonOption = False,
) -> int:
    """Make a recording of what another profiler wrote into FILE: perf (perf script, also with call chains and branch
    stacks), callgrind, BOLT's .fdata, or folded stacks."""
    from burnish.pipeline.importing import import_profile
    from burnish.report.imported import print_imported
    from burnish.report.progress import progress

    with progress() as say:
        done = import_profile(file, output, kind=kind, images=image or (), event=event, hot=hot, say=say)
    print_imported(done, json=json)
    return 0
