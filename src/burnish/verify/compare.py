"""Compares what two runs of one snapshot left behind: registers and memory, as the caller of a function sees them.

Memory is compared exactly and only where the two can differ: pages of the two copies that are the same physical
page (/proc/<pid>/pagemap, where the kernel shows frame numbers) need not be read. Not compared, because a caller
cannot see it: the frame below the stack pointer at entry, pointers that dangle into it, and the bookkeeping of
lazy binding in the dynamic loader.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import ImageError
from burnish.images.elf_layout import read_layout
from burnish.runtime.address_space import PAGE, auxiliary_vector, image_base, mapping_at
from burnish.runtime.address_space import Mapping as MemoryMapping
from burnish.runtime.bounded_run import Returned
from burnish.runtime.ptrace import GoneError
from burnish.runtime.snapshot import Snapshot

CALLEE_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15", "rsp")
_DIRECTION = 0x400
_MXCSR_CONTROL = 0xFFC0
_FRAME_BITS = np.uint64((1 << 55) - 1 | 3 << 62)
"""Page frame or swap entry, swapped, present; not the bits on sharing and dirtiness (pagemap(5) of the kernel)."""
_SOMETHING = np.uint64(3 << 62)
_FRAME_NUMBER = (1 << 55) - 1
_DEPTH = 256 << 10
"""How far below the entry the frames of a call may reach on a stack that is not the main one."""
_WORD = (1 << 64) - 1
_SHOWN = 6
_CHUNK = 4 << 20
_AT_BASE, _DT_PLTRELSZ, _DT_JMPREL, _R_JUMP_SLOT = 7, 2, 23, 7

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class ReturnPart:
    """The low ``size`` bytes of a register in which a function returns something: ``rax``, ``rdx``, ``xmm0`` …"""

    register: str
    size: int


ALL_RETURNS = (ReturnPart("rax", 8), ReturnPart("rdx", 8), ReturnPart("xmm0", 16), ReturnPart("xmm1", 16))
"""All that the System V convention may return in vector and integer registers."""


@dataclass(frozen=True, slots=True)
class DeadFrame:
    """Addresses ``low`` … ``high`` that are dead once a function has returned: its frames, its return address and
    its arguments on the stack."""

    low: int
    high: int

    def holds(self, address: int) -> bool:
        """True for an address in it."""
        return self.low <= address < self.high


def dead_frame(mappings: Sequence[MemoryMapping], rsp: int, stack_arguments: int) -> DeadFrame:
    """The dead frame of a function that is entered with ``rsp`` (at its return address)."""
    stack = mapping_at(mappings, rsp)
    if stack is None:
        return DeadFrame(rsp, rsp + 8)
    # The main stack grows below what is mapped, by up to the limit of 8 MiB and more.
    low = stack.start - (64 << 20) if stack.path == "[stack]" else max(stack.start, rsp - _DEPTH)
    return DeadFrame(low, rsp + 8 + stack_arguments)


@dataclass(frozen=True, slots=True)
class Differences:
    """Sentences that say what differs. ``only_nan`` where all of it is the payload or sign of a NaN, which Burnish
    does not promise to keep (nor do compilers). ``returns`` has the return registers that differ and their
    differing bits; ``only_returns`` where nothing else differs."""

    sentences: tuple[str, ...] = ()
    only_nan: bool = True
    returns: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def only_returns(self) -> bool:
        return len(self.returns) == len(self.sentences)

    def __add__(self, other: Differences) -> Differences:
        return Differences(
            self.sentences + other.sentences,
            self.only_nan and other.only_nan,
            {**self.returns, **other.returns},
        )

    def __bool__(self) -> bool:
        return bool(self.sentences)


def is_nan_pair(left: int, right: int, size: int) -> bool:
    """True if each 8-byte lane of two different values is equal or a quiet NaN in both, as doubles or as floats.

    Only NaNs whose upper payload bits are 0, as operations make them: so that -1 and -2 are not taken for two.
    """
    lanes = [(left >> at & _WORD, right >> at & _WORD) for at in range(0, 8 * size, 64)]
    return all(
        a == b
        or (_is_double_nan(a) and _is_double_nan(b))
        or all(
            x == y or (_is_float_nan(x) and _is_float_nan(y))
            for x, y in ((a & 0xFFFFFFFF, b & 0xFFFFFFFF), (a >> 32, b >> 32))
        )
        for a, b in lanes
    )


def _is_double_nan(value: int) -> bool:
    return value >> 48 & 0x7FFF == 0x7FF8


def _is_float_nan(value: int) -> bool:
    return value >> 16 & 0x7FFF == 0x7FC0


def register_differences(
    original: Returned, rebuilt: Returned, returns: Sequence[ReturnPart], dead: DeadFrame
) -> Differences:
    """What differs in the registers that a caller may rely on; not in pointers that dangle into ``dead``."""
    pairs: list[tuple[str, int, int]] = []
    for part in returns:
        mask = (1 << 8 * part.size) - 1
        mine, its = (_value(side, part.register) & mask for side in (original, rebuilt))
        if not _dangles(mine, its, dead):
            pairs.append((part.register, mine, its))
    for name in CALLEE_SAVED:
        pairs.append((name, original.registers.get(name), rebuilt.registers.get(name)))
    first, second = original.registers.eflags & _DIRECTION, rebuilt.registers.eflags & _DIRECTION
    pairs.append(("the direction flag", first // _DIRECTION, second // _DIRECTION))
    first, second = original.floats.mxcsr & _MXCSR_CONTROL, rebuilt.floats.mxcsr & _MXCSR_CONTROL
    pairs.append(("the control bits of MXCSR", first, second))
    pairs.append(
        ("the x87 control word", original.floats.control_word, rebuilt.floats.control_word),
    )
    differing = [pair for pair in pairs if pair[1] != pair[2]]
    return Differences(
        tuple(
            f"{name[0].upper() + name[1:] if ' ' in name else name} is {a:#x} in the original and {b:#x} in the "
            "rebuilt code."
            for name, a, b in differing
        ),
        all(name.startswith("xmm") and is_nan_pair(a, b, 16) for name, a, b in differing),
        {name: a ^ b for name, a, b in differing if name in {part.register for part in returns}},
    )


def _dangles(left: int, right: int, dead: DeadFrame) -> bool:
    """True where each 8-byte lane of two values is equal, or an address in a dead frame in both: what the C library
    leaves in vector registers."""
    lanes = [(left >> at & _WORD, right >> at & _WORD) for at in (0, 64)]
    return all(a == b or (dead.holds(a) and dead.holds(b)) for a, b in lanes)


def _value(side: Returned, register: str) -> int:
    if register.startswith("xmm"):
        return side.floats.xmm(int(register[3:]))
    return side.registers.get(register)


def memory_differences(
    before: Snapshot, original: Snapshot, rebuilt: Snapshot, dead: DeadFrame
) -> Differences:
    """What differs in the memory of two stopped copies of ``before``; sentences for the first few words."""
    context = _Context(before, dead)
    first, second = original.mappings, rebuilt.mappings
    if _layout(first, dead) != _layout(second, dead):
        return Differences(("The original and the rebuilt code leave different memory mapped.",), False)
    found: list[str] = []
    more = 0
    only_nan = True
    for mapping in first:
        for address, left, right in _differing_words(mapping, original, rebuilt):
            if context.is_allowed(address, left, right, first):
                continue
            only_nan = only_nan and is_nan_pair(left, right, 8)
            if len(found) < _SHOWN:
                found.append(context.sentence(address, left, right, first))
            else:
                more += 1
    if more:
        found.append(f"{more} more words of memory differ.")
    return Differences(tuple(found), only_nan)


def _layout(mappings: Sequence[MemoryMapping], dead: DeadFrame) -> list[tuple[int, int, str]]:
    """Runs of equal protection, without the growth of the stack."""
    runs: list[tuple[int, int, str]] = []
    for mapping in mappings:
        start = mapping.start
        if start < dead.high <= mapping.end:
            start = dead.high - dead.high % PAGE
        if runs and runs[-1][1] == start and runs[-1][2] == mapping.access:
            start = runs.pop()[0]
        runs.append((start, mapping.end, mapping.access))
    return runs


def _differing_words(
    mapping: MemoryMapping, original: Snapshot, rebuilt: Snapshot
) -> Iterator[tuple[int, int, int]]:
    """Addresses of the 8-byte words that differ, with both values. A word that one side cannot read is 0."""
    if mapping.access.startswith("---") or mapping.path in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
        return
    for start in range(mapping.start, mapping.end, _CHUNK * 64):
        end = min(mapping.end, start + _CHUNK * 64)
        for first, last in _candidate_runs(mapping, start, end, original.pid, rebuilt.pid):
            for address in range(first, last, _CHUNK):
                size = min(_CHUNK, last - address)
                left = _words(original, address, size)
                right = _words(rebuilt, address, size)
                for index in np.flatnonzero(left != right).tolist():
                    yield address + 8 * index, int(left[index]), int(right[index])


def _words(snapshot: Snapshot, address: int, size: int) -> Words:
    data = snapshot.memory.read(address, size)
    return np.frombuffer(data.ljust(size, b"\0"), dtype=np.uint64)


def _candidate_runs(
    mapping: MemoryMapping, start: int, end: int, original: int, rebuilt: int
) -> list[tuple[int, int]]:
    """Runs of pages (first address, end) that may differ."""
    left, right = _page_entries(original, start, end), _page_entries(rebuilt, start, end)
    if frames_visible():
        suspect = (left & _FRAME_BITS) != (right & _FRAME_BITS)
    else:
        suspect = ((left | right) & _SOMETHING) != 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], suspect, [False])).astype(np.int8)))
    return [(start + int(a) * PAGE, start + int(b) * PAGE) for a, b in edges.reshape(-1, 2)]


def _page_entries(pid: int, start: int, end: int) -> Words:
    count = (end - start) // PAGE
    try:
        with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), 8 * count, start // PAGE * 8)
    except OSError as error:
        raise GoneError(f"The memory of process {pid} cannot be looked at: {error.strerror}.") from error
    return np.frombuffer(data.ljust(8 * count, b"\0"), dtype=np.uint64)


@lru_cache(maxsize=1)
def frames_visible() -> bool:
    """True where the kernel shows the numbers of page frames (to root). Without them all pages are read."""
    anchor = bytearray(PAGE)
    address = id(anchor) // PAGE * PAGE
    try:
        return bool(int(_page_entries(os.getpid(), address, address + PAGE)[0]) & _FRAME_NUMBER)
    except GoneError:
        return False


@dataclass(slots=True)
class _Context:
    """What is needed to judge and describe a differing word."""

    before: Snapshot
    dead: DeadFrame
    loader: str = field(init=False)

    def __post_init__(self) -> None:
        base = auxiliary_vector(self.before.pid).get(_AT_BASE, 0)
        mapping = mapping_at(self.before.mappings, base) if base else None
        self.loader = mapping.path if mapping is not None else ""

    def is_allowed(self, address: int, left: int, right: int, mappings: Sequence[MemoryMapping]) -> bool:
        """True where a caller cannot see the difference."""
        if self.dead.holds(address):
            return True
        if self.dead.holds(left) and self.dead.holds(right):
            return True
        mapping = mapping_at(mappings, address)
        if mapping is None:
            return False
        if self.loader and mapping.path == self.loader:
            return True
        before = self.before.memory.word(address)
        return before in (left, right) and _is_lazy_slot(address, mapping, mappings)

    def sentence(self, address: int, left: int, right: int, mappings: Sequence[MemoryMapping]) -> str:
        mapping = mapping_at(mappings, address)
        where = f"{address:#x}"
        if mapping is not None and mapping.path:
            where += f" ({Path(mapping.path).name} + {address - mapping.start:#x})"
        before = self.before.memory.word(address)
        was = "not mapped" if before is None else f"{before:#x}"
        return (
            f"The 8 bytes at {where} are {left:#x} in the original and {right:#x} in the rebuilt code "
            f"({was} before)."
        )


def _is_lazy_slot(address: int, mapping: MemoryMapping, mappings: Sequence[MemoryMapping]) -> bool:
    """True for a slot that the loader fills at the first call, which one side may have made otherwise."""
    if not mapping.path.startswith("/"):
        return False
    path = Path(mapping.path)
    with suppress(ImageError):
        base = image_base(mappings, path, read_layout(path))
        return base is not None and address - base in _lazy_slots(path)
    return False


@lru_cache(maxsize=64)
def _lazy_slots(path: Path) -> frozenset[int]:
    layout = read_layout(path)
    entries = dict(layout.dynamic())
    size = entries.get(_DT_PLTRELSZ, 0)
    offset = layout.file_offset(entries.get(_DT_JMPREL, 0), size)
    if offset is None:
        return frozenset()
    table = layout.data[offset : offset + size - size % 24]
    return frozenset(
        place for place, info, _ in struct.iter_unpack("<QQq", table) if info & 0xFFFFFFFF == _R_JUMP_SLOT
    )
