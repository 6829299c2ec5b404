"""Where the workload spends its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError, TargetError
from burnish.core.image import Image
from burnish.core.profile import Profile
from burnish.images import load
from burnish.pipeline.optimization import Elsewhere, HotSpot
from burnish.record.sampling import hot_functions, sample
from burnish.runtime.command import Stream, signal_name

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.workload import Workload

_RUNTIME = ("libc.so", "ld-linux", "libpthread.so", "libc-", "ld-2", "libdl.so", "librt.so", "ld-musl")
"""Parts of the C library's own runtime: they must match each other and the loader, so copies are not made."""
_FEW_SAMPLES = 200
_WANTED_SAMPLES = 4000
_MAX_FREQUENCY = 8000


@dataclass(frozen=True, slots=True)
class HotSpots:
    """The profile, its hot functions that can be considered, and those in files that are left alone."""

    profile: Profile
    functions: tuple[HotSpot, ...]
    foreign: tuple[tuple[HotSpot, str], ...]
    """With the reason why its file is left alone."""
    elsewhere: tuple[Elsewhere, ...]
    warnings: tuple[str, ...]


def find_hot(workload: Workload, options: OptimizeOptions) -> HotSpots:
    """Sample one run of the original. Raises ``TargetError`` if it fails under observation."""
    profile = sample(
        workload.command,
        frequency_hz=frequency(workload, options),
        timeout_s=options.timeout_s,
        stdout=workload.printed,
        stderr=Stream.DISCARD,
    )
    if profile.interrupted:
        raise KeyboardInterrupt
    if not profile.completed:
        raise TargetError(f"The workload did not end as before while it was sampled: it {_ending(profile)}.")
    own, foreign = pick(profile, workload.program, options.min_share, options.max_functions)
    warnings: list[str] = []
    if profile.samples < _FEW_SAMPLES:
        warnings.append(f"Only {profile.samples} samples were taken: a longer workload shows more.")
    shown = [*own, *(row for row, _ in foreign)]
    return HotSpots(profile, tuple(own), tuple(foreign), _elsewhere(profile, shown), tuple(warnings))


def pick(
    profile: Profile, program: Path, min_share: float, most: int, *, started: bool = False
) -> tuple[list[HotSpot], list[tuple[HotSpot, str]]]:
    """The ``most`` hottest functions with at least ``min_share`` of the samples, in files that can be rebuilt; and
    those in files that are left alone, with the reason. Programs that the workload starts are among them unless they
    are ``started``."""
    images: dict[Path, Image] = {}
    for mapped in profile.images:
        try:
            images[mapped.path] = load(mapped.path)
        except ImageError:
            continue
    rows = [
        HotSpot(row.image, row.bounds, row.share)
        for row in hot_functions(profile, images)
        if row.share >= min_share
    ]
    own: list[HotSpot] = []
    foreign: list[tuple[HotSpot, str]] = []
    for row in rows:
        reason = _foreign(row.image, program, started)
        if reason is not None:
            foreign.append((row, reason))
        elif len(own) < most:
            own.append(row)
    return own, foreign


def _elsewhere(profile: Profile, shown: Sequence[HotSpot]) -> tuple[Elsewhere, ...]:
    """Where the samples fell that are in none of the rows ``shown``, the largest part first."""
    total = max(1, profile.samples)
    parts: Counter[str] = Counter()
    for index, _, samples in profile.locations:
        parts[f"elsewhere in {profile.images[index].path.name}"] += samples
    for row in shown:
        parts[f"elsewhere in {row.image.name}"] -= round(row.share * total)
    parts["in the kernel"] = profile.kernel or 0
    parts["in code of no file"] = profile.unknown
    return tuple(Elsewhere(place, n / total) for place, n in parts.most_common() if n > 0)


def _ending(profile: Profile) -> str:
    if profile.timed_out:
        return "did not end within the time limit"
    if profile.signal is not None:
        return f"was killed by {signal_name(profile.signal)}"
    return f"ended with exit code {profile.exit_code}"


def frequency(workload: Workload, options: OptimizeOptions) -> int:
    """Samples a second: more often for short runs, so that a function of 1 % still gets some."""
    wanted = int(_WANTED_SAMPLES / max(workload.cpu_s, 0.01))
    return min(_MAX_FREQUENCY, max(options.frequency_hz, wanted))


def load_images(hot: HotSpots) -> Mapping[Path, Image]:
    """The images that hold hot functions, by path."""
    return {path: load(path) for path in dict.fromkeys(row.image for row in hot.functions)}


def _foreign(path: Path, program: Path, started: bool) -> str | None:
    """Why a file is left alone; None if it is not."""
    if path.resolve() == program.resolve():
        return None
    if path.name.startswith(_RUNTIME):
        return "part of the C library, which the loader needs as it is"
    if ".so" not in path.name and not started:
        return "another program, which the workload starts"
    return None
