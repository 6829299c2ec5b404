"""From instruction pointers in processes to addresses in ELF files.

A trace is samples (process, time, instruction pointer) and the events that say which file lay where, when.
The attribution replays the events and looks each sample up in the mappings of its process at its time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from burnish.core.profile import Location, ProfiledImage


class Mapping(NamedTuple):
    """Bytes from ``offset`` of a file lie at ``start`` … ``end`` of a process, executable. ``build_id`` is
    what the kernel says of the file, empty where it says nothing."""

    start: int
    end: int
    offset: int
    path: str
    build_id: str = ""


class Mapped(NamedTuple):
    """``process`` has ``mapping`` from ``time`` on; it replaces what lay there."""

    time: int
    process: int
    mapping: Mapping


class Forked(NamedTuple):
    """``process`` begins with the mappings of ``parent``."""

    time: int
    process: int
    parent: int


class Cleared(NamedTuple):
    """``process`` has no mappings any more: it executes another program."""

    time: int
    process: int


Event = Mapped | Forked | Cleared


@dataclass(frozen=True, slots=True)
class Trace:
    """Samples in user code, as columns of one length, and events in any order of processes but by time within
    one. Time is any number that orders events and samples of a process; an event precedes a sample of its
    time."""

    processes: npt.NDArray[np.int64]
    times: npt.NDArray[np.uint64]
    pointers: npt.NDArray[np.uint64]
    weights: npt.NDArray[np.int64]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Samples per instruction; ``unknown`` is the weight of those that fell outside every ELF file."""

    images: tuple[ProfiledImage, ...]
    locations: tuple[Location, ...]
    unknown: int


def tally(trace: Trace) -> Tally:
    """Counts the samples of a trace per image address."""
    offsets: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    histories = _histories(trace.events)
    order = np.lexsort((trace.times, trace.processes))
    processes = trace.processes[order]
    numbers, starts = np.unique(processes, return_index=True)
    total = int(trace.weights.sum())
    for number, begin, end in zip(numbers, starts, np.append(starts, len(order))[1:], strict=True):
        rows = order[begin:end]
        for mapping, hits in _lookup(histories.get(int(number), ()), trace, rows):
            found = trace.pointers[hits] - np.uint64(mapping.start) + np.uint64(mapping.offset)
            unique, inverse = np.unique(found, return_inverse=True)
            sums = np.bincount(inverse, weights=trace.weights[hits])
            counts = offsets[mapping.path, mapping.build_id]
            for offset, count in zip(unique.tolist(), sums.tolist(), strict=True):
                counts[offset] += int(count)
    return _to_images(offsets, total)


def _histories(events: Iterable[Event]) -> dict[int, list[tuple[int, Mapping | None]]]:
    """What became of each process, in time: a mapping was added, or (None) all were dropped."""
    histories: dict[int, list[tuple[int, Mapping | None]]] = defaultdict(list)
    active: dict[int, list[Mapping]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.time):
        match event:
            case Mapped(time, process, mapping):
                active[process].append(mapping)
                histories[process].append((time, mapping))
            case Forked(time, process, parent):
                active[process] = list(active[parent])
                histories[process].append((time, None))
                histories[process] += [(time, mapping) for mapping in active[parent]]
            case Cleared(time, process):
                active[process] = []
                histories[process].append((time, None))
    return histories


def _lookup(
    history: Iterable[tuple[int, Mapping | None]], trace: Trace, rows: npt.NDArray[np.intp]
) -> list[tuple[Mapping, npt.NDArray[np.intp]]]:
    """The mappings that samples ``rows`` (one process, in time) fell into, each with its rows. Of mappings
    that overlap the later one holds."""
    times, pointers = trace.times[rows], trace.pointers[rows]
    chosen = np.full(len(rows), -1, dtype=np.int64)
    mappings: list[Mapping] = []
    for time, mapping in history:
        first = int(np.searchsorted(times, np.uint64(time)))
        if mapping is None:
            chosen[first:] = -1
            continue
        later = pointers[first:]
        chosen[first:][(later >= np.uint64(mapping.start)) & (later < np.uint64(mapping.end))] = len(mappings)
        mappings.append(mapping)
    return [(mappings[index], rows[chosen == index]) for index in np.unique(chosen[chosen >= 0]).tolist()]


def _to_images(offsets: dict[tuple[str, str], dict[int, int]], total: int) -> Tally:
    counts: dict[ProfiledImage, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    known = 0
    for (path, build_id), hits in offsets.items():
        layout = file_layout(Path(path)) if path.startswith("/") else None
        # The file of that name is not the one that ran: replaced, or seen from another root directory.
        if layout is None or (build_id and layout.build_id and build_id != layout.build_id):
            continue
        image = ProfiledImage(Path(path), layout.build_id)
        for offset, count in hits.items():
            address = layout.address(offset)
            if address is not None:
                counts[image][address] += count
                known += count
    images = tuple(sorted(counts, key=lambda image: str(image.path)))
    locations = tuple(
        Location(index, address, count)
        for index, image in enumerate(images)
        for address, count in sorted(counts[image].items())
    )
    return Tally(images, locations, total - known)


class Layout(NamedTuple):
    """Where the code of a file lies."""

    build_id: str
    executable: tuple[tuple[int, int, int], ...]
    """Of each executable segment: file offset, size in the file, image address."""

    def address(self, offset: int) -> int | None:
        """The image address of an offset in the file; None where no code is there."""
        for start, size, address in self.executable:
            if start <= offset < start + size:
                return address + offset - start
        return None


def build_id(path: Path) -> str:
    """The build-id of an ELF file in hexadecimal; empty where it has none or cannot be read."""
    layout = file_layout(path)
    return "" if layout is None else layout.build_id


def file_layout(path: Path) -> Layout | None:
    """What the program headers of an ELF file say; None if it is none or cannot be read."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            executable: list[tuple[int, int, int]] = []
            build_id = ""
            for segment in elf.iter_segments():
                header = segment.header
                if header["p_type"] == "PT_LOAD" and header["p_flags"] & 1:
                    executable.append((header["p_offset"], header["p_filesz"], header["p_vaddr"]))
                if isinstance(segment, NoteSegment) and not build_id:
                    notes = (note for note in segment.iter_notes() if note["n_type"] == "NT_GNU_BUILD_ID")
                    build_id = next((str(note["n_desc"]) for note in notes), "")
            return Layout(build_id, tuple(executable))
    except (OSError, ELFError, ValueError, KeyError):
        return None
