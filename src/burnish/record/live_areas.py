"""Areas for the threads of a process that runs already: made from outside, by system calls that its threads are made to
carry out. ``native/record_ring.h`` says what is in an area, ``record/areas.py`` reads them."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from burnish.core.errors import HostError, TargetError
from burnish.record.areas import CHUNK_BYTES, CHUNK_HEADER, CHUNKS, HEADER
from burnish.runtime import ptrace
from burnish.runtime.injection import failed, system_call
from burnish.runtime.ptrace import Memory

_PAGE = 4096
_MARGIN = 4096
_MAGIC = b"BURNAREA"
_ENDED_AT, _DROP_AT = 56, 176
_NOWHERE = 4096
_HEADER = struct.Struct("<12QII8sQQqqQqqQII")
_SYS_OPEN, _SYS_CLOSE, _SYS_MMAP, _SYS_MUNMAP = 2, 3, 9, 11
_READ, _WRITE, _EXECUTE = 1, 2, 4
_SHARED, _PRIVATE, _FIXED, _ANONYMOUS, _NEW = 1, 2, 0x10, 0x20, 0x100000
_NO_FILE = -1


@dataclass(frozen=True, slots=True)
class Shape:
    """What an area is made for: counters, records of ``record_bytes`` (0 for no trace), the address of the slow path,
    whether records are lost rather than waited for, and who empties the chunks."""

    counters: int
    record_bytes: int
    slow: int
    drop: bool
    recorder: int

    @property
    def chunks(self) -> int:
        """How many chunks."""
        return CHUNKS if self.record_bytes else 0

    @property
    def first(self) -> int:
        """Offset of the first chunk; before it is a page for what is not to be kept."""
        return (HEADER + 8 * self.counters + _PAGE - 1) // _PAGE * _PAGE + _NOWHERE

    @property
    def size(self) -> int:
        """Bytes of an area."""
        return self.first + self.chunks * CHUNK_BYTES

    def header(self, base: int, pid: int, tid: int, drop: bool) -> bytes:
        """The header of an area at ``base``, without the magic number."""
        chunk = base + self.first
        numbers = (self.counters, self.chunks, CHUNK_BYTES, base, pid, tid, bytes(8))
        bursts = (1, 0, 0, 0, 0)  # none: it is always on
        tail = (0, chunk - _NOWHERE, *bursts, self.record_bytes, int(drop), self.recorder)
        filling = (chunk + CHUNK_HEADER, chunk + CHUNK_BYTES - _MARGIN, self.slow, chunk, 1)
        if not self.chunks:
            filling = (0, 0, self.slow, 0, 0)
        return _HEADER.pack(*filling, 0, time.monotonic_ns(), 0, *numbers, *tail)


@dataclass(frozen=True, slots=True)
class LiveArea:
    """One thread's area: mapped at ``base`` of its process. ``path`` is None for one that nobody reads."""

    base: int
    size: int
    path: Path | None

    def over(self) -> None:
        """Say that the thread has ended."""
        self._poke(_ENDED_AT, struct.pack("<Q", 1))

    def never_wait(self) -> None:
        """From now on the thread loses records rather than waiting."""
        self._poke(_DROP_AT, struct.pack("<I", 1))

    def _poke(self, offset: int, data: bytes) -> None:
        if self.path is not None:
            with suppress(FileNotFoundError):
                descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    os.pwrite(descriptor, data, offset)
                finally:
                    os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Injector:
    """Changes the mappings of a process through one of its stopped threads. ``place`` is a ``syscall`` instruction,
    ``scratch`` an address where the name of a file can be put."""

    tid: int
    memory: Memory
    place: int
    scratch: int = 0

    def place_code(self, address: int, code: bytes) -> bool:
        """Map ``code`` at a free page address; False where it is not free."""
        size = len(code) + -len(code) % _PAGE
        flags = _PRIVATE | _ANONYMOUS | _FIXED | _NEW
        got = self._call(_SYS_MMAP, address, size, _READ | _EXECUTE, flags, _NO_FILE, 0)
        if got != address:
            if not failed(got):
                self.unmap(got, size)
            return False
        self.memory.write(address, code)
        return True

    def unmap(self, address: int, size: int) -> None:
        """Unmap whole pages."""
        self._call(_SYS_MUNMAP, address, size + -size % _PAGE)

    def new_area(self, shape: Shape, folder: Path, pid: int, tid: int) -> LiveArea | None:
        """An area for the thread ``tid`` of process ``pid``; None where it can have none: there is no memory, or the
        process cannot open the file."""
        path = folder / f"{pid}-{tid}-{time.monotonic_ns()}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            os.posix_fallocate(descriptor, 0, shape.size)
            base = self._map_file(path, shape.size)
            if base:
                head = shape.header(base, pid, tid, shape.drop)
                os.pwrite(descriptor, head, 0)
                if shape.chunks:
                    os.pwrite(descriptor, struct.pack("<5Q", 0, 0, 1, time.monotonic_ns(), 0), shape.first)
                os.pwrite(descriptor, _MAGIC, 104)
                return LiveArea(base, shape.size, path)
        except OSError:  # no room
            pass
        finally:
            os.close(descriptor)
        path.unlink()
        return None

    def spare_area(self, shape: Shape, folder: Path, pid: int, tid: int) -> LiveArea:
        """An area that nobody reads. A file tells the recorder. Raises ``TargetError`` where there is no memory."""
        with suppress(OSError):
            (folder / f"lost-{pid}-{tid}").touch()
        base = self._call(_SYS_MMAP, 0, shape.size, _READ | _WRITE, _PRIVATE | _ANONYMOUS, _NO_FILE, 0)
        if failed(base):
            raise TargetError(f"There is no memory for thread {tid} of process {pid} to be recorded in.")
        self.memory.write(base, shape.header(base, pid, tid, True))
        return LiveArea(base, shape.size, None)

    def make_private(self, area: LiveArea, shape: Shape) -> None:
        """Put in the place of an area one that nobody reads, so that the thread can go on in rebuilt code: of its
        chunks it uses the one that it is in again and again."""
        if area.path is None:
            return
        head = self.memory.read(area.base, HEADER)
        flags = _PRIVATE | _ANONYMOUS | _FIXED
        if self._call(_SYS_MMAP, area.base, area.size, _READ | _WRITE, flags, _NO_FILE, 0) != area.base:
            return  # it keeps the file, which is gone from its folder soon
        self.memory.write(area.base, head)
        self.memory.write(area.base + _DROP_AT, struct.pack("<I", 1))
        for k in range(shape.chunks):
            self.memory.write(area.base + shape.first + k * CHUNK_BYTES, struct.pack("<Q", 1))

    def _map_file(self, path: Path, size: int) -> int:
        """Where the process has a file mapped now; 0 if it cannot."""
        self.memory.write(self.scratch, os.fsencode(path) + b"\0")
        descriptor = self._call(_SYS_OPEN, self.scratch, os.O_RDWR | os.O_CLOEXEC)
        if failed(descriptor):
            return 0
        base = self._call(_SYS_MMAP, 0, size, _READ | _WRITE, _SHARED, descriptor, 0)
        self._call(_SYS_CLOSE, descriptor)
        return 0 if failed(base) else base

    def _call(self, number: int, *arguments: int) -> int:
        return system_call(self.tid, self.place, number, *arguments)


def set_base(tid: int, base: int) -> None:
    """Let ``gs`` of a stopped thread begin at ``base``."""
    registers = ptrace.get_registers(tid)
    registers.gs_base = base
    ptrace.set_registers(tid, registers)


def reset_base(tid: int, bases: Sequence[int]) -> None:
    """Let ``gs`` of a stopped thread begin at 0 again, if it begins at one of ``bases``."""
    if ptrace.get_registers(tid).gs_base in bases:
        set_base(tid, 0)


def require_free_gs(tid: int) -> None:
    """Raises ``HostError`` where a stopped thread uses ``gs`` itself, or is no 64-bit code."""
    registers = ptrace.get_registers(tid)
    if registers.gs_base or registers.gs:
        raise HostError(f"Thread {tid} uses gs itself, which probes need; it cannot be recorded.")
