"""One function of an image as text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, assert_never

from burnish.core.code import Refused
from burnish.core.errors import RefusedError
from burnish.machine.disassemble import Syntax
from burnish.pipeline.listing import ListingLine, View, assembly_listing, pcode_listing
from burnish.pipeline.results import Result
from burnish.pipeline.session import LoadedFunction, load


@dataclass(frozen=True, slots=True)
class Listing(Result):
    """The text of one function. ``refused`` is why it cannot be lifted, where that is so."""

    verb: ClassVar[str] = "show"
    path: Path
    function: str
    address: int
    size: int
    view: View
    lines: tuple[ListingLine, ...]
    refused: Refused | None


def show(
    file: str | os.PathLike[str], function: str | int, view: View = View.ASM, syntax: Syntax = Syntax.ATT
) -> Listing:
    """The function of that name or address in ``file``. ``syntax`` bears on assembly alone.

    Raises ``ImageError``, ``FunctionNotFoundError``, and ``RefusedError`` for p-code of a refused function.
    """
    found = load(file).function(function)
    analysed = found.analyse()
    return Listing(
        path=found.image.path,
        function=found.name,
        address=found.bounds.address,
        size=found.bounds.size,
        view=view,
        lines=tuple(_lines(found, view, syntax)),
        refused=analysed if isinstance(analysed, Refused) else None,
    )


def _lines(function: LoadedFunction, view: View, syntax: Syntax) -> Iterator[ListingLine]:
    match view:
        case View.ASM:
            yield from assembly_listing(function.image, function.assembly(syntax))
        case View.PCODE:
            analysed = function.analyse()
            if isinstance(analysed, Refused):
                raise RefusedError(analysed)
            yield from pcode_listing(analysed)
        case _:
            assert_never(view)
