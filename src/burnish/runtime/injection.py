"""System calls that a stopped thread of another process is made to carry out, and that leave no trace in it."""

from __future__ import annotations

import os
import signal
import struct

from burnish.core.errors import TargetError
from burnish.runtime import ptrace
from burnish.runtime.address_space import read_mappings
from burnish.runtime.ptrace import Ended, Event, GoneError, Memory, Stopped

_SYSCALL = b"\x0f\x05"
_NO_SYSCALL = (1 << 64) - 1
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_PATIENCE_S = 10.0
_MOST_ERRORS = 4095


def syscall_place(memory: Memory) -> int:
    """The address of a ``syscall`` instruction that the process has anyway. Raises ``TargetError`` if it has none."""
    found = [m for m in read_mappings(memory.pid) if m.executable and m.readable and m.path != "[vsyscall]"]
    for mapping in sorted(found, key=lambda m: m.path != "[vdso]"):
        at = memory.read(mapping.start, mapping.end - mapping.start).find(_SYSCALL)
        if at >= 0:
            return mapping.start + at
    raise TargetError(f"Process {memory.pid} has no system call instruction; it cannot be recorded.")


def system_call(tid: int, place: int, number: int, *arguments: int) -> int:
    """Makes a stopped thread carry out a system call with the instruction at ``place``; its result, negative for an
    error. All registers are as before, and a system call that the stop broke into goes on afterwards.

    The thread must not stand at a signal that it is about to get. Raises ``GoneError``.
    """
    before = ptrace.get_registers(tid)
    changed = before.copy()
    changed.rip, changed.rax, changed.orig_rax = place, number, _NO_SYSCALL
    for name, value in zip(_ARGUMENTS, arguments, strict=False):
        setattr(changed, name, value & _NO_SYSCALL)
    stopped = False
    with ptrace.signals_held(tid):
        ptrace.set_registers(tid, changed)
        while True:
            ptrace.step(tid)
            match ptrace.wait(tid, _PATIENCE_S, keep_ended=True):
                case Stopped(signal=signal.SIGTRAP, event=Event.NONE):
                    break
                case Stopped(signal=number, event=event):
                    stopped |= event is Event.NONE and number == signal.SIGSTOP  # cannot be held
                case Ended() | None:
                    raise GoneError(f"The traced process {tid} is gone.")
        result = ptrace.get_registers(tid).rax
        ptrace.set_registers(tid, before)
    if stopped:
        os.kill(tid, signal.SIGSTOP)
    (value,) = struct.unpack("<q", struct.pack("<Q", result))
    return int(value)


def failed(result: int) -> bool:
    """Whether the result of a system call is an error number."""
    return -_MOST_ERRORS <= result < 0


def step_out(tid: int, start: int, end: int) -> bool:
    """Makes a stopped thread run until it does not stand between ``start`` and ``end``, the first excluded; False if
    it stays there, or something else happened to it. Not for one that stands at a signal."""
    with ptrace.signals_held(tid):
        for _ in range(end - start):
            if not start < ptrace.get_registers(tid).rip < end:
                return True
            ptrace.step(tid)
            if ptrace.wait(tid, _PATIENCE_S, keep_ended=True) != Stopped(signal.SIGTRAP, Event.NONE):
                return False
    return not start < ptrace.get_registers(tid).rip < end
