"""A thread that stands at a breakpoint while the others of its process are kept still: what it can see there, and its
way to the return of the function that it is about to enter."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from burnish.runtime import ptrace
from burnish.runtime.address_space import Mapping, read_mappings
from burnish.runtime.breakpoints import Space
from burnish.runtime.ptrace import Change, Event, Stopped
from burnish.runtime.registers import FloatRegisters, Registers
from burnish.runtime.threads import Thread, Threads

_SI_KERNEL = 0x80
_MOST_STOPS = 2000
"""Returns of inner calls to the same place; each costs about a fifth of a millisecond."""
_SPIN_S = 0.0003


@dataclass(frozen=True, slots=True)
class Hit:
    """A thread is about to execute ``points[point]``, which is at ``address``: image address plus ``base``."""

    tid: int
    point: int
    address: int
    base: int


@dataclass(frozen=True, slots=True)
class CameBack:
    """The thread is at the return address. ``disturbed`` says what else happened on the way (a signal, a new thread),
    empty where nothing did."""

    registers: Registers = field(repr=False)
    floats: FloatRegisters = field(repr=False)
    disturbed: str = ""


@dataclass(frozen=True, slots=True)
class StayedAway:
    """The thread runs on, or is gone, and was not seen to return. ``reason`` is the rest of a sentence about the
    function."""

    reason: str


@dataclass(slots=True)
class Visit:
    """``thread`` stands at a function's first instruction; ``alone`` where no other thread of the process runs.
    ``standing`` is false once it has been let go without coming back."""

    thread: Thread
    threads: Threads = field(repr=False)
    handle: Callable[[Thread, Change], Hit | None] = field(repr=False)
    """Deals with what is reported of the thread and has nothing to do with its return; a hit is for others."""
    alone: bool = True
    standing: bool = True
    registers: Registers = field(init=False, repr=False)
    floats: FloatRegisters = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.registers = ptrace.get_registers(self.thread.tid)
        self.floats = ptrace.get_float_registers(self.thread.tid)

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """What the process has mapped now."""
        return read_mappings(self.thread.pid)

    def read(self, address: int, size: int) -> bytes:
        """Memory as it is without our breakpoints; fewer bytes where the rest is not mapped."""
        space = self.thread.space
        data = space.memory.read(address, size)
        inside = [place for place in space.placed if address <= place < address + len(data)]
        if not inside:
            return data
        changed = bytearray(data)
        for place in inside:
            changed[place - address : place - address + 1] = space.hidden[place]
        return bytes(changed)

    def run_to_return(self, limit_s: float, nested: Callable[[Hit], None]) -> CameBack | StayedAway:
        """Lets the thread alone run until the function returns: to the address on top of its stack, with a stack
        pointer above the present one. ``nested`` is called with each other hit of the thread on the way, and lets it go
        on; ``limit_s`` does not count the time that this takes. Raises ``GoneError``."""
        thread, space = self.thread, self.thread.space
        until = space.memory.word(self.registers.rsp)
        if until is None:
            return StayedAway("has no return address")
        own = until not in space.placed
        space.insert(until)
        came: CameBack | StayedAway | None = None
        try:
            if until not in space.placed:
                return StayedAway("has no return address")
            self.standing = False
            self.threads.over(thread, self.registers.rip)
            came = self._await(space, until, time.monotonic() + limit_s, nested)
            self.standing = isinstance(came, CameBack)
            return came
        finally:
            if own and thread.space is space:
                space.remove(until)
                if isinstance(came, CameBack):
                    space.forget(until)

    def _await(
        self, space: Space, until: int, deadline: float, nested: Callable[[Hit], None]
    ) -> CameBack | StayedAway:
        thread, stops, disturbed = self.thread, 0, ""
        while thread.tid in self.threads.by_tid and thread.space is space:
            change = self._next(deadline)
            if change is None:
                return StayedAway("does not return in time")
            if change == Stopped(signal.SIGTRAP, Event.NONE) and self._is_at(space, until):
                registers = ptrace.get_registers(thread.tid)
                if registers.rsp > self.registers.rsp:
                    return CameBack(registers, ptrace.get_float_registers(thread.tid), disturbed)
                stops += 1
                if stops > _MOST_STOPS:
                    space.remove(until)
                self.threads.over(thread, until)
                if stops > _MOST_STOPS:
                    return StayedAway("calls itself too often")
                continue
            disturbed = disturbed or _disturbance(change)
            hit = self.handle(thread, change)
            if hit is not None:
                began = time.monotonic()
                nested(hit)
                deadline += time.monotonic() - began
        return StayedAway("ends its process or its thread")

    def _next(self, deadline: float) -> Change | None:
        """What is reported of the thread next; None after the deadline."""
        began = time.monotonic()
        while (change := self.threads.poll(self.thread)) is None:
            now = time.monotonic()
            if now > deadline:
                return None
            if now - began > _SPIN_S:
                ptrace.nap(deadline - now)
        return change

    def _is_at(self, space: Space, until: int) -> bool:
        """True if the thread trapped at the breakpoint; it then stands before it."""
        tid = self.thread.tid
        registers = ptrace.get_registers(tid)
        if registers.rip - 1 != until or until not in space.placed:
            return False
        if ptrace.signal_info(tid).code != _SI_KERNEL:
            return False
        registers.rip = until
        ptrace.set_registers(tid, registers)
        return True


def _disturbance(change: Change) -> str:
    """What makes the memory after a call more than the call's own doing; empty for what does not."""
    match change:
        case Stopped(signal.SIGTRAP, Event.NONE):
            return ""
        case Stopped(_, Event.NONE):
            return "a signal arrived meanwhile"
        case Stopped(_, Event.CLONE | Event.FORK | Event.VFORK):
            return "it starts a thread or a process"
        case _:
            return ""
