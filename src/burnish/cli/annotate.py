"""``burnish annotate``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import JsonOption
from burnish.cli.profile import RecordingArgument
from burnish.machine.disassemble import Syntax

FunctionOption = Annotated[
    str,
    typer.Option("--function", "-f", metavar="NAME", show_default=False, help="A function of the recording."),
]
SyntaxOption = Annotated[Syntax, typer.Option("--syntax", help="How assembly is written.")]


def run(
    recording: RecordingArgument,
    function: FunctionOption,
    syntax: SyntaxOption = Syntax.ATT,
    json: JsonOption = False,
) -> int:
    """Show how often each instruction of a function in RECORDING was executed, beside its source lines."""
    from burnish.pipeline.annotate import annotate
    from burnish.report.annotate import print_annotation

    found = annotate(recording, function, syntax)
    if json:
        print(found.to_json())
    else:
        print_annotation(found)
    return 0
