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
from collections.abc import Mapping as MappingType
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from burnish.core.errors import TargetError
from burnish.core.state import Faulted
from burnish.runtime import ptrace
from burnish.runtime.address_space import Mapping, read_mappings
from burnish.runtime.bounded_run import BoundedRun, Outcome
from burnish.runtime.ptrace import Ended, Event, GoneError, Memory, Stopped
from burnish.runtime.registers import FloatRegisters, Registers
from burnish.runtime.vdso import VdsoPatch

_SYSCALL = b"\x0f\x05\x90"
"""``syscall; nop``. At the stop inside a fork the next instruction counts: single-stepped with a byte of ``popf`` or
``iret`` there, the kernel takes the trap flag for the program's own and leaves it set (``is_setting_trap_flag``)."""
_INT3 = b"\xcc"
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_NO_SYSCALL = (1 << 64) - 1
_CLONE_PARENT = 0x8000
_SYS_MMAP, _SYS_CLONE, _SYS_PRCTL, _SYS_RSEQ = 9, 56, 157, 334
_PR_SET_TSC, _PR_TSC_SIGSEGV, _RSEQ_UNREGISTER = 26, 2, 1
_READ, _WRITE, _EXECUTE = 1, 2, 4
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 2, 0x10, 0x20
_INJECTION_S = 10.0
_SHARED_LIMIT = 64 << 20


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
        runner = BoundedRun(
            self.pid, self.memory, self.origin, until, registers.rsp, limit_s, self.memory.read(until, 1)
        )
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
    hidden = memory.read(registers.rip, len(_SYSCALL))
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
    hidden = memory.read(registers.rip, len(_SYSCALL))
    if len(hidden) != len(_SYSCALL):
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
                        # The next request finds it gone.
                        break
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
