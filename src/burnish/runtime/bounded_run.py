"""Runs a copy of a process for a while, and keeps it from having an effect outside.

What the code reads from outside is made up, and what it writes goes nowhere: a few calls of ``read``, ``write`` and
their like get an answer that a kernel might give, and the same one in each copy that asks for the same. So code that
hands data on can be followed to its return. Any other system call that could be seen outside ends the run.
"""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field

from burnish.core.state import Faulted, TimedOut
from burnish.runtime import ptrace
from burnish.runtime.address_space import read_mappings
from burnish.runtime.ptrace import Ended, Event, Memory, Stopped
from burnish.runtime.registers import FloatRegisters, Registers

_SYSCALL = b"\x0f\x05"
_INT3 = b"\xcc"
_NO_SYSCALL = (1 << 64) - 1
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_SYS_MMAP, _SYS_MPROTECT, _SYS_MUNMAP, _SYS_BRK, _SYS_SIGPROCMASK = 9, 10, 11, 12, 14
_SYS_YIELD, _SYS_MREMAP, _SYS_MADVISE, _SYS_FUTEX = 24, 25, 28, 202
_LOCAL = frozenset(
    {_SYS_BRK, _SYS_MUNMAP, _SYS_MPROTECT, _SYS_MREMAP, _SYS_MADVISE, _SYS_SIGPROCMASK, _SYS_YIELD}
)
"""System calls that change nothing but the calling process, and give the same result in each copy."""


class _Call:
    """Numbers of system calls that get an answer here."""

    READ, WRITE, PREAD, PWRITE, GETPID, GETTID = 0, 1, 17, 18, 39, 186


_MOST_ANSWERED = 8
"""Calls that are answered in one run: code that reads until there is nothing more would never return."""
_MOST_READ, _MOST_WRITTEN = 1 << 16, 16 << 20
_MAP_SHARED, _MAP_ANONYMOUS = 1, 0x20
_FUTEX_COMMAND, _FUTEX_WAKE = 0x7F, 1
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)
_TRAP_TRACE = 2
_KILLED = Faulted(signal.SIGKILL, 0, 0)
_STEP_S = 10.0
_PATIENCE = 20
"""Wall-clock limit of a run as a multiple of its processor-time limit: the machine may be busy."""


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A system call that got a made-up answer. ``data`` is what the code wanted to write."""

    number: int
    arguments: tuple[int, ...]
    data: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Returned:
    """The code came back to its return address; the stack pointer is at or above the one expected. ``calls`` were
    answered on the way."""

    registers: Registers = field(repr=False)
    floats: FloatRegisters = field(repr=False)
    calls: tuple[AnsweredCall, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemCallReached:
    """The code asked for a system call that could be seen outside, which was not carried out. ``number`` -1
    for one through another gate than ``syscall``. ``calls`` were answered before it."""

    number: int
    arguments: tuple[int, ...]
    calls: tuple[AnsweredCall, ...] = ()


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
    calls: list[AnsweredCall] = field(default_factory=list[AnsweredCall])

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
            return Returned(registers, ptrace.get_float_registers(self.pid), tuple(self.calls))
        # A recursive call returns to the same place, or the function itself holds it: over it, and go on.
        self.memory.write(self.until, self.original)
        ptrace.step_without_calls(self.pid)
        change = ptrace.wait(self.pid, _STEP_S)
        self.memory.write(self.until, _INT3)
        match change:
            case Stopped(ptrace.SYSCALL_STOP, Event.NONE):
                return self._reached(ptrace.get_registers(self.pid))
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
        reached = self._reached(registers)
        if self.memory.read(registers.rip - 2, 2) != _SYSCALL:
            return SystemCallReached(-1, (), tuple(self.calls))
        answer = self._answer(reached)
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

    def _reached(self, registers: Registers) -> SystemCallReached:
        arguments = tuple(registers.get(name) for name in _ARGUMENTS)
        return SystemCallReached(registers.orig_rax, arguments, tuple(self.calls))

    def _answer(self, call: SystemCallReached) -> int | None:
        """The result of a call that is not carried out though the code goes on: those that would tell the copy from the
        process, and those that are made up. None for any other call."""
        process, thread = self.origin
        number, (_, address, size, *_) = call.number, call.arguments
        match number:
            case _Call.GETPID:
                return process
            case _Call.GETTID:
                return thread
            case _Call.READ | _Call.PREAD if self._may_answer(address, min(size, _MOST_READ), writing=True):
                # The same bytes for the same place in the order of calls, whoever asks.
                data = random.Random(len(self.calls)).randbytes(min(size, _MOST_READ))
                self.memory.write(address, data)
                self.calls.append(AnsweredCall(number, call.arguments))
                return len(data)
            case _Call.WRITE | _Call.PWRITE if size <= _MOST_WRITTEN and self._may_answer(
                address, size, writing=False
            ):
                data = self.memory.read(address, size)
                self.calls.append(AnsweredCall(number, call.arguments, data))
                return size
            case _:
                return None

    def _may_answer(self, address: int, size: int, *, writing: bool) -> bool:
        """Whether one more call may be answered, and the kernel would find its buffer in order."""
        if len(self.calls) >= _MOST_ANSWERED:
            return False
        at = address
        for mapping in read_mappings(self.pid):
            fits = mapping.writable if writing else mapping.readable
            if mapping.start <= at < mapping.end and fits:
                at = mapping.end
        return at >= address + size


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
