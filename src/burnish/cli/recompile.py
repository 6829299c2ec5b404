"""``burnish recompile``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import CpuOption, FileArgument, JsonOption, OutputOption
from burnish.cli.preload import preload

FunctionsOption = Annotated[
    str | None,
    typer.Option(
        "--function", "-f", metavar="NAMES", help="Functions to rebuild: names or 0x addresses, by commas."
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Rebuild every function that can be.")]


def run(
    file: FileArgument,
    output: OutputOption,
    function: FunctionsOption = None,
    everything: AllOption = False,
    cpu: CpuOption = "native",
    json: JsonOption = False,
) -> int:
    """Lift functions of FILE and build them again for a CPU, into a patched copy.

    Nothing is measured and nothing is tested: `burnish optimize` does both. What cannot be rebuilt stays as it is.
    """
    from burnish.core.errors import UsageError

    preload("burnish.pipeline.recompile", "burnish.report.recompile")
    from burnish.pipeline.recompile import recompile
    from burnish.report.progress import progress
    from burnish.report.recompile import print_recompilation

    if everything == (function is not None):
        raise UsageError("say which functions to rebuild: either --function NAMES or --all")
    names = None if function is None else [name.strip() for name in function.split(",") if name.strip()]
    with progress() as say:
        done = recompile(file, output, names, cpu, say)
    if json:
        print(done.to_json())
    else:
        print_recompilation(done)
    return 0
