"""``burnish show``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import FileArgument, JsonOption
from burnish.machine.disassemble import Syntax
from burnish.pipeline.listing import View

FunctionOption = Annotated[
    str,
    typer.Option("--function", "-f", metavar="NAME|0xADDR", help="The function's name, or an address in it."),
]
ViewOption = Annotated[View, typer.Option("--as", help="What to show.")]
SyntaxOption = Annotated[Syntax, typer.Option("--syntax", help="How assembly is written.")]


def run(
    file: FileArgument,
    function: FunctionOption,
    view: ViewOption = View.ASM,
    syntax: SyntaxOption = Syntax.ATT,
    json: JsonOption = False,
) -> int:
    """Show one function of FILE as assembly or p-code."""
    from burnish.pipeline.show import show
    from burnish.report.listing import print_listing

    listing = show(file, function, view, syntax)
    if json:
        print(listing.to_json())
    else:
        print_listing(listing)
    return 0
