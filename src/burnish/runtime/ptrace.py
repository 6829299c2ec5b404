"""The system call ``ptrace`` with types: stops, registers, signal masks and memory of traced threads.

Through ctypes: one stop costs about ten microseconds of Python, and what is traced here stops rarely. All calls
for one tracee must come from the thread that seized it. Semantics: ptrace(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from burnish.core.errors import HostError, TargetError
from burnish.runtime.registers import FloatRegisters, Registers

_CONT, _SINGLESTEP, _GETREGS, _SETREGS, _GETFPREGS, _SETFPREGS, _DETACH, _SYSCALL = (
    7,
    9,
    12,
    13,
    14,
    15,
    17,
    24,
)
_SETOPTIONS = 0x4200
_GETEVENTMSG, _GETSIGINFO, _SEIZE, _INTERRUPT, _LISTEN = 0x4201, 0x4202, 0x4206, 0x4207, 0x4208
_SYSEMU_SINGLESTEP = 32
_GETSIGMASK, _SETSIGMASK, _GET_RSEQ_CONFIGURATION = 0x420A, 0x420B, 0x420F
_WALL = 0x40000000
_SYNCHRONOUS = (signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS)
_HELD_SIGNALS = (1 << 64) - 1 - sum(1 << number - 1 for number in _SYNCHRONOUS)
_SPIN_S = 0.0001
_NAP_S = 0.001
_SEIZE_S = 10.0

SYSCALL_STOP = signal.SIGTRAP | 0x80
"""The signal number of a stop at a system call, under ``Options.SYSGOOD``."""


class Options(IntFlag):
    """``PTRACE_O_…``."""

    SYSGOOD = 1 << 0
    FORK = 1 << 1
    VFORK = 1 << 2
    CLONE = 1 << 3
    EXEC = 1 << 4
    VFORK_DONE = 1 << 5
    EXITKILL = 1 << 20


class Event(IntEnum):
    """``PTRACE_EVENT_…``; NONE for a stop by a signal or system call."""

    NONE = 0
    FORK = 1
    VFORK = 2
    CLONE = 3
    EXEC = 4
    VFORK_DONE = 5
    EXIT = 6
    SECCOMP = 7
    STOP = 128


_EVENTS = {int(event): event for event in Event}


@dataclass(frozen=True, slots=True)
class Stopped:
    """A tracee stopped. With ``Event.STOP`` the signal is SIGTRAP, or the one that stopped the whole group."""

    signal: int
    event: Event


@dataclass(frozen=True, slots=True)
class Ended:
    """A tracee is gone; ``status`` is as ``waitpid`` gives it."""

    status: int


Change = Stopped | Ended


class SignalInfo(ctypes.Structure):
    """The head of ``siginfo_t``; ``address`` has a meaning for faults only."""

    signo: int
    errno: int
    code: int
    address: int

    _fields_ = [
        ("signo", ctypes.c_int),
        ("errno", ctypes.c_int),
        ("code", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("address", ctypes.c_uint64),
        ("rest", ctypes.c_byte * 104),
    ]


class RseqConfiguration(ctypes.Structure):
    """``struct ptrace_rseq_configuration``; ``pointer`` 0 where no area is registered."""

    pointer: int
    size: int
    signature: int

    _fields_ = [
        ("pointer", ctypes.c_uint64),
        ("size", ctypes.c_uint32),
        ("signature", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
    ]


class GoneError(TargetError):
    """The tracee is no longer there, or not stopped: it was killed meanwhile."""


def _ptrace_function() -> ctypes._NamedFuncPointer:  # pyright: ignore[reportPrivateUsage]
    function = ctypes.CDLL(None, use_errno=True).ptrace
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    return function


_ptrace = _ptrace_function()


def _request(request: int, tid: int, address: object = None, data: object = None) -> None:
    if _ptrace(request, tid, address, data) == -1:
        number = ctypes.get_errno()
        raise GoneError(f"The traced process {tid} cannot be controlled: {os.strerror(number)}.")


def seize(tid: int, options: Options) -> None:
    """Begins to trace a running thread, with events from now on: none of what it is in the middle of. Raises
    ``HostError`` where the kernel forbids it."""
    if _ptrace(_SEIZE, tid, None, int(Options.EXITKILL)) == -1:
        reason = os.strerror(ctypes.get_errno())
        raise HostError(f"The command cannot be traced ({reason}); ptrace is forbidden on this machine.")
    _request(_INTERRUPT, tid)
    # Where the thread is in an exec, its stop comes when that is over.
    while not isinstance(change := wait(tid, _SEIZE_S), Stopped) or change.event is not Event.STOP:
        if not isinstance(change, Stopped):
            raise HostError("The command cannot be traced: it did not stop.")
        _request(_CONT, tid, None, change.signal)
    _request(_SETOPTIONS, tid, None, int(options))
    _request(_CONT, tid)


def seize_running(tid: int, options: Options) -> None:
    """Begins to trace a thread that goes on without us when this process ends. Raises ``GoneError``, which says why."""
    _request(_SEIZE, tid, None, int(options))


def resume(tid: int, number: int = 0) -> None:
    """Continues a stopped thread, with a signal."""
    _request(_CONT, tid, None, number)


def resume_to_syscall(tid: int, number: int = 0) -> None:
    """Continues up to the next entry to or exit from a system call."""
    _request(_SYSCALL, tid, None, number)


def step(tid: int) -> None:
    """Executes one instruction."""
    _request(_SINGLESTEP, tid)


def step_without_calls(tid: int) -> None:
    """Executes one instruction; one that asks for a system call stops there as at an entry, and the call is not
    carried out (``PTRACE_SYSEMU_SINGLESTEP``)."""
    _request(_SYSEMU_SINGLESTEP, tid)


def interrupt(tid: int) -> None:
    """Asks a running thread to stop with ``Event.STOP``."""
    _request(_INTERRUPT, tid)


def listen(tid: int) -> None:
    """Leaves a thread in its group's stop, so that SIGCONT wakes it as without a tracer."""
    _request(_LISTEN, tid)


def detach(tid: int, number: int = 0) -> None:
    """Lets a stopped thread go, with a signal."""
    _request(_DETACH, tid, None, number)


def get_registers(tid: int) -> Registers:
    """General registers of a stopped thread."""
    registers = Registers()
    _request(_GETREGS, tid, None, ctypes.byref(registers))
    return registers


def set_registers(tid: int, registers: Registers) -> None:
    """Sets the general registers of a stopped thread."""
    _request(_SETREGS, tid, None, ctypes.byref(registers))


def get_float_registers(tid: int) -> FloatRegisters:
    """Floating-point and vector registers of a stopped thread."""
    area = ctypes.create_string_buffer(512)
    _request(_GETFPREGS, tid, None, area)
    return FloatRegisters(area.raw)


def set_float_registers(tid: int, registers: FloatRegisters) -> None:
    """Sets floating-point and vector registers. The upper halves of ymm registers stay."""
    _request(_SETFPREGS, tid, None, ctypes.create_string_buffer(registers.data, 512))


def event_message(tid: int) -> int:
    """What an event brings: the new thread of a fork or clone."""
    value = ctypes.c_ulong()
    _request(_GETEVENTMSG, tid, None, ctypes.byref(value))
    return value.value


def signal_info(tid: int) -> SignalInfo:
    """What is known of the signal at which a thread stopped."""
    info = SignalInfo()
    _request(_GETSIGINFO, tid, None, ctypes.byref(info))
    return info


def rseq_configuration(tid: int) -> RseqConfiguration | None:
    """The registered area of restartable sequences; None where there is none, or the kernel does not tell."""
    area = RseqConfiguration()
    size = ctypes.sizeof(area)
    if _ptrace(_GET_RSEQ_CONFIGURATION, tid, size, ctypes.byref(area)) == -1 or not area.pointer:
        return None
    return area


def get_signal_mask(tid: int) -> int:
    """Blocked signals: bit ``n - 1`` for signal ``n``."""
    mask = ctypes.c_uint64()
    _request(_GETSIGMASK, tid, 8, ctypes.byref(mask))
    return mask.value


def set_signal_mask(tid: int, mask: int) -> None:
    """Sets the blocked signals."""
    _request(_SETSIGMASK, tid, 8, ctypes.byref(ctypes.c_uint64(mask)))


@contextmanager
def signals_held(tid: int) -> Generator[None]:
    """Blocks the signals of a stopped thread while it is made to run a few instructions; not those that
    instructions raise, of which the kernel drops the handler when they are raised though blocked."""
    mask = get_signal_mask(tid)
    set_signal_mask(tid, mask | _HELD_SIGNALS)
    try:
        yield
    finally:
        set_signal_mask(tid, mask)


@contextmanager
def child_signals_waited() -> Generator[None]:
    """While it lasts ``wait`` is woken by SIGCHLD, which stays blocked in this thread, instead of polling."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def nap(seconds: float) -> None:
    """Sleeps until a child changes, at most ``seconds`` and never longer than a millisecond: where SIGCHLD is
    not blocked in every thread, the signal may go elsewhere."""
    signal.sigtimedwait({signal.SIGCHLD}, max(0.0, min(seconds, _NAP_S)))


def poll(tid: int, *, keep_ended: bool = False) -> Change | None:
    """What happened to a tracee, or None. With ``keep_ended`` one that ended is not reaped.

    Raises ``GoneError`` where there is no such tracee.
    """
    try:
        if keep_ended:
            kind = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | _WALL
            seen = os.waitid(os.P_PID, tid, kind)
            if seen is None:
                return None
            if seen.si_code == os.CLD_EXITED:
                return Ended(seen.si_status << 8)
            if seen.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
                return Ended(seen.si_status)
        found, status = os.waitpid(tid, os.WNOHANG | _WALL)
    except ChildProcessError as error:
        raise GoneError(f"The traced process {tid} is gone.") from error
    if found == 0:
        return None
    if not os.WIFSTOPPED(status):
        return Ended(status)
    number = status >> 16
    return Stopped(os.WSTOPSIG(status), _EVENTS.get(number, Event.NONE))


def wait(tid: int, timeout_s: float, *, keep_ended: bool = False) -> Change | None:
    """Waits until something happens to a tracee; None after ``timeout_s``. Inside ``child_signals_waited``."""
    begun = time.monotonic()
    while True:
        change = poll(tid, keep_ended=keep_ended)
        if change is not None:
            return change
        passed = time.monotonic() - begun
        if passed > timeout_s:
            return None
        if passed > _SPIN_S:
            nap(timeout_s - passed)


def kill(tid: int) -> None:
    """Kills a tracee that is a process of its own, and reaps it. Nothing happens if it is gone already."""
    try:
        os.kill(tid, signal.SIGKILL)
        while not isinstance(wait(tid, 10.0), Ended | None):
            pass
    except (ProcessLookupError, GoneError):
        pass


class Memory:
    """The memory of a traced process, whatever its protection. Close it, or use it as a context manager."""

    def __init__(self, pid: int) -> None:
        """Raises ``GoneError`` if the process is gone."""
        self.pid = pid
        try:
            self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise GoneError(f"The memory of process {pid} cannot be opened: {error.strerror}.") from error

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes at ``address``; fewer (perhaps none) where the rest is not mapped."""
        parts: list[bytes] = []
        while size > 0:
            try:
                part = os.pread(self._descriptor, size, address)
            except (OSError, OverflowError):
                break
            if not part:
                break
            parts.append(part)
            address += len(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> None:
        """Writes ``data`` at ``address``, to read-only pages as well. Raises ``GoneError`` if it cannot."""
        view = memoryview(data)
        while view:
            try:
                done = os.pwrite(self._descriptor, view, address)
            except (OSError, OverflowError) as error:
                raise GoneError(f"{address:#x} of process {self.pid} cannot be written: {error}.") from error
            if done == 0:
                raise GoneError(f"{address:#x} of process {self.pid} cannot be written.")
            address += done
            view = view[done:]

    def word(self, address: int) -> int | None:
        """The 8 bytes at ``address`` as an unsigned integer, or None."""
        data = self.read(address, 8)
        return int.from_bytes(data, "little") if len(data) == 8 else None

    def close(self) -> None:
        """Closes the file; more than once is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
