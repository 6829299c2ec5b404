"""``record``: run a program with probes in its hot functions. The stages stand in ``record``, a line each."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.errors import RefusedError
from burnish.core.recording import Observer
from burnish.pipeline.observing import observe_instead, observe_wanted, what_went_otherwise
from burnish.pipeline.places import working_folder
from burnish.pipeline.probing import find_wanted, probe_wanted
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
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
            stdin, warnings = (Stream.INHERIT, ()) if options.functions else standard_input(work)
            with stages.stage("Sampling"):
                wanted = find_wanted(options, program, stdin)
            with stages.stage("Rebuilding") as detail:
                probed = _prepare(options, program, wanted, work, detail)
            with stages.stage("Recording") as detail:
                ran = _run(options, probed, folder, Path(areas), stdin, detail)
                ran = replace(ran, warnings=what_went_otherwise(probed, wanted, program))
            with stages.stage("Writing"):
                result = write_recording(options, wanted, probed, ran, folder)
        return replace(result, seconds=stages.seconds, warnings=(*warnings, *result.warnings))
    finally:
        folder.discard()


def _prepare(options: RecordOptions, program: Path, wanted: Wanted, work: Path, say: Say) -> Probed:
    if options.observer is Observer.QBDI:
        return observe_wanted(options, program, wanted, work)
    try:
        return probe_wanted(options, program, wanted, work, say)
    except RefusedError as error:
        if options.observer is Observer.PROBES:
            raise
        return observe_instead(options, program, wanted, work, error)


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
        **probed.variables,
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
