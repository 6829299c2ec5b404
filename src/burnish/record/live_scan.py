"""Whether memory holds addresses of rebuilt code: where threads will return to, and where they could."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from burnish.runtime.address_space import Mapping, read_mappings
from burnish.runtime.ptrace import Memory
from burnish.runtime.registers import Registers

Range = tuple[int, int]
"""Two addresses, the second excluded."""
_MOST_SCANNED = 256 << 20
_PIECE = 16 << 20
_TOP = 64 << 10


def stacks_hold(memory: Memory, threads: Iterable[Registers], ranges: Sequence[Range]) -> bool:
    """Whether the part in use of a thread's stack has an address in one of the ``ranges``."""
    mappings = read_mappings(memory.pid)
    for thread in threads:
        for mapping in mappings:
            if mapping.start <= thread.rsp < mapping.end and _hold(memory, thread.rsp, mapping.end, ranges):
                return True
    return False


def others_hold(
    memory: Memory, threads: Sequence[Registers], ranges: Sequence[Range], own: Collection[int]
) -> bool:
    """The same of all other memory that can be written: a thread may have put a stack aside there. Where there is more
    than can be looked at, it may. ``own`` are starts of mappings that are left out."""
    left = _MOST_SCANNED
    for mapping in read_mappings(memory.pid):
        if not (mapping.readable and mapping.writable) or mapping.start in own:
            continue
        if any(mapping.start <= thread.rsp < mapping.end for thread in threads):
            continue
        if mapping.shared and mapping.path.startswith(("/dev/", "anon_inode:")):
            continue
        if _is_of_dead_thread(memory, mapping, [thread.fs_base for thread in threads]):
            continue
        left -= mapping.end - mapping.start
        if left < 0 or _hold(memory, mapping.start, mapping.end, ranges):
            return True
    return False


def _is_of_dead_thread(memory: Memory, mapping: Mapping, alive: Collection[int]) -> bool:
    """Whether a mapping is the stack of a thread that is gone: glibc keeps them for later threads, garbage and all. At
    their top is the thread's control block, whose first word and third are its own address (AMD64 TLS ABI)."""
    start = max(mapping.start, mapping.end - _TOP)
    data = memory.read(start, mapping.end - start)
    words = np.frombuffer(data[: len(data) // 8 * 8], np.uint64)
    own = np.uint64(start) + np.arange(len(words), dtype=np.uint64) * np.uint64(8)
    blocks = own[:-2][(words[:-2] == own[:-2]) & (words[2:] == own[:-2])] if len(words) > 2 else own[:0]
    return len(blocks) > 0 and not any(int(block) in alive for block in blocks)


def _hold(memory: Memory, start: int, end: int, ranges: Sequence[Range]) -> bool:
    start -= start % 8
    while start < end:
        data = memory.read(start, min(_PIECE, end - start))
        words = np.frombuffer(data[: len(data) // 8 * 8], np.uint64)
        for low, high in ranges:
            if ((words >= np.uint64(low)) & (words < np.uint64(high))).any():
                return True
        if not data:
            return False
        start += _PIECE
    return False
