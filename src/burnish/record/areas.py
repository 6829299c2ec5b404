"""The recorder's side of the ring: reads what the threads of a recorded process write into their areas.

``native/record_preload.c`` makes the areas and says what is in them. A thread of the recorder empties full chunks while
the target runs; when it has ended, what is left is read: a process that was killed has lost nothing.
"""

from __future__ import annotations

import importlib.util
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from burnish.core.errors import HostError

HEADER = 4096
CHUNK_HEADER = 64
CHUNK_BYTES = 1 << 19
CHUNKS = 8
_PAGE = 4096
_NOWHERE = 4096
"""Between counters and chunks: where records go that are not to be kept."""
_MAGIC_AT, _MAGIC = 104, b"BURNAREA"
_CURSOR, _CHUNK, _NUMBER, _DROPPED, _COUNTERS, _CHUNKS, _CHUNK_BYTES, _BASE = 0, 3, 4, 5, 8, 9, 10, 11
_ENDED, _LEAVING = 7, 14
_RETIRED, _CLOSED, _WITHOUT, _FORKS, _ARRIVED = 496, 497, 498, 501, 502
_LOST = "lost-"
"""How files begin that stand for threads which got no area."""
_POLL_S = 0.002
_RETIRE_S = 0.1
_RELEASE_S = 1.0
"""How long an area stays mapped whose thread has ended: somebody else may be found to write to it."""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive trace records of one thread: the ``number``-th of its chunks, from 1, or a part of it. Times are
    CLOCK_MONOTONIC in nanoseconds; ``ended_ns`` of one that was not full is when it began."""

    process: int
    thread: int
    number: int
    began_ns: int
    ended_ns: int
    data: bytes
    taken_ns: int = 0
    """When it was taken."""


@dataclass(frozen=True, slots=True)
class ThreadCounts:
    """What one thread counted. ``dropped`` bytes of its trace records were lost."""

    process: int
    thread: int
    counts: Words
    dropped: int


@dataclass(frozen=True, slots=True)
class Burst:
    """Of every ``every`` blocks that a thread enters, ``length`` are traced, one after another."""

    length: int
    every: int


class Sink(Protocol):
    """What takes the records. All is called from one thread."""

    def take(self, chunk: Chunk) -> object:
        """Records of one thread, in order."""
        ...


class WordSink(Sink, Protocol):
    """A sink for records of words, whose first word is written last."""

    def whole(self, words: Words) -> int:
        """How many words at the start are records that are complete."""
        ...

    def leave(self, process: int) -> None:
        """All records of a process have been taken; it is about to end, and waits for this."""
        ...


def environment(
    folder: Path,
    counters: int,
    *,
    record_bytes: int,
    drop: bool,
    burst: Burst | None = None,
    wait: bool = False,
) -> dict[str, str]:
    """What must be set, beside ``LD_PRELOAD``, for the preloaded object to work. ``record_bytes`` is the size of a
    trace record, 0 for no trace; with ``wait`` a process waits for ``WordSink.leave`` before it ends."""
    return {
        "BURNISH_RECORD_DIR": str(folder),
        "BURNISH_RECORD_COUNTERS": str(counters),
        "BURNISH_RECORD_CHUNKS": str(CHUNKS if record_bytes else 0),
        "BURNISH_RECORD_CHUNK_BYTES": str(CHUNK_BYTES),
        "BURNISH_RECORD_BYTES": str(record_bytes),
        "BURNISH_RECORD_BURST": str(0 if burst is None else burst.length),
        "BURNISH_RECORD_EVERY": str(0 if burst is None else burst.every),
        "BURNISH_RECORD_DROP": str(int(drop)),
        "BURNISH_RECORD_WAIT": str(int(wait)),
        "BURNISH_RECORD_PID": str(os.getpid()),
    }


def preload(others: str) -> str:
    """The value of ``LD_PRELOAD`` with the object before ``others``."""
    found = importlib.util.find_spec("burnish._native")
    if found is None or found.origin is None:
        raise HostError("The native part of burnish is not installed; run pip install again.")
    library = Path(found.origin).with_name("burnish_record.so")
    if not library.exists():
        raise HostError(f"{library} is missing; run pip install again.")
    if any(separator in str(library) for separator in " :;"):
        raise HostError(f"{library} cannot be preloaded: its path has a space, colon or semicolon in it.")
    return f"{library}:{others}" if others else str(library)


class _Area:
    """One thread's area, mapped."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.words: Words = np.frombuffer(self._memory, np.uint64)
        identity = np.frombuffer(self._memory, np.uint32, 2, 96)
        self.process, self.thread = int(identity[0]), int(identity[1])
        count = int(self.words[_COUNTERS])
        first = (HEADER + 8 * count + _PAGE - 1) // _PAGE * _PAGE + _NOWHERE
        size = int(self.words[_CHUNK_BYTES])
        self._places = [first + k * size for k in range(int(self.words[_CHUNKS]))]
        self._taken = 0
        """Bytes of the oldest chunk that have been taken before it was full."""

    def full_chunks(self, sink: WordSink | None = None) -> Iterator[Chunk]:
        """Takes the chunks that are full, in order, and marks them free. With ``sink`` one that is not all written yet
        stays, with all that follow it."""
        full = [place for place in self._places if self.words[place // 8]]
        for place in sorted(full, key=lambda place: int(self.words[place // 8 + 2])):
            used = int(self.words[place // 8 + 1])
            if sink is not None:
                words = self._words(place, used)
                if sink.whole(words) < len(words):
                    return
                yield self._chunk(place, used)
                words[:] = 0
            else:
                yield self._chunk(place, used)
            self._taken = 0
            self.words[place // 8] = 0

    def rest(self, sink: WordSink | None = None) -> Chunk | None:
        """What is in the chunk that is being filled, as far as it has not been taken: all of it when the thread has
        ended, else with ``sink`` what is all written."""
        if not self._places:
            return None
        place = int(self.words[_CHUNK] - self.words[_BASE])
        used = int(self.words[_CURSOR] - self.words[_CHUNK]) - CHUNK_HEADER
        if used <= self._taken:
            return None
        if sink is None:
            return self._chunk(place, used)
        chunk = self._chunk(place, self._taken + 8 * sink.whole(self._words(place, used)))
        self._taken += len(chunk.data)
        return chunk

    def _words(self, place: int, used: int) -> Words:
        start = place + CHUNK_HEADER
        return self.words[(start + self._taken) // 8 : (start + used) // 8]

    def _chunk(self, place: int, used: int) -> Chunk:
        at = place // 8
        start = place + CHUNK_HEADER
        number, began, ended = (int(word) for word in self.words[at + 2 : at + 5])
        data = self._memory[start + self._taken : start + used]
        return Chunk(self.process, self.thread, number, began, ended or began, data, time.monotonic_ns())

    @property
    def is_over(self) -> bool:
        """True when the thread has ended for certain, and nothing more will come."""
        return bool(self.words[_ENDED]) and not Path(f"/proc/{self.process}/task/{self.thread}").exists()

    @property
    def is_leaving(self) -> bool:
        """True when the process is about to end and waits to be let go."""
        return int(self.words[_LEAVING]) == 1

    def let_go(self) -> None:
        """Let a process end that waits for it."""
        if self.is_leaving:
            self.words[_LEAVING] = 2

    def retire(self) -> None:
        """Tell the process that nobody empties the area any more."""
        self.words[_CLOSED] = 1

    def release(self) -> None:
        """Tell the process that it may unmap the area."""
        self.words[_RETIRED] = 1

    @property
    def without_area(self) -> int:
        """Threads of the process that the area could count only, where no file could be made."""
        return int(self.words[_WITHOUT])

    @property
    def forks(self) -> int:
        """Processes that this one has forked and that have no areas yet."""
        return int(self.words[_FORKS]) - int(self.words[_ARRIVED])

    def counts(self) -> ThreadCounts:
        count = int(self.words[_COUNTERS])
        counts = self.words[HEADER // 8 : HEADER // 8 + count].copy()
        return ThreadCounts(self.process, self.thread, counts, int(self.words[_DROPPED]))


class Collector:
    """Empties the areas in ``folder`` into ``sink`` while the target runs."""

    def __init__(self, folder: Path, sink: Sink | None, words: WordSink | None = None) -> None:
        """``words`` is the sink, if its records are words."""
        self._folder = folder
        self._sink = sink
        self._words = words
        self._areas: dict[str, _Area] = {}
        self._done: list[ThreadCounts] = []
        self._passes = 0
        self._without = 0
        self._over: deque[tuple[float, _Area]] = deque()
        self._mistrusted: set[int] = set()
        self._retired = 0.0
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="burnish-record", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                found = self._empty()
                self._passes += 1
                if not found:
                    self._stop.wait(_POLL_S)
        except BaseException as error:
            self._error = error
            while not self._stop.wait(_POLL_S):  # nobody must wait for chunks that are not emptied any more
                for area in self._areas.values():
                    for _ in area.full_chunks():
                        pass
                    area.let_go()

    def _empty(self) -> bool:
        """True if there was something."""
        for path in self._folder.iterdir():
            if path.name not in self._areas and _is_complete(path):
                self._areas[path.name] = _Area(path)
        found = False
        for area in self._areas.values():
            for chunk in area.full_chunks(self._words):
                self._take(chunk)
                found = True
            if self._words is not None and area.is_leaving:
                self._leave(area, self._words)
        now = time.monotonic()
        if now - self._retired > _RETIRE_S:
            self._retired = now
            for name in [name for name, area in self._areas.items() if area.is_over]:
                self._retire(name)
            self._release(now)
        return found

    def _leave(self, leaving: _Area, sink: WordSink) -> None:
        """A process is about to end: takes all that it has written, and lets it go."""
        for area in self._areas.values():
            if area.process == leaving.process:
                for chunk in area.full_chunks(sink):
                    self._take(chunk)
                chunk = area.rest(sink)
                if chunk is not None:
                    self._take(chunk)
        sink.leave(leaving.process)
        leaving.let_go()

    def _take(self, chunk: Chunk) -> None:
        if self._sink is not None:
            self._sink.take(chunk)

    def _retire(self, name: str) -> None:
        """Takes all that is left of an area, and its file away: a program may start thousands of threads."""
        area = self._areas.pop(name)
        for chunk in area.full_chunks():
            self._take(chunk)
        chunk = area.rest()
        if chunk is not None:
            self._take(chunk)
        self._done.append(area.counts())
        self._without += area.without_area
        area.retire()
        self._over.append((time.monotonic(), area))
        (self._folder / name).unlink()

    def finish(self) -> tuple[ThreadCounts, ...]:
        """What every thread counted; what is left in the ring goes to the sink. To be called once, after the target has
        ended. Raises what the sink raised."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._empty()
        for name in list(self._areas):
            self._retire(name)
        return tuple(self._done)

    @property
    def counted(self) -> int:
        """What all counters have come to so far, together; may be called while the target runs."""
        done = sum(int(thread.counts.sum()) for thread in list(self._done))
        return done + sum(int(area.counts().counts.sum()) for area in list(self._areas.values()))

    @property
    def without_area(self) -> int:
        """Threads that could not be recorded, for want of memory for an area."""
        return self._without + sum(path.name.startswith(_LOST) for path in self._folder.iterdir())

    def threads(self) -> set[tuple[int, int]]:
        """Processes and threads that have an area, or could get none."""
        found = {(area.process, area.thread) for area in tuple(self._areas.values())}
        for path in self._folder.iterdir():
            if path.name.startswith(_LOST):
                process, thread = path.name.removeprefix(_LOST).split("-")
                found.add((int(process), int(thread)))
        return found

    def processes(self) -> set[int]:
        """Processes with areas that are not done with."""
        found = {area.process for area in tuple(self._areas.values())}
        names = (path.name.partition("-")[0] for path in self._folder.iterdir())
        return found | {int(name) for name in names if name.isdigit()}

    def look(self) -> None:
        """Return when all areas that there are now have been found."""
        seen = self._passes
        while self._error is None and self._passes < seen + 2:
            time.sleep(_POLL_S)

    @property
    def expects_more(self) -> bool:
        """True where a process has been forked that has no area yet."""
        return any(area.forks > 0 for area in tuple(self._areas.values()))

    def mistrust(self, process: int) -> None:
        """Threads of a process write to areas that are not theirs: all must stay mapped."""
        self._mistrusted.add(process)

    def _release(self, now: float) -> None:
        """Lets processes unmap the areas of threads that ended a while ago."""
        while self._over and now - self._over[0][0] > _RELEASE_S:
            _, area = self._over.popleft()
            if area.process not in self._mistrusted:
                area.release()


def _is_complete(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), len(_MAGIC), _MAGIC_AT) == _MAGIC
    except FileNotFoundError:
        return False


def summed(threads: tuple[ThreadCounts, ...]) -> Mapping[int, int]:
    """Counts of all threads together, by counter; those that are 0 are left out."""
    if not threads:
        return {}
    total: Words = np.add.reduce([thread.counts for thread in threads], dtype=np.uint64)
    return {int(index): int(total[index]) for index in np.flatnonzero(total)}
