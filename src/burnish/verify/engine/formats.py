"""Calls with a format, as of ``printf``: it tells which of the argument registers hold arguments.

Nothing says of a function with variable arguments how many it takes, so each register that its caller did set may hold
one. Where its last parameter with a name is a string, and at the call a constant with conversions, that is a format,
with one argument for each of them. A string without any may be anything, as it is for ``execl``. What a format tells of
is taken for granted only where the two sides differ else, and said then.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from burnish.machine.registers import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from burnish.verify.engine.addresses import Named, UndecidedAccessError, target
from burnish.verify.engine.state import State
from burnish.verify.pair import Callee, Side

_CONVERSION = re.compile(
    rb"%[-+ #0',!]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?(?:hh|h|ll|l|q|j|z|t|L)?"
    rb"(?P<letter>[aAbBcCdeEfFgGimnopsSuxX%])"
)
_FLOATING = b"aAeEfFgG"
_SHOWN = 32
"""Characters of a format that are said."""


def formatted(side: Side, callee: Callee, state: State) -> tuple[Callee, str] | None:
    """A callee as one that takes what its format tells of, and a phrase that says so; None where there is no format
    that is understood."""
    text = _text(side, callee, state) if callee.format else None
    counts = None if text is None or b"%" not in text else conversions(text)
    if counts is None:
        return None
    every, floating = counts
    taken = INTEGER_ARGUMENTS.index(callee.format) + 1 + every
    beyond = frozenset((*INTEGER_ARGUMENTS[taken:], *VECTOR_ARGUMENTS[floating:]))
    phrase = f"{callee.name} takes the arguments that the format {_shown(text or b'')} tells of"
    return replace(callee, beyond=beyond), phrase


def conversions(text: bytes) -> tuple[int, int]:
    """How many arguments a format takes at most, in all and in vector registers; any number of both where it is not
    understood."""
    every = floating = at = 0
    while (at := text.find(b"%", at)) >= 0:
        found = _CONVERSION.match(text, at)
        if found is None:
            return len(INTEGER_ARGUMENTS), len(VECTOR_ARGUMENTS)
        every += (found["width"] == b"*") + (found["precision"] == b"*") + (found["letter"] != b"%")
        floating += found["letter"] in _FLOATING
        at = found.end()
    return every, floating


def _shown(text: bytes) -> str:
    """A format in quotes, its beginning where it is long: what was taken for one may be none."""
    whole = text.decode("latin-1")
    return json.dumps(whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…", ensure_ascii=False)


def _text(side: Side, callee: Callee, state: State) -> bytes | None:
    try:
        where = target(state.register(callee.format, 8))
    except UndecidedAccessError:
        return None
    data = side.constants.get(where.name) if isinstance(where, Named) else None
    if data is None or not isinstance(where, Named) or not isinstance(where.offset, int):
        return None
    end = data.find(b"\0", where.offset) if 0 <= where.offset < len(data) else -1
    return None if end < 0 else data[where.offset : end]
