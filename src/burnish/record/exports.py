"""Recordings in formats of other tools, a row a format. ``docs/exports.md`` describes each, and binary ones by byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burnish.core.errors import HostError, UsageError
from burnish.machine.disassemble import disassemble
from burnish.record.branches import write_branches, write_branches_of
from burnish.record.champsim import write_champsim
from burnish.record.code import pieces
from burnish.record.export_chrome import write_chrome_trace
from burnish.record.export_fdata import write_fdata
from burnish.record.export_folded import write_folded
from burnish.record.export_speedscope import write_speedscope
from burnish.record.store import Recording, pa, pq


@dataclass(frozen=True, slots=True)
class Export:
    """A format: what it is for, what writes it (and may return sentences on what was left out), and whether it is a
    folder. ``write_thread`` writes what one thread did, by process and thread, where the format can; ``one_thread``
    where it is always of one."""

    summary: str
    write: Callable[[Recording, Path], Sequence[str] | None]
    folder: bool = False
    write_thread: Callable[[Recording, Path, int, int], None] | None = None
    one_thread: bool = False


def export(recording: Recording, kind: str, output: Path, thread: int | None = None) -> tuple[str, ...]:
    """Write a recording in a format at ``output``, which appears whole or not at all; with ``thread`` (from 1, in the
    order in which they began) what that one did. Returns what was left out or put together, in sentences.

    Raises ``UsageError`` for an unknown format or thread, ``RecordingError`` where the recording lacks what it needs,
    and ``HostError`` where it cannot be written.
    """
    row = EXPORTS.get(kind)
    if row is None:
        raise UsageError(f"There is no format {kind!r}; there are {', '.join(EXPORTS)}.")
    if output.exists() and (row.folder or not output.is_file()):
        raise HostError(
            f"{output} is in the way; name another {'folder' if row.folder else 'file'} to write."
        )
    write = row.write if thread is None else _of_thread(recording, kind, thread)
    part = output.with_name(f".{output.name}.part")
    try:
        notes = tuple(write(recording, part) or ())
        part.replace(output)
    except OSError as error:
        raise HostError(f"{output} cannot be written: {error.strerror}.") from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with suppress(OSError):
                part.unlink()
    return notes


def _of_thread(
    recording: Recording, kind: str, thread: int
) -> Callable[[Recording, Path], Sequence[str] | None]:
    write = EXPORTS[kind].write_thread
    if write is None:
        able = [name for name, row in EXPORTS.items() if row.write_thread is not None]
        raise UsageError(f"{kind} is of all threads together; --thread is for {' and '.join(able)}.")
    threads = recording.traced_threads()
    if not 1 <= thread <= len(threads):
        raise UsageError(f"{recording.path} has no thread {thread}; {len(threads)} have a trace.")
    process, number = threads[thread - 1]
    return lambda opened, path: write(opened, path, process, number)


def _champsim(recording: Recording, path: Path) -> None:
    """That of the first thread; of a run in which no recorded function ran, an empty file."""
    threads = recording.traced_threads()
    if not threads:
        path.touch()
        return
    write_champsim(recording, path, *threads[0])


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


def _parquet(recording: Recording, path: Path) -> None:
    """The tables as they are, and the trace with a row a block."""
    path.mkdir()
    for name in recording.tables:
        if name != "trace":
            pq.write_table(recording.to_arrow(name), path / f"{name}.parquet")
    if "trace" not in recording.tables:
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
    starts: dict[int, dict[int, int]] = {number: {} for number in functions}
    for piece in pieces(recording):
        lines = disassemble(piece.code, piece.address)
        starts[piece.function] |= {line.address: line.address + len(line.raw) for line in lines}
    for block in recording.blocks.to_pylist():
        if not block["entered"] or not block["instructions"]:
            continue
        own, into = starts[block["function"]], counts[block["function"]]
        address: int = block["address"]
        if block["part"]:  # it begins inside an instruction, which counts where that began
            address = own.get(address, address + 1)
        for _ in range(block["instructions"]):
            into[address] = into.get(address, 0) + block["entered"]
            address = own.get(address, address + 1)
    return counts


EXPORTS: dict[str, Export] = {
    "callgrind": Export("instructions executed, for callgrind_annotate and KCachegrind", _callgrind),
    "branches": Export(
        "18-byte records of executed jumps, for branch predictor simulators",
        write_branches,
        write_thread=write_branches_of,
    ),
    "champsim": Export(
        "64-byte records of executed instructions, for ChampSim",
        _champsim,
        write_thread=write_champsim,
        one_thread=True,
    ),
    "fdata": Export("ways from block to block, for llvm-bolt", write_fdata),
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
