"""How often Python looks for garbage while a verdict is made."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

_NEW_OBJECTS = 50_000


@contextmanager
def seldom_collected() -> Generator[None]:
    """Inside, Python looks for circles of garbage after 50,000 new objects instead of 700. Terms and states are many
    small objects without circles, beside the large heap of the libraries: up to half of the time goes into looking."""
    before = gc.get_threshold()
    if not 0 < before[0] < _NEW_OBJECTS:
        yield
        return
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
