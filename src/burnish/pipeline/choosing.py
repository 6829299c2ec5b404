"""Which candidates are faster: sampled runs of the original and of each variant by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.deployment import Deployment, Replacement
from burnish.core.errors import TargetError
from burnish.core.image import Image
from burnish.core.measure import Comparison
from burnish.core.profile import Profile
from burnish.core.verdict import label
from burnish.cost.sampled import AddressRange, FunctionRanges, compare_sampled
from burnish.pipeline.deploy import deploy
from burnish.pipeline.hotspots import frequency, load_images
from burnish.pipeline.optimization import Choice
from burnish.pipeline.proposing import Key
from burnish.record.sampling import sample
from burnish.runtime.command import Command, Stream

if TYPE_CHECKING:
    from burnish.pipeline.checking import Checked
    from burnish.pipeline.hotspots import HotSpots
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.workload import Workload

_MIN_ROUNDS = 6
_MAX_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Measured:
    """Comparisons of self time by function and variant."""

    comparisons: Mapping[tuple[Key, str], Comparison]

    def best(self, key: Key) -> tuple[str, Comparison] | None:
        """The variant with the largest certain gain: the highest lower bound."""
        found = [(variant, c) for (k, variant), c in self.comparisons.items() if k == key]
        return max(found, key=lambda row: row[1].low) if found else None


@dataclass(frozen=True, slots=True)
class _Variant:
    """A deployment in which every function that passed runs in one variant."""

    name: str
    candidates: Mapping[Key, Candidate]
    deployment: Deployment
    command: Command


def measure(
    workload: Workload,
    hot: HotSpots,
    checked: Checked,
    options: OptimizeOptions,
    work: Path,
    say: Callable[[str], None],
) -> Measured:
    """Sample runs of the original and of a deployment for each variant, by turns, until the budget is spent."""
    variants = _deploy_variants(workload, checked, work)
    if not variants:
        return Measured({})
    commands = [workload.command, *(variant.command for variant in variants)]
    profiles: list[list[Profile]] = [[] for _ in commands]
    began = time.monotonic()
    for done in range(_MAX_ROUNDS):
        started = time.monotonic()
        order = list(range(len(commands)))
        for index in order if done % 2 == 0 else reversed(order):
            say(f"round {done + 1} of at most {_MAX_ROUNDS}")
            profiles[index].append(_sampled(workload, commands[index], options))
        now = time.monotonic()
        if done + 1 >= _MIN_ROUNDS and now - began + (now - started) > options.budget_s:
            break
    images = load_images(hot)
    comparisons: dict[tuple[Key, str], Comparison] = {}
    for variant, sampled in zip(variants, profiles[1:], strict=True):
        spots = [s for s in hot.functions if s.key in variant.candidates and not _lent(s.key, variant)]
        ranges = [_ranges(spot.key, variant, images[spot.image]) for spot in spots]
        rows = compare_sampled(profiles[0], sampled, ranges, seed=options.seed)
        for spot, row in zip(spots, rows, strict=True):
            comparisons[spot.key, variant.candidates[spot.key].variant] = row.comparison
    return Measured(comparisons)


def choose(measured: Measured, checked: Checked) -> tuple[Choice, ...]:
    """The best variant of each function that is faster beyond noise."""
    chosen: dict[Key, Choice] = {}
    for key in checked.proposals.candidates:
        best = measured.best(key)
        if best is None or not best[1].faster:
            continue
        variant, comparison = best
        candidate = next(c for c in checked.candidates(key) if c.variant == variant)
        chosen[key] = Choice(candidate, checked.verdicts[key, variant], comparison)
    return tuple(chosen.values())


def replacements(
    choices: Mapping[Key, Candidate], checked_labels: Mapping[Key, str]
) -> dict[Path, list[Replacement]]:
    """What the patcher takes, by file."""
    files: dict[Path, list[Replacement]] = {}
    for key, c in choices.items():
        row = Replacement(
            c.bounds.name, c.code, c.bounds.size, c.strategy, checked_labels.get(key, "UNKNOWN")
        )
        files.setdefault(c.image, []).append(row)
    return files


def _deploy_variants(workload: Workload, checked: Checked, work: Path) -> list[_Variant]:
    variants: list[_Variant] = []
    for name in checked.proposals.variants:
        usable: dict[Key, Candidate] = {}
        for key in checked.proposals.candidates:
            passed = checked.candidates(key)
            if passed:
                usable[key] = next((c for c in passed if c.variant == name), passed[0])
        if not usable or any(usable == other.candidates for other in variants):
            continue
        folder = work / f"variant-{name}"
        folder.mkdir()
        labels = {key: label(checked.verdicts[key, c.variant]) for key, c in usable.items()}
        deployment = deploy(workload.program, folder / workload.program.name, replacements(usable, labels))
        command = workload.running(deployment.output, dict(deployment.environment))
        variants.append(_Variant(name, usable, deployment, command))
    return variants


def _sampled(workload: Workload, command: Command, options: OptimizeOptions) -> Profile:
    profile = sample(
        command,
        frequency_hz=frequency(workload, options),
        timeout_s=options.timeout_s,
        stdout=Stream.DISCARD,
        stderr=Stream.DISCARD,
    )
    if profile.interrupted:
        raise KeyboardInterrupt
    if not profile.completed:
        raise TargetError("The workload did not end as before while it was measured.")
    return profile


def _ranges(key: Key, variant: _Variant, image: Image) -> FunctionRanges:
    """A function's code in the original, and in the variant: what is left of it there, and the new code. Functions
    that were copied into it belong to it on both sides, since its copies do their work."""
    path, _ = key
    candidate = variant.candidates[key]
    addresses = (candidate.bounds.address, *candidate.copies)
    bounds = [found for a in addresses if (found := image.bounds_at(a)) is not None]
    old = tuple(AddressRange(path, b.address, b.address + b.size) for b in bounds)
    new: list[AddressRange] = []
    for patched in variant.deployment.images:
        if patched.source.resolve() != path.resolve():
            continue
        new += [AddressRange(patched.path, part.start, part.end) for part in old]
        for function in patched.functions:
            if function.address in addresses:
                start = function.new_address
                new.append(AddressRange(patched.path, start, start + function.new_size))
    return FunctionRanges(candidate.bounds.name, old, tuple(new))


def _lent(key: Key, variant: _Variant) -> bool:
    """True where another candidate of the variant has a copy of the function, and so does part of its work."""
    path, address = key
    return any(c.image == path and address in c.copies for c in variant.candidates.values())
