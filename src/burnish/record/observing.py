"""What is made of records that are words: sketches of results, a profile of stores, rows of snapshots, and a trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burnish import _native
from burnish.core.recording import Access, Numbering, Site
from burnish.machine.registers import GPR_NAMES
from burnish.record.areas import Chunk, Words
from burnish.record.observed import SnapshotWriter
from burnish.record.store import TraceWriter
from burnish.runtime.address_space import Mapping, parse_mappings, read_mappings

MOST_GRANULES = 1 << 23
"""Of eight bytes each: how much of a process' memory is followed."""
_KINDS = {access: number for number, access in enumerate(Access, 1)}
"""As ``native/observer.cpp`` numbers them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Which records are kept as they come, and whether accesses come with their bytes, of which a profile is made."""

    blocks: bool
    accesses: bool
    contents: bool


class Observing:
    """Takes chunks of words from the ring (``areas.WordSink``)."""

    def __init__(
        self,
        numberings: Sequence[Numbering],
        kept: Kept,
        trace: TraceWriter | None,
        snapshots: SnapshotWriter | None,
        folder: Path,
    ) -> None:
        """``folder`` is that of the areas."""
        self._trace = trace
        self._snapshots = snapshots
        self._folder = folder
        self._streams: dict[tuple[int, int], int] = {}
        self.mappings: dict[int, tuple[Mapping, ...]] = {}
        """Of each process, when it began and when it was last seen."""
        sites = _by_number((s for n in numberings for row in n.sites.values() for s in row), 1)
        groups = _groups(numberings)
        self._observer = _native.Observer(
            site_size=[0 if site is None else site.size for site in sites],
            site_kind=[0 if site is None else _KINDS[site.access] for site in sites],
            site_words=[_words_after(site) if kept.contents else 0 for site in sites],
            group_words=[row[0] for row in groups],
            group_first=[row[1] for row in groups],
            group_snapshot=[row[2] for row in groups],
            results=sum(len(g.results) for n in numberings for row in n.groups.values() for g in row),
            keep_blocks=kept.blocks,
            keep_accesses=kept.accesses,
            profile=kept.contents,
            most_granules=MOST_GRANULES,
        )

    def whole(self, words: Words) -> int:
        """How many words at the start are records that are complete."""
        return self._observer.whole(words)

    def take(self, chunk: Chunk) -> None:
        """Records of one thread, in order."""
        key = (chunk.process, chunk.thread)
        if key not in self._streams:
            self._streams[key] = len(self._streams)
            self._look_at(chunk.process, self._copied_mappings(chunk.process))
        words = np.frombuffer(chunk.data, np.uint64)
        ended = chunk.ended_ns if chunk.ended_ns > chunk.began_ns else chunk.taken_ns
        kept, rows = self._observer.take(chunk.process, self._streams[key], chunk.began_ns, ended, words)
        if self._trace is None or not len(kept):
            return
        stays = self._trace.take(replace(chunk, data=kept.tobytes()))
        if self._snapshots is not None and stays:
            blocks = int(np.count_nonzero(kept >> np.uint64(48) == np.uint64(0xFFFF)))
            self._snapshots.take(chunk, rows, blocks)

    def leave(self, process: int) -> None:
        """Compares what was read with what is there in the end."""
        self._look_at(process)
        self._observer.check(process)

    def _look_at(self, process: int, earlier: tuple[Mapping, ...] = ()) -> None:
        known = dict.fromkeys((*self.mappings.get(process, ()), *earlier, *read_mappings(process)))
        self.mappings[process] = tuple(known)

    def _copied_mappings(self, process: int) -> tuple[Mapping, ...]:
        """Those of when the process began, as it wrote them down itself (``native/record_preload.c``)."""
        try:
            text = (self._folder / f"maps-{process}").read_text(errors="surrogateescape")
            return parse_mappings(text)
        except (OSError, ValueError, IndexError):
            return ()

    @property
    def results(self) -> Words:
        """As ``_native.Observer.results``."""
        return self._observer.results()

    @property
    def frequent(self) -> Words:
        """As ``_native.Observer.frequent``."""
        return self._observer.frequent()

    @property
    def processes(self) -> list[tuple[int, bool, int]]:
        """As ``_native.Observer.processes``."""
        return self._observer.processes()

    def memory(self, process: int) -> Words:
        """As ``_native.Observer.memory``."""
        return self._observer.memory(process)


def _by_number(sites: Iterable[Site], first: int) -> list[Site | None]:
    found: list[Site | None] = [None] * first
    return found + sorted(sites, key=lambda site: site.number)


def _words_after(site: Site | None) -> int:
    if site is None or site.access not in (Access.LOAD, Access.STORE):
        return 0
    return (site.size + 7) // 8


def _groups(numberings: Sequence[Numbering]) -> list[tuple[int, int, int]]:
    """Of each group by number: words, first result (of a snapshot: a mask of registers), whether it is a snapshot."""
    rows: dict[int, tuple[int, int, int]] = {}
    for numbering in numberings:
        for groups in numbering.groups.values():
            for group in groups:
                rows[group.number] = (len(group.results), group.results[0].number, 0)
        for snapshot in numbering.snapshots.values():
            mask = sum(1 << GPR_NAMES.index(name) for name in snapshot.registers)
            rows[snapshot.number] = (len(snapshot.registers), mask, 1)
    return [rows[number] for number in range(len(rows))]
