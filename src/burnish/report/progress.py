"""Progress for people: one line on stderr that is written over, and only on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from burnish.report.tables import printable

Say = Callable[[str], None]
"""Takes what is being done now, in a few words."""

_INTERVAL_S = 0.1
_CLEAR = "\r\x1b[K"


@contextmanager
def progress() -> Generator[Say]:
    """Gives a function that shows a line on stderr; the line goes when the block ends. Details (what follows a colon)
    are shown at most ten times a second, and each new stage at once: however short, it is never missed.

    Where stderr is not a terminal nothing is ever written.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    shown = float("-inf")
    shown_stage = ""

    def say(text: str) -> None:
        nonlocal shown, shown_stage
        now = time.monotonic()
        stage = text.partition(":")[0]
        if stage == shown_stage and now - shown < _INTERVAL_S:
            return
        shown, shown_stage = now, stage
        columns = shutil.get_terminal_size().columns
        sys.stderr.write(_CLEAR + printable(text)[: columns - 1])
        sys.stderr.flush()

    try:
        yield say
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
