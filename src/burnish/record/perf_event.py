"""Sampling by the kernel: ``perf_event_open(2)`` on a software clock, without the ``perf`` program.

One event per processor watches a process and all its descendants (an event that is inherited can have a ring
buffer only if it is bound to a processor). It begins at the process's next exec. Names of fields and flags
are those of the manual page and of ``linux/perf_event.h``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from burnish.core.errors import HostError
from burnish.record.attribution import Cleared, Event, Forked, Mapped, Mapping, Trace

_SYSCALL_PERF_EVENT_OPEN = 298
_PERF_TYPE_SOFTWARE = 1
_PERF_COUNT_SW_CPU_CLOCK = 0
_PERF_SAMPLE_IP, _PERF_SAMPLE_TID, _PERF_SAMPLE_TIME = 1, 2, 4
_FLAG_FD_CLOEXEC = 8
_ATTR_SIZE = 112  # PERF_ATTR_SIZE_VER5

_DISABLED = 1 << 0
_INHERIT = 1 << 1
_EXCLUDE_KERNEL = 1 << 5
_EXCLUDE_HV = 1 << 6
_MMAP = 1 << 8
_COMM = 1 << 9
_ENABLE_ON_EXEC = 1 << 12
_TASK = 1 << 13
_SAMPLE_ID_ALL = 1 << 18
_MMAP2 = 1 << 23
_COMM_EXEC = 1 << 24
_USE_CLOCKID = 1 << 25
_BUILD_ID = 1 << 34

_MISC_CPUMODE, _MISC_USER = 7, 2
_MISC_COMM_EXEC = 1 << 13
_MISC_MMAP_BUILD_ID = 1 << 14

_DATA_HEAD = 1024  # offset in struct perf_event_mmap_page; data_tail follows
_RING_PAGES = 128  # with the header page within the default limit for locked memory, 516 KiB
_DRAIN_S = 0.02


class _Record(IntEnum):
    LOST = 2
    COMM = 3
    FORK = 7
    SAMPLE = 9
    MMAP2 = 10
    LOST_SAMPLES = 13


class PerfSamples(NamedTuple):
    """What the kernel recorded. ``kernel`` is None where samples in the kernel were not permitted."""

    trace: Trace
    kernel: int | None
    lost: int


@dataclass(slots=True)
class _Ring:
    """The ring buffer of one event; ``parts`` is what has been read of it, in order."""

    descriptor: int
    memory: mmap.mmap
    size: int
    parts: list[bytes] = field(default_factory=list[bytes])

    def drain(self) -> None:
        page = mmap.PAGESIZE
        head, tail = struct.unpack_from("<QQ", self.memory, _DATA_HEAD)
        if head == tail:
            return
        first, last = tail % self.size, head % self.size
        if first < last:
            self.parts.append(self.memory[page + first : page + last])
        else:
            self.parts += [self.memory[page + first : page + self.size], self.memory[page : page + last]]
        # The kernel may overwrite what lies before the tail. x86 keeps the reads above before this write.
        struct.pack_into("<Q", self.memory, _DATA_HEAD + 8, head)

    def close(self) -> None:
        self.memory.close()
        os.close(self.descriptor)


class PerfSampler:
    """Watches process ``pid`` and its descendants from its next exec on; a thread empties the rings."""

    def __init__(self, pid: int, period_ns: int) -> None:
        """Raises ``HostError`` if the kernel does not permit it."""
        self._rings: list[_Ring] = []
        self.sees_kernel = True
        try:
            for processor in _online():
                self._add(pid, processor, period_ns)
        except BaseException:
            self._close()
            raise
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnish-perf", daemon=True)
        self._thread.start()

    def _add(self, pid: int, processor: int, period_ns: int) -> None:
        try:
            descriptor = _open(pid, processor, period_ns, self.sees_kernel)
        except PermissionError:
            if not self.sees_kernel:
                raise HostError(_not_permitted()) from None
            self.sees_kernel = False
            return self._add(pid, processor, period_ns)
        except OSError as error:
            if error.errno == errno.ENODEV:  # the processor went offline
                return None
            raise HostError(f"perf_event_open failed: {error.strerror}.") from error
        pages = _RING_PAGES
        while True:
            try:
                memory = mmap.mmap(descriptor, (pages + 1) * mmap.PAGESIZE)
                break
            except OSError as error:
                pages //= 2
                if pages == 0:
                    os.close(descriptor)
                    raise HostError(f"The ring of perf_event cannot be mapped: {error.strerror}.") from error
        self._rings.append(_Ring(descriptor, memory, pages * mmap.PAGESIZE))
        return None

    def _run(self) -> None:
        while not self._stop.wait(_DRAIN_S):
            for ring in self._rings:
                ring.drain()

    def _close(self) -> None:
        for ring in self._rings:
            ring.close()
        self._rings = []

    def finish(self) -> PerfSamples:
        """Stops, and returns all that was recorded. To be called once, after the tree has ended."""
        self._stop.set()
        self._thread.join()
        for ring in self._rings:
            ring.drain()
        buffers = [b"".join(ring.parts) for ring in self._rings]
        self._close()
        return _parse(buffers, self.sees_kernel)


def _open(pid: int, processor: int, period_ns: int, kernel: bool) -> int:
    flags = _DISABLED | _INHERIT | _EXCLUDE_HV | _MMAP | _COMM | _ENABLE_ON_EXEC | _TASK
    flags |= _SAMPLE_ID_ALL | _MMAP2 | _COMM_EXEC | _USE_CLOCKID
    if not kernel:
        flags |= _EXCLUDE_KERNEL
    try:
        return _perf_event_open(pid, processor, period_ns, flags | _BUILD_ID)
    except OSError as error:
        if error.errno != errno.EINVAL:  # Linux before 5.12 knows no build ids
            raise
    return _perf_event_open(pid, processor, period_ns, flags)


def _perf_event_open(pid: int, processor: int, period_ns: int, flags: int) -> int:
    sample_type = _PERF_SAMPLE_IP | _PERF_SAMPLE_TID | _PERF_SAMPLE_TIME
    attributes = struct.pack(
        "<IIQQQQQ",
        _PERF_TYPE_SOFTWARE,
        _ATTR_SIZE,
        _PERF_COUNT_SW_CPU_CLOCK,
        period_ns,
        sample_type,
        0,
        flags,
    ).ljust(_ATTR_SIZE, b"\0")
    # clockid, at offset 92: without it the clocks of two processors may differ.
    attributes = attributes[:92] + struct.pack("<i", 1) + attributes[96:]
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(
        ctypes.c_long(_SYSCALL_PERF_EVENT_OPEN),
        ctypes.c_char_p(attributes),
        ctypes.c_int(pid),
        ctypes.c_int(processor),
        ctypes.c_int(-1),
        ctypes.c_ulong(_FLAG_FD_CLOEXEC),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(descriptor)


def _online() -> list[int]:
    """Numbers of the processors that are online."""
    numbers: list[int] = []
    try:
        text = Path("/sys/devices/system/cpu/online").read_text()
    except OSError:
        return list(range(os.cpu_count() or 1))
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _not_permitted() -> str:
    with contextlib.suppress(OSError):
        level = Path("/proc/sys/kernel/perf_event_paranoid").read_text().strip()
        return f"perf_event_open is not permitted here (kernel.perf_event_paranoid is {level}, or a sandbox)."
    return "perf_event_open is not permitted here."


def _records(buffer: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, misc, and the bounds of the body of each record."""
    unpack = struct.Struct("<IHH").unpack_from
    position = 0
    while position < len(buffer):
        kind, misc, size = unpack(buffer, position)
        yield kind, misc, position + 8, position + size
        position += size


def _parse(buffers: list[bytes], sees_kernel: bool) -> PerfSamples:
    rows: list[tuple[int, int, int, int]] = []
    events: list[Event] = []
    kernel = lost = 0
    sample = struct.Struct("<QIIQ").unpack_from
    for buffer in buffers:
        for kind, misc, start, end in _records(buffer):
            if kind == _Record.SAMPLE:
                if misc & _MISC_CPUMODE == _MISC_USER:
                    rows.append(sample(buffer, start))
                else:
                    kernel += 1
            elif kind == _Record.LOST:
                lost += struct.unpack_from("<Q", buffer, start + 8)[0]
            elif kind == _Record.LOST_SAMPLES:
                lost += struct.unpack_from("<Q", buffer, start)[0]
            elif (event := _event(buffer, kind, misc, start, end)) is not None:
                events.append(event)
    columns = np.array(rows, dtype=np.uint64).reshape(len(rows), 4)
    trace = Trace(
        processes=columns[:, 1].astype(np.int64),
        times=columns[:, 3],
        pointers=columns[:, 0],
        weights=np.ones(len(rows), dtype=np.int64),
        events=tuple(events),
    )
    return PerfSamples(trace, kernel if sees_kernel else None, lost)


def _event(buffer: bytes, kind: int, misc: int, start: int, end: int) -> Event | None:
    """A record that is about mappings. All but FORK end with sample_id: process, thread, time."""
    match kind:
        case _Record.MMAP2:
            process, _, address, length, offset = struct.unpack_from("<IIQQQ", buffer, start)
            build_id = ""
            if misc & _MISC_MMAP_BUILD_ID:
                build_id = buffer[start + 36 : start + 36 + buffer[start + 32]].hex()
            name = buffer[start + 64 : end - 16].split(b"\0")[0]
            time = struct.unpack_from("<Q", buffer, end - 8)[0]
            mapping = Mapping(address, address + length, offset, os.fsdecode(name), build_id)
            return Mapped(time, process, mapping)
        case _Record.COMM if misc & _MISC_COMM_EXEC:
            (process,) = struct.unpack_from("<I", buffer, start)
            return Cleared(struct.unpack_from("<Q", buffer, end - 8)[0], process)
        case _Record.FORK:
            process, parent, _, _, time = struct.unpack_from("<IIIIQ", buffer, start)
            return Forked(time, process, parent) if process != parent else None
        case _:
            return None
