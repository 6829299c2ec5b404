"""Code in this process: executable memory near an address, calls into it, and where libraries lie."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from burnish.core.errors import HostError, ImageError

_PAGE = mmap.PAGESIZE
_REACH = 1 << 31
"""How far a 32-bit displacement reaches."""
_LOWEST = 0x10000
_HIGHEST = (1 << 47) - _PAGE
_MAP_FIXED_NOREPLACE = 0x100000
_INT3 = 0xCC
_RTLD_DI_LINKMAP = 2
_FAILED = ctypes.c_void_p(-1).value


def _libc() -> ctypes.CDLL:
    """The C library with the types of what is used here."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    return libc


class CodeMemory:
    """Pages that can be executed, or written, but never both. Fresh pages hold ``int3``.

    A context manager; ``close`` unmaps them. Nothing may run in them during ``write`` and after ``close``.
    """

    def __init__(self, address: int, size: int) -> None:
        """Takes over ``size`` bytes of writable pages at ``address``: made by ``allocate_near``."""
        self.address = address
        self.size = size
        ctypes.memset(address, _INT3, size)
        self._protect(mmap.PROT_READ | mmap.PROT_EXEC)

    @property
    def end(self) -> int:
        return self.address + self.size

    def write(self, offset: int, code: bytes) -> int:
        """Puts ``code`` at ``offset`` and returns its address. Raises ``ValueError`` if it does not fit."""
        if self.size == 0:
            raise ValueError("the code memory has been given back")
        if offset < 0 or offset + len(code) > self.size:
            raise ValueError(f"{len(code)} bytes at offset {offset} do not fit into {self.size} bytes")
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        try:
            ctypes.memmove(self.address + offset, code, len(code))
        finally:
            self._protect(mmap.PROT_READ | mmap.PROT_EXEC)
        return self.address + offset

    def close(self) -> None:
        """Unmaps the pages; harmless when done twice."""
        if self.size:
            _libc().munmap(self.address, self.size)
            self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _protect(self, protection: int) -> None:
        if _libc().mprotect(self.address, self.size, protection) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise HostError(f"this system does not let a process make its own memory executable: {reason}")


def allocate_near(address: int, size: int) -> CodeMemory:
    """Maps at least ``size`` bytes (whole pages) such that a 32-bit displacement reaches every byte of them from
    ``address`` and from the pages after it, and back.

    Raises ``ValueError`` for a size that is not positive and ``HostError`` where no such place is free.
    """
    if size <= 0:
        raise ValueError("size must be positive")
    length = -(-size // _PAGE) * _PAGE
    libc = _libc()
    lowest = max(_LOWEST, address - _REACH + 16 * _PAGE) // _PAGE * _PAGE
    highest = min(_HIGHEST, address + _REACH - 16 * _PAGE) // _PAGE * _PAGE - length
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE
    for place in _places(address, length, lowest, highest):
        got = libc.mmap(place, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        if got == place:
            return CodeMemory(place, length)
        if got != _FAILED:
            libc.munmap(got, length)
    raise HostError(f"no {length} bytes are free within 2 GiB of {address:#x}")


def _places(address: int, length: int, lowest: int, highest: int) -> list[int]:
    """Free places of that length within the bounds, one a gap, the nearest first. One may be taken meanwhile."""
    places: list[int] = []
    for start, end in _gaps():
        low, high = max(start, lowest), min(end - length, highest)
        if low <= high:
            places.append(min(max(address // _PAGE * _PAGE, low), high))
    return sorted(places, key=lambda place: abs(place - address))


def _gaps() -> Iterator[tuple[int, int]]:
    """``(start, end)`` of the address ranges in which this process has nothing mapped."""
    taken: Iterable[tuple[int, int]] = chain([(0, _LOWEST)], _mapped(), [(_HIGHEST, _HIGHEST)])
    for (_, end), (start, _) in pairwise(taken):
        if start > end:
            yield end, start


def _mapped() -> Iterator[tuple[int, int]]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = line.split(maxsplit=1)[0].split("-")
        if int(start, 16) < _HIGHEST:
            yield int(start, 16), int(end, 16)


def function_pointer(address: int, result: Any, *arguments: Any) -> Any:
    """A callable for the native function at ``address``, with ctypes types (``result`` None: no result). The
    interpreter's lock is released during a call."""
    return ctypes.CFUNCTYPE(result, *arguments)(address)


@dataclass(frozen=True, slots=True)
class LoadedLibrary:
    """A shared library in this process. An image address plus ``base`` is an address here."""

    handle: ctypes.CDLL = field(repr=False)
    base: int
    path: Path


class _LinkMap(ctypes.Structure):
    """The part of glibc's ``struct link_map`` (<link.h>) that is public."""

    _fields_ = (
        ("address", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("dynamic", ctypes.c_void_p),
    )


def load_library(name: str | os.PathLike[str]) -> LoadedLibrary:
    """Loads a library by path or soname, as the dynamic linker finds it, or finds it where it is loaded already.

    Raises ``ImageError`` where it cannot be loaded.
    """
    try:
        handle = ctypes.CDLL(os.fspath(name))
    except OSError as error:
        raise ImageError(f"cannot load {os.fspath(name)}: {error}") from error
    entry = ctypes.POINTER(_LinkMap)()
    if _libc().dlinfo(handle._handle, _RTLD_DI_LINKMAP, ctypes.byref(entry)) != 0:
        raise ImageError(f"the dynamic linker does not tell where {os.fspath(name)} is loaded")
    contents = entry.contents
    return LoadedLibrary(handle, int(contents.address), Path(os.fsdecode(contents.name)))
