"""Waiting for a command to end, its time to be up, or Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

from burnish.runtime.command import Child, CommandResult

_TELL_S = 0.5


def watch(child: Child, timeout_s: float | None, tell: Callable[[], None] = lambda: None) -> CommandResult:
    """Wait for a started command to end, and say what it cost. After ``timeout_s``, and at Ctrl-C, its tree is ended,
    and the result says so. ``tell`` is called about twice a second meanwhile."""
    began = time.monotonic()
    try:
        while not child.wait(max(0.0, min(_TELL_S, left := _left(timeout_s, began)))):
            if left <= _TELL_S:
                child.timed_out = True
                child.stop()
                break
            tell()
    except KeyboardInterrupt:
        child.interrupted = True
        child.stop()
    except BaseException:
        child.stop()
        child.finish()
        raise
    return child.finish()


def _left(timeout_s: float | None, began: float) -> float:
    return inf if timeout_s is None else timeout_s - (time.monotonic() - began)
