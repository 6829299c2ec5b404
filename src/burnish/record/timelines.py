"""What threads did in order: calls with their begin and end, for formats that draw them along a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from burnish._native import decode_addresses
from burnish.record.calls import MOST_FRAMES
from burnish.record.stacks import (
    Frame,
    ThreadCalls,
    frames,
    sample_stack,
    sampled_stacks,
    thread_calls,
    trace_notes,
)
from burnish.record.store import Recording, pa

Numbers = npt.NDArray[np.int64]
_BLOCK_MARK, _MARK_SHIFT = np.uint64(0xFFFF), np.uint64(48)
_GAP = 5
"""Median distances between samples after which a thread did something else in between."""


class TimelineCall(NamedTuple):
    """A row of a ``Timeline``."""

    function: int
    begin: int
    end: int
    begin_ns: float
    end_ns: float
    work_before: int
    work: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The calls of a thread in the order in which they began, outer ones first, as columns: index into ``frames``,
    begin and end in the trace (blocks; for samples, their index), the same in nanoseconds of one clock, and the
    instructions executed (for samples: samples), callees included."""

    process: int
    thread: int
    frames: tuple[Frame, ...]
    functions: Numbers
    begins: Numbers
    ends: Numbers
    begins_ns: npt.NDArray[np.float64]
    ends_ns: npt.NDArray[np.float64]
    work: Numbers
    total: Numbers
    """Two figures: the instructions before the first and after the last block."""
    work_before: Numbers
    """Instructions that the thread had executed when each call began."""

    def rows(self) -> Iterator[TimelineCall]:
        """The calls, one by one."""
        columns = (self.begins, self.ends, self.begins_ns, self.ends_ns, self.work_before, self.work)
        values = zip(*(column.tolist() for column in columns), strict=True)  # pyright: ignore[reportUnknownVariableType]
        for function, rest in zip(self.functions.tolist(), values, strict=True):
            yield TimelineCall(function, *rest)


def timelines(recording: Recording, most: int) -> tuple[list[Timeline], tuple[str, ...]]:
    """The timelines of a recording's trace, ``most`` calls at most together: shorter calls are left to their callers.
    With sentences on what was left out."""
    threads = list(thread_calls(recording))
    notes = trace_notes(recording, sum(each.calls.gaps for each in threads))
    lengths = np.concatenate([each.calls.instructions for each in threads])
    shallow = np.concatenate([each.calls.depths < MOST_FRAMES for each in threads])
    least = 0
    chosen = lengths[shallow]
    if len(chosen) > most:
        # Longer than the longest that must go, so that callers stay wherever callees do.
        least = int(np.partition(chosen, len(chosen) - most - 1)[len(chosen) - most - 1]) + 1
        short = int((chosen < least).sum())
        notes.append(
            f"{short:,} calls of fewer than {least:,} instructions are shown as part of their callers."
        )
    deep = int((~shallow).sum())
    if deep:
        notes.append(
            f"{deep:,} calls deeper than {MOST_FRAMES} functions are shown as part of their callers."
        )
    names = frames(recording)
    return [_timeline(recording, each, names, least) for each in threads], tuple(notes)


def _timeline(recording: Recording, each: ThreadCalls, names: dict[int, Frame], least: int) -> Timeline:
    found = each.calls
    kept = (found.instructions >= least) & (found.depths < MOST_FRAMES)
    begins, ends = found.begins[kept], found.ends[kept]
    positions, times = _clock(recording, each.process, each.thread)
    numbers = sorted(names)
    index = {number: k for k, number in enumerate(numbers)}
    functions = np.array([index[number] for number in found.functions[kept].tolist()], np.int64)
    return Timeline(
        each.process,
        each.thread,
        tuple(names[number] for number in numbers),
        functions,
        begins,
        ends,
        np.interp(begins, positions, times) if len(positions) else np.zeros(len(begins)),
        np.interp(ends, positions, times) if len(positions) else np.zeros(len(ends)),
        found.instructions[kept],
        found.weights[[0, -1]],
        found.weights[begins],
    )


def _clock(
    recording: Recording, process: int, thread: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """When a thread was where in its trace: positions (blocks), and nanoseconds. Each chunk says when it began and
    ended; the last one only when it began, and goes on at the pace of those before it."""
    rows = [
        row
        for row in recording.to_arrow("trace").to_pylist()
        if (row["process"], row["thread"]) == (process, thread)
    ]
    rows.sort(key=lambda row: row["number"])
    positions: list[float] = []
    times: list[float] = []
    before = spent = 0
    for row in rows:
        blocks = _blocks(row)
        began, ended = float(row["began_ns"]), float(row["ended_ns"])
        if ended <= began:
            total = recording.to_arrow("trace").column("events").to_numpy().sum()
            pace = spent / before if before else recording.manifest.cpu_s * 1e9 / max(1, int(total))
            ended = began + pace * blocks
        else:
            spent += ended - began
        positions += [before, before + max(blocks - 1e-3, 0)]
        times += [began, ended]
        before += blocks
    return np.array(positions), np.array(times)


def _blocks(row: dict[str, int | bytes]) -> int:
    """How many blocks a chunk of the trace has."""
    events, size = row["events"], row["record_bytes"]
    assert isinstance(events, int)
    assert isinstance(size, int)
    if size != 8:
        return events
    data = pa.Codec("zstd").decompress(row["data"], decompressed_size=events * size, asbytes=True)
    return int((decode_addresses(np.frombuffer(data, np.uint64)) >> _MARK_SHIFT == _BLOCK_MARK).sum())


@dataclass(frozen=True, slots=True)
class SampledThread:
    """The samples of a thread in time: when, their stacks, and how many each stands for."""

    process: int
    thread: int
    times_ns: Numbers
    stacks: tuple[tuple[Frame, ...], ...]
    counts: Numbers


def sampled_threads(recording: Recording) -> Iterator[SampledThread]:
    """The samples of each thread that have times, in the order of the threads' first ones."""
    images = [image.path for image in recording.manifest.images]
    known = sampled_stacks(recording)
    threads: dict[tuple[int, int], list[tuple[int, tuple[Frame, ...], int]]] = {}
    for row in recording.samples.to_pylist():
        if row["time_ns"] is not None:
            key = (row["process"] or 0, row["thread"] or 0)
            found = (row["time_ns"], sample_stack(row, known, images), row["count"])
            threads.setdefault(key, []).append(found)
    for (process, thread), rows in sorted(threads.items(), key=lambda item: min(row[0] for row in item[1])):
        rows.sort(key=lambda row: row[0])
        yield SampledThread(
            process,
            thread,
            np.array([row[0] for row in rows], np.int64),
            tuple(row[1] for row in rows),
            np.array([row[2] for row in rows], np.int64),
        )


def lasting(times: Numbers) -> Numbers:
    """When each sample of a thread ends: where the next one is taken; or after the usual time between two, where that
    is much later."""
    if len(times) < 2:
        return times + 1
    gaps = np.diff(times)
    usual = max(1, int(np.median(gaps)))
    ends = np.where(gaps > _GAP * usual, times[:-1] + usual, times[1:])
    return np.append(ends, times[-1] + usual)
