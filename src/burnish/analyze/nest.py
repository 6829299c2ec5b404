"""The structure of a recorded execution, from its trace: a piece at a time, in memory that the run's length does not
matter for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from burnish._native import Nest
from burnish.analyze.program import NONE, Program
from burnish.core.recording import What
from burnish.core.structure import (
    Between,
    Dependence,
    Hazard,
    Path,
    Region,
    Structure,
    Trips,
)
from burnish.record.store import Recording

MOST_PATHS = 4096
"""Paths of a region that are told apart."""
_MOST_ITEMS = 4096
_KEPT_ROUNDS = 200_000
_PAGES_OF_A_GIB = (1 << 30) // (12 << 10)
"""Pages of 4 KiB whose shadow of 12 KiB fits."""


def walk(
    recording: Recording,
    program: Program,
    ignored: Iterable[tuple[int, int, int]] = (),
    gibibytes: float = 1.0,
    *,
    fitted: bool = True,
) -> Nest:
    """Walk through the traces of all threads, one after another. ``ignored`` are dependences (source, sink, region)
    that make no conflict of rounds. ``fitted``: seek the lines that addresses lie on, for ``ranges``. Dependences
    between threads are not looked for.

    Raises ``RecordingError`` where no trace was recorded, or it is damaged.
    """
    pages = max(1, int(gibibytes * _PAGES_OF_A_GIB))
    nest = Nest(program.native(), list(ignored), MOST_PATHS, _MOST_ITEMS, _KEPT_ROUNDS, pages, fitted)
    for process, thread in recording.traced_threads():
        nest.begin_thread()
        for records in recording.record_chunks(process, thread):
            if records.dtype == np.uint64:
                nest.records(np.ascontiguousarray(records))
            else:
                marks = np.iinfo(records.dtype).max
                found = records.astype(np.uint32)
                found[records == marks] = NONE
                nest.blocks(found)
    nest.finish()
    return nest


def structure(recording: Recording, program: Program, nest: Nest) -> Structure:
    """What a walk found, as data."""
    columns = nest.regions()
    regions: list[Region] = []
    for number in np.flatnonzero(columns["entered"]).tolist():
        loop = program.loops[number] if number < len(program.loops) else None
        regions.append(
            Region(
                number=number,
                function=loop.function if loop else number - len(program.loops),
                header=loop.header if loop else None,
                parent=loop.parent if loop else None,
                depth=loop.depth if loop else 0,
                entered=int(columns["entered"][number]),
                rounds=int(columns["rounds"][number]),
                instructions=int(columns["instructions"][number]),
                conflicts=int(columns["conflicts"][number]),
                loads=int(columns["loads"][number]),
                stores=int(columns["stores"][number]),
                span=int(columns["span"][number]),
                recursive=bool(columns["recursive"][number]),
                trips=Trips(tuple(nest.trips(number))),
                paths=_paths(nest, number, max(program.blocks) + 1),
                other_rounds=int(columns["other_paths"][number]),
            )
        )
    return Structure(
        tuple(regions),
        _dependences(nest),
        int(sum(r.instructions for r in regions if r.header is None)),
        nest.entered,
        nest.gaps,
        nest.left_out,
        What.MEMORY.value in recording.manifest.what,
    )


def _paths(nest: Nest, region: int, blocks: int) -> tuple[Path, ...]:
    return tuple(
        Path(tuple(item if item < blocks else ~(item - blocks) for item in items), count)
        for count, items in nest.paths(region)
    )


def _dependences(nest: Nest) -> tuple[Dependence, ...]:
    columns = nest.dependences()
    names = ("kind", "between", "source", "sink", "region", "least", "most", "count", "rounds")
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return tuple(
        Dependence(Hazard(kind), Between(between), source, sink, None if region == NONE else region, *counts)
        for kind, between, source, sink, region, *counts in rows
    )
