"""Sampling a process that runs already: each of its threads that runs is stopped for a moment, many times a second, to
see where it is. No permission is needed but that to trace it, which recording needs anyway."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from burnish.core.profile import Method, Profile
from burnish.record.attribution import Mapped, Mapping, Trace, tally
from burnish.runtime import address_space, ptrace
from burnish.runtime.address_space import read_mappings
from burnish.runtime.attached import AttachedProcess, state
from burnish.runtime.ptrace import Event, GoneError, Stopped
from burnish.runtime.threads import Thread

_STOP_S = 1.0


def sample_process(
    pid: int, seconds: float, frequency_hz: int = 397, command: tuple[str, ...] = ()
) -> Profile:
    """Samples the threads of process ``pid`` that run, ``frequency_hz`` times a second for ``seconds``; the process
    goes on. At its end, and at Ctrl-C, the profile has what was seen until then, and says so.

    Raises ``TargetError`` where there is no such process, ``HostError`` where it may not be traced.
    """
    period = 1.0 / frequency_hz
    pointers: list[int] = []
    interrupted = False
    began = time.monotonic()
    with ptrace.child_signals_waited():
        mappings = read_mappings(pid)
        process = AttachedProcess(pid)
        try:
            due = began
            while (now := time.monotonic()) < began + seconds and not process.is_over:
                if process.pump():
                    continue
                if now < due:
                    ptrace.nap(due - now)
                    continue
                due = max(due + period, now)
                for thread in process.threads.all:
                    if thread.running and thread.pid == pid and state(pid, thread.tid) == "R":
                        with suppress(GoneError):
                            pointers += _look(process, thread)
                mappings = mappings if len(pointers) % 64 else read_mappings(pid) or mappings
        except KeyboardInterrupt:
            interrupted = True
        finally:
            process.release()
    found = tally(_trace(pid, pointers, mappings))
    return Profile(
        command=command,
        method=Method.PTRACE,
        period_ns=int(period * 1e9),
        images=found.images,
        locations=found.locations,
        unknown=found.unknown,
        kernel=None,
        lost=0,
        wall_s=time.monotonic() - began,
        exit_code=None,
        interrupted=interrupted,
    )


def _look(process: AttachedProcess, thread: Thread) -> list[int]:
    """Where a running thread is; nothing where something else was reported of it."""
    change = process.threads.stop(thread, _STOP_S)
    if change != Stopped(signal.SIGTRAP, Event.STOP):
        thread.change = change
        return []
    pointer = ptrace.get_registers(thread.tid).rip
    process.threads.resume(thread)
    return [pointer]


def _trace(pid: int, pointers: list[int], mappings: Sequence[address_space.Mapping]) -> Trace:
    events = [
        Mapped(0, pid, Mapping(m.start, m.end, m.offset, m.path))
        for m in mappings
        if m.executable and m.path.startswith("/")
    ]
    count = len(pointers)
    return Trace(
        processes=np.full(count, pid, np.int64),
        times=np.ones(count, np.uint64),
        pointers=np.array(pointers, np.uint64),
        weights=np.ones(count, np.int64),
        events=tuple(events),
    )
