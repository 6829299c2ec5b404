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
from burnish.recompile import Target


@dataclass(frozen=True, slots=True)
class Listing(Result):
    """The text of one function. ``refused`` is why it cannot be rebuilt, where that is so."""

    verb: ClassVar[str] = "show"
    path: Path
    function: str
    address: int
    size: int
    view: View
    lines: tuple[ListingLine, ...]
    refused: Refused | None


def show(
    file: str | os.PathLike[str],
    function: str | int,
    view: View = View.ASM,
    syntax: Syntax = Syntax.ATT,
    cpu: str = "native",
) -> Listing:
    """The function of that name or address in ``file``.

    ``syntax`` bears on assembly alone, ``cpu`` on what LLVM makes. Raises ``ImageError``,
    ``FunctionNotFoundError``, ``HostError`` for an unknown CPU, and ``RefusedError`` for any view but assembly of
    a function that cannot be lifted or rebuilt.
    """
    Target(cpu).resolved()
    found = load(file).function(function)
    plan = found.summaries.plan(found.bounds)
    return Listing(
        path=found.image.path,
        function=found.name,
        address=found.bounds.address,
        size=found.bounds.size,
        view=view,
        lines=tuple(_lines(found, view, syntax, cpu)),
        refused=plan if isinstance(plan, Refused) else None,
    )


def _lines(function: LoadedFunction, view: View, syntax: Syntax, cpu: str) -> Iterator[ListingLine]:
    match view:
        case View.ASM:
            yield from assembly_listing(function.image, function.assembly(syntax))
        case View.PCODE:
            analysed = function.analyse()
            if isinstance(analysed, Refused):
                raise RefusedError(analysed)
            yield from pcode_listing(analysed)
        case View.EMITTED:
            yield from map(ListingLine, function.recompile(cpu).emitted_ir.splitlines())
        case View.LLVM:
            yield from map(ListingLine, function.recompile(cpu).llvm_ir.splitlines())
        case View.RECOMPILED:
            yield from function.recompile(cpu).listing(syntax)
        case _:
            assert_never(view)
