"""What is told of a run while it is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable

from burnish.record.areas import Collector
from burnish.record.store import TraceWriter
from burnish.runtime.process_tree import processor_time


def teller(
    pid: int,
    collector: Collector,
    trace: TraceWriter | None,
    native_s: float | None,
    say: Callable[[str], None],
) -> Callable[[], None]:
    """A function that says how far the run of process ``pid`` is: what was written down, how fast, and what it cost.

    How much slower the run is cannot be known before its end, as nothing says how far it is. What is known is the
    processor time of the whole sampled run, ``native_s``: once the recorded run has taken more, it is at least as much
    slower as that says.
    """
    began = time.monotonic()

    def tell() -> None:
        seconds = max(time.monotonic() - began, 1e-9)
        if trace is not None:
            written = f"{trace.events:,} records ({trace.events / seconds / 1e6:.1f} M/s), {trace.bytes / 1e6:.1f} MB"
        else:
            counted = collector.counted
            written = f"{counted:,} counts ({counted / seconds / 1e6:.1f} M/s)"
        say(f"{written}; {_cost(processor_time(pid), native_s)}")

    return tell


def _cost(cpu_s: float, native_s: float | None) -> str:
    if native_s and cpu_s > native_s:
        return f"processor {cpu_s:.1f} s, at least {cpu_s / native_s:.1f}× native"
    known = f", native run {native_s:.1f} s" if native_s else ""
    return f"processor {cpu_s:.1f} s{known}"
