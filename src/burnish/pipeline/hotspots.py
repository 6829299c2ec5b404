"""Where the workload spends its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError, TargetError
from burnish.core.image import Image
from burnish.core.profile import Profile
from burnish.images import load
from burnish.pipeline.optimization import HotSpot
from burnish.record.sampling import hot_functions, sample
from burnish.runtime.command import Stream

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.workload import Workload

_RUNTIME = ("libc.so", "ld-linux", "libpthread.so", "libc-", "ld-2", "libdl.so", "librt.so")
"""Parts of the C library's own runtime: they must match each other and the loader, so copies are not made."""
_WANTED_SAMPLES = 4000
_MAX_FREQUENCY = 8000


@dataclass(frozen=True, slots=True)
class HotSpots:
    """The profile, its hot functions that can be considered, and those in files that are left alone."""

    profile: Profile
    functions: tuple[HotSpot, ...]
    foreign: tuple[HotSpot, ...]
    warnings: tuple[str, ...]


def find_hot(workload: Workload, options: OptimizeOptions) -> HotSpots:
    """Sample one run of the original. Raises ``TargetError`` if it fails under observation."""
    profile = sample(
        workload.command,
        frequency_hz=frequency(workload, options),
        timeout_s=options.timeout_s,
        stdout=Stream.DISCARD,
        stderr=Stream.DISCARD,
    )
    if profile.interrupted:
        raise KeyboardInterrupt
    if not profile.completed:
        raise TargetError("The workload did not end as before while it was sampled.")
    images: dict[Path, Image] = {}
    for mapped in profile.images:
        try:
            images[mapped.path] = load(mapped.path)
        except ImageError:
            continue
    rows = [
        HotSpot(row.image, row.bounds, row.share)
        for row in hot_functions(profile, images)
        if row.share >= options.min_share
    ]
    own = [row for row in rows if not _is_foreign(row.image, workload)]
    foreign = [row for row in rows if _is_foreign(row.image, workload)]
    warnings: list[str] = []
    if profile.samples < 200:
        warnings.append(f"Only {profile.samples} samples were taken: a longer workload shows more.")
    return HotSpots(profile, tuple(own[: options.max_functions]), tuple(foreign), tuple(warnings))


def frequency(workload: Workload, options: OptimizeOptions) -> int:
    """Samples a second: more often for short runs, so that a function of 1 % still gets some."""
    wanted = int(_WANTED_SAMPLES / max(workload.cpu_s, 0.01))
    return min(_MAX_FREQUENCY, max(options.frequency_hz, wanted))


def load_images(hot: HotSpots) -> Mapping[Path, Image]:
    """The images that hold hot functions, by path."""
    return {path: load(path) for path in dict.fromkeys(row.image for row in hot.functions)}


def _is_foreign(path: Path, workload: Workload) -> bool:
    """True for the C library's runtime, and for programs that the workload starts."""
    if path.name.startswith(_RUNTIME):
        return True
    return ".so" not in path.name and path.resolve() != workload.program.resolve()
