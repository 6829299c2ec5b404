"""The format ``speedscope``: https://www.speedscope.app, file format 0.0.1 (its ``file-format-schema.json``)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from burnish.record.stacks import Frame, is_traced, sample_unit, stacks
from burnish.record.store import Recording
from burnish.record.timelines import SampledThread, Timeline, sampled_threads, timelines

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
MOST_CALLS = 200_000
MOST_SAMPLES = 200_000
MOST_STACKS = 50_000


def write_speedscope(recording: Recording, path: Path) -> tuple[str, ...]:
    """Write a profile a thread: calls, weighed by the instructions that they executed; or samples, in order where they
    have times. Returns what was left out, in sentences. Raises ``RecordingError`` where there is nothing."""
    from burnish import __version__

    table = _Frames()
    notes: tuple[str, ...]
    if is_traced(recording):
        lines, notes = timelines(recording, MOST_CALLS)
        profiles = [_evented(line, table) for line in lines if len(line.functions)]
    elif timed := _timed(recording):
        notes = ()
        profiles = [_in_order(thread, sample_unit(recording), table) for thread in timed]
    else:
        found = stacks(recording, MOST_STACKS)
        notes = found.notes
        order = sorted(found.weights)
        profiles = [_sampled(found.unit, order, [found.weights[stack] for stack in order], table)]
    name = " ".join(recording.manifest.command) or recording.path.name
    document = {
        "$schema": SCHEMA,
        "name": f"{name} ({'; '.join(notes)})" if notes else name,
        "exporter": f"burnish@{__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": table.rows},
        "profiles": profiles,
    }
    with path.open("w") as file:
        json.dump(document, file)
    return notes


class _Frames:
    """The frames of the file, each once."""

    def __init__(self) -> None:
        self._index: dict[Frame, int] = {}
        self.rows: list[dict[str, str]] = []

    def number(self, frame: Frame) -> int:
        """The index of a frame."""
        found = self._index.get(frame)
        if found is None:
            found = self._index[frame] = len(self.rows)
            self.rows.append(
                {"name": frame.name, "file": frame.image} if frame.image else {"name": frame.name}
            )
        return found


def _evented(line: Timeline, table: _Frames) -> dict[str, Any]:
    numbers = [table.number(frame) for frame in line.frames]
    events: list[dict[str, Any]] = []
    opened: list[tuple[int, int, int]] = []

    def close(position: int | None) -> None:
        while opened and (position is None or opened[-1][0] <= position):
            _, at, frame = opened.pop()
            events.append({"type": "C", "at": at, "frame": frame})

    for call in line.rows():
        close(call.begin)
        frame = numbers[call.function]
        events.append({"type": "O", "at": call.work_before, "frame": frame})
        opened.append((call.end, call.work_before + call.work, frame))
    close(None)
    return {
        "type": "evented",
        "name": f"process {line.process}, thread {line.thread}: instructions",
        "unit": "none",
        "startValue": int(line.total[0]),
        "endValue": int(line.total[1]),
        "events": events,
    }


def _timed(recording: Recording) -> list[SampledThread]:
    """The samples by thread and in order, where all have times and they are not too many."""
    if recording.samples.num_rows > MOST_SAMPLES or recording.samples.column("time_ns").null_count:
        return []
    return list(sampled_threads(recording))


def _in_order(thread: SampledThread, unit: str, table: _Frames) -> dict[str, Any]:
    where = f"process {thread.process}, thread {thread.thread}: {unit}"
    return _sampled(where, thread.stacks, thread.counts.tolist(), table)


def _sampled(
    name: str, found: Iterable[tuple[Frame, ...]], weights: list[int], table: _Frames
) -> dict[str, Any]:
    return {
        "type": "sampled",
        "name": name,
        "unit": "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [[table.number(frame) for frame in stack] for stack in found],
        "weights": weights,
    }
