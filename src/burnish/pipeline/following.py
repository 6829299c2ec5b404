"""Following a recorded run to its end: that of the command, and of the processes that it leaves behind."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from burnish.record.areas import Collector
from burnish.runtime.command import GRACE_S, Child, CommandResult
from burnish.runtime.process_tree import descendants, send_all
from burnish.runtime.terminal import Terminal

_TELL_S = 0.25
_FOUND_TWICE = 2
_ARRIVAL_S = 1.0


@dataclass(slots=True)
class Following:
    """A recorded run. ``areas`` is the folder of its areas, ``terminal`` what was lent to it."""

    child: Child
    collector: Collector
    areas: Path
    terminal: Terminal | None = None
    left: set[int] = field(default_factory=set[int], init=False)
    """Recorded processes that run on after the end of the recording."""
    _seen: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int], init=False)

    def to_the_end(self, timeout_s: float | None, tell: Callable[[], None]) -> CommandResult:
        """Wait until the command and all recorded processes have ended, and say what the command cost. After
        ``timeout_s``, and at Ctrl-C, its tree is ended, and the result says so; a process that has left the tree (a
        daemon) is not. ``tell`` is called some times a second meanwhile."""
        end = inf if timeout_s is None else time.monotonic() + timeout_s
        try:
            self._command(end, tell)
            self._others(end, tell)
        except KeyboardInterrupt:
            self.child.interrupted = True
            self._stop()
        except BaseException:
            self._stop()
            self.child.finish()
            raise
        finally:
            if self.terminal is not None:
                self.terminal.take_back(self.child.pid)
        self.left = self._recorded()
        return self.child.finish()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the recording may lack."""
        found: list[str] = []
        if self.left:
            named = ", ".join(map(str, sorted(self.left)))
            found.append(f"Process {named} was left running; the recording has what it did until then.")
        sharing = {key for key, times in self._seen.items() if times >= _FOUND_TWICE}
        if sharing:
            found.append(
                f"{len(sharing)} threads or processes were started by system calls of the program's own, and wrote "
                "to the areas of others: counts may be too low, and traces mixed."
            )
        return tuple(found)

    def _command(self, end: float, tell: Callable[[], None]) -> None:
        while not self.child.wait(max(0.0, min(_TELL_S, end - time.monotonic()))):
            if time.monotonic() >= end:
                self.child.timed_out = True
                self._stop()
                return
            if self.terminal is not None:
                self.terminal.attend(self.child.pid)
            self._look()
            tell()
        if self.terminal is not None:
            self.terminal.take_back(self.child.pid)

    def _others(self, end: float, tell: Callable[[], None]) -> None:
        """The command has ended; others that are recorded may go on."""
        said = False
        self._expect(min(end, time.monotonic() + _ARRIVAL_S))
        while not self.child.timed_out and (others := self._recorded()):
            if not said:
                named = ", ".join(map(str, sorted(others)))
                sys.stderr.write(
                    f"burnish: The command has ended; process {named} is recorded until it ends, or Ctrl-C ends the "
                    "recording.\n"
                )
                said = True
            if time.monotonic() >= end:
                self.child.timed_out = True
                self._stop()
                return
            time.sleep(max(0.0, min(_TELL_S, end - time.monotonic())))
            self._look()
            tell()

    def _expect(self, end: float) -> None:
        """Wait for processes that have been forked and are not there yet."""
        self.collector.look()
        while self.collector.expects_more and time.monotonic() < end:
            time.sleep(0.005)

    def _stop(self) -> None:
        """End the tree. What the command left behind gets its moment to clean up as well."""
        if not self.child.wait(0):
            self.child.stop()
            return
        pid = self.child.pid
        tree = descendants(pid)
        send_all(pid, tree, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and tree & self._recorded():
            time.sleep(0.01)
        send_all(pid, tree | descendants(pid), signal.SIGKILL)

    def _recorded(self) -> set[int]:
        """Recorded processes that run, without the command's own."""
        return {pid for pid in self.collector.processes() - {self.child.pid} if self._writes(pid)}

    def _writes(self, pid: int) -> bool:
        """True where a process has an area mapped."""
        try:
            return str(self.areas).encode() in Path(f"/proc/{pid}/maps").read_bytes()
        except PermissionError:
            return True
        except OSError:
            return False

    def _look(self) -> None:
        """Look for threads without an area: their gs is that of the thread that made them. One that has just begun is
        not to blame, so it must be found twice."""
        known = self.collector.threads()
        processes = {process for process, _ in known}
        for process in processes:
            with suppress(OSError):
                tasks = {(process, int(path.name)) for path in Path(f"/proc/{process}/task").iterdir()}
                for task in tasks - known:
                    self._seen[task] = self._seen.get(task, 0) + 1
                    if self._seen[task] >= _FOUND_TWICE:
                        self.collector.mistrust(process)
        for pid in descendants(self.child.pid) - processes:
            if self._writes(pid):
                self._seen[pid, pid] = self._seen.get((pid, pid), 0) + 1
