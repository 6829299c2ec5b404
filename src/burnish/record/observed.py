"""Tables of what was observed, and what can be asked of them: results, memory, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish.core.recording import ResultSite
from burnish.machine.registers import GPR_NAMES
from burnish.record.areas import Chunk, Words
from burnish.record.writing import write_tables

# pyarrow has no types of its own.
pa: Any = import_module("pyarrow")
pc: Any = import_module("pyarrow.compute")

Table = Any
"""A ``pyarrow.Table``."""

_TOP = pa.struct([("value", pa.uint64()), ("count", pa.uint64()), ("error", pa.uint64())])
VALUES = pa.schema(
    [
        ("result", pa.uint32()),
        ("block", pa.uint32()),
        ("address", pa.uint64()),
        ("register", pa.string()),
        ("offset", pa.uint8()),
        ("size", pa.uint8()),
        ("count", pa.uint64()),
        ("distinct", pa.uint64()),
        ("exact", pa.bool_()),
        ("stride", pa.int64()),
        ("steps", pa.uint64()),
        ("strided", pa.uint64()),
        ("top", pa.list_(_TOP)),
    ]
)
MEMORY = pa.schema(
    [
        ("process", pa.uint32()),
        ("address", pa.uint64()),
        ("image", pa.uint32()),
        ("image_address", pa.uint64()),
        ("region", pa.string()),
        ("value", pa.uint64()),
        ("reads", pa.uint64()),
        ("known", pa.uint8()),
        ("read", pa.uint8()),
        ("stored", pa.uint8()),
        ("changed", pa.uint8()),
        ("writer", pa.uint32()),
        ("written_ns", pa.uint64()),
    ]
)
PROCESSES = pa.schema([("process", pa.uint32()), ("checked", pa.bool_()), ("untracked", pa.uint64())])
SNAPSHOTS = pa.schema(
    [
        ("process", pa.uint32()),
        ("thread", pa.uint32()),
        ("position", pa.uint64()),
        ("registers", pa.uint16()),
        *((name, pa.uint64()) for name in GPR_NAMES),
        ("known", pa.uint16()),
        *((f"at_{name}", pa.uint64()) for name in GPR_NAMES),
    ]
)
GAP = 0xFFFFFFFF
"""In a trace: the blocks that were entered next were not written down."""
_SHARD_ROWS = 1 << 18


def value_rows(
    sites: Sequence[tuple[int, ResultSite]], results: Words, frequent: Words, most: int = 16
) -> list[tuple[object, ...]]:
    """Rows of the table ``values``. ``sites`` are block numbers and results, by the results' numbers."""
    top: dict[int, list[dict[str, int]]] = {}
    for result, value, count, error in frequent.tolist():
        top.setdefault(result, []).append({"value": value, "count": count, "error": error})
    rows: list[tuple[object, ...]] = []
    for (block, site), row in zip(sites, results.tolist(), strict=True):
        count, distinct, stride, steps, strided, _, exact = row
        found = sorted(top.get(site.number, ()), key=lambda entry: entry["error"] - entry["count"])[:most]
        place = (site.number, block, site.address, site.register, site.offset, site.size)
        signed = stride - (stride >> 63 << 64)
        rows.append((*place, count, distinct, bool(exact), signed, steps, strided, found))
    return rows


class SnapshotWriter:
    """Writes rows of snapshots as shards of the table ``snapshots``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "snapshots"
        self._folder.mkdir()
        self._tables: list[Table] = []
        self._rows = 0
        self._shards = 0
        self._blocks: dict[tuple[int, int], int] = {}

    def take(self, chunk: Chunk, rows: Words, blocks: int) -> None:
        """Keep the rows of one chunk of ``blocks`` blocks (``_native.Observer.take``)."""
        key = (chunk.process, chunk.thread)
        first = self._blocks.get(key, 0)
        self._blocks[key] = first + blocks
        if not len(rows):
            return
        columns = [np.full(len(rows), chunk.process), np.full(len(rows), chunk.thread)]
        # The mark of the block comes before its snapshot.
        columns += [rows[:, 0] + np.uint64(first) - np.uint64(1), *rows[:, 1:].T]
        arrays = [
            pa.array(c.astype(f.type.to_pandas_dtype()), f.type)
            for c, f in zip(columns, SNAPSHOTS, strict=True)
        ]
        self._tables.append(pa.table(arrays, schema=SNAPSHOTS))
        self._rows += len(rows)
        if self._rows >= _SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has come since the last shard as another one; the first is written even if it is empty."""
        if self._rows or not self._shards:
            self._shards += 1
            place = self._folder / f"{self._shards:05}.parquet"
            write_tables([SNAPSHOTS.empty_table(), *self._tables], place)
            self._tables, self._rows = [], 0


def runs_of_constants(memory: Table) -> list[dict[str, Any]]:
    """Of the table ``memory``: runs of bytes that were read, were never found to be something else, and were not
    written after they were first read; by process and address."""
    found: list[dict[str, Any]] = []
    for process in np.unique(memory.column("process").to_numpy()).tolist():
        table = memory.filter(pc.equal(memory.column("process"), process)).sort_by("address")
        constant = table.column("read").to_numpy() & ~table.column("changed").to_numpy()
        columns = {
            name: table.column(name).to_numpy()
            for name in ("address", "image_address", "region", "value", "reads", "stored")
        }
        columns["image"] = table.column("image").cast(pa.float64()).to_numpy()
        columns["image_address"] = pc.coalesce(table.column("image_address"), 0).to_numpy()
        for first, last in _runs(columns["address"], constant):
            found.append(_run(process, first, last, columns))
    return found


def _runs(starts: npt.NDArray[np.uint64], masks: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """First and last byte of each run, as ``8 * row + byte``."""
    bits = np.unpackbits(masks.astype(np.uint8)[:, None], axis=1, bitorder="little").ravel()
    chosen = np.flatnonzero(bits)
    if not len(chosen):
        return []
    addresses = starts[chosen // 8] + (chosen % 8).astype(np.uint64)
    breaks = np.flatnonzero(np.diff(addresses) != 1)
    first = chosen[np.concatenate(([0], breaks + 1))]
    last = chosen[np.concatenate((breaks, [len(chosen) - 1]))]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _run(process: int, first: int, last: int, columns: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    row = first // 8
    values = columns["value"][row : last // 8 + 1].astype("<u8").tobytes()
    image: float = columns["image"][row]  # not a number where there is none
    inside = image == image
    return {
        "process": process,
        "image": int(image) if inside else None,
        "address": int(columns["image_address" if inside else "address"][row]) + first % 8,
        "region": columns["region"][row],
        "value": values[first % 8 : first % 8 + last - first + 1],
        "reads": int(columns["reads"][row : last // 8 + 1].sum()),
        "stored_before": bool(columns["stored"][row : last // 8 + 1].any()),
    }


def with_outcomes(snapshots: Table, trace: Callable[[int, int], npt.NDArray[np.uint32]], later: int) -> Table:
    """The table ``snapshots`` as ``Recording.snapshots`` describes it. ``trace`` gives the blocks of a thread."""
    parts: list[Table] = []
    keys = zip(*(snapshots.column(name).to_pylist() for name in ("process", "thread")), strict=True)
    for process, thread in dict.fromkeys(keys):
        chosen = pc.and_(
            pc.equal(snapshots.column("process"), process), pc.equal(snapshots.column("thread"), thread)
        )
        parts.append(_of_thread(snapshots.filter(chosen), trace(process, thread), later))
    if not parts:
        return _of_thread(snapshots, np.zeros(0, np.uint32), later)
    return pa.concat_tables(parts)


def _of_thread(rows: Table, trace: npt.NDArray[np.uint32], later: int) -> Table:
    position = rows.column("position").to_numpy().astype(np.int64)
    gaps = np.concatenate(([0], np.cumsum(trace == GAP)))
    there = np.minimum(position + later, len(trace) - 1)
    known = (position + later < len(trace)) & (gaps[there + 1] == gaps[position])
    registers = rows.column("registers").to_numpy()
    memory = rows.column("known").to_numpy()
    columns = {name: rows.column(name) for name in ("process", "thread", "position")}
    columns["block"] = pa.array(trace[position], pa.uint32())
    columns["outcome"] = pa.array(trace[there], pa.uint32(), mask=~known)
    for bit, name in enumerate(GPR_NAMES):
        columns[name] = pa.array(rows.column(name).to_numpy(), mask=registers >> bit & 1 == 0)
    for bit, name in enumerate(GPR_NAMES):
        columns[f"at_{name}"] = pa.array(rows.column(f"at_{name}").to_numpy(), mask=memory >> bit & 1 == 0)
    return pa.table(columns)
