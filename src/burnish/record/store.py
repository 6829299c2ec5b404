"""Recordings on disk: a folder with ``manifest.json`` and Parquet tables. ``docs/recordings.md`` explains each table.

A folder is made under a temporary name and renamed when it is complete. The trace is written while the target runs,
in shards that are complete each: what a recorder that was killed leaves behind can be read as far as it goes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish._native import decode_addresses, encode_addresses
from burnish.core.errors import HostError, RecordingError
from burnish.core.recording import Manifest
from burnish.record.areas import Chunk
from burnish.record.manifests import MANIFEST, read_manifest
from burnish.record.observed import (
    GAP,
    MEMORY,
    PROCESSES,
    SNAPSHOTS,
    VALUES,
    runs_of_constants,
    with_outcomes,
)
from burnish.record.sample_tables import SAMPLES, STACKS

# pyarrow has no types of its own.
pa: Any = import_module("pyarrow")
pc: Any = import_module("pyarrow.compute")
pq: Any = import_module("pyarrow.parquet")

Table = Any
"""A ``pyarrow.Table``."""

_SITE_SHIFT, _BLOCK_MARK = np.uint64(48), np.uint64(0xFFFF)
_LOW, _ADDRESS = np.uint64(0xFFFFFFFF), np.uint64((1 << 48) - 1)
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
    "samples": SAMPLES,
    "stacks": STACKS,
}
"""The tables of a recording; which are there depends on what was recorded."""
_SHARDED = (_TRACE, "snapshots")


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

    def take(self, chunk: Chunk) -> bool:
        """Keep one chunk; false where it is left out."""
        if self._most is not None and self.bytes >= self._most:
            self.left_out += len(chunk.data)
            return False
        data = self._codec.compress(self._coded(chunk.data), asbytes=True)
        events = len(chunk.data) // self._record_bytes
        self._rows.append(
            (
                chunk.process,
                chunk.thread,
                chunk.number,
                chunk.began_ns,
                chunk.ended_ns,
                events,
                self._record_bytes,
                data,
            )
        )
        self.events += events
        self.bytes += len(data)
        self._waiting += len(data)
        if self._waiting >= _SHARD_BYTES:
            self.flush()
        return True

    def _coded(self, data: bytes) -> Any:
        return encode_addresses(np.frombuffer(data, np.uint64)) if self._record_bytes == 8 else data

    def flush(self) -> None:
        """Write what has come since the last shard as another one."""
        if not self._rows:
            return
        self._shards += 1
        columns = list(zip(*self._rows, strict=True))
        schema = SCHEMAS[_TRACE]
        table = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
        # It is compressed already.
        _write(table, self._folder / f"{self._shards:05}.parquet", compression="none")
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
        _write(pa.table(arrays, schema=schema), self.path / f"{name}.parquet", compression="zstd")

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and put the recording where it belongs."""
        try:
            (self.path / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
            if self.final.exists():
                shutil.rmtree(self.final)
            self.path.rename(self.final)
        except OSError as error:
            raise HostError(f"{self.final} cannot be written: {error.strerror}.") from error

    def discard(self) -> None:
        """Remove what was made, if it was not finished."""
        shutil.rmtree(self.path, ignore_errors=True)


def new_recording(final: Path) -> RecordingFolder:
    """Begin a recording that will lie at ``final``. An earlier recording there is replaced in the end; anything else
    that is there is refused with ``HostError``."""
    if final.exists() and not (final.is_dir() and (final / MANIFEST).is_file()):
        raise HostError(f"{final} is in the way, and no recording; name another folder.")
    if not final.absolute().parent.is_dir():
        raise HostError(f"The directory {final.absolute().parent} does not exist.")
    try:
        made = tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.absolute().parent)
    except OSError as error:
        raise HostError(f"{final} cannot be written: {error.strerror}.") from error
    Path(made).chmod(0o755)
    return RecordingFolder(Path(made), final)


def _write(table: Table, path: Path, compression: str) -> None:
    try:
        pq.write_table(table, path, compression=compression)
    except OSError as error:
        raise HostError(f"{path.name} cannot be written: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Recording:
    """What was seen in one run. Tables are read when they are first asked for, and are ``pyarrow.Table``."""

    path: Path
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

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the recording has."""
        return tuple(name for name in SCHEMAS if self._place(name).exists())

    def _place(self, table: str) -> Path:
        return self.path / (table if table in _SHARDED else f"{table}.parquet")

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
        return self._place(table).exists()

    def to_arrow(self, table: str) -> Table:
        """A table by name. Raises ``RecordingError`` where the recording has none such, or it is damaged."""
        schema = SCHEMAS.get(table)
        place = self._place(table)
        if schema is None or not place.exists():
            raise RecordingError(f"{self.path} has no table {table!r}.")
        try:
            return pq.read_table(place, schema=schema)
        except (OSError, pa.ArrowInvalid) as error:
            raise RecordingError(f"{place} is damaged: {str(error).splitlines()[0]}") from error

    def traced_threads(self) -> list[tuple[int, int]]:
        """Process and thread of each thread that has a trace, in the order in which they began."""
        table = self.to_arrow(_TRACE).select(["process", "thread", "began_ns"]).sort_by("began_ns")
        columns = [table.column(name).to_pylist() for name in ("process", "thread")]
        return list(dict.fromkeys(zip(*columns, strict=True)))

    def trace(self, process: int | None = None, thread: int | None = None) -> npt.NDArray[np.uint32]:
        """The numbers of the blocks that one thread entered, in order, as uint32. Without ``thread`` that of the
        command's first one. Raises ``RecordingError`` where no trace was recorded."""
        records = self._records(process, thread)
        if records.dtype == np.uint64:
            records = records[records >> _SITE_SHIFT == _BLOCK_MARK] & _LOW
        found = records.astype(np.uint32)
        if records.dtype == np.uint16:
            found[found == 0xFFFF] = GAP
        return found

    def accesses(self, process: int | None = None, thread: int | None = None) -> npt.NDArray[np.void]:
        """The loads and stores of one thread, in order: a structured array with the fields ``position`` (int64: index
        in ``trace()`` of the block that was entered last), ``site`` (uint32, a row of the table ``sites``) and
        ``address`` (uint64; of a string instruction's third site, bytes). Raises ``RecordingError`` where memory was
        not recorded."""
        records = self._records(process, thread)
        if records.dtype != np.uint64:
            raise RecordingError(f"{self.path} has no memory accesses; record them with --what memory.")
        marks = records >> _SITE_SHIFT == _BLOCK_MARK
        chosen = records[~marks]
        found = np.zeros(len(chosen), [("position", "<i8"), ("site", "<u4"), ("address", "<u8")])
        found["position"] = np.cumsum(marks)[~marks] - 1
        found["site"] = chosen >> _SITE_SHIFT
        found["address"] = chosen & _ADDRESS
        return found

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

    def _records(self, process: int | None, thread: int | None) -> npt.NDArray[Any]:
        if thread is None:
            threads = self.traced_threads()
            if not threads:
                return np.zeros(0, np.uint32)
            process, thread = threads[0]
        rows: list[dict[str, Any]] = self.to_arrow(_TRACE).to_pylist()
        mine = [r for r in rows if r["thread"] == thread and process in (None, r["process"])]
        mine.sort(key=lambda row: row["number"])
        codec = pa.Codec("zstd")
        parts: list[npt.NDArray[Any]] = []
        for row in mine:
            size = row["events"] * row["record_bytes"]
            data = codec.decompress(row["data"], decompressed_size=size, asbytes=True)
            records = np.frombuffer(data, f"<u{row['record_bytes']}")
            parts.append(decode_addresses(records) if row["record_bytes"] == 8 else records)
        return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def open_recording(path: Path) -> Recording:
    """Open a recording. Raises ``RecordingError`` for what is none, is damaged, or is of a later version."""
    return Recording(path, read_manifest(path))
