"""Factorising a string of symbols (the blocks of a run) into nested repetitions.

``native/factorise.cpp`` does the work.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from burnish import _native
from burnish.core.errors import UsageError
from burnish.core.factorisation import Factorisation

WINDOW = 64
"""The longest body that a stream is searched for, in symbols of its own level, unless asked otherwise."""
MAX_WINDOW = 1 << 15
"""Of streams: the chains of equal symbols reach twice as far."""
MAX_ALPHABET = 1 << 31
MAX_STEPS = 1 << 29
"""Events times window up to which an exact form is searched for."""


def exact_form(symbols: NDArray[np.uint32], alphabet: int, window: int | None = None) -> Factorisation:
    """The minimal form of ``symbols`` (``(N,)``, all below ``alphabet``): see
    ``burnish.core.factorisation.form_length``.

    With a ``window`` no body stands for more than so many symbols, and the form is minimal among those. Takes
    O(N · window · log window) time, where no window is half of N. Raises ``UsageError`` for a string that is too long
    for that, a symbol that is not below the alphabet, and a window or an alphabet below 1.
    """
    _check_limits(alphabet, window, None)
    longest = len(symbols) // 2 if window is None else min(window, len(symbols) // 2)
    if len(symbols) * longest > MAX_STEPS:
        raise UsageError(
            f"The exact form of {len(symbols):,} events would take too long; "
            f"a window of at most {max(1, MAX_STEPS // len(symbols)):,} bounds it, or leave exact out."
        )
    checked = _checked(symbols, alphabet)
    return Factorisation(alphabet, *_native.factorise_exactly(checked, alphabet, max(1, longest)))


def stream_form(chunks: Iterable[NDArray[np.uint32]], alphabet: int, window: int = WINDOW) -> Factorisation:
    """A short form of what ``chunks`` are together, in near-linear time; where they are cut does not matter.

    Bodies have at most ``window`` symbols, where a repetition inside is one. Beside the form itself it needs some
    10 MB, and for each symbol of the form's top level 2 bytes, for each repetition there 16. Raises ``UsageError`` as
    ``Factoriser``.
    """
    factoriser = Factoriser(alphabet, window)
    for chunk in chunks:
        factoriser.feed(chunk)
    return factoriser.finish()


class Factoriser:
    """Takes a string chunk by chunk. Repetitions are contracted when their second copy has been seen, and are symbols
    from then on: nesting comes from repetitions of those.

    Raises ``UsageError`` for a window or an alphabet that is out of bounds.
    """

    def __init__(self, alphabet: int, window: int = WINDOW) -> None:
        _check_limits(alphabet, window, MAX_WINDOW)
        self._alphabet = alphabet
        self._native = _native.Factoriser(alphabet, window)

    def feed(self, symbols: NDArray[np.uint32]) -> None:
        """Read on: ``(N,)``. Raises ``UsageError`` for a symbol that is not below the alphabet, and ``ValueError``
        after ``finish``."""
        self._native.feed(_checked(symbols, self._alphabet))

    def finish(self) -> Factorisation:
        """The form of all that was fed; nothing can be fed after it."""
        return Factorisation(self._alphabet, *self._native.finish())


def _check_limits(alphabet: int, window: int | None, most: int | None) -> None:
    if not 1 <= alphabet <= MAX_ALPHABET:
        raise UsageError(f"An alphabet of {alphabet:,} symbols is not between 1 and {MAX_ALPHABET:,}.")
    if window is not None and window < 1:
        raise UsageError(f"A window of {window:,} symbols is too short: it is at least 1.")
    if window is not None and most is not None and window > most:
        raise UsageError(f"A window of {window:,} symbols is too long for a stream: it is at most {most:,}.")


def _checked(symbols: NDArray[np.uint32], alphabet: int) -> NDArray[np.uint32]:
    if symbols.ndim != 1 or symbols.dtype.kind not in "ui":
        raise UsageError(f"Symbols are a row of integers, not {symbols.ndim} dimensions of {symbols.dtype}.")
    if symbols.size and not (symbols.min() >= 0 and symbols.max() < alphabet):
        wrong = int(symbols[(symbols < 0) | (symbols >= alphabet)][0])
        raise UsageError(f"Symbol {wrong} is not in the alphabet, which ends below {alphabet}.")
    return np.ascontiguousarray(symbols, np.uint32)
