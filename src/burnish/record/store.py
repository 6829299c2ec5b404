"""Recordings on disk: a folder with ``manifest.json`` and Parquet tables, or a zip file of one. ``docs/recordings.md``
explains each table.

A folder is made under a temporary name and renamed when it is complete. The trace is written while the target runs,
in shards that are complete each: what a recorder that was killed leaves behind can be read as far as it goes.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from burnish._native import encode_addresses
from burnish.core.errors import HostError, RecordingError
from burnish.core.recording import Manifest
from burnish.record.areas import Chunk
from burnish.record.container import MANIFEST, ZIP, open_files, pack
from burnish.record.display import Overview, overview
from burnish.record.entries import ENTRY_SCHEMAS, Entry, read_entries
from burnish.record.footers import FOOTERS, footers_text
from burnish.record.manifest import manifest_text, read_manifest
from burnish.record.observed import (
    MEMORY,
    PROCESSES,
    SNAPSHOTS,
    VALUES,
    runs_of_constants,
    with_outcomes,
)
from burnish.record.sample_tables import SAMPLES, STACKS
from burnish.record.trace import Traced, read_table
from burnish.record.writing import write_tables

# pyarrow has no types of its own.
pa: Any = import_module("pyarrow")
pc: Any = import_module("pyarrow.compute")
pq: Any = import_module("pyarrow.parquet")

Table = Any
"""A ``pyarrow.Table``."""

_TRACE = "trace"
_SHARD_BYTES = 32 << 20
_LEVEL = 1

SCHEMAS: dict[str, Any] = {
    "functions": pa.schema(
        [
            ("function", pa.uint32()),
            ("image", pa.uint32()),
            ("name", pa.string()),
            ("address", pa.uint64()),
            ("size", pa.uint32()),
            ("code", pa.binary()),
        ]
    ),
    "parts": pa.schema([("function", pa.uint32()), ("address", pa.uint64()), ("code", pa.binary())]),
    "blocks": pa.schema(
        [
            ("block", pa.uint32()),
            ("function", pa.uint32()),
            ("address", pa.uint64()),
            ("part", pa.uint16()),
            ("size", pa.uint32()),
            ("instructions", pa.uint32()),
            ("last", pa.uint64()),
            ("ending", pa.string()),
            ("entered", pa.uint64()),
            ("effect", pa.string()),
        ]
    ),
    "edges": pa.schema(
        [("source", pa.uint32()), ("target", pa.uint32()), ("kind", pa.string()), ("taken", pa.uint64())]
    ),
    "sites": pa.schema(
        [
            ("site", pa.uint32()),
            ("block", pa.uint32()),
            ("address", pa.uint64()),
            ("access", pa.string()),
            ("size", pa.uint32()),
        ]
    ),
    "threads": pa.schema([("process", pa.uint32()), ("thread", pa.uint32()), ("dropped", pa.uint64())]),
    _TRACE: pa.schema(
        [
            ("process", pa.uint32()),
            ("thread", pa.uint32()),
            ("number", pa.uint64()),
            ("began_ns", pa.uint64()),
            ("ended_ns", pa.uint64()),
            ("events", pa.uint64()),
            ("record_bytes", pa.uint8()),
            ("data", pa.binary()),
        ]
    ),
    "values": VALUES,
    "memory": MEMORY,
    "processes": PROCESSES,
    "mappings": pa.schema(
        [
            ("process", pa.uint32()),
            ("start", pa.uint64()),
            ("end", pa.uint64()),
            ("image", pa.uint32()),
            ("offset", pa.uint64()),
            ("access", pa.string()),
            ("name", pa.string()),
        ]
    ),
    "snapshots": SNAPSHOTS,
    **ENTRY_SCHEMAS,
    "samples": SAMPLES,
    "stacks": STACKS,
}
"""The tables of a recording; which are there depends on what was recorded."""


class TraceWriter:
    """Takes chunks of trace records and writes them, compressed, as shards of the table ``trace``. What would make the
    table larger than ``most_bytes`` is left out and counted in ``left_out`` (bytes of records)."""

    def __init__(self, folder: Path, record_bytes: int, most_bytes: int | None = None) -> None:
        self._folder = folder / _TRACE
        self._record_bytes = record_bytes
        self._most = most_bytes
        self._codec = pa.Codec("zstd", compression_level=_LEVEL)
        self._rows: list[tuple[int, int, int, int, int, int, int, bytes]] = []
        self._waiting = 0
        self._shards = 0
        self.events = 0
        self.bytes = 0
        self.left_out = 0
        self._folder.mkdir()

    def take(self, chunk: Chunk, record_bytes: int | None = None) -> bool:
        """Keep one chunk, of records of another size than the others' if that is given; false where it is left out."""
        size = record_bytes or self._record_bytes
        if self._most is not None and self.bytes >= self._most:
            self.left_out += len(chunk.data)
            return False
        data = self._codec.compress(_coded(chunk.data, size), asbytes=True)
        events = len(chunk.data) // size
        self._rows.append(
            (
                chunk.process,
                chunk.thread,
                chunk.number,
                chunk.began_ns,
                chunk.ended_ns,
                events,
                size,
                data,
            )
        )
        self.events += events
        self.bytes += len(data)
        self._waiting += len(data)
        if self._waiting >= _SHARD_BYTES:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what has come since the last shard as another one; the first is written even if it is empty."""
        if not self._rows and self._shards:
            return
        self._shards += 1
        # A row group has chunks of one thread, so that a reader of one thread reads no other's.
        self._rows.sort(key=lambda row: row[:3])
        schema = SCHEMAS[_TRACE]
        groups: list[Table] = [] if self._rows else [schema.empty_table()]
        for _, rows in itertools.groupby(self._rows, key=lambda row: row[:2]):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            groups.append(pa.table(arrays, schema=schema))
        # It is compressed already.
        write_tables(groups, self._folder / f"{self._shards:05}.parquet", compression="none")
        self._rows.clear()
        self._waiting = 0


@dataclass(frozen=True, slots=True)
class RecordingFolder:
    """A recording being made: ``path`` is where it is made, ``final`` where it will be."""

    path: Path
    final: Path

    def table(self, name: str, columns: Sequence[Sequence[Any]]) -> None:
        """Write a table, from its columns in the order of its schema."""
        schema = SCHEMAS[name]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        write_tables([pa.table(arrays, schema=schema)], self.path / f"{name}.parquet")

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and put the recording where it belongs: as one file where that ends in ``.zip``."""
        made = self.path
        try:
            (made / FOOTERS).write_text(footers_text(made))
            (made / MANIFEST).write_text(manifest_text(manifest))
            if self.final.suffix == ZIP:
                made = self.path / self.final.name
                pack(self.path, made)
            if os.path.lexists(self.final):
                _replace(self.final, made)
            else:
                made.rename(self.final)
        except OSError as error:
            raise HostError(f"{self.final} cannot be written: {error.strerror or error}.") from error
        self.discard()

    def discard(self) -> None:
        """Remove what was made, if it was not finished."""
        shutil.rmtree(self.path, ignore_errors=True)


def new_recording(final: Path) -> RecordingFolder:
    """Begin a recording that will lie at ``final``. An earlier recording there is replaced in the end; anything else
    that is there is refused with ``HostError``."""
    if os.path.lexists(final):
        try:
            open_recording(final)
        except RecordingError as error:
            raise HostError(f"{final} is in the way, and no recording; name another place.") from error
    if not final.absolute().parent.is_dir():
        raise HostError(f"The directory {final.absolute().parent} does not exist.")
    try:
        made = tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.absolute().parent)
    except OSError as error:
        raise HostError(f"{final} cannot be written: {error.strerror}.") from error
    Path(made).chmod(0o755)
    return RecordingFolder(Path(made), final)


def _coded(data: bytes, record_bytes: int) -> Any:
    return encode_addresses(np.frombuffer(data, np.uint64)) if record_bytes == 8 else data


def _replace(old: Path, new: Path) -> None:
    """Put ``new`` in the place of ``old``, which goes when that is done."""
    aside = Path(tempfile.mkdtemp(prefix=f".{old.name}.", suffix=".old", dir=old.absolute().parent))
    try:
        old.rename(aside / old.name)
        try:
            new.rename(old)
        except OSError:
            (aside / old.name).rename(old)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True)
class Recording(Traced):
    """What was seen in one run. Tables are read when they are first asked for, and are ``pyarrow.Table``."""

    manifest: Manifest

    @cached_property
    def functions(self) -> Table:
        """One row a recorded function; ``function`` is its number, ``image`` indexes ``manifest.images``, ``code`` are
        its bytes, ``address`` and ``size`` (bytes) are those of the image."""
        return self.to_arrow("functions")

    @cached_property
    def blocks(self) -> Table:
        """One row a block: its number, its function's, image address, index of its first operation in the instruction
        there (``part``), size in bytes, instructions, address of the last one, how it ends (``core.recording.Ending``),
        and how often it was entered."""
        return self.to_arrow("blocks")

    @cached_property
    def edges(self) -> Table:
        """One row an edge between blocks of one function, its kind (``core.recording.EdgeKind``), and how often it was
        taken."""
        return self.to_arrow("edges")

    @cached_property
    def threads(self) -> Table:
        """One row a thread that ran; ``dropped`` counts lost bytes of trace records."""
        return self.to_arrow("threads")

    @cached_property
    def samples(self) -> Table:
        """One row a sample, or a sum of samples at one place: process, thread, ``time_ns`` (of the sampler's clock),
        ``image`` (index into ``manifest.images``), image ``address``, name of the function, number of its stack in
        ``stacks``, and how many. What is not known is null; a function without a name is ``""``. Empty where nothing
        was sampled."""
        return self.to_arrow("samples") if self.has("samples") else SCHEMAS["samples"].empty_table()

    @cached_property
    def stacks(self) -> Table:
        """One row a stack: its number, and lists from the root to the function that was sampled: names, images, image
        addresses (of callers: where they go on). Empty where no sample has callers."""
        return self.to_arrow("stacks") if self.has("stacks") else SCHEMAS["stacks"].empty_table()

    def has(self, table: str) -> bool:
        """True if the recording has that table."""
        return table in self.table_names

    def to_arrow(self, table: str) -> Table:
        """A table by name. Raises ``RecordingError`` where the recording has none such, or it is damaged."""
        schema = SCHEMAS.get(table)
        if schema is None:
            raise RecordingError(f"{self.path} has no table {table!r}.")
        return read_table(self.path, self.files, table, schema)

    def display(self) -> Overview:
        """What is in it: printed as text, shown as a table in a notebook. Raises ``RecordingError`` for damage."""
        return overview(self)

    def _repr_html_(self) -> str:
        return self.display().to_html()

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the recording has."""
        return tuple(name for name in SCHEMAS if name in self.table_names)

    def values(self, function: str | int | None = None) -> Table:
        """What the results of a function's instructions were, by name or address (None: of all functions): one row a
        result, with ``count``, about how many ``distinct`` values (``exact``: just so many, and just these counts), the
        most frequent difference of successive values (``stride``, and in how many of all ``steps``), and the most
        frequent values (``top``; a count is too high by ``error`` at most). Raises ``RecordingError`` where values were
        not recorded, or there is no such function."""
        table = self.to_arrow("values")
        if function is None:
            return table
        rows = [r for r in self.functions.to_pylist() if function in (r["name"], r["address"])]
        if not rows:
            raise RecordingError(f"{self.path} has no function {function!r}.")
        blocks = self.blocks
        own = blocks.filter(pc.equal(blocks.column("function"), rows[0]["function"])).column("block")
        return table.filter(pc.is_in(table.column("block"), own))

    def constants(self) -> list[dict[str, Any]]:
        """Runs of bytes that the recorded functions read and that stayed the same, as far as they were seen.

        Of each its ``process``, ``image`` (number or None), ``address`` (of the image, or of the process), ``region``,
        ``value`` (bytes), how often it was read, and whether recorded code had written to it before. Raises
        ``RecordingError`` where stores were not recorded.
        """
        return runs_of_constants(self.to_arrow("memory"))

    def snapshots(self, blocks_later: int = 1) -> Table:
        """Registers and memory at the start of blocks, with the block that was entered ``blocks_later`` blocks after it
        in the same thread (``outcome``; null where the trace ends or has a gap before). One row a snapshot:
        ``process``, ``thread``, ``position`` in the trace, ``block``, the general registers (null: not known), and
        ``at_rax`` … the eight bytes that each points to (null: not known)."""
        return with_outcomes(self.to_arrow("snapshots"), self.trace, blocks_later)

    def entries(self, function: str | int | None = None) -> tuple[Entry, ...]:
        """The captured entries of a function (name or address), or of all. Raises ``RecordingError`` where none are."""
        if "entries" not in self.table_names:
            raise RecordingError(f"{self.path} has no entries; capture them with --what entries.")
        return read_entries(self.to_arrow, function)


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Open a recording, a folder or a zip file of one. Raises ``RecordingError`` for what is none, is damaged, or is of
    a later version."""
    place = Path(path)
    files = open_files(place)
    return Recording(place, files, read_manifest(place, files))
