"""Reading tables and traces from the files of a recording: only what is asked for, a chunk at a time.

The table ``trace`` has rows of compressed records, a row a chunk of one thread, in shards whose row groups are of one
thread each. An index of all rows, without their data, is read first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish._native import decode_addresses
from burnish.core.errors import RecordingError
from burnish.record.container import Files
from burnish.record.footers import check_footer
from burnish.record.observed import GAP

pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")

Records = npt.NDArray[Any]
"""Trace records as they were written: unsigned integers of 2 or 4 bytes (blocks), or of 8 (blocks and accesses)."""
ACCESS = np.dtype([("position", "<i8"), ("site", "<u4"), ("address", "<u8")])
TRACE = "trace"
SITE_SHIFT, BLOCK_MARK = np.uint64(48), np.uint64(0xFFFF)
"""Of records of 8 bytes: the upper bits are a site or ``BLOCK_MARK``, the rest an address or a block."""
GAP_OF_2_BYTES = 0xFFFF
"""``GAP`` in a record of 2 bytes."""
_LOW, _ADDRESS = np.uint64(0xFFFFFFFF), np.uint64((1 << 48) - 1)
_DAMAGE = (OSError, ValueError, TypeError, LookupError, OverflowError, pa.ArrowException)
"""What pyarrow raises when it reads a file that is damaged."""
_INDEX = ("process", "thread", "number", "began_ns", "ended_ns", "events", "record_bytes")


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A row of the table ``trace``: whose it is, and where its data are."""

    process: int
    thread: int
    number: int
    began_ns: int
    ended_ns: int
    events: int
    record_bytes: int
    file: str
    group: int
    row: int


def table_files(files: Files, table: str) -> list[str]:
    """The files that a table is made of; none where there is no such table."""
    names = files.names
    if f"{table}.parquet" in names:
        return [f"{table}.parquet"]
    return [name for name in names if name.startswith(f"{table}/") and name.endswith(".parquet")]


def read_table(path: Path, files: Files, table: str, schema: Any) -> Any:
    """A whole table as a ``pyarrow.Table`` with that schema; ``path`` is for messages. Raises ``RecordingError`` where
    there is none, or it is damaged."""
    names = table_files(files, table)
    if not names:
        raise RecordingError(f"{path} has no table {table!r}.")
    parts: list[Any] = []
    for name in names:
        with _opened(path, files, name) as file:
            try:
                parts.append(file.read(columns=schema.names).select(schema.names).cast(schema))
            except _DAMAGE as error:
                raise _damaged(path, name, error) from error
    return pa.concat_tables(parts)


def rows_of(path: Path, files: Files, name: str) -> int:
    """How many rows a file of a table has; nothing else of it is read. Raises ``RecordingError`` if it is damaged."""
    with _opened(path, files, name) as file:
        return file.metadata.num_rows


class Trace:
    """The chunks of all threads. Raises ``RecordingError`` where there is no trace, or it is damaged."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path, self._files = path, files
        self._names = table_files(files, TRACE)
        if not self._names:
            raise RecordingError(f"{path} has no table {TRACE!r}.")

    @cached_property
    def chunks(self) -> tuple[StoredChunk, ...]:
        """All of them, without their data."""
        found: list[StoredChunk] = []
        for name in self._names:
            with _opened(self._path, self._files, name) as file:
                try:
                    for group in range(file.num_row_groups):
                        part = file.read_row_group(group, columns=list(_INDEX))
                        columns: list[Any] = [part.column(column).to_pylist() for column in _INDEX]
                        for at, row in enumerate(zip(*columns, strict=True)):
                            place: Any = (*row, name, group, at)
                            found.append(StoredChunk(*place))
                except _DAMAGE as error:
                    raise _damaged(self._path, name, error) from error
        return tuple(found)

    def threads(self) -> list[tuple[int, int]]:
        """Process and thread of each thread that has a trace, in the order in which they began."""
        ordered = sorted(self.chunks, key=lambda chunk: chunk.began_ns)
        return list(dict.fromkeys((chunk.process, chunk.thread) for chunk in ordered))

    def of(self, process: int | None, thread: int | None) -> list[StoredChunk]:
        """The chunks of one thread, in order: of the first that began, where none is named."""
        known = self.threads()
        chosen = [pair for pair in known if process in (None, pair[0]) and thread in (None, pair[1])][:1]
        mine = [chunk for chunk in self.chunks if (chunk.process, chunk.thread) in chosen]
        return sorted(mine, key=lambda chunk: (chunk.began_ns, chunk.number))

    def records(self, chunks: list[StoredChunk]) -> Iterator[Records]:
        """The records of each chunk. The compressed data of one row group are in memory at a time."""
        codec = pa.Codec("zstd")
        loaded: tuple[str, int] | None = None
        data: Any = None
        for chunk in chunks:
            try:
                if loaded != (chunk.file, chunk.group):
                    with _opened(self._path, self._files, chunk.file) as file:
                        data = file.read_row_group(chunk.group, columns=["data"]).column("data")
                    loaded = (chunk.file, chunk.group)
                size = chunk.events * chunk.record_bytes
                raw = codec.decompress(data[chunk.row].as_buffer(), decompressed_size=size)
                records = np.frombuffer(raw, f"<u{chunk.record_bytes}")
                yield decode_addresses(records) if chunk.record_bytes == 8 else records
            except _DAMAGE as error:
                raise _damaged(self._path, chunk.file, error) from error


@dataclass(frozen=True)
class Traced:
    """What can be asked of the trace of a recording."""

    path: Path
    files: Files

    @cached_property
    def table_names(self) -> frozenset[str]:
        """Names of all tables that are there, also of those that this version does not know."""
        names = (name.partition("/") for name in self.files.names if name.endswith(".parquet"))
        return frozenset(first.removesuffix(".parquet") for first, _, _ in names)

    @cached_property
    def events(self) -> int:
        """How many trace records there are, of all threads. Raises ``RecordingError`` where no trace was recorded."""
        return sum(chunk.events for chunk in self.stored_trace.chunks)

    def traced_threads(self) -> list[tuple[int, int]]:
        """Process and thread of each thread that has a trace, in the order in which they began."""
        return self.stored_trace.threads()

    def trace(self, process: int | None = None, thread: int | None = None) -> npt.NDArray[np.uint32]:
        """The numbers of the blocks that one thread entered, in order, as uint32. Without ``thread`` that of the
        command's first one. Raises ``RecordingError`` where no trace was recorded."""
        parts = list(self.trace_chunks(process, thread))
        return np.concatenate(parts) if parts else np.zeros(0, np.uint32)

    def trace_chunks(
        self, process: int | None = None, thread: int | None = None
    ) -> Iterator[npt.NDArray[np.uint32]]:
        """The same a piece at a time, some hundred thousand blocks each, so that memory stays bounded."""
        for records in self.record_chunks(process, thread):
            yield blocks_of(records)

    def accesses(self, process: int | None = None, thread: int | None = None) -> npt.NDArray[np.void]:
        """The loads and stores of one thread, in order: a structured array with the fields ``position`` (int64: index
        in ``trace()`` of the block that was entered last), ``site`` (uint32, a row of the table ``sites``) and
        ``address`` (uint64; of a string instruction's third site, bytes). Raises ``RecordingError`` where memory was
        not recorded."""
        parts = list(self.access_chunks(process, thread))
        return np.concatenate(parts) if parts else np.zeros(0, ACCESS)

    def access_chunks(
        self, process: int | None = None, thread: int | None = None
    ) -> Iterator[npt.NDArray[np.void]]:
        """The same a piece at a time: the accesses of each piece of ``trace_chunks``."""
        before = 0
        for records in self.record_chunks(process, thread):
            if records.dtype != np.uint64:
                raise RecordingError(f"{self.path} has no memory accesses; record them with --what memory.")
            yield accesses_of(records, before)
            before += len(blocks_of(records))

    def record_chunks(self, process: int | None = None, thread: int | None = None) -> Iterator[Records]:
        """The trace records of one thread as they were written (``docs/recordings.md``), a piece at a time."""
        yield from self.stored_trace.records(self.stored_trace.of(process, thread))

    @cached_property
    def stored_trace(self) -> Trace:
        """The chunks of all threads, compressed. Raises ``RecordingError`` where no trace was recorded."""
        return Trace(self.path, self.files)


def blocks_of(records: Records) -> npt.NDArray[np.uint32]:
    """The block numbers among records, and ``GAP`` where some were not written down."""
    if records.dtype == np.uint64:
        records = records[records >> SITE_SHIFT == BLOCK_MARK] & _LOW
    found = records.astype(np.uint32)
    if records.dtype == np.uint16:
        found[found == GAP_OF_2_BYTES] = GAP
    return found


def accesses_of(records: Records, before: int) -> npt.NDArray[np.void]:
    """The accesses among records of 8 bytes, as ``ACCESS``; ``before`` is how many blocks the thread had entered."""
    marks = records >> SITE_SHIFT == BLOCK_MARK
    chosen = records[~marks]
    found = np.zeros(len(chosen), ACCESS)
    found["position"] = np.cumsum(marks)[~marks] + (before - 1)
    found["site"] = chosen >> SITE_SHIFT
    found["address"] = chosen & _ADDRESS
    return found


def _opened(path: Path, files: Files, name: str) -> Any:
    """A Parquet file, which closes what it reads from."""
    source = files.open(name)
    try:
        check_footer(path, files, name, source)
        # The checksums of pages: a zip file's own would need all of a member to be read.
        found = pq.ParquetFile(source, page_checksum_verification=True)
        if not _counts_agree(found.metadata):
            raise pa.ArrowInvalid("its numbers of rows do not agree")
        return found
    except RecordingError:
        source.close()
        raise
    except _DAMAGE as error:
        source.close()
        raise _damaged(path, name, error) from error


def _counts_agree(metadata: Any) -> bool:
    """Whether all that the footer, which has no checksum, says of numbers of rows is the same."""
    rows = 0
    flat = [k for k in range(metadata.num_columns) if metadata.schema.column(k).max_repetition_level == 0]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows += group.num_rows
        if any(group.column(k).num_values != group.num_rows for k in flat):
            return False
    return rows == metadata.num_rows


def _damaged(path: Path, name: str, error: Exception) -> RecordingError:
    words = str(error).splitlines()
    return RecordingError(f"{path / name} is damaged: {words[0] if words else type(error).__name__}")
