"""Recordings in formats of other tools, a row a format. ``docs/exports.md`` describes each, and binary ones by byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.core.errors import HostError, UsageError
from burnish.core.recording import EdgeKind, Ending
from burnish.machine.disassemble import disassemble
from burnish.record.export_chrome import write_chrome_trace
from burnish.record.export_fdata import write_fdata
from burnish.record.export_folded import write_folded
from burnish.record.export_speedscope import write_speedscope
from burnish.record.store import Recording, pa, pq
from burnish.record.transfers import transfers

BRANCH_RECORD = np.dtype([("pc", "<u8"), ("target", "<u8"), ("taken", "u1"), ("type", "u1")])
"""A record of the format ``branches``: 18 bytes. ``type`` indexes ``BRANCH_TYPES``."""
BRANCH_TYPES = ("conditional", "direct jump", "indirect jump")
_TYPE_OF = {Ending.BRANCH.value: 0, Ending.JUMP.value: 1, Ending.SWITCH.value: 2}


@dataclass(frozen=True, slots=True)
class Export:
    """A format: what it is for, whether it is a folder, and what writes it, which may return sentences on what was left
    out."""

    summary: str
    write: Callable[[Recording, Path], Sequence[str] | None]
    folder: bool = False


def export(recording: Recording, kind: str, output: Path) -> tuple[str, ...]:
    """Write a recording in a format at ``output``, which appears whole or not at all. Returns what was left out or put
    together, in sentences.

    Raises ``UsageError`` for an unknown format, ``RecordingError`` where the recording lacks what it needs, and
    ``HostError`` where it cannot be written.
    """
    row = EXPORTS.get(kind)
    if row is None:
        raise UsageError(f"There is no format {kind!r}; there are {', '.join(EXPORTS)}.")
    if output.exists() and (row.folder or not output.is_file()):
        raise HostError(
            f"{output} is in the way; name another {'folder' if row.folder else 'file'} to write."
        )
    part = output.with_name(f".{output.name}.part")
    try:
        notes = tuple(row.write(recording, part) or ())
        part.replace(output)
    except OSError as error:
        raise HostError(f"{output} cannot be written: {error.strerror}.") from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
    return notes


def _callgrind(recording: Recording, path: Path) -> None:
    """Instructions executed, by instruction (callgrind's own format, version 1; KCachegrind and callgrind_annotate)."""
    images = [image.path for image in recording.manifest.images]
    counts = instruction_counts(recording)
    with path.open("w") as file:
        file.write("# callgrind format\nversion: 1\ncreator: burnish\n")
        file.write(f"cmd: {' '.join(recording.manifest.command)}\npositions: instr line\nevents: Ir\n")
        file.write(f"summary: {sum(sum(rows.values()) for rows in counts.values())}\n")
        for row in recording.functions.to_pylist():
            file.write(f"\nob={images[row['image']]}\nfl=???\nfn={row['name']}\n")
            for address, executed in sorted(counts[row["function"]].items()):
                file.write(f"{address:#x} 0 {executed}\n")


def _branches(recording: Recording, path: Path) -> None:
    """The branches that were executed, in order, one thread after another."""
    blocks, edges = recording.blocks, recording.edges
    rows = {row["block"]: row for row in blocks.to_pylist()}
    size = max(rows, default=-1) + 1
    last, begin, end, kind = (np.zeros(size, np.uint64) for _ in range(4))
    taken = np.full(size, -1, np.int64)
    for number, row in rows.items():
        last[number], begin[number] = row["last"], row["address"]
        end[number] = row["address"] + row["size"]
        kind[number] = _TYPE_OF.get(row["ending"], len(BRANCH_TYPES))
    for edge in edges.to_pylist():
        if edge["kind"] == EdgeKind.TAKEN.value:
            taken[edge["source"]] = edge["target"]
    with path.open("wb") as file:
        for process, thread in recording.traced_threads():
            found = transfers(recording.trace(process, thread), blocks, edges)
            jumps = kind[found.sources] < len(BRANCH_TYPES)
            source, target = found.sources[jumps], found.targets[jumps]
            out = np.zeros(len(source), BRANCH_RECORD)
            conditional = kind[source] == 0
            went = ~conditional | (taken[source] == target)
            out["pc"], out["type"], out["taken"] = last[source], kind[source], went
            # That of a branch that was not taken is where it would have gone.
            there = np.where(taken[source] >= 0, begin[np.maximum(taken[source], 0)], end[source])
            out["target"] = np.where(conditional, there, begin[target])
            file.write(out.tobytes())


def _parquet(recording: Recording, path: Path) -> None:
    """The tables as they are, and the trace with a row a block."""
    path.mkdir()
    for name in recording.tables:
        if name != "trace":
            pq.write_table(recording.to_arrow(name), path / f"{name}.parquet")
    if not (recording.path / "trace").exists():
        return
    schema = pa.schema(
        [("process", pa.uint32()), ("thread", pa.uint32()), ("position", pa.uint64()), ("block", pa.uint32())]
    )
    with pq.ParquetWriter(path / "trace.parquet", schema) as writer:
        for process, thread in recording.traced_threads():
            trace = recording.trace(process, thread)
            for start in range(0, len(trace), 1 << 20):
                part = trace[start : start + (1 << 20)]
                columns = [
                    np.full(len(part), process, np.uint32),
                    np.full(len(part), thread, np.uint32),
                    np.arange(start, start + len(part), dtype=np.uint64),
                    part,
                ]
                writer.write_table(pa.table(columns, schema=schema))


def instruction_counts(recording: Recording) -> Mapping[int, Mapping[int, int]]:
    """How often each instruction was executed, by function and image address. An instruction that two blocks share (one
    with a jump inside) counts where it begins."""
    functions = {row["function"]: row for row in recording.functions.to_pylist()}
    counts: dict[int, dict[int, int]] = {number: {} for number in functions}
    starts = {number: _starts(row) for number, row in functions.items()}
    for block in recording.blocks.to_pylist():
        if not block["entered"] or not block["instructions"]:
            continue
        own, into = starts[block["function"]], counts[block["function"]]
        address: int = block["address"]
        for _ in range(block["instructions"]):
            into[address] = into.get(address, 0) + block["entered"]
            address = own.get(address, address + 1)
    return counts


def _starts(function: Mapping[str, Any]) -> dict[int, int]:
    """The address that follows each instruction."""
    lines = disassemble(function["code"], function["address"])
    return {line.address: line.address + len(line.raw) for line in lines}


EXPORTS: dict[str, Export] = {
    "callgrind": Export("instructions executed, for callgrind_annotate and KCachegrind", _callgrind),
    "fdata": Export("ways from block to block, for llvm-bolt", write_fdata),
    "branches": Export("18-byte records of executed branches, for branch predictor simulators", _branches),
    "folded": Export("stacks with weights, for flamegraph.pl and its like", write_folded),
    "speedscope": Export("calls or samples by thread, for speedscope.app", write_speedscope),
    "chrome-trace": Export("calls of each thread along time, for Perfetto", write_chrome_trace),
    "parquet": Export("plain tables, the trace with a row a block", _parquet, folder=True),
}


def formats() -> Iterator[str]:
    """Lines of help, one a format."""
    width = max(map(len, EXPORTS))
    for name, row in EXPORTS.items():
        yield f"{name:{width}}  {row.summary}"
