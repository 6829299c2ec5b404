"""``record``: run a program with probes in its hot functions. The stages stand in ``record``, a line each."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.errors import RefusedError
from burnish.core.recording import Observer, What
from burnish.pipeline.entries import NO_ENTRIES, add_entries, record_entries
from burnish.pipeline.following import Following
from burnish.pipeline.observing import observe_instead, observe_wanted, what_went_otherwise
from burnish.pipeline.places import working_folder
from burnish.pipeline.probing import IntoCopies, find_wanted, probe_wanted
from burnish.pipeline.recordable import check_recordable
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
from burnish.pipeline.recording_files import write_recording
from burnish.pipeline.recording_progress import teller
from burnish.pipeline.stages import Say, Stages
from burnish.pipeline.workload import standard_input
from burnish.record.areas import Collector, environment, preload
from burnish.record.copies import copies_environment
from burnish.record.observed import SnapshotWriter
from burnish.record.observing import Kept, Observing
from burnish.record.store import RecordingFolder, TraceWriter, new_recording
from burnish.runtime.command import Command, Stream, find_executable, start
from burnish.runtime.interrupts import interrupts_held
from burnish.runtime.terminal import our_terminal


def record(options: RecordOptions, say: Say = lambda text: None) -> RecordResult:
    """Run a command with probes in its functions, and keep what they wrote at ``options.output``.

    The program's output, its exit code and its signals are its own. Raises ``TargetError`` where it cannot be started,
    ``ImageError`` for what is no program, ``FunctionNotFoundError``, ``RefusedError`` where a named function cannot be
    recorded, ``HostError`` where the recording cannot be written or the machine lacks something.
    """
    stages = Stages(say)
    program = find_executable(Command((options.program,)))
    check_recordable(program, options.program)
    folder = new_recording(options.output)
    try:
        with working_folder() as work, TemporaryDirectory(prefix="burnish-", dir=ring_folder()) as areas:
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
                probed = _prepare(options, program, wanted, work, detail)
            with stages.stage("Recording") as detail:
                ran = _run(options, probed, folder, Path(areas), stdin, stages, wanted.native_s, detail)
                otherwise = what_went_otherwise(probed, wanted, program)
                ran = replace(ran, warnings=(*ran.warnings, *otherwise))
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


def _prepare(options: RecordOptions, program: Path, wanted: Wanted, work: Path, say: Say) -> Probed:
    if options.observer is Observer.QBDI:
        return observe_wanted(options, program, wanted, work)
    try:
        return probe_wanted(options, wanted, IntoCopies(program, work, wanted.started), say)
    except RefusedError as error:
        if options.observer is Observer.PROBES:
            raise
        return observe_instead(options, program, wanted, work, error)


def ring_folder() -> str | None:
    """A folder in memory for the ring, where there is one."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None


def _run(
    options: RecordOptions,
    probed: Probed,
    folder: RecordingFolder,
    areas: Path,
    stdin: Path | Stream,
    stages: Stages,
    native_s: float | None,
    say: Say,
) -> Ran:
    records = probed.records
    trace = TraceWriter(folder.path, records.bytes, options.most_bytes) if records.blocks else None
    snapshots = SnapshotWriter(folder.path) if records.snapshots else None
    numberings = [numbering for _, _, _, numbering in probed.numbered]
    kept = Kept(records.blocks, records.accesses, records.contents)
    observing = Observing(numberings, kept, trace, snapshots, areas) if records.words else None
    command = _command(options, probed, areas, stdin)
    talks = stdin is Stream.INHERIT and os.isatty(0)

    with our_terminal() as terminal:
        started = datetime.now(UTC)
        with interrupts_held():
            if terminal is None:
                child = start(command, stdout=options.stdout)
            else:
                stages.say("")  # nothing of ours is left on it
                child = start(command, stdout=options.stdout, before_exec=terminal.lend, own_session=False)
            collector = Collector(areas, observing or trace, observing)
        # A program that people talk to has the terminal for itself.
        tell = (lambda: None) if talks else teller(child.pid, collector, trace, native_s, say)
        following = Following(child, collector, areas, terminal)
        result = following.to_the_end(options.timeout_s, tell)
    threads = collector.finish()
    if trace is not None:
        trace.flush()
    if snapshots is not None:
        snapshots.flush()
    return Ran(result, started, threads, trace, observing, collector.without_area, following.warnings)


def _command(options: RecordOptions, probed: Probed, areas: Path, stdin: Path | Stream) -> Command:
    """The command that runs the copy, with what the preloaded object must know."""
    others = probed.deployment.environment.get("LD_PRELOAD", os.environ.get("LD_PRELOAD", ""))
    variables = {
        **os.environ,
        **probed.deployment.environment,
        **environment(
            areas,
            probed.counters,
            record_bytes=probed.records.bytes,
            drop=options.drop,
            burst=options.burst,
            wait=probed.records.contents,
        ),
        **(copies_environment(probed.deployment.images) if probed.observer is Observer.PROBES else {}),
        "LD_PRELOAD": preload(others),
        **probed.variables,
    }
    return Command(
        (options.program, *options.arguments),
        executable=probed.deployment.output.absolute(),
        env=variables,
        stdin=stdin,
    )
