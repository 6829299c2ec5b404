"""What was observed of results and memory, as tables of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.pipeline.recording import Probed
from burnish.record.observed import value_rows
from burnish.record.observing import Observing
from burnish.record.regions import Place, load_base, locate
from burnish.record.store import RecordingFolder


def write_observed(
    probed: Probed, observing: Observing, places: Sequence[Place], folder: RecordingFolder
) -> None:
    """Write the tables of what was asked for, and the mappings of the processes."""
    if probed.records.results:
        _write_values(probed, observing, folder)
    if probed.records.contents:
        _write_memory(observing, places, folder)
        folder.table("processes", _columns(observing.processes, 3))
    rows: list[tuple[object, ...]] = []
    for process, mappings in observing.mappings.items():
        numbers = {place.path: place.image for place in places if load_base(mappings, place) is not None}
        rows += [(process, m.start, m.end, numbers.get(m.path), m.offset, m.access, m.path) for m in mappings]
    folder.table("mappings", _columns(rows, 7))


def _write_values(probed: Probed, observing: Observing, folder: RecordingFolder) -> None:
    sites = [
        (numbering.blocks[label], site)
        for _, _, _, numbering in probed.numbered
        for label, groups in numbering.groups.items()
        for group in groups
        for site in group.results
    ]
    sites.sort(key=lambda row: row[1].number)
    numbers = [site.number for _, site in sites]
    rows = value_rows(sites, observing.results[numbers], observing.frequent)
    folder.table("values", _columns(rows, 13))


def _write_memory(observing: Observing, places: Sequence[Place], folder: RecordingFolder) -> None:
    parts: list[list[object]] = [[] for _ in range(13)]
    for process, _, _ in observing.processes:
        found = observing.memory(process)
        found = found[np.argsort(found[:, 0])]
        address, value, reads, masks, writer, time = found.T
        located = locate(address, observing.mappings.get(process, ()), places)
        inside = (located.images >= 0).tolist()
        known, read, stored, changed = (
            (masks >> np.uint64(8 * k) & np.uint64(0xFF)).tolist() for k in range(4)
        )
        written = [mask != 0 for mask in stored]
        columns: list[list[object]] = [
            [process] * len(found),
            address.tolist(),
            [n if yes else None for n, yes in zip(located.images.tolist(), inside, strict=True)],
            [a if yes else None for a, yes in zip(located.addresses.tolist(), inside, strict=True)],
            list(located.names),
            value.tolist(),
            reads.tolist(),
            known,
            read,
            stored,
            changed,
            [w if yes else None for w, yes in zip(writer.tolist(), written, strict=True)],
            [t if yes else None for t, yes in zip(time.tolist(), written, strict=True)],
        ]
        for part, column in zip(parts, columns, strict=True):
            part += column
    folder.table("memory", parts)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[k] for row in rows] for k in range(width)]
