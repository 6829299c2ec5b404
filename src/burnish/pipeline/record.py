"""``record``: run a program with probes in its hot functions. The stages stand in ``record``, a line each."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from burnish.core.code import Function, Refused
from burnish.core.deployment import Deployment, Replacement
from burnish.core.errors import RefusedError, TargetError
from burnish.core.image import FunctionBounds, Image
from burnish.core.recording import Manifest, Numbering, RecordedImage, Unrecorded, What
from burnish.images import load
from burnish.images.patch import unpatchable
from burnish.pipeline.deploy import deploy
from burnish.pipeline.hotspots import pick
from burnish.pipeline.optimization import HotSpot
from burnish.pipeline.places import working_folder
from burnish.pipeline.recompile import rebuild_all
from burnish.pipeline.results import Result
from burnish.pipeline.session import find_function
from burnish.recompile import Rebuilt, Target
from burnish.recompile.probes import Probes, counters_of, number, totals
from burnish.record.areas import Collector, ThreadCounts, environment, preload, summed
from burnish.record.attribution import build_id
from burnish.record.sampling import sample
from burnish.record.store import Recording, RecordingFolder, TraceWriter, new_recording, open_recording
from burnish.runtime.command import Command, CommandResult, Stream, find_executable, start

Say = Callable[[str], None]
_FREQUENCY_HZ = 1997
_LITTLE = 1 << 16
"""Blocks whose numbers fit into two bytes."""
_NOTED = ("LANG", "LC_ALL", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "OMP_NUM_THREADS", "TZ")
"""Variables of the environment that matter for what a program does, and give nobody away."""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What to record. ``functions`` are names or addresses in the program; without any, a run is sampled first and the
    ``hot`` hottest with at least ``min_share`` of the samples are taken. ``most_bytes`` bounds the trace on disk.
    ``drop``: where the recorder does not keep up, lose records (and count them) instead of waiting."""

    program: str
    arguments: tuple[str, ...]
    output: Path
    what: tuple[What, ...] = (What.EDGES,)
    functions: tuple[str | int, ...] = ()
    hot: int = 20
    min_share: float = 0.002
    cpu: str = "native"
    timeout_s: float | None = None
    drop: bool = False
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RecordResult(Result):
    """What was recorded. ``slowdown`` is the processor time of the recorded run by that of the sampled one; None where
    nothing was sampled."""

    verb: ClassVar[str] = "record"
    path: Path
    command: tuple[str, ...]
    functions: int
    blocks: int
    unrecorded: tuple[Unrecorded, ...]
    covered: float | None
    entered: int
    events: int
    trace_bytes: int
    dropped: int
    left_out: int
    slowdown: float | None
    exit_code: int | None
    signal: int | None
    interrupted: bool
    seconds: dict[str, float]
    warnings: tuple[str, ...]

    def open(self) -> Recording:
        """The recording."""
        return open_recording(self.path)


@dataclass(slots=True)
class _Wanted:
    """What to probe: functions by file, and what is known of the others."""

    images: dict[Path, Image]
    spots: list[HotSpot]
    unrecorded: list[Unrecorded] = field(default_factory=list[Unrecorded])
    native_s: float | None = None
    sampled: bool = False


@dataclass(slots=True)
class _Probed:
    """Rebuilt functions with probes, and the numbers of their blocks and counters."""

    numbered: list[tuple[Path, FunctionBounds, Function, Numbering]]
    deployment: Deployment
    counters: int
    record_bytes: int
    """Of a trace record; 0 where nothing is traced."""


def record(options: RecordOptions, say: Say = lambda text: None) -> RecordResult:
    """Run a command with probes in its functions, and keep what they wrote at ``options.output``.

    The program's output, its exit code and its signals are its own. Raises ``TargetError`` where it cannot be started,
    ``ImageError`` for what is no program, ``FunctionNotFoundError``, ``RefusedError`` where a named function cannot be
    recorded, ``HostError`` where the recording cannot be written or the machine lacks something.
    """
    seconds: dict[str, float] = {}
    program = find_executable(Command((options.program,)))
    folder = new_recording(options.output)
    try:
        with working_folder() as work, TemporaryDirectory(prefix="burnish-", dir=_memory()) as areas:
            began = time.monotonic()
            say("Sampling")
            wanted = _wanted(options, program)
            began = _passed(seconds, "Sampling", began)
            say("Rebuilding")
            probed = _probe(options, program, wanted, work, lambda text: say(f"Rebuilding: {text}"))
            began = _passed(seconds, "Rebuilding", began)
            say("Recording")
            ran = _run(options, probed, folder, Path(areas))
            began = _passed(seconds, "Recording", began)
            say("Writing")
            result = _write(options, wanted, probed, ran, folder)
            _passed(seconds, "Writing", began)
            return replace(result, seconds=seconds)
    finally:
        folder.discard()


def _passed(seconds: dict[str, float], stage: str, began: float) -> float:
    now = time.monotonic()
    seconds[stage] = now - began
    return now


def _memory() -> str | None:
    """A folder in memory for the ring, where there is one."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None


def _wanted(options: RecordOptions, program: Path) -> _Wanted:
    if options.functions:
        image = load(program)
        named = [find_function(image, name) for name in options.functions]
        unique = {bounds.address: bounds for bounds in named}.values()
        return _Wanted({program: image}, [HotSpot(program, bounds, 0.0) for bounds in unique])
    load(program)  # what is no program is told before anything is run
    profile = sample(
        Command((options.program, *options.arguments)),
        frequency_hz=_FREQUENCY_HZ,
        timeout_s=options.timeout_s,
        stdout=Stream.DISCARD,
        stderr=Stream.DISCARD,
    )
    if profile.interrupted:
        raise KeyboardInterrupt
    own, foreign = pick(profile, program, options.min_share, options.hot)
    if not own:
        raise TargetError(
            "Nothing hot was found that can be recorded: the run was too short, or spent its time elsewhere; name "
            "functions with --function."
        )
    images = {path: load(path) for path in dict.fromkeys(spot.image for spot in own)}
    left = [
        Unrecorded(row.bounds.name, str(row.image), row.bounds.address, row.share, reason)
        for row, reason in foreign
    ]
    return _Wanted(images, own, left, profile.samples * profile.period_ns / 1e9, True)


def _probe(options: RecordOptions, program: Path, wanted: _Wanted, work: Path, say: Say) -> _Probed:
    """Rebuild the wanted functions with probes, into copies of the program and its libraries."""
    record_bytes = _record_bytes(wanted) if What.BLOCKS in options.what else 0
    numbered: dict[tuple[Path, int], tuple[Function, Numbering]] = {}
    blocks = counters = 0
    replacements: dict[Path, list[Replacement]] = {}
    for path, image in wanted.images.items():

        def probe(function: Function, path: Path = path) -> Probes:
            nonlocal blocks, counters
            numbering = number(function, blocks, counters)
            blocks += len(numbering.blocks)
            counters += counters_of(numbering)
            numbered[path, function.address] = (function, numbering)
            return Probes(numbering, record_bytes)

        def unfit(built: Sequence[Rebuilt], path: Path = path) -> list[Refused]:
            return list(unpatchable(path, [_replacement(made) for made in built]))

        spots = [spot for spot in wanted.spots if spot.image == path]
        built, refused = rebuild_all(
            image, [spot.bounds for spot in spots], Target(options.cpu), say, unfit, probe
        )
        if refused and options.functions:
            raise RefusedError(next(iter(refused.values())))
        for spot in spots:
            reason = refused.get(spot.bounds.address)
            if reason is not None:
                row = Unrecorded(spot.bounds.name, str(path), spot.bounds.address, spot.share, str(reason))
                wanted.unrecorded.append(row)
        replacements[path] = [_replacement(made) for made in built]
    if not any(replacements.values()):
        raise TargetError("No hot function can be recorded: none of them can be rebuilt.")
    deployment = deploy(program, work / program.name, {p: r for p, r in replacements.items() if r})
    kept: list[tuple[Path, FunctionBounds, Function, Numbering]] = []
    for spot in wanted.spots:
        found = numbered.get((spot.image, spot.bounds.address))
        if found is not None and any(r.code.address == spot.bounds.address for r in replacements[spot.image]):
            kept.append((spot.image, spot.bounds, *found))
    return _Probed(kept, deployment, counters, record_bytes)


def _record_bytes(wanted: _Wanted) -> int:
    """Bytes of a trace record: two where all blocks can be numbered with them. A block has at least one byte."""
    return 2 if sum(spot.bounds.size for spot in wanted.spots) < _LITTLE else 4


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, "record", "UNKNOWN (recorded)")


@dataclass(frozen=True, slots=True)
class _Ran:
    """How the recorded run went."""

    result: CommandResult
    started: datetime
    threads: tuple[ThreadCounts, ...]
    trace: TraceWriter | None


def _run(options: RecordOptions, probed: _Probed, folder: RecordingFolder, areas: Path) -> _Ran:
    size = probed.record_bytes
    trace = TraceWriter(folder.path, size, options.most_bytes) if size else None
    others = probed.deployment.environment.get("LD_PRELOAD", os.environ.get("LD_PRELOAD", ""))
    variables = {
        **os.environ,
        **probed.deployment.environment,
        **environment(areas, probed.counters, trace=trace is not None, drop=options.drop),
        "LD_PRELOAD": preload(others),
    }
    command = Command(
        (options.program, *options.arguments), executable=probed.deployment.output.absolute(), env=variables
    )
    started = datetime.now(UTC)
    child = start(command)
    collector = Collector(areas, trace.take if trace is not None else lambda chunk: None)
    try:
        if not child.wait(options.timeout_s):
            child.timed_out = True
            child.stop()
    except KeyboardInterrupt:
        child.interrupted = True
        child.stop()
    except BaseException:
        child.stop()
        child.finish()
        raise
    result = child.finish()
    threads = collector.finish()
    if trace is not None:
        trace.flush()
    return _Ran(result, started, threads, trace)


def _write(
    options: RecordOptions, wanted: _Wanted, probed: _Probed, ran: _Ran, folder: RecordingFolder
) -> RecordResult:
    paths = list(wanted.images)
    entered = _write_tables(wanted, probed, summed(ran.threads), paths, folder)
    rows = [(thread.process, thread.thread, thread.dropped) for thread in ran.threads]
    folder.table("threads", _columns(rows, 3))
    manifest = _manifest(options, wanted, probed, ran)
    folder.finish(manifest)
    trace = ran.trace
    return RecordResult(
        path=options.output,
        command=manifest.command,
        functions=len(probed.numbered),
        blocks=sum(len(numbering.blocks) for _, _, _, numbering in probed.numbered),
        unrecorded=manifest.unrecorded,
        covered=manifest.covered,
        entered=entered,
        events=0 if trace is None else trace.events,
        trace_bytes=0 if trace is None else trace.bytes,
        dropped=manifest.dropped,
        left_out=0 if trace is None else trace.left_out,
        slowdown=manifest.cpu_s / wanted.native_s if wanted.native_s else None,
        exit_code=manifest.exit_code,
        signal=manifest.signal,
        interrupted=manifest.interrupted,
        seconds={},
        warnings=manifest.warnings,
    )


def _manifest(options: RecordOptions, wanted: _Wanted, probed: _Probed, ran: _Ran) -> Manifest:
    from burnish import __version__

    result = ran.result
    warnings = list(probed.deployment.warnings)
    if not ran.threads:
        warnings.append("Nothing was written down: the program did not load the preloaded object.")
    recorded = {(path, bounds.address) for path, bounds, _, _ in probed.numbered}
    return Manifest(
        command=result.argv,
        what=tuple(what.value for what in options.what),
        images=tuple(RecordedImage(str(path), build_id(path)) for path in wanted.images),
        unrecorded=tuple(wanted.unrecorded),
        host={"machine": platform.machine(), "kernel": platform.release(), "system": platform.system()},
        environment={name: os.environ[name] for name in _NOTED if name in os.environ},
        started=ran.started.isoformat(timespec="milliseconds"),
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        native_s=wanted.native_s,
        exit_code=result.exit_code,
        signal=result.signal,
        interrupted=result.interrupted or result.timed_out,
        dropped=sum(thread.dropped for thread in ran.threads),
        threads=len(ran.threads),
        covered=sum(s.share for s in wanted.spots if s.key in recorded) if wanted.sampled else None,
        burnish=__version__,
        warnings=tuple(warnings),
    )


def _write_tables(
    wanted: _Wanted, probed: _Probed, counts: Mapping[int, int], paths: list[Path], folder: RecordingFolder
) -> int:
    """The tables of functions, blocks and edges; returns how many block entries there were."""
    functions: list[tuple[int, int, str, int, int, bytes]] = []
    blocks: list[tuple[int, int, int, int, int, int, int]] = []
    edges: list[tuple[int, int, int]] = []
    total = 0
    for index, (path, bounds, function, numbering) in enumerate(probed.numbered):
        code = wanted.images[path].read(bounds.address, bounds.size) or b""
        functions.append((index, paths.index(path), bounds.name, bounds.address, bounds.size, code))
        entries, passages = totals(function, numbering, counts)
        sizes = {instruction.address: instruction.size for instruction in function.instructions}
        for block in function.blocks:
            marks = [address for address, _ in block.marks]
            size = sum(sizes.get(address, 0) for address in marks)
            row = (numbering.blocks[block.label], index, block.label.address, block.label.part)
            blocks.append((*row, size, len(marks), entries[block.label]))
            total += entries[block.label]
        for edge, taken in passages.items():
            edges.append((numbering.blocks[edge.source], numbering.blocks[edge.target], taken))
    folder.table("functions", _columns(functions, 6))
    folder.table("blocks", _columns(sorted(blocks), 7))
    folder.table("edges", _columns(sorted(edges), 3))
    return total


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[k] for row in rows] for k in range(width)]
