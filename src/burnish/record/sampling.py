"""Sampling a run: which functions of which files a command spends its time in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.errors import HostError
from burnish.core.image import FunctionBounds, Image
from burnish.core.profile import HotFunction, Method, Profile
from burnish.record.attribution import Tally, tally
from burnish.record.perf_event import PerfSampler
from burnish.record.sigprof import Collector, preloaded, shortest_period_ns
from burnish.runtime.command import Command, CommandResult, Stream, start
from burnish.runtime.watch import watch


def sample(
    command: Command,
    *,
    frequency_hz: int = 997,
    method: Method | None = None,
    timeout_s: float | None = None,
    stdout: Path | Stream = Stream.INHERIT,
    stderr: Path | Stream = Stream.INHERIT,
) -> Profile:
    """Runs a command and samples it and all its descendants, ``frequency_hz`` times a second of processor
    time.

    Without ``method`` the kernel's software clock is used where permitted, else the preloaded object; the
    profile says which, and its ``period_ns`` may be longer than asked for. A command that fails, crashes, is
    stopped after ``timeout_s`` or by Ctrl-C gives the profile of what it did until then, and the profile
    says so.

    Raises ``TargetError`` if the command cannot be started, ``HostError`` if neither method works here.
    """
    if not 1 <= frequency_hz <= 100_000:
        raise ValueError(f"frequency_hz is {frequency_hz}, not in 1 … 100000")
    period_ns = 1_000_000_000 // frequency_hz
    match method:
        case Method.PERF_EVENT:
            return _sample_by_kernel(command, period_ns, timeout_s, stdout, stderr)
        case Method.SIGPROF:
            return _sample_by_signal(command, period_ns, timeout_s, stdout, stderr)
        case Method.PTRACE:
            raise ValueError("this method is for processes that run already: see live_sampling")
        case None:
            pass
    try:
        return _sample_by_kernel(command, period_ns, timeout_s, stdout, stderr)
    except HostError as first:
        try:
            return _sample_by_signal(command, period_ns, timeout_s, stdout, stderr)
        except HostError as second:
            raise HostError(f"{first} {second}") from second


def _sample_by_kernel(
    command: Command, period_ns: int, timeout_s: float | None, stdout: Path | Stream, stderr: Path | Stream
) -> Profile:
    samplers: list[PerfSampler] = []
    try:
        child = start(
            command,
            stdout=stdout,
            stderr=stderr,
            before_exec=lambda pid: samplers.append(PerfSampler(pid, period_ns)),
        )
        result = watch(child, timeout_s)
    finally:
        found = [sampler.finish() for sampler in samplers]
    trace, kernel, lost = found[0]
    return _profile(command, Method.PERF_EVENT, period_ns, tally(trace), kernel, lost, result)


def _sample_by_signal(
    command: Command, period_ns: int, timeout_s: float | None, stdout: Path | Stream, stderr: Path | Stream
) -> Profile:
    period_ns = max(period_ns, shortest_period_ns())
    with TemporaryDirectory(prefix="burnish-") as name:
        folder = Path(name)
        child = start(preloaded(command, folder, period_ns), stdout=stdout, stderr=stderr)
        collector = Collector(folder)
        try:
            result = watch(child, timeout_s)
        finally:
            trace, lost = collector.finish()
    return _profile(command, Method.SIGPROF, period_ns, tally(trace), None, lost, result)


def _profile(
    command: Command,
    method: Method,
    period_ns: int,
    found: Tally,
    kernel: int | None,
    lost: int,
    result: CommandResult,
) -> Profile:
    return Profile(
        command=command.argv,
        method=method,
        period_ns=period_ns,
        images=found.images,
        locations=found.locations,
        unknown=found.unknown,
        kernel=kernel,
        lost=lost,
        wall_s=result.wall_s,
        exit_code=result.exit_code,
        signal=result.signal,
        timed_out=result.timed_out,
        interrupted=result.interrupted,
    )


def hot_functions(profile: Profile, images: Mapping[Path, Image]) -> tuple[HotFunction, ...]:
    """The functions of ``images`` that samples fell into, hottest first. Samples in files that are not in
    ``images``, or between functions, are in no row but count in every share."""
    loaded = {path.resolve(): image for path, image in images.items()}
    counts: dict[tuple[int, FunctionBounds], int] = defaultdict(int)
    for index, address, count in profile.locations:
        image = loaded.get(profile.images[index].path.resolve())
        bounds = image.bounds_at(address) if image is not None else None
        if bounds is not None:
            counts[index, bounds] += count
    total = profile.samples
    rows = [
        HotFunction(profile.images[index].path, bounds, count, count / total)
        for (index, bounds), count in counts.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.samples, str(row.image), row.bounds.address)))
