"""The format ``chrome-trace``: the Trace Event Format, for Perfetto, ``chrome://tracing`` and speedscope.

Complete events (``ph`` X) of threads, with ``ts`` and ``dur`` in microseconds from the first one on, and metadata
events (``ph`` M) that name the threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.core.errors import RecordingError
from burnish.record.stacks import INSTRUCTIONS, Frame, is_traced, sample_unit
from burnish.record.store import Recording
from burnish.record.timelines import SampledThread, Timeline, lasting, sampled_threads, timelines

MOST_CALLS = 500_000


def write_chrome_trace(recording: Recording, path: Path) -> tuple[str, ...]:
    """Write the calls of each thread along time: of the trace, at times between those of its chunks; or of samples with
    times. Returns what was left out, in sentences. Raises ``RecordingError`` where nothing has a time."""
    notes: tuple[str, ...]
    if is_traced(recording):
        lines, notes = timelines(recording, MOST_CALLS)
        start = min((float(line.begins_ns.min()) for line in lines if len(line.begins_ns)), default=0.0)
        events = [event for line in lines for event in _calls(line, start)]
    else:
        threads = list(sampled_threads(recording))
        if not threads:
            raise RecordingError(
                f"{recording.path} has neither a trace (--what blocks) nor samples with times; chrome-trace needs "
                "one of them."
            )
        start = min(int(thread.times_ns[0]) for thread in threads)
        unit = sample_unit(recording)
        events = [event for thread in threads for event in _samples(thread, start, unit)]
        notes = ()
        if len(events) > MOST_CALLS:
            notes = (
                f"{len(events) - MOST_CALLS:,} of {len(events):,} events were left out: the shortest ones.",
            )
            events.sort(key=lambda event: event.get("dur", float("inf")), reverse=True)
            events = events[:MOST_CALLS]
    with path.open("w") as file:
        other = {"command": " ".join(recording.manifest.command), "notes": list(notes)}
        json.dump({"displayTimeUnit": "ns", "otherData": other, "traceEvents": events}, file)
    return notes


def _name(process: int, thread: int) -> dict[str, Any]:
    where = {"pid": process, "tid": thread}
    return {"ph": "M", "name": "thread_name", **where, "args": {"name": f"thread {thread}"}}


def _calls(line: Timeline, start: float) -> Iterator[dict[str, Any]]:
    yield _name(line.process, line.thread)
    for call in line.rows():
        begin, end = call.begin_ns - start, call.end_ns - start
        frame = line.frames[call.function]
        yield _event(frame, line.process, line.thread, begin, end, call.work, INSTRUCTIONS)


def _event(
    frame: Frame, process: int, thread: int, begin: float, end: float, work: int, unit: str
) -> dict[str, Any]:
    return {
        "ph": "X",
        "cat": "function",
        "name": frame.name,
        "pid": process,
        "tid": thread,
        "ts": round(begin / 1000, 3),
        "dur": round(max(0.0, end - begin) / 1000, 3),
        "args": {unit: work, "file": frame.image},
    }


def _samples(thread: SampledThread, start: int, unit: str) -> Iterator[dict[str, Any]]:
    """Frames that follow samples share are one event, from the first to the last of them."""
    yield _name(thread.process, thread.thread)
    opened: list[tuple[Frame, int, int]] = []
    times, ends = thread.times_ns.tolist(), lasting(thread.times_ns).tolist()
    counts = thread.counts.tolist()
    done = 0
    before = 0
    for index, stack in enumerate(thread.stacks):
        same = 0
        if index and times[index] == before:
            while same < min(len(opened), len(stack)) and opened[same][0] == stack[same]:
                same += 1
        while len(opened) > same:
            frame, begin, samples = opened.pop()
            yield _event(
                frame, thread.process, thread.thread, begin - start, before - start, done - samples, unit
            )
        opened += [(frame, times[index], done) for frame in stack[same:]]
        done += counts[index]
        before = ends[index]
    while opened:
        frame, begin, samples = opened.pop()
        yield _event(
            frame, thread.process, thread.thread, begin - start, before - start, done - samples, unit
        )
