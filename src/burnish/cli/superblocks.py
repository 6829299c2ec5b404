"""``burnish superblocks``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.options import JsonOption
from burnish.cli.profile import RecordingArgument

if TYPE_CHECKING:
    from burnish.analyze.replay import Costs
    from burnish.pipeline.superblocks import Superblocks


class Format(StrEnum):
    """What is printed, or written to the file of ``--graph``."""

    TABLE = "table"
    JSON = "json"
    DOT = "dot"
    SVG = "svg"


FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function", "-f", metavar="NAME", show_default=False, help="Leave only what lies in this function."
    ),
]
GraphOption = Annotated[
    Path | None,
    typer.Option(
        "--graph",
        metavar="FILE",
        show_default=False,
        help="Write the execution graph: .svg or .dot. With --function its blocks, else loops and calls.",
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", show_default=False, help="Print this instead of the table; with --graph, what it writes."
    ),
]
CoresOption = Annotated[
    int, typer.Option("--cores", metavar="N", help="Cores to predict speed-ups for, up to 64.")
]
BiasOption = Annotated[
    float,
    typer.Option(
        "--bias", metavar="SHARE", help="A branch that goes one way so often leaves the other way out."
    ),
]
CostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cost",
        metavar="NAME=NUMBER",
        show_default=False,
        help="A cost of running in transactions, in instructions: enter, task, commit, access, window, message, fork.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Leave nothing out of the table.")]


def run(
    recording: RecordingArgument,
    function: FunctionOption = None,
    graph: GraphOption = None,
    format: FormatOption = None,  # noqa: A002
    cores: CoresOption = 64,
    bias: BiasOption = 0.9,
    cost: CostOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> int:
    """Show the loops, recursion and superblocks of RECORDING, what of them could run in parallel, and what is in the
    way."""
    from burnish.core.errors import UsageError
    from burnish.pipeline.superblocks import superblocks
    from burnish.report.superblocks import print_superblocks

    if json and format not in (None, Format.JSON):
        raise UsageError(f"--json and --format {format} do not go together.")
    shown = Format.JSON if json else format or Format.TABLE
    drawn = Format.SVG
    if graph is not None:
        drawn = _suffix(graph) if format in (None, Format.TABLE, Format.JSON) else format
    found = superblocks(recording, function=function, cores=cores, bias=bias, costs=_costs(cost or []))
    if graph is not None:
        from burnish.images.output_file import output_file

        with output_file(graph, recording if recording.is_file() else None) as file:
            file.write(_picture(found, function, drawn).encode())
        shown = Format.TABLE if shown in (Format.DOT, Format.SVG) else shown
    if shown is Format.JSON:
        print(found.to_json())
    elif shown is Format.TABLE:
        print_superblocks(found, everything=everything)
    else:
        print(_picture(found, function, shown), end="")
    return 0


def _costs(words: list[str]) -> Costs:
    """The costs that are the default but for those that were given."""
    from dataclasses import fields, replace

    from burnish.analyze.replay import Costs
    from burnish.core.errors import UsageError

    found = Costs()
    names = [each.name for each in fields(Costs)]
    for word in words:
        name, equals, number = word.partition("=")
        if not equals or name not in names:
            raise UsageError(
                f"{word!r} is no cost: it is one of {', '.join(names)}, an equals sign and a number."
            )
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e12 or (name == "window" and (value < 1 or value != int(value))):
            raise UsageError(f"{number!r} is no cost: a number of instructions, or of tasks for window.")
        found = replace(found, **{name: int(value) if name == "window" else value})
    return found


def _suffix(path: Path) -> Format:
    """The format that a file's name asks for."""
    from burnish.core.errors import UsageError

    found = {".svg": Format.SVG, ".dot": Format.DOT, ".gv": Format.DOT}.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"{path} ends in neither .svg nor .dot: say which with --format.")
    return found


def _picture(found: Superblocks, function: str | None, drawn: Format) -> str:
    from burnish.report.execution_graph import picture
    from burnish.report.graph import to_dot, to_svg

    chosen = None
    if function is not None:
        chosen = next(n for n, row in found.program.functions.items() if row["name"] == function)
    drawing = picture(found.structure, found.program, found.findings, found.superblocks, chosen, found.lines)
    return to_svg(drawing) if drawn is Format.SVG else to_dot(drawing)
