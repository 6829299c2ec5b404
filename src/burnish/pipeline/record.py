"""``record``: run a program with probes in its hot functions. The stages stand in ``record``, a line each."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.recording import What
from burnish.pipeline.entries import NO_ENTRIES, add_entries, record_entries
from burnish.pipeline.places import working_folder
from burnish.pipeline.probing import find_wanted, probe_wanted
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult
from burnish.pipeline.recording_files import write_recording
from burnish.pipeline.stages import Say, Stages
from burnish.pipeline.workload import standard_input
from burnish.record.areas import Collector, environment, preload
from burnish.record.observed import SnapshotWriter
from burnish.record.observing import Kept, Observing
from burnish.record.store import RecordingFolder, TraceWriter, new_recording
from burnish.runtime.command import Command, Stream, find_executable, start
from burnish.runtime.interrupts import interrupts_held
from burnish.runtime.watch import watch


def record(options: RecordOptions, say: Say = lambda text: None) -> RecordResult:
    """Run a command with probes in its functions, and keep what they wrote at ``options.output``.

    The program's output, its exit code and its signals are its own. Raises ``TargetError`` where it cannot be started,
    ``ImageError`` for what is no program, ``FunctionNotFoundError``, ``RefusedError`` where a named function cannot be
    recorded, ``HostError`` where the recording cannot be written or the machine lacks something.
    """
    stages = Stages(say)
    program = find_executable(Command((options.program,)))
    folder = new_recording(options.output)
    try:
        with working_folder() as work, TemporaryDirectory(prefix="burnish-", dir=_memory()) as areas:
            # Two runs must read the same; one reads what there is.
            once = bool(options.functions) and (What.ENTRIES not in options.what or len(options.what) == 1)
            stdin, warnings = (Stream.INHERIT, ()) if once else standard_input(work)
            with stages.stage("Sampling"):
                wanted = find_wanted(options, program, stdin)
            if options.what == (What.ENTRIES,):
                with stages.stage("Capturing entries") as detail:
                    alone = record_entries(options, wanted, folder, stdin, detail)
                return replace(alone, seconds=stages.seconds, warnings=(*warnings, *alone.warnings))
            with stages.stage("Rebuilding") as detail:
                probed = probe_wanted(options, program, wanted, work, detail)
            with stages.stage("Recording") as detail:
                ran = _run(options, probed, folder, Path(areas), stdin, detail)
            added = NO_ENTRIES
            if What.ENTRIES in options.what:
                with stages.stage("Capturing entries") as detail:
                    added = add_entries(options, probed, ran, folder, (stdin, work / "printed"), detail)
            with stages.stage("Writing"):
                result = write_recording(options, wanted, probed, ran, folder)
        said = (*warnings, *result.warnings, *added.warnings)
        return replace(
            result, seconds=stages.seconds, warnings=said, entries=added.entries, replayed=added.replayed
        )
    finally:
        folder.discard()


def _memory() -> str | None:
    """A folder in memory for the ring, where there is one."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None


def _run(
    options: RecordOptions,
    probed: Probed,
    folder: RecordingFolder,
    areas: Path,
    stdin: Path | Stream,
    say: Say,
) -> Ran:
    records = probed.records
    trace = TraceWriter(folder.path, records.bytes, options.most_bytes) if records.blocks else None
    snapshots = SnapshotWriter(folder.path) if records.snapshots else None
    numberings = [numbering for _, _, _, numbering in probed.numbered]
    kept = Kept(records.blocks, records.accesses, records.contents)
    observing = Observing(numberings, kept, trace, snapshots, areas) if records.words else None
    others = probed.deployment.environment.get("LD_PRELOAD", os.environ.get("LD_PRELOAD", ""))
    variables = {
        **os.environ,
        **probed.deployment.environment,
        **environment(
            areas,
            probed.counters,
            record_bytes=records.bytes,
            drop=options.drop,
            burst=options.burst,
            wait=records.contents,
        ),
        "LD_PRELOAD": preload(others),
    }
    command = Command(
        (options.program, *options.arguments),
        executable=probed.deployment.output.absolute(),
        env=variables,
        stdin=stdin,
    )
    started = datetime.now(UTC)
    with interrupts_held():
        child = start(command, stdout=options.stdout)
        collector = Collector(areas, observing or trace, observing)

    def tell() -> None:
        if trace is not None:
            say(f"{trace.events:,} records, {trace.bytes / 1e6:.1f} MB")

    result = watch(child, options.timeout_s, tell)
    threads = collector.finish()
    if trace is not None:
        trace.flush()
    if snapshots is not None:
        snapshots.flush()
    return Ran(result, started, threads, trace, observing, collector.without_area)
