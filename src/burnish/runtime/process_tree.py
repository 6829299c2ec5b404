"""Everything that a started command has started in turn, and our own size, found in ``/proc``."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def descendants(leader: int) -> set[int]:
    """All processes that descend from ``leader`` or belong to its session, without the leader itself."""
    parents: dict[int, int] = {}
    members: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may hold spaces and parentheses itself.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        parents[pid] = int(fields[1])
        if int(fields[3]) == leader:
            members.add(pid)
    grown = {leader} | members
    while more := {pid for pid, parent in parents.items() if parent in grown and pid not in grown}:
        grown |= more
    return grown - {leader}


def processor_time(leader: int) -> float:
    """Seconds that ``leader`` and its descendants have computed, with those that have ended and were waited for."""
    ticks = 0
    for pid in (leader, *descendants(leader)):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def send_all(leader: int, tree: set[int], number: signal.Signals) -> None:
    """Sends a signal to the process group of ``leader`` and to each process of ``tree``; those that are gone are
    passed over."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
    for pid in tree:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def own_peak() -> int:
    """The largest resident size that this process has had, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
