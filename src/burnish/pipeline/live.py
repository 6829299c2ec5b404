"""``record --pid``: a process that runs already gets probes for a while, and is left as it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.errors import HostError, UsageError
from burnish.core.recording import What
from burnish.images import load
from burnish.pipeline.live_code import IntoProcess
from burnish.pipeline.live_target import LiveTarget, live_target
from burnish.pipeline.probing import find_named, find_sampled, probe_wanted
from burnish.pipeline.record import ring_folder
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
from burnish.pipeline.recording_files import write_recording
from burnish.pipeline.stages import Say, Stages
from burnish.record.areas import Collector, ThreadCounts
from burnish.record.attachment import LivePlan, MovedError
from burnish.record.live_agent import Agent, Finished, agent
from burnish.record.live_areas import Shape
from burnish.record.live_sampling import sample_process
from burnish.record.observing import Kept, Observing
from burnish.record.store import RecordingFolder, TraceWriter, new_recording
from burnish.runtime.bounded_run import processor_time
from burnish.runtime.command import CommandResult

_KINDS = (What.EDGES, What.BLOCKS, What.MEMORY)
_SAMPLED_S = 2.0
_SAMPLED_PART = 0.25
_TELL_S = 0.5
_PLACEMENTS = 5
_STAYS = "Some threads may still be in rebuilt code; it stays in the process, with the original code back in its place."
_KILLED = "The process that attaches was killed; the original code was put back, and rebuilt code stays in the process."

_LEFT = "The process that attaches was killed, and the original code could not be put back: {}"


def record_process(
    pid: int, seconds: float | None, options: RecordOptions, say: Say = lambda text: None
) -> RecordResult:
    """Record process ``pid`` for ``seconds`` (None: until Ctrl-C), or until it ends; it goes on, with its original
    code.

    ``program`` and ``arguments`` of the options are the process's own, whatever they say. Without ``functions`` it is
    sampled for a quarter of the time first, two seconds at most. Raises ``UsageError``, ``TargetError`` or
    ``HostError`` where it cannot be recorded, ``FunctionNotFoundError``, and ``RefusedError`` where a named function
    cannot be.
    """
    _check(seconds, options)
    stages = Stages(say)
    target = live_target(pid)
    options = replace(options, program=str(target.program), arguments=target.argv[1:])
    folder = new_recording(options.output)
    try:
        with TemporaryDirectory(prefix="burnish-", dir=ring_folder()) as areas:
            with stages.stage("Sampling"):
                wanted, left = _find(target, seconds, options)
            with stages.stage("Rebuilding") as detail:
                putter = IntoProcess(target)
                probed = probe_wanted(options, wanted, putter, detail)
            with stages.stage("Recording") as detail:
                ran, warnings = _run(target, left, options, probed, putter, folder, Path(areas), detail)
            with stages.stage("Writing"):
                result = write_recording(options, wanted, probed, ran, folder, target.environment, warnings)
        return replace(result, seconds=stages.seconds)
    finally:
        folder.discard()


def _check(seconds: float | None, options: RecordOptions) -> None:
    if seconds is not None and not 0 < seconds < inf:
        raise UsageError(f"A process cannot be recorded for {seconds} seconds.")
    unfit = [what.value for what in options.what if what not in _KINDS]
    if unfit:
        raise UsageError(f"{unfit[0]!r} cannot be recorded of a process that runs already.")
    if options.burst is not None:
        raise UsageError("Bursts cannot be recorded of a process that runs already.")


def _find(target: LiveTarget, seconds: float | None, options: RecordOptions) -> tuple[Wanted, float | None]:
    """What to record, and for how long."""
    if options.functions:
        return find_named(options, target.program), seconds
    load(target.program)
    part = _SAMPLED_S if seconds is None else min(_SAMPLED_S, seconds * _SAMPLED_PART)
    wanted = find_sampled(options, target.program, sample_process(target.pid, part, command=target.argv))
    wanted.native_s = None
    return wanted, None if seconds is None else seconds - part


def _run(
    target: LiveTarget,
    seconds: float | None,
    options: RecordOptions,
    probed: Probed,
    putter: IntoProcess,
    folder: RecordingFolder,
    areas: Path,
    say: Say,
) -> tuple[Ran, list[str]]:
    records = probed.records
    trace = TraceWriter(folder.path, records.bytes, options.most_bytes) if records.blocks else None
    numberings = [numbering for _, _, _, numbering in probed.numbered]
    kept = Kept(records.blocks, records.accesses, records.contents)
    observing = Observing(numberings, kept, trace, None, areas) if records.words else None

    def tell() -> None:
        if trace is not None:
            say(f"{trace.events:,} records, {trace.bytes / 1e6:.1f} MB")

    for _ in range(_PLACEMENTS):
        shape = Shape(probed.counters, records.bytes, putter.slow, options.drop, os.getpid())
        plan = LivePlan(target.pid, areas, tuple(putter.pieces), tuple(putter.patches), shape, putter.scratch)
        try:
            return _record(target, seconds, plan, trace, observing, tell)
        except MovedError:
            putter.again()
    raise HostError(f"Process {target.pid} maps memory faster than rebuilt code can be placed.")


def _record(
    target: LiveTarget,
    seconds: float | None,
    plan: LivePlan,
    trace: TraceWriter | None,
    observing: Observing | None,
    tell: Callable[[], None],
) -> tuple[Ran, list[str]]:
    started = datetime.now(UTC)
    begun, used = time.monotonic(), processor_time(target.pid)
    collector = Collector(plan.folder, observing or trace, observing)
    threads: tuple[ThreadCounts, ...] = ()
    try:
        with agent(plan) as attached:
            attached.wait_attached()
            interrupted = _wait(attached, seconds, tell)
            used = max(0.0, processor_time(target.pid) - used)
            finished = attached.finish()
    finally:
        threads = collector.finish()
    if trace is not None:
        trace.flush()
    cut = interrupted and seconds is not None
    result = _result(target, finished, time.monotonic() - begun, used, cut)
    warnings = _warnings(finished, attached.left)
    return Ran(result, started, threads, trace, observing, collector.without_area), warnings


def _wait(attached: Agent, seconds: float | None, tell: Callable[[], None]) -> bool:
    """Waits until the time is up, or the process is over. True at Ctrl-C."""
    deadline = inf if seconds is None else time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0 and not attached.closed and attached.result is None:
            attached.answer(min(left, _TELL_S))
            tell()
    except KeyboardInterrupt:
        return True
    return False


def _warnings(finished: Finished | None, left: str) -> list[str]:
    if finished is None:
        return [_LEFT.format(left)] if left else [_KILLED]
    return [] if finished.clean or finished.over else [_STAYS]


def _result(
    target: LiveTarget, finished: Finished | None, wall_s: float, used_s: float, interrupted: bool
) -> CommandResult:
    code = signal = None
    if finished is not None and finished.status is not None:
        value = os.waitstatus_to_exitcode(finished.status)
        code, signal = (value, None) if value >= 0 else (None, -value)
    return CommandResult(target.argv, code, signal, wall_s, used_s, 0.0, None, interrupted=interrupted)
