"""An area as ``native/record_preload.c`` makes it, written by a Python inside the target: counters and trace records.

It imports the standard library alone: that Python has nothing else.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from typing import Any

HEADER, CHUNK_HEADER, PAGE, MARGIN, NOWHERE = 4096, 64, 4096, 4096, 4096
CURSOR, LIMIT, CHUNK, NUMBER, DROPPED, STARTED, COUNTERS, CHUNKS, CHUNK_BYTES = 0, 1, 3, 4, 5, 6, 8, 9, 10
FULL, USED, ORDER, BEGAN, ENDED = range(5)
_FORMATS: dict[int, Any] = {0: "B", 2: "H", 4: "I", 8: "Q"}


class Area:
    """This thread's area: counters, and the ring of chunks."""

    def __init__(self, folder: str, counters: int, record_bytes: int) -> None:
        self.folder, self.count, self.record_bytes = folder, counters, record_bytes
        self.chunks = int(os.environ["BURNISH_RECORD_CHUNKS"])
        self.chunk_bytes = int(os.environ["BURNISH_RECORD_CHUNK_BYTES"])
        self.drop = os.environ["BURNISH_RECORD_DROP"] == "1"
        self.recorder = int(os.environ["BURNISH_RECORD_PID"])
        self.pending: list[tuple[int, int]] = []
        """Stack pointers at which calls that end blocks return, and the counters of the edges behind them."""
        self.open()

    def open(self) -> None:
        """Make an area; in a forked child, another one."""
        first = (HEADER + 8 * self.count + PAGE - 1) // PAGE * PAGE + NOWHERE
        size = first + self.chunks * self.chunk_bytes
        now = time.monotonic_ns()
        name = f"{self.folder}/{os.getpid()}-{threading.get_native_id()}-{now}"
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(file, 0, size)
        self.memory = mmap.mmap(file, size)
        os.close(file)
        self.words = memoryview(self.memory).cast("Q")
        self.counters = self.words[HEADER // 8 : HEADER // 8 + self.count]
        self.records: Any = memoryview(self.memory).cast(_FORMATS[self.record_bytes])
        self.places = [first + k * self.chunk_bytes for k in range(self.chunks)]
        words = self.words
        words[STARTED], words[COUNTERS], words[CHUNKS], words[CHUNK_BYTES] = (
            now,
            self.count,
            self.chunks,
            self.chunk_bytes,
        )
        struct.pack_into("<II", self.memory, 96, os.getpid(), threading.get_native_id())
        if self.chunks:
            self.begin(0)
        self.memory[104:112] = b"BURNAREA"

    def begin(self, index: int) -> None:
        """Go on in a chunk that is free."""
        self.index = index
        place = self.places[index]
        self.words[NUMBER] += 1
        at = place // 8
        self.words[at + ORDER], self.words[at + USED] = self.words[NUMBER], 0
        self.words[at + BEGAN], self.words[at + ENDED] = time.monotonic_ns(), 0
        self.words[CHUNK] = place
        self.words[CURSOR] = place + CHUNK_HEADER
        self.at = (place + CHUNK_HEADER) // self.record_bytes
        self.limit = (place + self.chunk_bytes - MARGIN) // self.record_bytes

    def write(self, record: int) -> None:
        """Append a trace record."""
        at = self.at
        self.records[at] = record
        self.at = at = at + 1
        self.words[CURSOR] = at * self.record_bytes
        if at >= self.limit:
            self.next_chunk()

    def next_chunk(self) -> None:
        """Hand the chunk over, and go on in the next one; wait for it, or lose what was written."""
        words, old = self.words, self.places[self.index] // 8
        following = (self.index + 1) % self.chunks
        words[old + USED] = words[CURSOR] - words[CHUNK] - CHUNK_HEADER
        words[old + ENDED] = time.monotonic_ns()
        while words[self.places[following] // 8 + FULL]:
            if self.drop or not is_alive(self.recorder):
                words[DROPPED] += words[old + USED]
                words[NUMBER] -= 1
                self.begin(self.index)
                return
            time.sleep(0.0001)
        self.begin(following)
        words[old + FULL] = 1


def is_alive(process: int) -> bool:
    """False when there is no such process any more."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
