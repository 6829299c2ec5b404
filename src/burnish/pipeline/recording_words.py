"""What users write for ``record``, as data."""

from __future__ import annotations

import re

from burnish.core.errors import UsageError
from burnish.core.recording import Observer, What
from burnish.record.areas import Burst

_SIZE = re.compile(r"(\d+)([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def kinds(words: str) -> tuple[What, ...]:
    """``blocks`` as what to record, with all that comes with it. Raises ``UsageError`` for a word that is none."""
    known = {what.value: what for what in What}
    choice = ", ".join(known)
    found = [word.strip() for word in words.split(",") if word.strip()]
    for word in found:
        if word not in known:
            raise UsageError(f"--what has no {word!r}; it takes {choice}.")
    if not found:
        raise UsageError(f"--what names nothing; it takes {choice}.")
    chosen = {known[word] for word in found}
    if chosen == {What.ENTRIES}:
        return (What.ENTRIES,)  # in a run of the program as it is
    for what in tuple(chosen):
        chosen |= _COMES_WITH.get(what, frozenset())
    return tuple(what for what in What if what in chosen or what is What.EDGES)


_COMES_WITH = {
    What.MEMORY: frozenset((What.BLOCKS,)),
    What.SNAPSHOTS: frozenset((What.BLOCKS,)),
}
"""What would mean nothing without something else."""


def burst(text: str | None) -> Burst | None:
    """``1000/100000`` as a burst; None for None. Raises ``UsageError`` for what is none."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 0 < int(match[1]) < int(match[2]) < 1 << 62:
        raise UsageError(f"{text!r} is no burst; write 1000/100000 to trace 1000 of every 100000 blocks.")
    return Burst(int(match[1]), int(match[2]))


def observer_of(word: str) -> Observer:
    """``qbdi`` as an observer. Raises ``UsageError`` for a word that is none."""
    known = {observer.value: observer for observer in Observer}
    if word not in known:
        raise UsageError(f"There is no observer {word!r}; there are {', '.join(known)}.")
    return known[word]


def function_names(words: str | None) -> tuple[str, ...]:
    """``f,0x1234`` as names; what begins with ``0x`` is an address. Raises ``UsageError`` where there is none."""
    found = tuple(word.strip() for word in (words or "").split(",") if word.strip())
    if words is not None and not found:
        raise UsageError("--function names no function.")
    return found


def size_in_bytes(text: str | None) -> int | None:
    """``500M`` as bytes; None for None. Raises ``UsageError`` for what is no size."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no size; write bytes, or 500M, 2G.")
    return int(match[1]) << _UNITS[match[2].upper()]


_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str | None) -> float | None:
    """``10s``, ``500ms`` or ``2m`` in seconds; None for None. Raises ``UsageError`` for what is no time."""
    if text is None:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"{text!r} is no time; write seconds, or 500ms, 10s, 2m.")
    return float(match[1]) * _SECONDS[match[2]]
