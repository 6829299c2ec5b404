"""Tables and text for the terminal. Results go to stdout; nothing here knows what they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

_UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, whether it is aligned right, and whether its text may be folded to fit."""

    title: str
    right: bool = False
    folds: bool = False


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "", file: TextIO | None = None
) -> None:
    """Print ``rows`` under ``columns`` to ``file`` (default: stdout).

    On a terminal the table fits its width; elsewhere lines are as long as they need to be, so that other
    programs can read them. Cells are shown as they are: markup and control characters in them
    have no effect.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = sys.stdout if file is None else file
    console = Console(file=out, highlight=False, width=None if out.isatty() else _UNLIMITED)
    table = Table(
        title=printable(title) or None,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        title_style="bold",
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    print("\n".join(lines).strip("\n"), file=out)


def print_line(text: str, file: TextIO | None = None) -> None:
    """Print one line; control characters in it are shown as escapes."""
    print(printable(text), file=file or sys.stdout)


def printable(text: str) -> str:
    """``text`` with every character that a terminal could act on written as an escape: names come from files
    that we do not trust."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def percent(part: int, whole: int) -> str:
    """``part`` of ``whole`` with one decimal; never rounded up to 100 or down to 0. A dash where there is no
    whole."""
    if not whole:
        return "–"
    tenths = round(1000 * part / whole)
    if part:
        tenths = max(tenths, 1)
    if part < whole:
        tenths = min(tenths, 999)
    return f"{tenths / 10:.1f} %"
