"""Running the original on a captured entry, in isolation: which pages it reaches, what it leaves, and whether that is
what the real run left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from burnish.core.entry import EntryState, Replayed, ReplayVerdict
from burnish.core.image import Access
from burnish.core.state import (
    Faulted,
    Finished,
    MachineState,
    MemoryRegion,
    Outcome,
    SystemCall,
    TimedOut,
)
from burnish.machine.registers import GPR_NAMES
from burnish.runtime.bounded_run import processor_time
from burnish.runtime.command import signal_name
from burnish.runtime.isolation import Executor, Limits, Placement

PAGE = 4096
LIMITS = Limits(execution_seconds=0.25, batch_seconds=5.0)
"""Of one run in isolation: a quarter of a second of processor time."""
MOST_PAGES = 4096
_TOP = (1 << 47) - PAGE
_RETURN_PLACE = 0x200000
_BUDGET_S = 4.0
_SHORTEST_ROW, _LONGEST_ROW = 4, 512
"""Pages in a row before more are given at once, and the most that are."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of memory, at ``address``."""

    address: int
    data: bytes
    access: Access


Fetch = Callable[[int], Page | str]
"""The page at an address, or why there is none: the rest of a sentence about the function."""


def executor() -> Executor:
    """An executor for entries."""
    return Executor(LIMITS)


def regions(pages: Sequence[Page]) -> tuple[MemoryRegion, ...]:
    """Pages as regions: neighbours of one access joined, by ascending address."""
    runs: list[list[Page]] = []
    for page in sorted(pages, key=lambda page: page.address):
        last = runs[-1][-1] if runs else None
        if last is not None and last.address + PAGE == page.address and last.access == page.access:
            runs[-1].append(page)
        else:
            runs.append([page])
    return tuple(MemoryRegion(r[0].address, b"".join(p.data for p in r), r[0].access) for r in runs)


def pages_of(memory: Sequence[MemoryRegion]) -> dict[int, Page]:
    """The pages of regions, by address."""
    found: dict[int, Page] = {}
    for region in memory:
        for at in range(0, len(region.data), PAGE):
            address = region.address + at
            found[address] = Page(address, region.data[at : at + PAGE], region.access)
    return found


def run_entry(tool: Executor, entry: EntryState) -> Outcome:
    """Runs the original once. Of a state after, the return address that it found is the run's again, not ours. Raises
    ``HostError``."""
    place = free_page(entry.state.memory)
    done = tool.run(b"", entry.state, Placement(entry=entry.address, return_address=place))
    if not isinstance(done, Finished):
        return done
    return Finished(replace(done.state, memory=_with_return_address(entry, done.state.memory, place)))


def _with_return_address(
    entry: EntryState, memory: Sequence[MemoryRegion], place: int
) -> tuple[MemoryRegion, ...]:
    slot, ours = entry.rsp, place.to_bytes(8, "little")
    found: list[MemoryRegion] = []
    for region, before in zip(memory, entry.state.memory, strict=True):
        at = slot - region.address
        if 0 <= at <= len(region.data) - 8 and region.data[at : at + 8] == ours:
            data = region.data[:at] + before.data[at : at + 8] + region.data[at + 8 :]
            region = replace(region, data=data)
        found.append(region)
    return tuple(found)


def free_page(memory: Sequence[MemoryRegion]) -> int:
    """A page that no region touches."""
    place = _RETURN_PLACE
    while any(region.address < place + PAGE and place < region.end for region in memory):
        place += PAGE
    return place


@dataclass(frozen=True, slots=True)
class Reached:
    """What a function does on an entry, with the pages that it reached on the way (in ``entry``). ``reason`` says why
    it does not come to its return, as the rest of a sentence; ``seconds`` of processor time is what one run takes."""

    entry: EntryState
    after: MachineState | None
    reason: str = ""
    seconds: float = 0.0


def reach(tool: Executor, bare: EntryState, fetch: Fetch) -> Reached:
    """Runs the original from an entry without memory, and gives it each page that it asks for, until it returns or
    cannot go on. It begins anew each time, so that nothing of an attempt is left. Where it goes through memory page by
    page it gets more at once; those that it did not need are taken away again. Raises ``HostError``."""
    pages: dict[int, Page] = {}
    ahead: list[list[int]] = []
    entry = bare
    end = time.monotonic() + _BUDGET_S
    while True:
        began = processor_time(tool.pid or 0)
        done = run_entry(tool, entry)
        seconds = max(0.0, processor_time(tool.pid or 0) - began)
        if isinstance(done, Finished):
            if not ahead:
                return Reached(entry, done.state, seconds=seconds)
            _trim(tool, bare, pages, ahead)
            ahead = []
            entry = _with_pages(bare, pages)
            continue
        wanted = _wanted(done, pages)
        if wanted is None:
            return Reached(entry, None, ending(done), seconds)
        page = fetch(wanted)
        if isinstance(page, str):
            return Reached(entry, None, page, seconds)
        if len(pages) >= MOST_PAGES or time.monotonic() > end:
            return Reached(entry, None, "reaches more memory than can be captured in time", seconds)
        pages[wanted] = page
        more = _read_ahead(pages, wanted, fetch)
        if more:
            ahead.append(more)
        entry = _with_pages(bare, pages)


def _with_pages(bare: EntryState, pages: Mapping[int, Page]) -> EntryState:
    return replace(bare, state=replace(bare.state, memory=regions(list(pages.values()))))


def _read_ahead(pages: dict[int, Page], wanted: int, fetch: Fetch) -> list[int]:
    """As many pages beyond ``wanted`` as lie in a row before it, if those are some; the nearest first."""
    for step in (PAGE, -PAGE):
        row = 0
        while row < _LONGEST_ROW and wanted - (row + 1) * step in pages:
            row += 1
        if row < _SHORTEST_ROW:
            continue
        found: list[int] = []
        for n in range(1, row + 1):
            address = wanted + n * step
            page = None if address in pages or address <= 0 else fetch(address)
            if not isinstance(page, Page) or page.access != pages[wanted].access:
                break
            pages[address] = page
            found.append(address)
        return found
    return []


def _trim(tool: Executor, bare: EntryState, pages: dict[int, Page], ahead: Sequence[Sequence[int]]) -> None:
    """Takes away the far ends of what was read ahead, as far as the function returns without them."""
    for row in reversed(ahead):
        low, high = 0, len(row)  # with the first ``high`` of the row it returns
        while low < high:
            middle = (low + high) // 2
            fewer = {address: page for address, page in pages.items() if address not in row[middle:]}
            if isinstance(run_entry(tool, _with_pages(bare, fewer)), Finished):
                high = middle
            else:
                low = middle + 1
        for address in row[high:]:
            del pages[address]


def _wanted(done: Outcome, pages: Mapping[int, Page]) -> int | None:
    """The page whose want stopped a run; None where it was not that."""
    if not isinstance(done, Faulted) or done.signal != signal.SIGSEGV or not 0 < done.address < _TOP:
        return None
    page = done.address & -PAGE
    return None if page in pages else page


def ending(done: Outcome) -> str:
    """How a run in isolation ended, as the rest of a sentence about the function."""
    match done:
        case Finished():
            return "returns"
        case SystemCall(number):
            return f"makes system call {number}"
        case TimedOut():
            return f"runs for longer than {LIMITS.execution_seconds} s"
        case Faulted(number, address, rip):
            where = f" for the address {address:#x}" if number in (signal.SIGSEGV, signal.SIGBUS) else ""
            return f"ends with {signal_name(number)} at {rip:#x}{where}"
        case _:
            assert_never(done)


def compare(entry: EntryState, expected: MachineState, done: Outcome) -> Replayed:
    """Whether a run in isolation left the state that the real one left. Of memory, what is dead is not compared."""
    if not isinstance(done, Finished):
        return Replayed(ReplayVerdict.CANNOT, f"The function {ending(done)}.")
    sentence = difference(entry, expected, done.state)
    return Replayed(ReplayVerdict.DIFFERENT if sentence else ReplayVerdict.SAME, sentence)


def difference(entry: EntryState, expected: MachineState, found: MachineState) -> str:
    """A sentence on the first difference; empty where there is none."""
    pairs = [
        *zip(GPR_NAMES, expected.gpr, found.gpr, strict=True),
        *((f"xmm{k}", a, b) for k, (a, b) in enumerate(zip(expected.xmm, found.xmm, strict=True))),
        ("the flags", expected.flags, found.flags),
        ("mxcsr", expected.mxcsr, found.mxcsr),
    ]
    for name, a, b in pairs:
        if a != b:
            return _sentence(name, f"{a:#x}", f"{b:#x}")
    left, right = pages_of(expected.memory), pages_of(found.memory)
    for address in sorted(left.keys() | right.keys()):
        one, other = left.get(address), right.get(address)
        if one is None or other is None:
            return f"The page at {address:#x} is missing in one of the two."
        place = first_living(entry, address, one.data, other.data)
        if place is not None:
            at = place - address
            return _sentence(f"the byte at {place:#x}", f"{one.data[at]:#x}", f"{other.data[at]:#x}")
    return ""


def _sentence(what: str, recorded: str, found: str) -> str:
    name = what[0].upper() + what[1:] if " " in what else what
    return f"{name} was {recorded} after the real call, and is {found} after the one in isolation."


def first_living(entry: EntryState, address: int, one: bytes, other: bytes) -> int | None:
    """The address of the first byte that differs and is not dead; None where there is none."""
    if one == other:
        return None
    places = np.flatnonzero((as_bytes(one) != as_bytes(other)) & ~dead_bytes(entry, address, len(one)))
    return address + int(places[0]) if len(places) else None


def as_bytes(data: bytes) -> npt.NDArray[np.uint8]:
    """Bytes as an array."""
    return np.frombuffer(data, np.uint8)


def dead_bytes(entry: EntryState, address: int, size: int) -> npt.NDArray[np.bool_]:
    """Which of the bytes from ``address`` are dead."""
    found = np.zeros(size, np.bool_)
    low, high = entry.dead - address, entry.rsp + 8 - address
    found[max(0, min(low, size)) : max(0, min(high, size))] = True
    return found
