"""A string, or the events of a file, as nested repetitions."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from burnish.analyze.factorise import WINDOW, exact_form, stream_form
from burnish.core.errors import UsageError
from burnish.core.factorisation import Factorisation
from burnish.pipeline.results import Result, plain

MAX_EXACT = 4096
"""Up to so many events the form is exact unless asked otherwise."""
MAX_TOKEN = 4096
"""Characters of a token."""


@dataclass(frozen=True, slots=True)
class Factorized(Result):
    """A form. ``exact`` says that none is shorter (among those with bodies of at most ``window`` events, where that is
    not None). ``length`` and ``rules`` are as in ``Factorisation``, ``text`` is its notation."""

    verb: ClassVar[str] = "factorize"
    events: int
    length: int
    rules: int
    exact: bool
    window: int | None
    text: str
    names: tuple[str, ...] = field(repr=False)
    """What the terminals are called, in the order in which they were first seen."""
    grammar: Factorisation = field(repr=False)

    def to_data(self) -> dict[str, Any]:
        """The fields as JSON data, ``grammar`` as ``Factorisation.to_data``."""
        names = (each.name for each in fields(self))
        return {name: plain(getattr(self, name)) for name in names if name != "grammar"} | {
            "grammar": self.grammar.to_data()
        }


def factorize(
    events: str | Iterable[str] | NDArray[np.integer],
    *,
    exact: bool | None = None,
    window: int | None = None,
) -> Factorized:
    """The nested repetitions of ``events``: the letters of a string, tokens, or an array ``(N,)`` of integers.

    ``exact`` asks for the minimal form (``burnish.core.factorisation.form_length``), else one that is found in linear
    time; None: exact up to ``MAX_EXACT`` events. ``window`` is the longest body: in events where the form is exact, in
    symbols where it is not (None: no bound, and 64). Raises ``UsageError`` where there are no events, and as
    ``exact_form`` and ``stream_form`` do.
    """
    names, symbols = _numbered(events)
    if not symbols.size:
        raise UsageError("There is nothing to factorise: the input is empty.")
    exactly = symbols.size <= MAX_EXACT if exact is None else exact
    if exactly:
        grammar = exact_form(symbols, len(names), window)
    else:
        window = WINDOW if window is None else window
        grammar = stream_form([symbols], len(names), window)
    return Factorized(
        events=symbols.size,
        length=grammar.length(),
        rules=grammar.rules,
        exact=exactly,
        window=window,
        text=grammar.text(names, "" if isinstance(events, str) else " "),
        names=names,
        grammar=grammar,
    )


def _numbered(
    events: str | Iterable[str] | NDArray[np.integer],
) -> tuple[tuple[str, ...], NDArray[np.uint32]]:
    """Names in the order in which they are first seen, and the events as their numbers."""
    if isinstance(events, np.ndarray):
        array = cast("NDArray[np.integer]", events)
        if array.ndim != 1 or array.dtype.kind not in "ui":
            raise UsageError(f"Events are a row of integers, not {array.ndim} dimensions of {array.dtype}.")
        values, first, inverse = np.unique(array, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty(len(order), np.uint32)
        place[order] = np.arange(len(order), dtype=np.uint32)
        return tuple(map(str, values[order].tolist())), place[inverse]
    numbers: dict[str, int] = {}
    symbols = np.fromiter((numbers.setdefault(event, len(numbers)) for event in events), np.uint32)
    return tuple(numbers), symbols


def read_events(file: Path | None, *, tokens: bool) -> str | list[str]:
    """The events of a file, or of the standard input for None: its letters but for white space, or one token a line.

    Lines that are empty are no tokens. Raises ``UsageError`` for what cannot be read, is not UTF-8 text, or has a token
    of more than ``MAX_TOKEN`` characters.
    """
    where = "The standard input" if file is None else str(file)
    data = _read(file, where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not UTF-8 text: byte {error.start} cannot be read.") from error
    if "\0" in text:
        raise UsageError(f"{where} is not text: byte {len(text[: text.index(chr(0))].encode())} is zero.")
    if not tokens:
        return "".join(text.split())
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_TOKEN:
            raise UsageError(
                f"{where} has a token of {len(line):,} characters in line {number}; "
                f"at most {MAX_TOKEN:,} are read. With --tokens a line is a token."
            )
    return [line for line in lines if line]


def _read(file: Path | None, where: str) -> bytes:
    if file is not None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise UsageError(f"{where} cannot be read: {(error.strerror or str(error)).lower()}.") from error
    stdin = cast("object", sys.stdin)
    if stdin is None:
        raise UsageError("The standard input is closed; give a string or --file.")
    if sys.stdin.isatty():
        raise UsageError("There is nothing to factorise: give a string or --file, or pipe it in.")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {(error.strerror or str(error)).lower()}.") from error
