"""``record --what entries``: captured calls of functions, alone or beside what probes record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from burnish.core.entry import ReplayVerdict
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
from burnish.pipeline.recording_files import columns, manifest
from burnish.pipeline.stages import Say
from burnish.record.capture import CaptureRun, capture
from burnish.record.entries import ENTRY_SCHEMAS, entry_rows
from burnish.record.store import SCHEMAS, RecordingFolder
from burnish.runtime.command import Command, Stream
from burnish.runtime.process import CodePoint

_REQUIRED = ("blocks", "edges", "sites", "threads")
"""Tables that each recording has; empty where nothing was probed."""


@dataclass(frozen=True, slots=True)
class Added:
    """How many entries were captured, and how many of them replay."""

    entries: int
    replayed: int
    warnings: tuple[str, ...] = ()


NO_ENTRIES = Added(0, 0)


def record_entries(
    options: RecordOptions, wanted: Wanted, folder: RecordingFolder, stdin: Path | Stream, say: Say
) -> RecordResult:
    """Run the program as it is, capture entries of the wanted functions, and finish the recording. Raises as
    ``record.capture.capture`` does."""
    started = datetime.now(UTC)
    command = Command((options.program, *options.arguments), stdin=stdin)
    points = [CodePoint(spot.image, spot.bounds.address) for spot in wanted.spots]
    run = _capture(options, command, points, options.stdout, Stream.INHERIT, say)
    added = _write(run, folder)
    paths = list(wanted.images)
    rows = [
        (
            index,
            paths.index(spot.image),
            spot.bounds.name,
            spot.bounds.address,
            spot.bounds.size,
            wanted.images[spot.image].read(spot.bounds.address, spot.bounds.size) or b"",
        )
        for index, spot in enumerate(wanted.spots)
    ]
    folder.table("functions", columns(rows, 6))
    for name in _REQUIRED:
        folder.table(name, columns([], len(SCHEMAS[name])))
    result = run.result
    said = manifest(options, wanted, result, started, {spot.key for spot in wanted.spots})
    folder.finish(said)
    return RecordResult(
        path=options.output,
        command=said.command,
        functions=len(rows),
        blocks=0,
        unrecorded=said.unrecorded,
        covered=said.covered,
        entered=0,
        events=0,
        trace_bytes=0,
        dropped=0,
        left_out=0,
        cpu_s=said.cpu_s,
        slowdown=None,
        exit_code=said.exit_code,
        signal=said.signal,
        interrupted=result.interrupted,
        timed_out=result.timed_out,
        seconds={},
        warnings=(),
        entries=added.entries,
        replayed=added.replayed,
    )


def add_entries(
    options: RecordOptions,
    probed: Probed,
    ran: Ran,
    folder: RecordingFolder,
    streams: tuple[Path | Stream, Path],
    say: Say,
) -> Added:
    """Run the program once more, as it is, and capture entries of the functions that were probed. ``streams`` are what
    it reads and where its output goes. Nothing is run where the first run was cut short. Raises as
    ``record.capture.capture`` does."""
    if ran.result.interrupted or ran.result.timed_out:
        return Added(0, 0, ("No entries were captured: the run was cut short.",))
    stdin, printed = streams
    command = Command((options.program, *options.arguments), stdin=stdin)
    points = [CodePoint(path, bounds.address) for path, bounds, _, _ in probed.numbered]
    run = _capture(options, command, points, printed, Stream.DISCARD, say)
    added = _write(run, folder)
    first, second = ran.result, run.result
    if (first.exit_code, first.signal) == (second.exit_code, second.signal):
        return added
    said = f"The run in which entries were captured {second.outcome}, unlike the recorded one."
    return Added(added.entries, added.replayed, (said,))


def _capture(
    options: RecordOptions,
    command: Command,
    points: Sequence[CodePoint],
    stdout: Path | Stream,
    stderr: Path | Stream,
    say: Say,
) -> CaptureRun:
    return capture(
        command,
        points,
        most=options.entries,
        timeout_s=options.timeout_s,
        stdout=stdout,
        stderr=stderr,
        tell=lambda entries: say(f"{entries} entries"),
    )


def _write(run: CaptureRun, folder: RecordingFolder) -> Added:
    tables = entry_rows(run)
    for name, rows in tables.items():
        folder.table(name, columns(rows, len(ENTRY_SCHEMAS[name])))
    same = sum(one.replayed.verdict is ReplayVerdict.SAME for one in run.entries)
    return Added(len(tables["entries"]), same)
