"""The threads of traced processes: which run, what was reported of them, and keeping some still for others."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.errors import TargetError
from burnish.runtime import ptrace
from burnish.runtime.breakpoints import Space
from burnish.runtime.ptrace import Change, Ended, Event, GoneError, Stopped

_EINTR = (1 << 64) - errno.EINTR
_LAST_CALL = 1 << 16
_HOLD_S = 2.0
_STEP_S = 30.0
_CLONE_VM, _CLONE_THREAD = 0x100, 0x10000
_SYS_CLONE, _SYS_CLONE3 = 56, 435
_ASKED = Stopped(signal.SIGTRAP, Event.STOP)


@dataclass(slots=True)
class Thread:
    """A traced thread. ``change`` was reported and not yet dealt with; ``waits_for_child`` after a vfork: it
    neither runs nor stops until the child has gone its own way."""

    tid: int
    pid: int
    space: Space
    running: bool = True
    change: Change | None = None
    waits_for_child: bool = False


@dataclass(frozen=True, slots=True)
class Birth:
    """Of a new thread: its process, and whether that has the memory of the one that made it."""

    pid: int
    shares_memory: bool


def birth(parent: Thread, event: Event, tid: int) -> Birth:
    """How the thread ``tid`` was made by ``parent``, which stands at the event that reports it."""
    registers = ptrace.get_registers(parent.tid)
    flags = _CLONE_VM if event is Event.VFORK else 0
    if registers.orig_rax == _SYS_CLONE:
        flags = registers.rdi
    elif registers.orig_rax == _SYS_CLONE3:
        flags = parent.space.memory.word(registers.rdi) or 0
    return Birth(parent.pid if flags & _CLONE_THREAD else tid, bool(flags & _CLONE_VM))


@dataclass(slots=True)
class Threads:
    """All traced threads by number. The end of the process ``main`` is seen but not reaped here: it is the child
    of somebody."""

    main: int
    by_tid: dict[int, Thread] = field(default_factory=dict[int, Thread])

    def add(self, thread: Thread) -> None:
        """Takes in a thread that is traced."""
        self.by_tid[thread.tid] = thread

    def forget(self, thread: Thread) -> None:
        """Drops a thread that is gone or traced no more."""
        if self.by_tid.pop(thread.tid, None) is not None:
            self.close_unused(thread.space)

    def close_unused(self, space: Space) -> None:
        """Closes the memory of a space that no thread is in."""
        if all(thread.space is not space for thread in self.by_tid.values()):
            space.memory.close()

    @property
    def all(self) -> list[Thread]:
        """The threads as they are now, so that some can go meanwhile."""
        return list(self.by_tid.values())

    @property
    def spaces(self) -> list[Space]:
        """The memories that the threads are in."""
        return list({id(thread.space): thread.space for thread in self.by_tid.values()}.values())

    def poll(self, thread: Thread) -> Change | None:
        """What was reported of a thread and not dealt with yet; it does not run then."""
        if thread.change is not None:
            change, thread.change = thread.change, None
            return change
        if not thread.running:
            return None
        return self._settle(thread, 0.0)

    def resume(self, thread: Thread, number: int = 0) -> None:
        """Lets a stopped thread run, with a signal."""
        ptrace.resume(thread.tid, number)
        thread.running = True

    def over(self, thread: Thread, address: int) -> None:
        """Lets a thread that stands at ``address`` go on, over a breakpoint if there is one."""
        space = thread.space
        if address in space.placed:
            with self.held(space, thread.tid):
                space.remove(address)
                with ptrace.signals_held(thread.tid):
                    change: Change | None = _ASKED
                    # A stop that was asked for while it reached the breakpoint comes before the step.
                    while change == _ASKED:
                        ptrace.step(thread.tid)
                        change = ptrace.wait(thread.tid, _STEP_S, keep_ended=thread.tid == self.main)
                space.insert(address)
            if change is None:
                raise TargetError(
                    f"A thread of the command ({thread.tid}) does not come out of one instruction."
                )
            if change != Stopped(signal.SIGTRAP, Event.NONE):
                # A fault of the very instruction, a group's stop, or its end.
                thread.change = change
                return
        self.resume(thread)

    def stop(self, thread: Thread, timeout_s: float) -> Change | None:
        """Stops a running thread, or gets what else was reported of it; None where it does not react in time."""
        with suppress(GoneError):
            ptrace.interrupt(thread.tid)
        change = self._settle(thread, timeout_s)
        if change == Stopped(signal.SIGTRAP, Event.STOP):
            with suppress(GoneError):
                _ask_again(thread.tid)
        return change

    @contextmanager
    def held(self, space: Space, tid: int = 0) -> Generator[None]:
        """Keeps all threads of a space but ``tid`` from running. One that waits for its vfork child does not."""
        held: list[Thread] = []
        try:
            for thread in self.all:
                if thread.space is not space or thread.tid == tid:
                    continue
                if not thread.running or thread.waits_for_child:
                    continue
                change = self.stop(thread, _HOLD_S)
                if change == Stopped(signal.SIGTRAP, Event.STOP):
                    held.append(thread)
                else:
                    thread.change = change
            yield
        finally:
            for thread in held:
                with suppress(GoneError):
                    self.resume(thread)

    def some_run(self, space: Space, tid: int) -> bool:
        """True if a thread of a space other than ``tid`` runs, perhaps because it could not be held."""
        return any(
            thread.space is space and thread.running and not thread.waits_for_child and thread.tid != tid
            for thread in self.all
        )

    def _settle(self, thread: Thread, timeout_s: float) -> Change | None:
        try:
            keep = thread.tid == self.main
            if timeout_s:
                change = ptrace.wait(thread.tid, timeout_s, keep_ended=keep)
            else:
                change = ptrace.poll(thread.tid, keep_ended=keep)
        except GoneError:
            change = Ended(0)
        if change is not None:
            thread.running = False
        return change


def detach(threads: Threads, thread: Thread, limit_s: float) -> Change | None:
    """Stops a thread and lets it go untraced, with the signal that it was about to get.

    An event that must be dealt with first is returned instead. Raises ``TargetError`` after ``limit_s``.
    """
    deadline = time.monotonic() + limit_s
    while True:
        change = threads.poll(thread)
        if change is None and thread.running:
            change = threads.stop(thread, 0.05)
        match change:
            case None if thread.running:
                if time.monotonic() > deadline:
                    raise TargetError(f"A thread of the command ({thread.tid}) cannot be let go.")
            case None | Stopped(signal.SIGTRAP, Event.STOP):
                ptrace.detach(thread.tid)
                return None
            case Stopped(number, Event.STOP):
                ptrace.detach(thread.tid, number)
                return None
            case Stopped(number, Event.NONE):
                if number == signal.SIGTRAP and _back_before_breakpoint(thread):
                    number = 0
                ptrace.detach(thread.tid, number)
                return None
            case Stopped() | Ended():
                return change


def _back_before_breakpoint(thread: Thread) -> bool:
    registers = ptrace.get_registers(thread.tid)
    if not thread.space.caused(registers.rip - 1):
        return False
    registers.rip -= 1
    ptrace.set_registers(thread.tid, registers)
    return True


def _ask_again(tid: int) -> None:
    """Some system calls fail with EINTR when a thread is stopped (epoll_wait, semop …: signal(7)), which no program
    expects where no signal came: such a call is made anew."""
    registers = ptrace.get_registers(tid)
    if registers.rax != _EINTR or registers.orig_rax > _LAST_CALL:
        return
    text = Path(f"/proc/{tid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    if pending & ~int(fields["SigBlk"], 16):
        return
    registers.rax, registers.orig_rax = registers.orig_rax, (1 << 64) - 1
    registers.rip -= 2
    ptrace.set_registers(tid, registers)
