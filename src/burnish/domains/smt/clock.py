"""The time that work on terms may take.

A few innocent steps make terms, or look through terms, for minutes where code is long. So whoever has a limit sets it
once, and what makes and walks terms looks at the clock now and then.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

OFTEN = 0x3FF
"""Terms between two looks at the clock, less one: a mask."""

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class OutOfTimeError(Exception):
    """The time is up."""

    def __init__(self) -> None:
        super().__init__("out of time")


@contextmanager
def until(deadline: float) -> Generator[None]:
    """Within, ``look`` raises an error after ``deadline`` (on ``time.monotonic``), or after the one around it where
    that is earlier."""
    token = _DEADLINE.set(min(deadline, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def look() -> None:
    """Raises ``OutOfTimeError`` when the time is up."""
    if time.monotonic() > _DEADLINE.get():
        raise OutOfTimeError
