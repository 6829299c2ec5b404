"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="Executable, shared library or object; a bare library name is looked up as the loader does.",
    ),
]
CpuOption = Annotated[
    str,
    typer.Option(
        "--cpu", metavar="NAME", help="Build for this processor: native, or a name that LLVM knows."
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUTPUT", show_default=False, help="The file to write.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
