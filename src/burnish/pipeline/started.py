"""The programs of a recorded run: the command, and those that it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from burnish.core.deployment import Deployment, Replacement
from burnish.core.errors import BurnishError
from burnish.core.image import ImageKind
from burnish.core.profile import Profile
from burnish.images import load
from burnish.pipeline.deploy import deploy
from burnish.pipeline.recordable import check_recordable

_MOST = 16
_PROGRAMS = (ImageKind.EXECUTABLE, ImageKind.PIE)


def programs_of(profile: Profile, program: Path) -> tuple[tuple[Path, ...], dict[Path, str]]:
    """The programs other than ``program`` that were seen running: those that can be recorded, the busiest first, and
    why the others cannot."""
    samples: Counter[Path] = Counter()
    for index, _, count in profile.locations:
        samples[profile.images[index].path] += count
    found: list[Path] = []
    reasons: dict[Path, str] = {}
    for path, _ in samples.most_common():
        try:
            if path.resolve() == program.resolve() or load(path).kind not in _PROGRAMS:
                continue
            check_recordable(path, path.name)
            found.append(path)
        except BurnishError as error:
            reasons[path] = str(error).rstrip(".")
    return tuple(found[:_MOST]), reasons


def deploy_programs(
    program: Path, work: Path, patched: Mapping[Path, Sequence[Replacement]], started: Sequence[Path]
) -> Deployment:
    """Copies of ``program`` and of the programs that it starts, each with copies of the libraries beside it."""
    common = {path: made for path, made in patched.items() if path not in started}
    found = deploy(program, work / program.name, common, led=True)
    libraries = {path: made for path, made in common.items() if path.resolve() != program.resolve()}
    for number, path in enumerate(started):
        if path not in patched and not libraries:
            continue
        folder = work / f"started-{number}"
        folder.mkdir()
        more = deploy(path, folder / path.name, {path: patched.get(path, ()), **libraries}, led=True)
        found = replace(
            found, images=(*found.images, *more.images), warnings=(*found.warnings, *more.warnings)
        )
    return found
