"""Several recordings of one program as one: how each table merges is a row of ``MERGES``.

Numbers (of functions, blocks, sites, images, processes) are each recording's own; in the merged one they are given
anew. Rows that mean the same become one, and their counts are added; traces follow one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from burnish.core.errors import RecordingError
from burnish.core.recording import RecordedImage
from burnish.record.areas import Chunk
from burnish.record.observed import GAP
from burnish.record.store import SCHEMAS, Recording, RecordingFolder, Table, TraceWriter, pa
from burnish.record.trace import BLOCK_MARK, GAP_OF_2_BYTES, SITE_SHIFT, TRACE, Records, blocks_of

_IMAGES, _PROCESSES = "images", "processes"
Numbers = Mapping[int, int]
"""New numbers by old ones."""


@dataclass(frozen=True, slots=True)
class Merge:
    """How rows of a table merge. ``number`` is the column of a row's own number, which is given anew, from ``start``
    on. Rows that agree in ``key`` (and are the n-th of their recording that do) become one; without a key all rows are
    kept. In rows that become one ``same`` must agree, ``sums`` are added, and of other columns the first row's value is
    taken. ``refers`` names, by column, the table whose numbers it holds."""

    number: str | None = None
    key: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    refers: Mapping[str, str] = field(default_factory=dict[str, str])
    start: int = 0


MERGES: dict[str, Merge] = {
    "functions": Merge("function", ("image", "address"), ("size", "code"), refers={"image": _IMAGES}),
    "parts": Merge(None, ("function", "address"), ("code",), refers={"function": "functions"}),
    "blocks": Merge(
        "block",
        ("function", "address", "part"),
        ("size", "instructions", "last", "ending", "effect"),
        ("entered",),
        {"function": "functions"},
    ),
    "sites": Merge("site", ("block", "address", "access", "size"), refers={"block": "blocks"}, start=1),
    "edges": Merge(
        None, ("source", "target"), ("kind",), ("taken",), {"source": "blocks", "target": "blocks"}
    ),
    "threads": Merge(refers={"process": _PROCESSES}),
    "processes": Merge(refers={"process": _PROCESSES}),
    "mappings": Merge(refers={"process": _PROCESSES, "image": _IMAGES}),
    "memory": Merge(refers={"process": _PROCESSES, "image": _IMAGES, "writer": "sites"}),
    "snapshots": Merge(refers={"process": _PROCESSES}),
    "stacks": Merge("stack", ("functions", "images", "addresses"), refers={"images": _IMAGES}),
    "samples": Merge(refers={"process": _PROCESSES, "image": _IMAGES, "stack": "stacks"}),
    "entries": Merge(
        "entry",
        ("function", "process", "thread", "call"),
        refers={"function": "functions", "process": _PROCESSES},
    ),
    "entry_pages": Merge("page", ("data",)),
    "entry_memory": Merge(refers={"entry": "entries", "before": "entry_pages", "after": "entry_pages"}),
    "entry_mappings": Merge(refers={"process": _PROCESSES}),
}
"""A table stands after those that it refers to. What is not here, and is not the trace, is left out with a warning."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge gave beside its tables: the images, the numbers of the functions that are in it, trace records and
    their bytes, and what is to be told."""

    images: tuple[RecordedImage, ...]
    functions: frozenset[tuple[str, int]]
    events: int
    trace_bytes: int
    warnings: tuple[str, ...]


def merge_tables(recordings: Sequence[Recording], folder: RecordingFolder, *, trace: bool = True) -> Merged:
    """Write the tables of all ``recordings`` together into ``folder``; without ``trace``, the trace is left out.

    Raises ``RecordingError`` where they are of different programs, or the same code differs in them, and what reading
    and writing recordings raises.
    """
    images, image_numbers = _images(recordings)
    numbers: list[dict[str, Numbers]] = [
        {_IMAGES: of_images, _PROCESSES: of_processes}
        for of_images, of_processes in zip(image_numbers, _processes(recordings), strict=True)
    ]
    functions: Table = None
    for name, rule in MERGES.items():
        having = [k for k, recording in enumerate(recordings) if name in recording.table_names]
        if not having:
            continue
        parts = [_renumbered(recordings[k], name, rule, numbers[k]) for k in having]
        if rule.key:
            paths = [recordings[k].path for k in having]
            table, given = _joined(name, rule, parts, paths)
            for k, new in zip(having, given, strict=True):
                numbers[k][name] = new
        else:
            table = pa.concat_tables(parts)
        functions = table if name == "functions" else functions
        folder.table(name, [table.column(column) for column in SCHEMAS[name].names])
    events = size = 0
    if trace and any(TRACE in recording.table_names for recording in recordings):
        events, size = _merge_traces(recordings, numbers, folder)
    known: set[tuple[str, int]] = set()
    for row in functions.to_pylist():
        known.add((images[int(row["image"])].path, int(row["address"])))
    return Merged(images, frozenset(known), events, size, tuple(_left_out(recordings)))


def _left_out(recordings: Sequence[Recording]) -> list[str]:
    warnings: list[str] = []
    for table in sorted({name for recording in recordings for name in recording.table_names}):
        having = [str(recording.path) for recording in recordings if table in recording.table_names]
        if table not in MERGES and table != TRACE:
            warnings.append(f"The table {table} was left out: it cannot be merged.")
        elif len(having) < len(recordings):
            warnings.append(f"The table {table} is only that of {', '.join(having)}.")
    return warnings


def match_images(first: Sequence[RecordedImage], second: Sequence[RecordedImage]) -> dict[int, int]:
    """Which of the ``first`` images each of the ``second`` is, by index: the one with its build-id, or where one of
    them has none, with its path."""
    found: dict[int, int] = {}
    for index, image in enumerate(second):
        for other, candidate in enumerate(first):
            both = image.build_id and candidate.build_id
            same = image.build_id == candidate.build_id if both else image.path == candidate.path
            if same:
                found[index] = other
                break
    return found


def _images(recordings: Sequence[Recording]) -> tuple[tuple[RecordedImage, ...], list[dict[int, int]]]:
    images: list[RecordedImage] = []
    numbers: list[dict[int, int]] = []
    for recording in recordings:
        own = recording.manifest.images
        found = match_images(images, own)
        rebuilt = {image.path for image in images} & {
            image.path for k, image in enumerate(own) if k not in found
        }
        if rebuilt:
            raise RecordingError(
                f"{recording.path} cannot be merged with {recordings[0].path}: {min(rebuilt)} is another file in it."
            )
        if images and not found:
            raise RecordingError(
                f"{recording.path} cannot be merged with {recordings[0].path}: they have no recorded file in common."
            )
        for index, image in enumerate(own):
            if index not in found:
                found[index] = len(images)
                images.append(image)
        numbers.append(found)
    return tuple(images), numbers


def _processes(recordings: Sequence[Recording]) -> list[dict[int, int]]:
    """Processes keep their numbers, unless an earlier recording has a process of that number, too."""
    taken: set[int] = set()
    found: list[dict[int, int]] = []
    for recording in recordings:
        own: dict[int | None, None] = {}
        for table in ("threads", "entries", "entry_mappings", "samples"):
            if table in recording.table_names:
                own |= dict.fromkeys(recording.to_arrow(table).column("process").to_pylist())
        named = [process for process in own if process is not None]
        new = {process: process for process in named if process not in taken}
        for process in named:
            if process not in new:
                new[process] = max((*taken, *new.values())) + 1
        taken |= set(new.values())
        found.append(new)
    return found


def _renumbered(recording: Recording, name: str, rule: Merge, numbers: Mapping[str, Numbers]) -> Table:
    """A table whose references are to the numbers of the merged recording."""
    table = recording.to_arrow(name)
    for column, target in rule.refers.items():
        index = table.schema.get_field_index(column)
        kind = table.schema.field(column).type
        known = numbers.get(target, {})
        if pa.types.is_list(kind):
            lists = [[known.get(old) for old in row] for row in table.column(column).to_pylist()]
            table = table.set_column(index, table.schema.field(column), pa.array(lists, kind))
            continue
        parts = table.column(column).chunks
        encoded = (pa.concat_arrays(parts) if parts else pa.array([], kind)).dictionary_encode()
        new: list[int | None] = [known.get(old) for old in encoded.dictionary.to_pylist()]
        if None in new:
            raise RecordingError(
                f"{recording.path} is damaged: {name} has a {column} that is not in {target}."
            )
        table = table.set_column(index, table.schema.field(column), pa.array(new, kind).take(encoded.indices))
    return table


def _joined(
    name: str, rule: Merge, parts: Sequence[Table], paths: Sequence[Path]
) -> tuple[Table, list[dict[int, int]]]:
    """The rows of all parts, those that mean the same as one; and the new numbers of each part's rows."""
    schema = SCHEMAS[name]
    out: dict[str, list[Any]] = {column: [] for column in schema.names}
    place: dict[tuple[object, ...], int] = {}
    given: list[dict[int, int]] = []
    for part, path in zip(parts, paths, strict=True):
        columns: dict[str, list[Any]] = {column: part.column(column).to_pylist() for column in schema.names}
        seen: Counter[tuple[object, ...]] = Counter()
        numbers: dict[int, int] = {}
        for row in range(part.num_rows):
            alike = tuple(_hashable(columns[column][row]) for column in rule.key)
            key = (*alike, seen[alike])
            seen[alike] += 1
            at = place.setdefault(key, len(place))
            if at == len(out[rule.key[0]]):
                for column, values in out.items():
                    values.append(columns[column][row])
            else:
                _agree(name, rule, out, at, columns, row, (paths[0], path))
                for column in rule.sums:
                    out[column][at] = _added(out[column][at], columns[column][row])
            if rule.number is not None:
                numbers[columns[rule.number][row]] = at + rule.start
        given.append(numbers)
    if rule.number is not None:
        out[rule.number] = list(range(rule.start, rule.start + len(place)))
    arrays = [pa.array(out[item.name], item.type) for item in schema]
    return pa.table(arrays, schema=schema), given


def _hashable(value: Any) -> object:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _added(one: int | None, other: int | None) -> int | None:
    """A sum; what is not known of one of them is not known of both."""
    return None if one is None or other is None else one + other


def _agree(
    name: str,
    rule: Merge,
    out: Mapping[str, Sequence[Any]],
    at: int,
    columns: Mapping[str, Sequence[Any]],
    row: int,
    paths: tuple[Path, Path],
) -> None:
    for column in rule.same:
        if out[column][at] != columns[column][row]:
            address = columns["address"][row] if "address" in columns else None
            where = "" if address is None else f" at {address:#x}"
            raise RecordingError(
                f"{paths[1]} cannot be merged with {paths[0]}: what {name} have{where} differs ({column})."
            )


def _merge_traces(
    recordings: Sequence[Recording], numbers: Sequence[Mapping[str, Numbers]], folder: RecordingFolder
) -> tuple[int, int]:
    """The chunks of all, each run's after those of the one before. Returns how many records they have, and bytes."""
    blocks = max((max(of["blocks"].values(), default=0) for of in numbers), default=0)
    sites = max((max(of.get("sites", {}).values(), default=0) for of in numbers), default=0)
    if sites >= int(BLOCK_MARK):
        raise RecordingError("Together these recordings have too many loads and stores for one.")
    writer = TraceWriter(folder.path, 8)
    ended = 0
    for recording, of in zip(recordings, numbers, strict=True):
        if TRACE not in recording.table_names:
            continue
        trace = recording.stored_trace
        chunks = sorted(trace.chunks, key=lambda chunk: (chunk.file, chunk.group, chunk.row))
        shift = ended - min((chunk.began_ns for chunk in chunks), default=0) if ended else 0
        new_blocks, new_sites = _dense(of["blocks"]), _dense(of.get("sites", {}))
        for chunk, records in zip(chunks, trace.records(chunks), strict=True):
            try:
                made = _rewritten(records, new_blocks, new_sites, blocks)
                process = of[_PROCESSES][chunk.process]
            except (IndexError, KeyError) as error:
                raise RecordingError(
                    f"{recording.path} is damaged: its trace has numbers that its tables do not have."
                ) from error
            times = (max(0, chunk.began_ns + shift), max(0, chunk.ended_ns + shift))
            ended = max(ended, *times)
            moved = Chunk(process, chunk.thread, chunk.number, *times, made.tobytes())
            writer.take(moved, made.dtype.itemsize)
        ended += 1
    writer.flush()
    return writer.events, writer.bytes


def _dense(numbers: Numbers) -> np.ndarray[Any, np.dtype[np.uint64]]:
    found = np.zeros(max(numbers, default=-1) + 1, np.uint64)
    for old, new in numbers.items():
        found[old] = new
    return found


def _rewritten(records: Records, blocks: Any, sites: Any, most_block: int) -> Records:
    """Records with new numbers, wider where they do not fit."""
    upper = records >> SITE_SHIFT if records.dtype == np.uint64 else None
    old = blocks_of(records)
    gaps = old == GAP
    new = np.full(len(old), GAP, np.uint64)
    new[~gaps] = blocks[old[~gaps]]
    if upper is None:
        # With two bytes a gap has the highest number, whatever it is with more.
        return new.astype(np.uint32 if most_block >= GAP_OF_2_BYTES else records.dtype)
    marks = upper == BLOCK_MARK
    made = records & np.uint64((1 << int(SITE_SHIFT)) - 1)
    made[marks] = new | BLOCK_MARK << SITE_SHIFT
    made[~marks] |= sites[upper[~marks]] << SITE_SHIFT
    return made
