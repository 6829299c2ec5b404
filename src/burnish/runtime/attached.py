"""A process that runs already, traced: all its threads, those that it starts later, and the children that it forks.

It goes on as without us: signals and stops are passed on. When we end, in whatever way, the kernel lets it go. Keep to
one thread, and within ``ptrace.child_signals_waited``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from burnish.core.errors import HostError, TargetError
from burnish.runtime import ptrace
from burnish.runtime.breakpoints import Space
from burnish.runtime.ptrace import Change, Ended, Event, GoneError, Memory, Options, Stopped
from burnish.runtime.threads import Thread, Threads, birth, detach

_OPTIONS = Options.FORK | Options.VFORK | Options.CLONE | Options.EXEC | Options.VFORK_DONE
_GROUP_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_BIRTH_S = 10.0
_RELEASE_S = 30.0
_ROUNDS = 50


class Follower(Protocol):
    """Who wants to know what becomes of the threads."""

    def thread_began(self, thread: Thread, parent: Thread) -> None:
        """A thread is about to run its first instruction, in the memory of ``parent`` or in a copy of it
        (``thread.space`` says which); it is stopped."""
        ...

    def thread_ended(self, thread: Thread, status: int | None) -> None:
        """A thread is gone; ``status`` is as ``waitpid`` gives it, None where the process became another program."""
        ...


class AttachedProcess:
    """The traced threads of a process and of its children."""

    def __init__(self, pid: int, follower: Follower | None = None) -> None:
        """Begins to trace; nothing stops for long. Raises ``TargetError``, or ``HostError`` where it is forbidden."""
        self.pid = pid
        self.threads = Threads(0)
        self._follower = follower
        self.space = Space(pid, Memory(pid))
        try:
            self._seize()
            self._require_alive()
        except BaseException:
            self.release()
            self.space.memory.close()
            raise

    def _require_alive(self) -> None:
        if not self.threads.by_tid:
            raise TargetError(f"There is no process {self.pid} any more.")

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left that is traced."""
        return not self.threads.by_tid

    def _unknown(self) -> list[int]:
        """Threads of the process that are not traced yet, and run."""
        found: list[int] = []
        with suppress(OSError):
            for path in Path(f"/proc/{self.pid}/task").iterdir():
                tid = int(path.name)
                if tid not in self.threads.by_tid and state(self.pid, tid) not in ("Z", "X", ""):
                    found.append(tid)
        return found

    def _seize(self) -> None:
        for tid in self._unknown():
            try:
                ptrace.seize_running(tid, _OPTIONS)
            except GoneError as error:
                if not Path(f"/proc/{self.pid}/task/{tid}").exists():
                    continue
                if _tracer(self.pid, tid) != os.getpid():  # else it was born of one that is traced
                    raise HostError(
                        f"Process {self.pid} cannot be attached to: ptrace is not permitted."
                    ) from error
            self.threads.add(Thread(tid, self.pid, self.space))

    @contextmanager
    def all_stopped(self) -> Generator[None]:
        """Keeps all threads of the process from running. Raises ``TargetError`` where one does not stop."""
        for _ in range(_ROUNDS):
            self._seize()
            with self.threads.held(self.space):
                if self._unknown():
                    continue
                self.require_stopped(self.space)
                yield
                return
        raise TargetError(f"Process {self.pid} starts threads faster than they can be stopped.")

    def require_stopped(self, space: Space) -> None:
        """Raises ``TargetError`` where a thread of ``space`` still runs though it is held."""
        if self.threads.some_run(space, 0):
            raise TargetError(f"A thread of process {space.pid} does not stop: it is busy in the kernel.")

    def idle_thread(self, space: Space) -> Thread | None:
        """A thread of ``space`` that is stopped for no reason but ours, so that it can be made to do things."""
        for thread in self.threads.all:
            if thread.space is space and not thread.running and thread.change is None:
                return thread
        return None

    def pump(self) -> bool:
        """Deals with all that was reported; False if that was nothing."""
        busy = False
        for thread in self.threads.all:
            if thread.tid not in self.threads.by_tid:
                continue
            change = self.threads.poll(thread)
            if change is None:
                continue
            busy = True
            try:
                self._handle(thread, change)
            except GoneError:  # killed meanwhile: its end is reported next
                thread.running = True
        return busy

    def _handle(self, thread: Thread, change: Change) -> None:
        match change:
            case Ended(status):
                self._ended(thread, status)
            case Stopped(event=Event.EXEC):
                for other in self.threads.all:
                    if other.pid == thread.pid:
                        self._ended(other, None)
                ptrace.detach(thread.tid)
            case Stopped(event=Event.FORK | Event.VFORK | Event.CLONE as event):
                self._adopt(thread, event)
                self.threads.resume(thread)
            case Stopped(number, Event.STOP) if number in _GROUP_STOPS:
                ptrace.listen(thread.tid)
                thread.running = True
            case Stopped(number, Event.NONE):
                self.threads.resume(thread, number)
            case Stopped(event=event):
                thread.waits_for_child &= event is not Event.VFORK_DONE
                self.threads.resume(thread)

    def _ended(self, thread: Thread, status: int | None) -> None:
        self.threads.forget(thread)
        if self._follower is not None:
            self._follower.thread_ended(thread, status)

    def _adopt(self, parent: Thread, event: Event) -> None:
        """Takes in a new thread or process, which stands at its first instruction, and lets it run."""
        tid = ptrace.event_message(parent.tid)
        if tid in self.threads.by_tid:
            return  # found before this was reported
        born = birth(parent, event, tid)
        parent.waits_for_child = event is Event.VFORK
        try:
            if not isinstance(ptrace.wait(tid, _BIRTH_S), Stopped):
                return
            thread = Thread(
                tid, born.pid, parent.space if born.shares_memory else parent.space.copy(tid), running=False
            )
        except GoneError:
            return
        self.threads.add(thread)
        try:
            # One that its parent waits for uses what is the parent's.
            if self._follower is not None and event is not Event.VFORK:
                self._follower.thread_began(thread, parent)
            self.threads.resume(thread)
        except GoneError:
            thread.running = True

    def release(self) -> None:
        """Lets all threads go, with the signals that they were about to get."""
        while self.threads.by_tid:
            thread = min(self.threads.all, key=lambda thread: thread.waits_for_child)
            try:
                event = detach(self.threads, thread, _RELEASE_S)
                if event is None:
                    self.threads.forget(thread)
                else:
                    self._handle(thread, event)
            except GoneError:
                thread.running = True


def state(pid: int, tid: int) -> str:
    """The letter of proc(5) for what a thread does (R, S, D, T, t, Z …); empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/task/{tid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def status_fields(pid: int, tid: int | None = None) -> dict[str, str]:
    """``/proc/<pid>/status`` by the names in it; empty if the process is gone."""
    place = f"/proc/{pid}/status" if tid is None else f"/proc/{pid}/task/{tid}/status"
    try:
        text = Path(place).read_text(errors="replace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def _tracer(pid: int, tid: int) -> int:
    """The process of the thread that traces one; 0 for none."""
    number = int(status_fields(pid, tid).get("TracerPid", "0") or 0)
    return int(status_fields(number).get("Tgid", "0")) if number else 0
