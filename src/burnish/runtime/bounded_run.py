"""Runs a copy of a process for a while, and keeps it from having an effect outside."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field

from burnish.core.state import Faulted, TimedOut
from burnish.runtime import ptrace
from burnish.runtime.ptrace import Ended, Event, Memory, Stopped
from burnish.runtime.registers import FloatRegisters, Registers

_SYSCALL = b"\x0f\x05"
_INT3 = b"\xcc"
_NO_SYSCALL = (1 << 64) - 1
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_SYS_MMAP, _SYS_MPROTECT, _SYS_MUNMAP, _SYS_BRK, _SYS_SIGPROCMASK = 9, 10, 11, 12, 14
_SYS_YIELD, _SYS_MREMAP, _SYS_MADVISE, _SYS_GETPID, _SYS_GETTID, _SYS_FUTEX = 24, 25, 28, 39, 186, 202
_LOCAL = frozenset(
    {_SYS_BRK, _SYS_MUNMAP, _SYS_MPROTECT, _SYS_MREMAP, _SYS_MADVISE, _SYS_SIGPROCMASK, _SYS_YIELD}
)
"""System calls that change nothing but the calling process, and give the same result in each copy."""
_MAP_SHARED, _MAP_ANONYMOUS = 1, 0x20
_FUTEX_COMMAND, _FUTEX_WAKE = 0x7F, 1
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)
_TRAP_TRACE = 2
_KILLED = Faulted(signal.SIGKILL, 0, 0)
_STEP_S = 10.0
_PATIENCE = 20
"""Wall-clock limit of a run as a multiple of its processor-time limit: the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The code came back to its return address; the stack pointer is at or above the one expected."""

    registers: Registers = field(repr=False)
    floats: FloatRegisters = field(repr=False)


@dataclass(frozen=True, slots=True)
class SystemCallReached:
    """The code asked for a system call that could be seen outside, which was not carried out. ``number`` -1
    for one through another gate than ``syscall``."""

    number: int
    arguments: tuple[int, ...]


Outcome = Returned | SystemCallReached | Faulted | TimedOut


@dataclass(slots=True)
class BoundedRun:
    """A run of the stopped copy ``pid`` up to the breakpoint at ``until``, which hides ``original``, with a stack
    pointer above ``entry_rsp``; or to a fault, a system call that could be seen outside, or ``limit_s`` of processor
    time. ``origin`` is the process and the thread that were copied.

    One that was killed, or did not get to run, ends with ``Faulted`` and SIGKILL: that is not the code's doing."""

    pid: int
    memory: Memory
    origin: tuple[int, int]
    until: int
    entry_rsp: int
    limit_s: float
    original: bytes

    def run(self) -> Outcome:
        """Lets the process run until one of the ends that ``Outcome`` names."""
        end = time.monotonic() + self.limit_s * _PATIENCE
        ptrace.resume_to_syscall(self.pid)
        while True:
            left = self.limit_s - processor_time(self.pid)
            if left <= 0:
                return TimedOut()
            if time.monotonic() > end:
                return _KILLED
            change = ptrace.wait(self.pid, max(left, 0.001))
            match change:
                case None:
                    continue
                case Ended():
                    return _KILLED
                case Stopped(number, Event.NONE):
                    outcome = self._at_stop(number)
                    if outcome is not None:
                        return outcome
                case Stopped():
                    pass
            ptrace.resume_to_syscall(self.pid)

    def _at_stop(self, number: int) -> Outcome | None:
        """What a stop by a signal or a system call means; None to go on."""
        registers = ptrace.get_registers(self.pid)
        if number == ptrace.SYSCALL_STOP:
            return self._at_system_call(registers)
        if number == signal.SIGTRAP and registers.rip - 1 == self.until:
            return self._at_breakpoint(registers)
        if number in _FAULTS:
            info = ptrace.signal_info(self.pid)
            if info.code > 0:
                return Faulted(number, info.address, registers.rip)
        return None  # a signal from outside, which the original process gets as well: dropped here

    def _at_breakpoint(self, registers: Registers) -> Outcome | None:
        registers.rip = self.until
        ptrace.set_registers(self.pid, registers)
        if registers.rsp > self.entry_rsp:
            return Returned(registers, ptrace.get_float_registers(self.pid))
        # A recursive call returns to the same place, or the function itself holds it: over it, and go on.
        self.memory.write(self.until, self.original)
        ptrace.step_without_calls(self.pid)
        change = ptrace.wait(self.pid, _STEP_S)
        self.memory.write(self.until, _INT3)
        match change:
            case Stopped(ptrace.SYSCALL_STOP, Event.NONE):
                return _reached(ptrace.get_registers(self.pid))
            case Stopped(number, Event.NONE) if number in _FAULTS:
                info = ptrace.signal_info(self.pid)
                if number != signal.SIGTRAP or info.code != _TRAP_TRACE:
                    return Faulted(number, info.address, ptrace.get_registers(self.pid).rip)
                return None
            case Stopped():
                return None
            case Ended() | None:
                return _KILLED

    def _at_system_call(self, registers: Registers) -> Outcome | None:
        reached = _reached(registers)
        if self.memory.read(registers.rip - 2, 2) != _SYSCALL:
            return SystemCallReached(-1, ())
        answer = self._answer(reached.number)
        if answer is not None:
            registers.orig_rax = _NO_SYSCALL
            ptrace.set_registers(self.pid, registers)
        elif not _is_local(reached):
            return reached
        ptrace.resume_to_syscall(self.pid)
        while True:
            change = ptrace.wait(self.pid, _STEP_S)
            if change == Stopped(ptrace.SYSCALL_STOP, Event.NONE):
                break
            if not isinstance(change, Stopped):
                return _KILLED
            ptrace.resume_to_syscall(self.pid)
        if answer is not None:
            after = ptrace.get_registers(self.pid)
            after.rax = answer
            ptrace.set_registers(self.pid, after)
        return None

    def _answer(self, number: int) -> int | None:
        """The result of a call that would tell the copy from the process; None for any other call."""
        process, thread = self.origin
        return {_SYS_GETPID: process, _SYS_GETTID: thread}.get(number)


def _reached(registers: Registers) -> SystemCallReached:
    arguments = tuple(registers.get(name) for name in _ARGUMENTS)
    return SystemCallReached(registers.orig_rax, arguments)


def _is_local(call: SystemCallReached) -> bool:
    """True for a system call that is carried out in a copy."""
    number, arguments = call.number, call.arguments
    if number in _LOCAL:
        return True
    if number == _SYS_MMAP:
        return bool(arguments[3] & _MAP_ANONYMOUS) and not arguments[3] & _MAP_SHARED
    return number == _SYS_FUTEX and arguments[1] & _FUTEX_COMMAND == _FUTEX_WAKE


def processor_time(pid: int) -> float:
    """Seconds of processor time of a process; 0 if it is gone. Clock numbers: clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0
