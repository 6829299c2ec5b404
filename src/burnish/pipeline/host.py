"""What this machine allows, found by trying (perf_event_open(2), ptrace(2), userfaultfd(2)).

Each probe undoes what it does and never raises.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from pathlib import Path

from burnish.core.errors import HostError

# x86-64 system call numbers (arch/x86/entry/syscalls/syscall_64.tbl).
_SYS_PTRACE = 101
_SYS_PERF_EVENT_OPEN = 298
_SYS_USERFAULTFD = 323

_PTRACE_SEIZE = 0x4206
_UFFD_USER_MODE_ONLY = 1

_PERF_ATTRIBUTE_SIZE = 112  # PERF_ATTR_SIZE_VER5
_PERF_DISABLED_EXCLUDE_KERNEL_AND_HYPERVISOR = 1 << 0 | 1 << 5 | 1 << 6
_PERF_TYPE_HARDWARE = 0
_PERF_COUNT_HW_INSTRUCTIONS = 1
_RAX_IS_42 = bytes.fromhex("31c0 83c02a")
_SAMPLE_PERIOD_NS = 1_000_000


def sample_by_kernel() -> str | None:
    """None if the kernel's clock can sample a process of ours, else the reason."""
    from burnish.record.perf_event import PerfSampler

    try:
        PerfSampler(os.getpid(), _SAMPLE_PERIOD_NS).finish()
    except HostError as error:
        return str(error).rstrip(".")
    return None


def execute_in_isolation() -> str | None:
    """None if code runs in a confined child and its result comes back, else the reason."""
    try:
        from burnish.core.state import Finished, MachineState
        from burnish.runtime.isolation import Executor

        with Executor() as executor:
            outcome = executor.run(_RAX_IS_42, MachineState())
    except (ImportError, HostError) as error:
        return str(error).rstrip(".")
    match outcome:
        case Finished(state) if state.gpr[0] == 42:
            return None
        case _:
            return f"a test of two instructions ended as {outcome}"


def count_instructions() -> str | None:
    """None if retired instructions can be counted in hardware, else the kernel's reason."""
    # struct perf_event_attr: type, size, config, sample_period, sample_type, read_format, flags.
    head = struct.pack(
        "<IIQQQQQ",
        *(_PERF_TYPE_HARDWARE, _PERF_ATTRIBUTE_SIZE, _PERF_COUNT_HW_INSTRUCTIONS),
        *(0, 0, 0, _PERF_DISABLED_EXCLUDE_KERNEL_AND_HYPERVISOR),
    )
    attribute = ctypes.create_string_buffer(head, _PERF_ATTRIBUTE_SIZE)
    return _closing(_system_call(_SYS_PERF_EVENT_OPEN, attribute, 0, -1, -1, 0))


def attach_to_child() -> str | None:
    """None if a child process can be traced, else the kernel's reason."""
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        return _reason(_system_call(_SYS_PTRACE, _PTRACE_SEIZE, child.pid, 0, 0))
    finally:
        child.kill()
        child.communicate()


def open_userfaultfd() -> str | None:
    """None if page faults of user code can be handled in user space, else the kernel's reason."""
    return _closing(_system_call(_SYS_USERFAULTFD, os.O_CLOEXEC | _UFFD_USER_MODE_ONLY))


def kernel_setting(name: str) -> str:
    """A value under ``/proc/sys``, or ``unset`` where the kernel does not have it."""
    try:
        return (Path("/proc/sys") / name).read_text().strip()
    except OSError:
        return "unset"


def processor_name() -> str:
    """The name in ``/proc/cpuinfo``."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def _system_call(number: int, *arguments: object) -> int:
    """The result, or minus the error number. Integers are passed as 64-bit values."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *wide)
    return -ctypes.get_errno() if result < 0 else result


def _reason(result: int) -> str | None:
    return os.strerror(-result) if result < 0 else None


def _closing(descriptor: int) -> str | None:
    if descriptor >= 0:
        os.close(descriptor)
    return _reason(descriptor)
