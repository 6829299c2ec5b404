"""Probes in a process that runs already: put in, kept in for a while, and taken out again.

This runs in a process of its own, ``live_agent``, because what has been done to a process must be undone also when the
recorder is killed. A thread has an area as soon as it can come into rebuilt code, and no two share one: threads and
children that are started meanwhile are stopped at their first instruction and get theirs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.errors import HostError, TargetError
from burnish.record.live_areas import Injector, LiveArea, Shape, require_free_gs, reset_base, set_base
from burnish.record.live_scan import others_hold, stacks_hold
from burnish.runtime import ptrace
from burnish.runtime.attached import AttachedProcess
from burnish.runtime.breakpoints import Space
from burnish.runtime.injection import step_out, syscall_place
from burnish.runtime.ptrace import Ended, Event, GoneError, Memory, Stopped
from burnish.runtime.registers import Registers
from burnish.runtime.threads import Thread

_TRIES = 20
_PAUSE_S = 0.01
_DRAIN_S = 1.0
_DRAIN_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Patch:
    """The jump at a function's entry: ``after`` in place of ``before``, at an address of the process."""

    address: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Code that lies at a page address of the process."""

    address: int
    data: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """One past its last page."""
        return self.address + len(self.data) + -len(self.data) % 4096


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What to do to a process. ``scratch`` is an address in one of the pieces that nothing uses."""

    pid: int
    folder: Path
    pieces: tuple[Piece, ...]
    patches: tuple[Patch, ...]
    shape: Shape
    scratch: int


@dataclass(slots=True)
class _Site:
    """What has been done in one memory. ``lost`` are mappings of threads that are gone."""

    place: int
    pieces: list[Piece] = field(default_factory=list[Piece])
    restored: bool = False
    lost: list[LiveArea] = field(default_factory=list[LiveArea])


class MovedError(TargetError):
    """Something else lies where code was to be placed: it must be linked for another place."""


class Attachment:
    """A process with probes in it. Within ``ptrace.child_signals_waited``, in one thread."""

    def __init__(self, plan: LivePlan) -> None:
        """Begins to trace the process. Raises ``TargetError`` or ``HostError``."""
        self._plan = plan
        self._areas: dict[int, LiveArea] = {}
        self._sites: dict[int, tuple[Space, _Site]] = {}
        self._ending = False
        self.status: int | None = None
        """How the process ended, as ``waitpid`` gives it; None if it has not."""
        self.process = AttachedProcess(plan.pid, self)

    # The beginning

    def begin(self) -> None:
        """Put the probes in. Raises ``TargetError``, ``HostError`` or ``MovedError``; then nothing is left of them."""
        space = self.process.space
        site = _Site(syscall_place(space.memory))
        self._sites[id(space)] = space, site
        for _ in range(_TRIES):
            with self.process.all_stopped():
                thread = self.process.idle_thread(space)
                if thread is not None and self._is_settled(space):
                    try:
                        return self._install(space, site, thread)
                    except GoneError as error:
                        raise TargetError(f"Process {self._plan.pid} ended while it was prepared.") from error
            self.process.pump()
            time.sleep(_PAUSE_S)
        raise TargetError(f"Process {self._plan.pid} gets signals faster than it can be prepared.")

    def _install(self, space: Space, site: _Site, thread: Thread) -> None:
        plan = self._plan
        mine = self._threads_of(space)
        for other in mine:
            require_free_gs(other.tid)
        for patch in plan.patches:
            if space.memory.read(patch.address, len(patch.before)) != patch.before:
                raise TargetError(
                    f"The code of process {plan.pid} is not that of its file; it cannot be recorded."
                )
        injector = Injector(thread.tid, space.memory, site.place, plan.scratch)
        for piece in plan.pieces:
            if not injector.place_code(piece.address, piece.data):
                raise MovedError(f"Process {plan.pid} took the place that was meant for rebuilt code.")
            site.pieces.append(piece)
        for other in mine:
            area = injector.new_area(plan.shape, plan.folder, other.pid, other.tid)
            if area is None:
                raise HostError(
                    f"Process {plan.pid} cannot share memory with the recorder: there is no room in "
                    f"{plan.folder.parent}, or it may open no file there."
                )
            self._areas[other.tid] = area
            set_base(other.tid, area.base)
        self._clear_entries(space, mine)
        for patch in plan.patches:
            space.memory.write(patch.address, patch.after)

    def _clear_entries(self, space: Space, threads: Iterable[Thread]) -> None:
        """Make sure that no thread stands within the bytes that the jumps replace, or returns there."""
        ranges = [(patch.address, patch.address + len(patch.after)) for patch in self._plan.patches]
        for thread in threads:
            for start, end in ranges:
                if start < ptrace.get_registers(thread.tid).rip < end and (
                    thread.change is not None or not step_out(thread.tid, start, end)
                ):
                    raise TargetError(f"Thread {thread.tid} stays at the entry of a function; try again.")
        inner = [(start + 1, end) for start, end in ranges]
        if stacks_hold(space.memory, self._registers(space), inner):
            raise TargetError("A thread is about to return to the first bytes of a function; try again.")

    # What happens meanwhile

    def thread_began(self, thread: Thread, parent: Thread) -> None:
        """Gives a new thread, or a forked child, an area of its own."""
        found = self._sites.get(id(parent.space))
        if found is None:
            return
        site = found[1]
        if thread.space is not parent.space:
            lost = [
                *site.lost,
                *(self._areas[t.tid] for t in self._threads_of(parent.space) if t.tid in self._areas),
            ]
            site = _Site(site.place, list(site.pieces), False, lost)
            self._sites[id(thread.space)] = thread.space, site
        elif site.restored:
            set_base(thread.tid, 0)  # it will never come into rebuilt code
            return
        if not site.pieces:
            return
        # While others run, one of them might be given the number of the file that is open for a moment.
        with self.process.threads.held(thread.space, thread.tid):
            injector = Injector(thread.tid, thread.space.memory, site.place, self._plan.scratch)
            identity = self._plan.shape, self._plan.folder, thread.pid, thread.tid
            area = injector.new_area(*identity) or injector.spare_area(*identity)
            self._areas[thread.tid] = area
            set_base(thread.tid, area.base)
            while site.lost:
                old = site.lost.pop()
                injector.unmap(old.base, old.size)

    def thread_ended(self, thread: Thread, status: int | None) -> None:
        """Hands a thread's area over to the recorder."""
        if thread.tid == self._plan.pid:
            self.status = status
        area = self._areas.pop(thread.tid, None)
        found = self._sites.get(id(thread.space))
        if area is not None:
            area.over()
            if found is not None:
                found[1].lost.append(area)
        if not self._threads_of(thread.space):
            self._sites.pop(id(thread.space), None)

    def _threads_of(self, space: Space) -> list[Thread]:
        """The threads in a memory that are not known to be gone."""
        threads = [thread for thread in self.process.threads.all if thread.space is space]
        return [thread for thread in threads if not isinstance(thread.change, Ended)]

    def _is_settled(self, space: Space) -> bool:
        """Whether no thread in a memory is just bringing forth another one, and all stand still."""
        births = (Event.FORK, Event.VFORK, Event.CLONE)
        return not any(
            thread.running
            or thread.waits_for_child
            or (isinstance(thread.change, Stopped) and thread.change.event in births)
            for thread in self._threads_of(space)
        )

    # The end

    @property
    def is_over(self) -> bool:
        """Whether the process has ended, or become another program. Children may still run."""
        return id(self.process.space) not in self._sites

    def never_wait(self) -> None:
        """The recorder is gone: no thread shall wait for it."""
        for area in self._areas.values():
            area.never_wait()

    def end(self) -> bool:
        """Put the original code back, and let the process go. True if nothing of the probes is left in it; else some
        thread is in rebuilt code still, which stays, and writes where nobody reads."""
        self._ending = True
        deadline = time.monotonic() + _DRAIN_S
        clean = True
        while self._sites:
            for _ in range(_TRIES):
                if not self.process.pump():
                    break
            last = time.monotonic() > deadline
            for space, site in list(self._sites.values()):
                if id(space) not in self._sites:
                    continue
                with suppress(GoneError):
                    done = self._take_out(space, site, last)
                    if done is not None:
                        clean &= done
                        del self._sites[id(space)]
            if self._sites:
                time.sleep(_DRAIN_PAUSE_S)
                if time.monotonic() > deadline + _DRAIN_S:
                    clean = False
                    break
        self.never_wait()
        self.process.release()
        return clean

    def _take_out(self, space: Space, site: _Site, last: bool) -> bool | None:
        """Whether nothing is left in a memory; None to try again."""
        with self.process.threads.held(space):
            restore(space.memory, self._plan.patches)
            site.restored = True
            thread = self.process.idle_thread(space)
            if thread is None or not self._is_settled(space):
                return None
            injector = Injector(thread.tid, space.memory, site.place)
            threads = self._threads_of(space)
            areas = [self._areas[t.tid] for t in threads if t.tid in self._areas]
            if self._is_in_use(space, site):
                if last:
                    for area in areas:
                        injector.make_private(area, self._plan.shape)
                    for area in site.lost:
                        injector.unmap(area.base, area.size)
                return False if last else None
            for other in threads:
                reset_base(other.tid, [area.base for area in areas])
            for area in (*areas, *site.lost):
                injector.unmap(area.base, area.size)
            for piece in site.pieces:
                injector.unmap(piece.address, piece.end - piece.address)
            return True

    def _is_in_use(self, space: Space, site: _Site) -> bool:
        """Whether a thread may still be in rebuilt code, or return there."""
        ranges = [(piece.address, piece.end) for piece in site.pieces]
        threads = self._registers(space)
        if any(start <= thread.rip < end for thread in threads for start, end in ranges):
            return True
        own = [area.base for area in (*site.lost, *self._areas.values())]
        return stacks_hold(space.memory, threads, ranges) or others_hold(space.memory, threads, ranges, own)

    def _registers(self, space: Space) -> list[Registers]:
        return [ptrace.get_registers(thread.tid) for thread in self._threads_of(space)]


def restore(memory: Memory, patches: Iterable[Patch]) -> None:
    """Put the original bytes back wherever there is a jump of ours."""
    for patch in patches:
        if memory.read(patch.address, len(patch.after)) == patch.after:
            memory.write(patch.address, patch.before)


def restore_after(plan: LivePlan) -> str:
    """Put the original bytes back into a process of which nobody takes care any more: whoever put the probes in is
    gone. A sentence on why that could not be done, empty where it was, or where there is no such process any more."""
    problem = ""
    try:
        with ptrace.child_signals_waited():
            process = AttachedProcess(plan.pid)
            try:
                with process.all_stopped():
                    restore(process.space.memory, plan.patches)
            finally:
                process.release()
    except (TargetError, HostError) as error:
        problem = str(error) if Path(f"/proc/{plan.pid}").exists() else ""
    for path in plan.folder.iterdir():
        LiveArea(0, 0, path).never_wait()
    return problem
