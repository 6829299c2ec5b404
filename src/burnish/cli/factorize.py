"""``burnish factorize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import JsonOption

StringArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[STRING]",
        show_default=False,
        help="What to factorise, each letter an event. Without it and --file, the standard input.",
    ),
]
InputOption = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", metavar="FILE", show_default=False, help="Read this file; - is the standard input."
    ),
]
TokensOption = Annotated[
    bool, typer.Option("--tokens", help="Each line of the input is an event, not each letter.")
]
ExactOption = Annotated[
    bool | None,
    typer.Option(
        "--exact/--fast",
        show_default=False,
        help="The shortest form there is, or one found in linear time. Without either: exact up to 4096 events.",
    ),
]
WindowOption = Annotated[
    int | None,
    typer.Option(
        "--window",
        metavar="N",
        show_default=False,
        help="The longest body: in events with --exact (no bound), else in symbols of its level (64).",
    ),
]


def run(
    string: StringArgument = None,
    file: InputOption = None,
    tokens: TokensOption = False,
    exact: ExactOption = None,
    window: WindowOption = None,
    json: JsonOption = False,
) -> int:
    """Write a string as nested repetitions: ababc as (ab)2c."""
    from burnish.core.errors import UsageError
    from burnish.pipeline.factorize import factorize, read_events

    if string is not None and (file is not None or tokens):
        raise UsageError("A string on the command line goes with neither --file nor --tokens.")
    if string is not None:
        if any("\ud800" <= letter <= "\udfff" for letter in string):
            raise UsageError("The string is not UTF-8 text; give such events as numbers of your own.")
        events: str | list[str] = string
    else:
        events = read_events(None if file is None or str(file) == "-" else file, tokens=tokens)
    done = factorize(events, exact=exact, window=window)
    print(done.to_json() if json else done.text)
    return 0
