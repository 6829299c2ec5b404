"""A stopped copy of a traced process, made by forcing the process to fork, in which code is tried.

The copy has one thread, exactly the memory and registers of the moment, and no effect outside: memory shared with
others is made private first, and a system call that could be seen outside is not carried out but ends the run. The
clock and the time-stamp counter are such calls too, so that two runs of the same code are equal.

``Snapshot.fork`` makes further copies, copy-on-write: the sides of one comparison start from the same memory.
"""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Mapping as MappingType
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import Any, Self

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from burnish.core.errors import TargetError
from burnish.core.state import Faulted, TimedOut
from burnish.runtime import ptrace
from burnish.runtime.address_space import Mapping, read_mappings
from burnish.runtime.ptrace import Ended, Event, FloatRegisters, GoneError, Memory, Registers, Stopped

_SYSCALL = b"\x0f\x05"
_INT3 = b"\xcc"
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_NO_SYSCALL = (1 << 64) - 1
_CLONE_PARENT = 0x8000
_SYS_MMAP, _SYS_MPROTECT, _SYS_MUNMAP, _SYS_BRK, _SYS_SIGPROCMASK = 9, 10, 11, 12, 14
_SYS_YIELD, _SYS_MREMAP, _SYS_MADVISE, _SYS_GETPID, _SYS_CLONE = 24, 25, 28, 39, 56
_SYS_PRCTL, _SYS_GETTID, _SYS_FUTEX, _SYS_RSEQ = 157, 186, 202, 334
_PR_SET_TSC, _PR_TSC_SIGSEGV, _RSEQ_UNREGISTER = 26, 2, 1
_READ, _WRITE, _EXECUTE = 1, 2, 4
_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 1, 2, 0x10, 0x20
_FUTEX_COMMAND, _FUTEX_WAKE = 0x7F, 1
_LOCAL = frozenset({_SYS_BRK, _SYS_MUNMAP, _SYS_MPROTECT, _SYS_MADVISE, _SYS_SIGPROCMASK, _SYS_YIELD})
"""System calls that change nothing but the calling process, and give the same result in each copy."""
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)
_TRAP_TRACE = 2
_INJECTION_S = 10.0
_PATIENCE = 20
"""Wall-clock limit of a run as a multiple of its processor-time limit: the machine may be busy."""
_SHARED_LIMIT = 64 << 20
_VDSO_CALLS = {
    "__vdso_gettimeofday": 96,
    "__vdso_time": 201,
    "__vdso_clock_gettime": 228,
    "__vdso_clock_getres": 229,
    "__vdso_getcpu": 309,
    "__vdso_getrandom": 318,
}


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


class UncapturableError(TargetError):
    """No exact copy of the process can be made; the sentence says why."""


@dataclass(slots=True)
class Snapshot:
    """A stopped copy. ``registers`` are those of the moment, ``origin`` the process and thread copied.

    A context manager that kills the copy at its end.
    """

    pid: int
    memory: Memory = field(repr=False)
    registers: Registers = field(repr=False)
    origin: tuple[int, int]
    sibling: bool

    def fork(self) -> Snapshot:
        """A further copy of this one as it is now, with ``registers``. Raises ``UncapturableError``."""
        pid = _fork(self.pid, self.memory, self.registers, sibling=self.sibling)
        return Snapshot(pid, Memory(pid), self.registers.copy(), self.origin, self.sibling)

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """What is mapped now."""
        return read_mappings(self.pid)

    @property
    def floats(self) -> FloatRegisters:
        """The floating-point registers now."""
        return ptrace.get_float_registers(self.pid)

    def call(self, number: int, *arguments: int) -> int:
        """Makes the copy carry out a system call; its result, negative for an error. All else stays."""
        result, _ = _inject(self.pid, self.memory, self.registers, number, arguments)
        return result

    def place(self, address: int, code: bytes) -> None:
        """Maps ``code`` at a free page address, to be read and executed. Raises ``UncapturableError``."""
        size = len(code) + -len(code) % 4096
        flags = _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_FIXED
        got = self.call(_SYS_MMAP, address, size, _READ | _EXECUTE, flags, _NO_SYSCALL, 0)
        if got != address:
            raise UncapturableError(f"no memory can be mapped at {address:#x} of the copy")
        self.memory.write(address, code)

    def run(self, registers: Registers, floats: FloatRegisters | None, until: int, limit_s: float) -> Outcome:
        """Runs from ``registers`` until the breakpoint at ``until`` is reached with a stack pointer above
        ``registers.rsp``, or the code faults, asks for a system call, or used ``limit_s`` of processor time.

        The copy is stopped afterwards (after a time-out it still runs) and can only be looked at and killed.
        """
        start = registers.copy()
        start.orig_rax = _NO_SYSCALL
        ptrace.set_registers(self.pid, start)
        if floats is not None:
            ptrace.set_float_registers(self.pid, floats)
        runner = _Runner(self, until, registers.rsp, limit_s, self.memory.read(until, 1))
        try:
            self.memory.write(until, _INT3)
            return runner.run()
        except GoneError:
            return Faulted(signal.SIGKILL, 0, 0)

    def isolate(self, vdso: VdsoPatch) -> None:
        """Cuts what ties the copy to the outside. Raises ``UncapturableError``."""
        area = ptrace.rseq_configuration(self.pid)
        if area is not None:
            # The kernel writes the number of the processor there, which differs from run to run.
            self.call(_SYS_RSEQ, area.pointer, area.size, _RSEQ_UNREGISTER, area.signature)
        self.call(_SYS_PRCTL, _PR_SET_TSC, _PR_TSC_SIGSEGV)
        left = _SHARED_LIMIT
        for mapping in self.mappings:
            if mapping.path == "[vdso]":
                vdso.apply(self.memory, mapping)
            if mapping.shared and mapping.readable:
                left -= mapping.end - mapping.start
                if left >= 0:
                    self._make_private(mapping)
                elif mapping.writable:
                    raise UncapturableError("the process shares more memory with others than can be copied")
            elif mapping.shared and mapping.writable:
                raise UncapturableError("the process shares memory that cannot be read")

    def _make_private(self, mapping: Mapping) -> None:
        size = mapping.end - mapping.start
        data = self.memory.read(mapping.start, size)
        if len(data) != size:
            # Beyond the end of a file, or a device: nothing there can be copied, and only a store matters.
            if mapping.writable:
                raise UncapturableError(f"the shared memory {mapping.path} cannot be read")
            return
        access = _READ | (_WRITE if mapping.writable else 0) | (_EXECUTE if mapping.executable else 0)
        flags = _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_FIXED
        if self.call(_SYS_MMAP, mapping.start, size, access, flags, _NO_SYSCALL, 0) != mapping.start:
            raise UncapturableError(f"the shared memory {mapping.path} cannot be made private")
        self.memory.write(mapping.start, data)

    def close(self) -> None:
        """Kills the copy; more than once is harmless."""
        if self.pid:
            with suppress(GoneError):
                # At the entry of a system call: killed or not, it must not be carried out.
                registers = ptrace.get_registers(self.pid)
                registers.orig_rax = _NO_SYSCALL
                ptrace.set_registers(self.pid, registers)
            ptrace.kill(self.pid)
            self.memory.close()
            self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def capture(
    tid: int, pid: int, memory: Memory, breakpoints: MappingType[int, bytes], *, sibling: bool
) -> Snapshot:
    """Copies the process ``pid`` whose stopped thread ``tid`` is at the instruction to start from; no other thread
    that shares its memory may run meanwhile. The thread and its memory are afterwards as before.

    ``breakpoints`` are the original bytes that breakpoints hide: the copy has them back. With ``sibling`` the copy
    becomes a child of this process (where ``pid`` is one), so that its parent cannot see it; else it is a child of
    ``pid`` that ends without a signal and that ``wait`` does not find. Raises ``UncapturableError`` or ``GoneError``.
    """
    registers = ptrace.get_registers(tid)
    copy = _fork(tid, memory, registers, sibling=sibling)
    snapshot = Snapshot(copy, Memory(copy), registers, (pid, tid), sibling)
    try:
        for address, original in breakpoints.items():
            snapshot.memory.write(address, original)
    except GoneError:
        snapshot.close()
        raise
    return snapshot


def _fork(tid: int, memory: Memory, registers: Registers, *, sibling: bool) -> int:
    """Makes a stopped thread fork and gives the stopped child the same registers and signal mask."""
    hidden = memory.read(registers.rip, 2)
    mask = ptrace.get_signal_mask(tid)
    flags = _CLONE_PARENT | signal.SIGCHLD if sibling else 0
    result, child = _inject(tid, memory, registers, _SYS_CLONE, (flags, 0, 0, 0, 0))
    if not child:
        raise UncapturableError(f"the process cannot be copied: {os.strerror(-result)}")
    try:
        _await_stop(child)
        ptrace.set_registers(child, registers)
        ptrace.set_signal_mask(child, mask)
        with Memory(child) as own:
            own.write(registers.rip, hidden)
    except BaseException:
        ptrace.kill(child)
        raise
    return child


def _await_stop(tid: int) -> None:
    while True:
        match ptrace.wait(tid, _INJECTION_S):
            case Stopped(event=Event.STOP):
                return
            case Stopped():
                ptrace.resume(tid)
            case Ended() | None:
                raise UncapturableError("the copy of the process did not stop")


def _inject(
    tid: int, memory: Memory, registers: Registers, number: int, arguments: tuple[int, ...]
) -> tuple[int, int]:
    """Makes a stopped thread carry out one system call at ``registers.rip``, and puts back the bytes there and
    all registers. Nothing is written to its stack. The result, and the child of a fork (else 0)."""
    hidden = memory.read(registers.rip, 2)
    if len(hidden) != 2:
        raise UncapturableError(f"there is no code at {registers.rip:#x}")
    changed = registers.copy()
    changed.rax, changed.orig_rax = number, _NO_SYSCALL
    for name, value in zip(_ARGUMENTS, arguments, strict=False):
        setattr(changed, name, value)
    restored = registers.copy()
    restored.orig_rax = _NO_SYSCALL
    memory.write(registers.rip, _SYSCALL)
    child = 0
    try:
        with ptrace.signals_held(tid):
            ptrace.set_registers(tid, changed)
            while True:
                ptrace.step(tid)
                # Its end is for others to see: only they may reap it.
                change = ptrace.wait(tid, _INJECTION_S, keep_ended=True)
                match change:
                    case Stopped(event=Event.FORK | Event.CLONE | Event.VFORK):
                        child = ptrace.event_message(tid)
                    case Stopped(signal=signal.SIGTRAP, event=Event.NONE):
                        break
                    case Stopped():
                        pass
                    case Ended() | None:
                        raise GoneError(f"The traced process {tid} ended while it was copied.")
            result = ptrace.get_registers(tid).rax
            ptrace.set_registers(tid, restored)
    except GoneError:
        if child:
            ptrace.kill(child)
        raise
    finally:
        with suppress(GoneError):
            memory.write(registers.rip, hidden)
    return struct.unpack("<q", struct.pack("<Q", result))[0], child


@dataclass(slots=True)
class _Runner:
    """One run of a snapshot up to its return address."""

    snapshot: Snapshot
    until: int
    entry_rsp: int
    limit_s: float
    original: bytes

    def run(self) -> Outcome:
        pid = self.snapshot.pid
        end = time.monotonic() + self.limit_s * _PATIENCE
        ptrace.resume_to_syscall(pid)
        while True:
            left = self.limit_s - processor_time(pid)
            if left <= 0 or time.monotonic() > end:
                return TimedOut()
            change = ptrace.wait(pid, max(left, 0.001))
            match change:
                case None:
                    continue
                case Ended(status):
                    return Faulted(status & 0x7F, 0, 0)
                case Stopped(number, Event.NONE):
                    outcome = self._at_stop(number)
                    if outcome is not None:
                        return outcome
                case Stopped():
                    pass
            ptrace.resume_to_syscall(pid)

    def _at_stop(self, number: int) -> Outcome | None:
        """What a stop by a signal or a system call means; None to go on."""
        pid = self.snapshot.pid
        registers = ptrace.get_registers(pid)
        if number == ptrace.SYSCALL_STOP:
            return self._at_system_call(registers)
        if number == signal.SIGTRAP and registers.rip - 1 == self.until:
            return self._at_breakpoint(registers)
        if number in _FAULTS:
            info = ptrace.signal_info(pid)
            if info.code > 0:
                return Faulted(number, info.address, registers.rip)
        return None  # a signal from outside, which the original process gets as well: dropped here

    def _at_breakpoint(self, registers: Registers) -> Outcome | None:
        registers.rip = self.until
        ptrace.set_registers(self.snapshot.pid, registers)
        if registers.rsp > self.entry_rsp:
            return Returned(registers, ptrace.get_float_registers(self.snapshot.pid))
        # A recursive call returns to the same place, or the function itself holds it: over it, and go on.
        self.snapshot.memory.write(self.until, self.original)
        ptrace.step_without_calls(self.snapshot.pid)
        change = ptrace.wait(self.snapshot.pid, _INJECTION_S)
        self.snapshot.memory.write(self.until, _INT3)
        match change:
            case Stopped(ptrace.SYSCALL_STOP, Event.NONE):
                return _reached(ptrace.get_registers(self.snapshot.pid))
            case Stopped(number, Event.NONE) if number in _FAULTS:
                info = ptrace.signal_info(self.snapshot.pid)
                if number != signal.SIGTRAP or info.code != _TRAP_TRACE:
                    return Faulted(number, info.address, ptrace.get_registers(self.snapshot.pid).rip)
                return None
            case Stopped():
                return None
            case Ended() | None:
                return Faulted(signal.SIGKILL, 0, 0)

    def _at_system_call(self, registers: Registers) -> Outcome | None:
        reached = _reached(registers)
        if self.snapshot.memory.read(registers.rip - 2, 2) != _SYSCALL:
            return SystemCallReached(-1, ())
        answer = self._answer(reached.number)
        if answer is not None:
            registers.orig_rax = _NO_SYSCALL
            ptrace.set_registers(self.snapshot.pid, registers)
        elif not _is_local(reached):
            return reached
        ptrace.resume_to_syscall(self.snapshot.pid)
        while True:
            change = ptrace.wait(self.snapshot.pid, _INJECTION_S)
            if change == Stopped(ptrace.SYSCALL_STOP, Event.NONE):
                break
            if not isinstance(change, Stopped):
                return Faulted(signal.SIGKILL, 0, 0)
            ptrace.resume_to_syscall(self.snapshot.pid)
        if answer is not None:
            after = ptrace.get_registers(self.snapshot.pid)
            after.rax = answer
            ptrace.set_registers(self.snapshot.pid, after)
        return None

    def _answer(self, number: int) -> int | None:
        """The result of a call that would tell the copy from the process; None for any other call."""
        process, thread = self.snapshot.origin
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
    if number == _SYS_MREMAP:
        return True
    return number == _SYS_FUTEX and arguments[1] & _FUTEX_COMMAND == _FUTEX_WAKE


def processor_time(pid: int) -> float:
    """Seconds of processor time of a process; 0 if it is gone. Clock numbers: clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


@dataclass(slots=True)
class VdsoPatch:
    """Turns the kernel's functions in the process (vdso(7)) into real system calls, which can be seen.

    Keeps the places it found, since all processes have the same one.
    """

    places: dict[int, int] | None = None

    def apply(self, memory: Memory, mapping: Mapping) -> None:
        """Overwrites the functions in a copy."""
        if self.places is None:
            self.places = _vdso_functions(memory.read(mapping.start, mapping.end - mapping.start))
        for offset, number in self.places.items():
            memory.write(mapping.start + offset, b"\xb8" + struct.pack("<I", number) + _SYSCALL + b"\xc3")


def _vdso_functions(data: bytes) -> dict[int, int]:
    elf: Any = ELFFile(BytesIO(data))
    found: dict[int, int] = {}
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            for symbol in section.iter_symbols():
                number = _VDSO_CALLS.get(symbol.name)
                if number is not None:
                    found[symbol["st_value"]] = number
    return found
