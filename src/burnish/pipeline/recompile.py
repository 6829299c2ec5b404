"""``recompile``: lift functions of a file and build them again, into a patched copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.core.code import Refused
from burnish.core.deployment import PatchedImage, Replacement
from burnish.core.errors import RefusedError, UsageError
from burnish.core.image import FunctionBounds, Image
from burnish.images import load
from burnish.images.patch import patch_image, unpatchable
from burnish.pipeline.places import check_output
from burnish.pipeline.results import Result
from burnish.pipeline.session import find_function
from burnish.pipeline.workers import Known, run_jobs
from burnish.recompile import Rebuilt, Summaries, Target, rebuild
from burnish.recompile.callers import Callers
from burnish.recompile.planned import Plan
from burnish.recompile.probes import Probes

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


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """One function of the file ``image``, to be rebuilt such that it preserves the registers of ``preserve``, with
    ``probes`` if it is to be recorded."""

    image: Path
    bounds: FunctionBounds
    target: Target
    preserve: int
    probes: Probes | None = None

    @property
    def name(self) -> str:
        return self.bounds.name

    @property
    def address(self) -> int:
        return self.bounds.address

    def run(self, known: Known) -> Rebuilt | Refused:
        image, summaries, _ = known.of(self.image)
        return rebuild(image, self.bounds, self.target, summaries, self.preserve, self.probes)


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
    if functions is not None and not functions:
        raise UsageError("No function was named.")
    wanted = image.functions if functions is None else [find_function(image, name) for name in functions]
    wanted = tuple({bounds.address: bounds for bounds in wanted}.values())
    check_output(Path(output), [image.path])

    def unfit(built: Sequence[Rebuilt]) -> Iterable[Refused]:
        return unpatchable(image.path, [_replacement(made) for made in built])

    built, left = rebuild_all(image, wanted, target, say, unfit)
    if functions is not None and left:
        raise RefusedError(next(iter(left.values())))
    patched = patch_image(image.path, Path(output), [_replacement(made) for made in built])
    rows = [RefusedFunction(b.name, b.address, left[b.address]) for b in wanted if b.address in left]
    seconds = tuple(sum(made.seconds.values()) for made in built)
    return Recompilation(image.path, Path(output), cpu, patched, tuple(rows), seconds)


def rebuild_all(
    image: Image,
    wanted: Iterable[FunctionBounds],
    target: Target,
    say: Callable[[str], None] = lambda text: None,
    unfit: Callable[[Sequence[Rebuilt]], Iterable[Refused]] = lambda built: (),
    probe: Callable[[Plan], Probes | None] = lambda plan: None,
    callers_stay: bool = False,
) -> tuple[list[Rebuilt], dict[int, Refused]]:
    """Rebuild all that can be replaced together; the rest comes back with its reason, by address. ``unfit`` says which
    of the rebuilt functions cannot be used, ``probe`` what each shall write down while it runs.

    What is refused stays, and may rely on more of the functions that it calls than the ABI promises. So when a
    function turns out not to be replaceable, those that must now preserve more are rebuilt once more. With
    ``callers_stay`` even what is replaced may still be running, as in a live process.
    """
    summaries = Summaries(image)
    refused: dict[int, Refused] = {}
    planned: list[FunctionBounds] = []
    probes: dict[int, Probes | None] = {}
    for bounds in wanted:
        plan = summaries.plan(bounds)
        if isinstance(plan, Refused):
            refused[bounds.address] = plan
        else:
            planned.append(bounds)
            probes[bounds.address] = probe(plan)
    callers = Callers(summaries)
    built: dict[int, tuple[int, Rebuilt]] = {}
    while True:
        kept = callers.kept(bounds.address for bounds in planned)
        if callers_stay:
            kept = {b.address: callers.kept([b.address]).get(b.address, 0) for b in planned}
        jobs = [
            RebuildJob(image.path, bounds, target, kept.get(bounds.address, 0), probes[bounds.address])
            for bounds in planned
            if bounds.address not in built or built[bounds.address][0] != kept.get(bounds.address, 0)
        ]
        for job, made in zip(jobs, run_jobs(jobs, say), strict=True):
            if isinstance(made, Refused):
                refused[job.address] = made
            else:
                built[job.address] = (job.preserve, made)
        if not any(job.address in refused for job in jobs):
            usable = [built[bounds.address][1] for bounds in planned]
            found = {refusal.address: refusal for refusal in unfit(usable)}
            if not found:
                return usable, refused
            refused |= found
        planned = [bounds for bounds in planned if bounds.address not in refused]


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, _STRATEGY, _VERDICT)
