"""A command that runs under observation: breakpoints at image addresses of its program and libraries, wherever they
are loaded, in every process and thread of it; at a breakpoint the process can be copied.

The command runs as without us: a breakpoint is one byte, which is taken out again; signals and stops are passed on;
children that inherit our breakpoints are followed, so that none dies of one. The threads that share the memory are
held while a breakpoint is stepped over or a copy is made.

The program is looked at when it reaches its entry point (all libraries that it names are loaded then) and at each
later ``dlopen`` (through ``r_debug`` of <link.h>). Code that runs before the entry point is not seen.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from burnish.images.elf_layout import ElfLayout, read_layout
from burnish.runtime import ptrace
from burnish.runtime.address_space import AT_ENTRY, auxiliary_vector, image_base, read_mappings
from burnish.runtime.breakpoints import Space, loader_breakpoint
from burnish.runtime.command import Child, Command, CommandResult, Stream, start
from burnish.runtime.ptrace import Change, Ended, Event, GoneError, Memory, Options, Stopped
from burnish.runtime.snapshot import Snapshot, UncapturableError, capture
from burnish.runtime.threads import Thread, Threads, birth, detach
from burnish.runtime.visit import Hit, Visit
from burnish.runtime.watch import watch

_OPTIONS = (
    Options.SYSGOOD
    | Options.FORK
    | Options.VFORK
    | Options.CLONE
    | Options.EXEC
    | Options.VFORK_DONE
    | Options.EXITKILL
)
_SI_KERNEL = 0x80
_GROUP_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_LONG_MODE = 0x33
"""The code segment of 64-bit programs."""
_EINTR = (1 << 64) - errno.EINTR
_LAST_CALL = 1 << 16
_HOLD_S = 2.0
_RELEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class CodePoint:
    """An instruction to stop at: an image address of a file."""

    path: Path
    address: int


class TracedCommand:
    """A command under observation. A context manager, within ``ptrace.child_signals_waited`` and one thread;
    what still runs at its end is killed.

    ``next_hit`` lets the command run until a thread is at a point that is armed; that thread then stands still
    until ``proceed``.
    """

    def __init__(
        self,
        command: Command,
        points: Sequence[CodePoint],
        *,
        stdout: Path | Stream = Stream.INHERIT,
        stderr: Path | Stream = Stream.INHERIT,
    ) -> None:
        """Starts it, with all points armed. Raises ``TargetError`` if it cannot be started, ``HostError`` where
        tracing is forbidden, ``ImageError`` for a point in what is no image."""
        self._points = tuple(CodePoint(point.path.resolve(), point.address) for point in points)
        self._layouts: dict[Path, ElfLayout] = {p.path: read_layout(p.path) for p in self._points}
        self._armed = set(range(len(self._points)))
        self._ended = False
        self._released = False
        self._finished = False
        self._child: Child = start(
            command, stdout=stdout, stderr=stderr, before_exec=lambda pid: ptrace.seize(pid, _OPTIONS)
        )
        self._main = self._child.pid
        self._threads = Threads(self._main)
        try:
            self._threads.add(Thread(self._main, self._main, Space(self._main, Memory(self._main))))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._main

    @property
    def ended(self) -> bool:
        """True once the process that was started has ended; ``finish`` then has nothing to wait for."""
        return self._ended

    def next_hit(self, timeout_s: float) -> Hit | None:
        """The next hit; None after ``timeout_s``, or when the process that was started has ended."""
        deadline = time.monotonic() + timeout_s
        while not self._ended:
            busy = False
            for thread in self._threads.all:
                if thread.tid not in self._threads.by_tid:
                    continue  # gone with an exec of another thread, in this very round
                change = self._threads.poll(thread)
                if change is None:
                    continue
                busy = True
                try:
                    hit = self._handle(thread, change)
                except GoneError:  # killed meanwhile: its end is reported next
                    thread.running = True
                    continue
                if hit is not None:
                    return hit
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if not busy:
                ptrace.nap(left)
        return None

    def capture(self, hit: Hit) -> Snapshot:
        """A copy of the process at a hit. Raises ``UncapturableError``, or ``GoneError`` if it was killed."""
        thread = self._threads.by_tid.get(hit.tid)
        if thread is None:
            raise GoneError(f"The traced process {hit.tid} is gone.")
        space = thread.space
        with self._threads.held(space, hit.tid):
            if self._threads.some_run(space, hit.tid):
                raise UncapturableError("other threads of the process could not be stopped")
            hidden = {address: space.hidden[address] for address in space.placed}
            return capture(hit.tid, thread.pid, space.memory, hidden, sibling=thread.pid == self._main)

    @contextmanager
    def visit(self, hit: Hit) -> Generator[Visit]:
        """Keeps the other threads of the process still while the body looks at the thread of a hit, and lets it run to
        its return if it likes; then all go on. Raises ``GoneError`` if it was killed."""
        thread = self._threads.by_tid.get(hit.tid)
        if thread is None:
            raise GoneError(f"The traced process {hit.tid} is gone.")
        visit: Visit | None = None
        try:
            with self._threads.held(thread.space, hit.tid):
                alone = not self._threads.some_run(thread.space, hit.tid)
                visit = Visit(thread, self._threads, self._handle, alone)
                yield visit
        finally:
            if (visit is None or visit.standing) and thread.tid in self._threads.by_tid:
                try:
                    self._threads.over(thread, ptrace.get_registers(thread.tid).rip)
                except GoneError:
                    thread.running = True

    def proceed(self, hit: Hit) -> None:
        """Lets the thread of a hit go on, over its breakpoint if that is still armed."""
        thread = self._threads.by_tid.get(hit.tid)
        if thread is None:
            return
        try:
            self._threads.over(thread, hit.address)
        except GoneError:
            thread.running = True

    def arm(self, point: int) -> None:
        """Stops at a point again from now on, in all processes."""
        self._armed.add(point)
        for space in self._threads.spaces:
            if point in space.points:
                with suppress(GoneError):
                    space.insert(space.points[point] + self._points[point].address)

    def disarm(self, point: int) -> None:
        """Stops at a point no more, in no process. Of several points at one address the first that is armed is
        hit."""
        self._armed.discard(point)
        if any(self._points[other] == self._points[point] for other in self._armed):
            return
        for space in self._threads.spaces:
            if point in space.points:
                with suppress(GoneError):
                    space.remove(space.points[point] + self._points[point].address)

    def finish(self, timeout_s: float | None) -> CommandResult:
        """Takes out all breakpoints, lets the command go and waits for its end. After ``timeout_s``, and at Ctrl-C, it
        is ended, and the result says so. Raises ``TargetError`` if a thread cannot be let go."""
        self._release()
        self._finished = True  # it is reaped now, whatever happens
        return watch(self._child, timeout_s)

    def close(self) -> None:
        """Kills what still runs, and reaps it; harmless after ``finish`` and when done twice."""
        pids = {thread.pid for thread in self._threads.all}
        if not self._finished:
            pids.add(self._main)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for thread in self._threads.all:
            if thread.tid != self._main:
                with suppress(GoneError):
                    while not isinstance(ptrace.wait(thread.tid, 1.0), Ended | None):
                        pass
            self._threads.forget(thread)
        if not self._finished:
            self._finished = True
            self._child.wait(None)
            self._child.finish()
        _kill_strays()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the kernel reports

    def _handle(self, thread: Thread, change: Change) -> Hit | None:
        match change:
            case Ended():
                if thread.tid == self._main:
                    self._ended = True
                self._threads.forget(thread)
            case Stopped(event=Event.EXEC):
                self._exec(thread)
            case Stopped(event=Event.FORK | Event.VFORK | Event.CLONE as event):
                self._adopt(thread, event)
                self._threads.resume(thread)
            case Stopped(number, Event.STOP) if number in _GROUP_STOPS:
                ptrace.listen(thread.tid)
                thread.running = True
            case Stopped(signal.SIGTRAP, Event.NONE):
                return self._trap(thread)
            case Stopped(number, Event.NONE):
                self._threads.resume(thread, number)
            case Stopped(event=event):
                thread.waits_for_child &= event is not Event.VFORK_DONE
                self._threads.resume(thread)
        return None

    def _trap(self, thread: Thread) -> Hit | None:
        """A SIGTRAP: one of our breakpoints, or the program's own business."""
        registers = ptrace.get_registers(thread.tid)
        address = registers.rip - 1
        space = thread.space
        if not space.caused(address) or ptrace.signal_info(thread.tid).code != _SI_KERNEL:
            self._threads.resume(thread, signal.SIGTRAP)
            return None
        registers.rip = address
        ptrace.set_registers(thread.tid, registers)
        if address in (space.entry, space.loader):
            self._look(space)
            self._threads.over(thread, address)
            return None
        for point, base in space.points.items():
            if point in self._armed and base + self._points[point].address == address:
                return Hit(thread.tid, point, address, base)
        self._threads.over(thread, address)
        return None

    def _adopt(self, parent: Thread, event: Event) -> None:
        """Follows a new thread or process, whose first stop comes later."""
        tid = ptrace.event_message(parent.tid)
        born = birth(parent, event, tid)
        parent.waits_for_child = event is Event.VFORK
        try:
            space = parent.space if born.shares_memory else parent.space.copy(tid)
        except GoneError:
            space = Space(tid, parent.space.memory)  # killed before it ran: only its end is left to see
        self._threads.add(Thread(tid, born.pid, space))

    def _exec(self, thread: Thread) -> None:
        """A process became another program: its other threads and all breakpoints are gone."""
        for other in self._threads.all:
            if other.pid == thread.pid and other is not thread:
                self._threads.forget(other)
        old = thread.space
        thread.space = Space(thread.pid, Memory(thread.pid))
        self._threads.close_unused(old)
        watched = self._points and not self._released
        if watched and ptrace.get_registers(thread.tid).cs == _LONG_MODE:
            thread.space.entry = auxiliary_vector(thread.pid).get(AT_ENTRY, 0)
            thread.space.insert(thread.space.entry)
        self._threads.resume(thread)

    def _look(self, space: Space) -> None:
        """Finds the points in what is loaded now, and where the loader says that more has come."""
        mappings = read_mappings(space.pid)
        for index, point in enumerate(self._points):
            base = image_base(mappings, point.path, self._layouts[point.path])
            known = space.points.get(index)
            if base == known:
                continue
            if known is not None:
                space.forget(known + point.address)
                del space.points[index]
            if base is not None:
                space.points[index] = base
                if index in self._armed:
                    space.insert(base + point.address)
        if not space.loader:
            space.loader = loader_breakpoint(space)
            if space.loader:
                space.insert(space.loader)
        if space.entry:
            space.remove(space.entry)
            space.entry = 0

    def _release(self) -> None:
        """Takes all breakpoints out and stops tracing; threads that stood at one are put back before it."""
        self._released = True
        for space in self._threads.spaces:
            with self._threads.held(space):
                for address in list(space.placed):
                    with suppress(GoneError):
                        space.remove(address)
        # Letting go one may bring others to light: children of a fork or clone not yet reported.
        while self._threads.by_tid:
            # One that waits for its vfork child cannot stop before the child was let go.
            thread = min(self._threads.all, key=lambda thread: thread.waits_for_child)
            try:
                event = detach(self._threads, thread, _RELEASE_S)
                if event is None:
                    self._threads.forget(thread)
                else:
                    self._handle(thread, event)
            except GoneError:  # killed meanwhile: it must be reaped, or its process never ends
                thread.running = True


def _kill_strays() -> None:
    """Kills copies of which we never heard, because what was copied was killed in that very moment."""
    thread = threading.get_native_id()
    for pid in Path(f"/proc/self/task/{thread}/children").read_text().split():
        with suppress(OSError):
            if f"TracerPid:\t{thread}\n" in Path(f"/proc/{pid}/status").read_text():
                ptrace.kill(int(pid))
