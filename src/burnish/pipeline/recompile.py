"""``recompile``: lift functions of a file and build them again, into a patched copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.core.code import Refused
from burnish.core.deployment import PatchedImage, Replacement
from burnish.core.errors import RefusedError
from burnish.core.image import FunctionBounds, Image
from burnish.images import load
from burnish.images.patch import patch_image
from burnish.pipeline.results import Result
from burnish.pipeline.session import find_function
from burnish.recompile import Rebuilt, Summaries, Target, rebuild
from burnish.recompile.callers import Callers

_STRATEGY = "recompile"
_VERDICT = "UNKNOWN (recompiled by LLVM, not tested)"


@dataclass(frozen=True, slots=True)
class RefusedFunction:
    """A function that stays as it is, and why."""

    name: str
    address: int
    refused: Refused


@dataclass(frozen=True, slots=True)
class Recompilation(Result):
    """What was written. Sizes are in bytes, times in seconds."""

    verb: ClassVar[str] = "recompile"
    path: Path
    output: Path
    cpu: str
    patched: PatchedImage
    refused: tuple[RefusedFunction, ...]
    seconds: tuple[float, ...]
    """Time to lift and rebuild, one for each rebuilt function."""

    @property
    def share(self) -> float:
        """The part of the functions asked for that was rebuilt, 0 to 1."""
        done = len(self.patched.functions)
        return done / max(1, done + len(self.refused))


def recompile(
    file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    functions: Sequence[str | int] | None = None,
    cpu: str = "native",
    say: Callable[[str], None] = lambda text: None,
) -> Recompilation:
    """Rebuild ``functions`` (None: all that can be) of ``file`` for ``cpu`` into a copy at ``output``.

    With ``functions`` given, one that cannot be rebuilt raises ``RefusedError``. Raises ``ImageError``,
    ``FunctionNotFoundError``, ``HostError`` (unknown CPU, no room), ``PatchError``.
    """
    target = Target(cpu)
    target.resolved()
    image = load(file)
    wanted = image.functions if functions is None else [find_function(image, name) for name in functions]
    built, refused = rebuild_all(image, wanted, target, say)
    if functions is not None and refused:
        raise RefusedError(next(iter(refused.values())))
    replacements = [_replacement(made) for made in built]
    patched = patch_image(image.path, Path(output), replacements)
    left = [RefusedFunction(b.name, b.address, refused[b.address]) for b in wanted if b.address in refused]
    for refusal in patched.refused:
        bounds = image.bounds_at(refusal.address)
        left.append(RefusedFunction(bounds.name if bounds else "", refusal.address, refusal))
    seconds = tuple(sum(made.seconds.values()) for made in built)
    return Recompilation(image.path, Path(output), cpu, patched, tuple(left), seconds)


def rebuild_all(
    image: Image,
    wanted: Iterable[FunctionBounds],
    target: Target,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[list[Rebuilt], dict[int, Refused]]:
    """Rebuild all that can be replaced together; the rest comes back with its reason, by address."""
    summaries = Summaries(image)
    refused: dict[int, Refused] = {}
    planned: list[FunctionBounds] = []
    for bounds in wanted:
        plan = summaries.plan(bounds)
        if isinstance(plan, Refused):
            refused[bounds.address] = plan
        else:
            planned.append(bounds)
    kept = Callers(summaries).kept(bounds.address for bounds in planned)
    built: list[Rebuilt] = []
    for done, bounds in enumerate(planned):
        say(f"Rebuilding {bounds.name} ({done + 1} of {len(planned)})")
        made = rebuild(image, bounds, target, summaries, kept.get(bounds.address, 0))
        if isinstance(made, Refused):
            refused[bounds.address] = made
        else:
            built.append(made)
    return built, refused


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, _STRATEGY, _VERDICT)
