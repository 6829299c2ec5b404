"""``burnish show``."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.options import CpuOption, FileArgument, JsonOption
from burnish.machine.disassemble import Syntax
from burnish.pipeline.listing import View

FunctionOption = Annotated[
    str,
    typer.Option("--function", "-f", metavar="NAME|0xADDR", help="The function's name, or an address in it."),
]
ViewOption = Annotated[
    View,
    typer.Option(
        "--as",
        help="Machine code, its p-code, the LLVM IR as emitted or after LLVM's pipeline, or the new machine code.",
    ),
]
SyntaxOption = Annotated[Syntax, typer.Option("--syntax", help="How assembly is written.")]


def run(
    file: FileArgument,
    function: FunctionOption,
    view: ViewOption = View.ASM,
    syntax: SyntaxOption = Syntax.ATT,
    cpu: CpuOption = "native",
    json: JsonOption = False,
) -> int:
    """Show one function of FILE as assembly, p-code or LLVM IR, before and after it is rebuilt."""
    from burnish.pipeline.show import show
    from burnish.report.listing import print_listing

    listing = show(file, function, view, syntax, cpu)
    if json:
        print(listing.to_json())
    else:
        print_listing(listing)
    return 0
