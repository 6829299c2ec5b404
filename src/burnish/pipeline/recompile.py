"""``recompile``: lift functions of a file and build them again, into a patched copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import ClassVar

from burnish.core.code import Refused
from burnish.core.deployment import PatchedImage, Replacement
from burnish.core.errors import RefusedError, UsageError
from burnish.core.image import FunctionBounds, Image
from burnish.images import find_function, load
from burnish.images.patch import patch_image, unpatchable
from burnish.pipeline.places import check_output
from burnish.pipeline.results import Result
from burnish.pipeline.workers import Known, run_jobs
from burnish.recompile import Draft, Rebuilt, Summaries, Target, compile_draft, draft, leaves_alone
from burnish.recompile.callers import Callers
from burnish.recompile.codegen import Compiled
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
class CompileJob:
    """LLVM IR of one function, to be compiled."""

    name: str
    address: int
    llvm_ir: str
    target: Target

    def run(self, known: Known) -> tuple[Compiled, float] | Refused:
        """The object code, and the seconds that it took."""
        started = perf_counter()
        compiled = compile_draft(self.llvm_ir, self.target, self.address)
        return compiled if isinstance(compiled, Refused) else (compiled, perf_counter() - started)


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
    works = _Works(Summaries(image), tuple(wanted), target, probe, callers_stay)
    works.compile_all(say)
    while True:
        refused = len(works.refused)
        usable = works.preserve(say)
        if len(works.refused) == refused:
            found = {refusal.address: refusal for refusal in unfit(usable)}
            if not found:
                return usable, works.refused
            works.refused |= found


class _Works:
    """Functions of one image on their way: planned and written here, compiled in other processes meanwhile."""

    def __init__(
        self,
        summaries: Summaries,
        wanted: Sequence[FunctionBounds],
        target: Target,
        probe: Callable[[Plan], Probes | None],
        callers_stay: bool,
    ) -> None:
        self._summaries = summaries
        self._wanted = wanted
        self._target = target
        self._probe = probe
        self._callers = Callers(summaries)
        self._callers_stay = callers_stay
        self._drafts: dict[int, Draft] = {}
        self._plain: dict[int, tuple[Compiled, float]] = {}
        self._kept: dict[int, int] = {}
        self._built: dict[int, tuple[int, Rebuilt]] = {}
        """With the register bytes that each preserves."""
        self.refused: dict[int, Refused] = {}

    def compile_all(self, say: Callable[[str], None]) -> None:
        """Compile all functions as if nobody relied on more than the ABI promises."""
        answers = run_jobs(self._jobs(), say, total=len(self._wanted))
        for address, made in zip(self._drafts, answers, strict=True):
            if isinstance(made, Refused):
                self.refused[address] = made
            else:
                self._plain[address] = made

    def _jobs(self) -> Iterator[CompileJob]:
        for bounds in self._wanted:
            made = draft(bounds, self._target, self._summaries, self._probe)
            if isinstance(made, Refused):
                self.refused[bounds.address] = made
            else:
                self._drafts[bounds.address] = made
                yield _job(made)
        # While the last ones are compiled: most often they all stay.
        self._kept = self._kept_of(self._drafts)

    def _kept_of(self, addresses: Iterable[int]) -> dict[int, int]:
        """Register bytes that each function must preserve, if just these are replaced."""
        if not self._callers_stay:
            return dict(self._callers.kept(addresses))
        return {address: self._callers.kept([address]).get(address, 0) for address in tuple(addresses)}

    def preserve(self, say: Callable[[str], None]) -> list[Rebuilt]:
        """What is not refused, each such that it preserves what code that stays relies on. Where more is refused on
        the way, the result is not yet right."""
        planned = [made for address, made in self._drafts.items() if address not in self.refused]
        if len(planned) < len(self._drafts):
            self._kept = self._kept_of(made.bounds.address for made in planned)
        again: list[tuple[int, Draft]] = []
        for made in planned:
            address = made.bounds.address
            mask = self._kept.get(address, 0)
            if address in self._built and self._built[address][0] == mask:
                continue
            compiled, seconds = self._plain[address]
            if mask and not leaves_alone(compiled, mask):
                preserving = made.preserving(mask)
                if isinstance(preserving, Refused):
                    self.refused[address] = preserving
                else:
                    again.append((mask, preserving))
            else:
                self._built[address] = mask, made.built(compiled, seconds)
        for (mask, made), answer in zip(again, run_jobs([_job(made) for _, made in again], say), strict=True):
            address = made.bounds.address
            if isinstance(answer, Refused):
                self.refused[address] = answer
            else:
                self._built[address] = mask, made.built(answer[0], answer[1] + self._plain[address][1])
        kept = [made.bounds.address for made in planned if made.bounds.address not in self.refused]
        return [self._built[address][1] for address in kept]


def _job(made: Draft) -> CompileJob:
    return CompileJob(made.bounds.name, made.bounds.address, made.llvm_ir, made.target)


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, _STRATEGY, _VERDICT)
