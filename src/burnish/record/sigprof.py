"""Sampling from inside: an object preloaded into the target that counts instructions at SIGPROF.

For machines that do not permit ``perf_event_open``. The object (``native/sigprof_preload.c``) counts per
instruction of each process into a file of a folder that this module gives it, and this module reads the
files.

What it cannot see: programs that are statically linked, set-user-ID or of another architecture (nothing can be
preloaded); threads not made by ``pthread_create``; time in the kernel, which counts where the system call
returns; a library loaded where another was unloaded before. A program that handles SIGPROF itself is not sampled
while it does, one in a process namespace of its own not reliably. Processor-time timers fire at the kernel's tick,
so no period is shorter than that.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from burnish.core.errors import HostError
from burnish.record.attribution import Cleared, Event, Mapped, Mapping, Trace
from burnish.runtime.command import Command, find_executable

_CLOCK_MONOTONIC_COARSE = 6  # of linux/time.h; advances at each tick
_SLOTS = 1 << 14
_COLLECT_S = 0.25
_MAGIC = b"BURNSIG1"
_HEADER = struct.Struct("<8sQQQ")
_TEXT = 128 << 10
_SIZE = _HEADER.size + 16 * _SLOTS + _TEXT
_ADDRESS_BITS = np.uint64(48)
_ADDRESS_MASK = np.uint64((1 << 48) - 1)


def shortest_period_ns() -> int:
    """The kernel's tick in nanoseconds."""
    return round(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 1e9)


def preloaded(command: Command, folder: Path, period_ns: int) -> Command:
    """The command with the sampling object preloaded; it will write into ``folder``.

    Raises ``HostError`` if nothing can be preloaded into the program, and ``TargetError`` if there is none.
    """
    program = find_executable(command)
    static = _static_program(program)
    if static is not None:
        raise HostError(f"{static} is statically linked, so nothing can be preloaded to sample it.")
    library = _library()
    if any(separator in str(library) for separator in " :;"):
        link = folder / library.name
        link.symlink_to(library)
        library = link
    environment = dict(os.environ if command.env is None else command.env)
    others = environment.get("LD_PRELOAD", "")
    environment["LD_PRELOAD"] = f"{library}:{others}" if others else str(library)
    environment["BURNISH_SIGPROF_DIR"] = str(folder)
    environment["BURNISH_SIGPROF_PERIOD_NS"] = str(period_ns)
    return replace(command, env=environment)


def _library() -> Path:
    found = importlib.util.find_spec("burnish._native")
    if found is None or found.origin is None:
        raise HostError("The native part of burnish is not installed; run pip install again.")
    library = Path(found.origin).with_name("burnish_sigprof.so")
    if not library.exists():
        raise HostError(f"{library} is missing; run pip install again.")
    return library


def _static_program(path: Path, depth: int = 0) -> Path | None:
    """The ELF file without a loader that running ``path`` executes, or None if that has one. Follows
    ``#!``."""
    try:
        with path.open("rb") as file:
            line = file.readline(256)
            if line.startswith(b"#!") and depth < 5:
                words = line[2:].split()
                return _static_program(Path(os.fsdecode(words[0])), depth + 1) if words else None
            elf = ELFFile(file)
            dynamic = any(segment["p_type"] == "PT_INTERP" for segment in elf.iter_segments())
            return None if dynamic else path
    except (OSError, ELFError):
        return None


class Collector:
    """Reads the files that the preloaded objects write into ``folder``.

    A thread takes those of processes that have ended while others still run: a build or a shell script starts
    thousands, and each file has its blocks allocated.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: list[npt.NDArray[np.uint64]] = []
        self._events: list[Event] = []
        self._lost = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnish-sigprof", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_COLLECT_S):
            for file in self._files():
                process = file.name.partition("-")[0]
                if not Path("/proc", process).exists():
                    self._take(file)

    def _files(self) -> list[Path]:
        return sorted(file for file in self._folder.iterdir() if not file.is_symlink())

    def _take(self, file: Path) -> None:
        data = file.read_bytes()
        file.unlink()
        if len(data) != _SIZE or not data.startswith(_MAGIC):
            return  # the process ended before it had filled the header
        _, _, dropped, used = _HEADER.unpack_from(data)
        slots = np.frombuffer(data, dtype="<u8", count=2 * _SLOTS, offset=_HEADER.size).reshape(-1, 2)
        slots = slots[slots[:, 1] > 0]
        # The number of the file stands for the process, that of the copy of the maps for the time.
        process = len(self._pieces)
        columns = [np.full(len(slots), process, dtype=np.uint64), slots[:, 0] >> _ADDRESS_BITS]
        columns += [slots[:, 0] & _ADDRESS_MASK, slots[:, 1]]
        self._pieces.append(np.column_stack(columns))
        self._events += _events(process, data[_SIZE - _TEXT : _SIZE - _TEXT + used])
        self._lost += dropped

    def finish(self) -> tuple[Trace, int]:
        """All samples, and how many were lost. To be called once, after the tree has ended.

        Raises ``HostError`` if no process wrote a file.
        """
        self._stop.set()
        self._thread.join()
        for file in self._files():
            self._take(file)
        if not self._pieces:
            raise HostError("The program could not be sampled: it did not load the preloaded object.")
        rows = np.concatenate(self._pieces)
        trace = Trace(
            processes=rows[:, 0].astype(np.int64),
            times=rows[:, 1],
            pointers=rows[:, 2],
            weights=rows[:, 3].astype(np.int64),
            events=tuple(self._events),
        )
        return trace, self._lost


def _events(process: int, text: bytes) -> list[Event]:
    """Each copy of the maps is a time at which the process has just these mappings."""
    events: list[Event] = []
    number = 0
    for line in text.splitlines():
        if line.startswith(b"="):
            number = int(line[1:], 16)
            events.append(Cleared(number, process))
            continue
        fields = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in fields[0].split(b"-"))
        path = os.fsdecode(fields[5]) if len(fields) == 6 else ""
        events.append(Mapped(number, process, Mapping(start, end, int(fields[2], 16), path)))
    return events
