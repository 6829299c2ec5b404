"""Whether a call finds what an earlier one found, in all that matters to the function.

What matters is found out by running the earlier call in isolation with other values in the places that differ: if it
then does exactly what it did before, it does not look at them. What it leaves in its dead frame counts, too: a byte
that is only copied there was read. A register that is only saved there was not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from burnish.core.entry import EntryState
from burnish.core.image import Access
from burnish.core.state import FLAGS_MASK, Finished, MachineState
from burnish.record.replaying import (
    PAGE,
    Page,
    as_bytes,
    dead_bytes,
    first_living,
    free_page,
    pages_of,
    regions,
    run_entry,
)
from burnish.runtime.isolation import Executor, Placement, StateBatch, Status, Window

_RSP = 4
_WORD, _VECTOR = (1 << 64) - 1, (1 << 128) - 1
_DIRECTION = 0x400
_RAISED = 0x3F
"""The bits of mxcsr that say which exceptions were raised."""
_FLAGS_ROW, _MXCSR_ROW = 64, 65
"""Of a batch in which each register is changed twice."""
_QUICK_S = 0.004
"""Runs that take longer are not repeated for each register."""
_MOST_TRIED_BYTES = 1 << 20
_BUDGET_S = 0.5

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

Read = Callable[[int, int], bytes]
"""Memory of the process at an address, as many bytes."""


@dataclass(frozen=True, slots=True)
class Known:
    """A call that replays, and the registers that it does not look at: bit ``n`` of ``idle_gpr`` and ``idle_xmm`` for
    the ``n``-th one."""

    entry: EntryState
    after: MachineState
    seconds: float
    idle_gpr: int = 0
    idle_xmm: int = 0
    idle_flags: bool = False
    idle_mxcsr: bool = False
    """Of mxcsr, the exceptions that were raised before."""

    @staticmethod
    def of(tool: Executor, entry: EntryState, after: MachineState, seconds: float) -> Known:
        """Finds out what it looks at. Raises ``HostError``."""
        known = Known(entry, after, seconds)
        if seconds > _QUICK_S or sum(len(m.data) for m in entry.state.memory) > _MOST_TRIED_BYTES:
            return known
        return _with_idle_registers(tool, known)

    def is_same(self, tool: Executor, other: EntryState, read: Read) -> bool:
        """Whether ``other``, an entry without memory of a process whose memory ``read`` gives, finds the same. When in
        doubt it does not. Raises ``HostError``."""
        if not self._same_registers(other):
            return False
        changed: dict[int, bytes] = {}
        for address, page in pages_of(self.entry.state.memory).items():
            now = read(address, PAGE)
            if len(now) != PAGE:
                return False
            if first_living(self.entry, address, page.data, now) is not None:
                changed[address] = now
        registers = replace(other.state, memory=())
        if not changed and self._has(registers):
            return True
        if 3 * self.seconds > _BUDGET_S:
            return False
        # All of it at once, as it is: some values matter only together.
        if not self._ignores(tool, registers, changed, lambda now: now):
            return False
        noise = np.random.default_rng(0)
        variants: tuple[Callable[[Bytes], Bytes], ...] = (
            lambda now: now ^ np.uint8(0xFF),
            lambda now: now ^ noise.integers(1, 256, len(now), np.uint8),
        )
        own = self.entry.state
        return not changed or all(self._ignores(tool, own, changed, variant) for variant in variants)

    def _has(self, state: MachineState) -> bool:
        mine = self.entry.state
        return replace(mine, memory=()) == state

    def _same_registers(self, other: EntryState) -> bool:
        mine, theirs = self.entry.state, other.state
        if (self.entry.address, mine.fs_base) != (other.address, theirs.fs_base):
            return False
        if mine.mxcsr != theirs.mxcsr and not (
            self.idle_mxcsr and mine.mxcsr & ~_RAISED == theirs.mxcsr & ~_RAISED
        ):
            return False
        if mine.flags != theirs.flags and not self.idle_flags:
            return False
        return all(
            a == b or self.idle_gpr >> n & 1
            for n, (a, b) in enumerate(zip(mine.gpr, theirs.gpr, strict=True))
        ) and all(
            a == b or self.idle_xmm >> n & 1
            for n, (a, b) in enumerate(zip(mine.xmm, theirs.xmm, strict=True))
        )

    def _ignores(
        self,
        tool: Executor,
        registers: MachineState,
        changed: Mapping[int, bytes],
        variant: Callable[[Bytes], Bytes],
    ) -> bool:
        """Whether it does the same with other registers, and other bytes in the places where ``changed`` differs."""
        pages = pages_of(self.entry.state.memory)
        put: dict[int, tuple[Flags, Bytes]] = {}
        for address, now in changed.items():
            old, new = as_bytes(pages[address].data), as_bytes(now)
            places = (old != new) & ~dead_bytes(self.entry, address, PAGE)
            data = np.where(places, variant(new), old)
            put[address] = places, data
            pages[address] = replace(pages[address], data=data.tobytes())
        state = replace(registers, memory=regions(list(pages.values())))
        done = run_entry(tool, replace(self.entry, state=state))
        if not isinstance(done, Finished):
            return False
        found, expected = done.state, self.after
        gpr = zip(found.gpr, expected.gpr, registers.gpr, strict=True)
        xmm = zip(found.xmm, expected.xmm, registers.xmm, strict=True)
        same = all(a == b or (a == c and self.idle_gpr >> n & 1) for n, (a, b, c) in enumerate(gpr))
        same &= all(a == b or (a == c and self.idle_xmm >> n & 1) for n, (a, b, c) in enumerate(xmm))
        same &= found.flags == expected.flags or (self.idle_flags and found.flags == registers.flags)
        same &= found.mxcsr == expected.mxcsr or (self.idle_mxcsr and found.mxcsr == registers.mxcsr)
        return same and self._left_alone(pages_of(found.memory), put, registers)

    def _left_alone(
        self, found: Mapping[int, Page], put: Mapping[int, tuple[Flags, Bytes]], registers: MachineState
    ) -> bool:
        """Whether memory is as after the first run but for the bytes that were put there, and for registers that were
        saved."""
        entry = self.entry
        saved = set(zip(_words(entry.state), _words(registers), strict=True))
        for address, page in pages_of(self.after.memory).items():
            now = found[address].data
            if now == page.data:
                continue
            other = as_bytes(now) != as_bytes(page.data)
            if address in put:
                places, data = put[address]
                other &= ~(places & (as_bytes(now) == data))
            for at in np.flatnonzero(other).tolist():
                place, word = address + at, at & ~7
                if not entry.is_dead(place):
                    return False
                if place < entry.rsp and (_word(page.data, word), _word(now, word)) not in saved:
                    return False
        return True


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _words(state: MachineState) -> list[int]:
    """All registers in parts of 8 bytes."""
    return [*state.gpr, *(half for value in state.xmm for half in _halves(value))]


def _with_idle_registers(tool: Executor, known: Known) -> Known:
    """Runs the entry once with each register changed, twice."""
    entry, state = known.entry, known.entry.state
    noise = random.Random(0)
    rows: list[tuple[tuple[int, ...], tuple[int, ...], int]] = []
    for n in range(16):
        for change in (_WORD, noise.getrandbits(64) | 1):
            rows.append((_changed(state.gpr, n, change if n != _RSP else 0), state.xmm, state.flags))
    for n in range(16):
        for change in (_VECTOR, noise.getrandbits(128) | 1):
            rows.append((state.gpr, _changed(state.xmm, n, change), state.flags))
    rows.append((state.gpr, state.xmm, state.flags ^ (FLAGS_MASK & ~_DIRECTION)))
    rows.append((state.gpr, state.xmm, state.flags))
    mxcsr = np.full(len(rows), state.mxcsr, np.uint32)
    mxcsr[-1] ^= _RAISED
    windows = tuple(Window(m.address, np.frombuffer(m.data, np.uint8), m.access) for m in state.memory)
    batch = StateBatch(
        np.array([row[0] for row in rows], np.uint64),
        np.array([[_halves(v) for v in row[1]] for row in rows], np.uint64),
        np.array([row[2] for row in rows], np.uint64),
        windows,
        mxcsr,
        state.fs_base,
    )
    place = free_page(state.memory)
    done = tool.run_batch(b"", batch, Placement(entry=entry.address, return_address=place))
    fine = done.status == Status.FINISHED.value
    fine &= _memory_is_same(known, batch, done.windows)
    # A register that is not looked at ends as before, or as it was put.
    gpr = np.array(known.after.gpr, np.uint64)
    xmm = np.array([_halves(v) for v in known.after.xmm], np.uint64)
    same_gpr = (done.gpr == gpr) | ((done.gpr == batch.gpr) & _diagonal(len(rows), 0))
    kept = (done.xmm == batch.xmm).all(axis=2) & _diagonal(len(rows), 32)
    same_xmm = (done.xmm == xmm).all(axis=2) | kept
    number = np.arange(len(rows))
    same_flags = (done.flags == np.uint64(known.after.flags)) | (
        (done.flags == batch.flags) & (number == _FLAGS_ROW)
    )
    same_mxcsr = (done.mxcsr == known.after.mxcsr) | ((done.mxcsr == mxcsr) & (number == _MXCSR_ROW))
    fine &= same_gpr.all(axis=1) & same_xmm.all(axis=1) & same_flags & same_mxcsr
    idle = fine[:_FLAGS_ROW].reshape(32, 2).all(axis=1)
    return replace(
        known,
        idle_gpr=sum(1 << n for n in range(16) if idle[n] and n != _RSP),
        idle_xmm=sum(1 << n for n in range(16) if idle[16 + n]),
        idle_flags=bool(fine[_FLAGS_ROW]),
        idle_mxcsr=bool(fine[_MXCSR_ROW]),
    )


def _changed(values: tuple[int, ...], index: int, change: int) -> tuple[int, ...]:
    return (*values[:index], values[index] ^ change, *values[index + 1 :])


def _halves(value: int) -> tuple[int, int]:
    return value & _WORD, value >> 64


def _diagonal(rows: int, first: int) -> npt.NDArray[np.bool_]:
    """True at the register that a row changes: row ``first + 2 n`` and the next one change register ``n``."""
    found = np.zeros((rows, 16), np.bool_)
    for n in range(16):
        found[first + 2 * n : first + 2 * n + 2, n] = True
    return found


def _memory_is_same(
    known: Known, batch: StateBatch, windows: tuple[npt.NDArray[np.uint8], ...]
) -> npt.NDArray[np.bool_]:
    """For each row, whether it left memory as the first run did, but for the register that was changed, where that was
    saved in the dead frame."""
    entry, first = known.entry, known.entry.state
    old = np.array(_words(first), np.uint64)
    new = np.concatenate([batch.gpr, batch.xmm.reshape(len(batch), 32)], axis=1)
    fine = np.ones(len(batch), np.bool_)
    writable = [region for region in known.after.memory if Access.WRITE in region.access]
    for region, rows in zip(writable, windows, strict=True):
        expected = np.frombuffer(region.data, np.uint64)
        row, place = np.nonzero(rows.view(np.uint64) != expected)
        where = place.astype(np.uint64) * np.uint64(8) + np.uint64(region.address)
        slot = where == np.uint64(entry.rsp)
        dead = (where >= np.uint64(entry.dead)) & (where < np.uint64(entry.rsp))
        left = rows.view(np.uint64)[row, place]
        saved = ((old == expected[place][:, None]) & (new[row] == left[:, None])).any(axis=1)
        fine[row[~(slot | (dead & saved))]] = False
    return fine
