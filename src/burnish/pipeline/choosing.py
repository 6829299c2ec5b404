"""Which candidates are faster: sampled runs of the original and of each variant by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
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
_ERROR = 0.05
"""The chance that any of the intervals does not hold."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Comparisons of self time by function and variant; ``unpatchable`` has those that the patcher left out. The
    intervals hold together: each has the confidence that is left of 95 % when that of all is asked for."""

    comparisons: Mapping[tuple[Key, str], Comparison]
    unpatchable: Mapping[Key, Refused] = field(default_factory=dict[Key, Refused])
    warnings: tuple[str, ...] = ()

    def of(self, key: Key) -> dict[str, Comparison]:
        """The comparisons of a function's variants."""
        return {variant: c for (k, variant), c in self.comparisons.items() if k == key}

    def best(self, key: Key) -> tuple[str, Comparison] | None:
        """The variant with the largest certain gain: the highest lower bound."""
        return max(self.of(key).items(), key=lambda row: row[1].low, default=None)


@dataclass(frozen=True, slots=True)
class _Variant:
    """A deployment in which every function that passed runs in one variant."""

    name: str
    candidates: Mapping[Key, Candidate]
    deployment: Deployment
    command: Command

    @property
    def refused(self) -> dict[Key, Refused]:
        """The functions that the patcher left as they are."""
        left = {(i.source.resolve(), r.address): r for i in self.deployment.images for r in i.refused}
        return {key: left[found] for key in self.candidates if (found := (key[0].resolve(), key[1])) in left}


def measure(
    workload: Workload,
    hot: HotSpots,
    checked: Checked,
    options: OptimizeOptions,
    work: Path,
    say: Callable[[str], None],
) -> Measured:
    """Sample runs of the original and of a deployment for each variant, by turns, until the budget is spent. A variant
    that fails is left out: Raises ``TargetError`` only if the original fails."""
    variants = _deploy_variants(workload, checked, work)
    original: list[Profile] = []
    sampled: dict[str, list[Profile]] = {variant.name: [] for variant in variants}
    warnings: list[str] = []
    began = time.monotonic()
    for done in range(_MAX_ROUNDS if variants else 0):
        started = time.monotonic()
        for variant in (None, *variants) if done % 2 == 0 else (*reversed(variants), None):
            profile = _sampled(workload, variant, options)
            if variant is None:
                original.append(profile)
            elif profile.completed:
                sampled[variant.name].append(profile)
            else:
                warnings.append(f"This is a bug in Burnish: with variant {variant.name} the workload failed.")
                del sampled[variant.name]
        variants = [variant for variant in variants if variant.name in sampled]
        now = time.monotonic()
        left = min((_MAX_ROUNDS - done - 1) * (now - started), began + options.budget_s - now)
        if not variants or (done + 1 >= _MIN_ROUNDS and left < now - started):
            break
        say(f"round {done + 1}, about {max(left, (_MIN_ROUNDS - done - 1) * (now - started)):.0f} s left")
    comparisons = _compare(hot, original, [(v, sampled[v.name]) for v in variants], options.seed)
    refused = {key: refusal for variant in variants for key, refusal in variant.refused.items()}
    return Measured(comparisons, refused, tuple(warnings))


def _compare(
    hot: HotSpots, original: list[Profile], sampled: list[tuple[_Variant, list[Profile]]], seed: int
) -> dict[tuple[Key, str], Comparison]:
    images = load_images(hot)
    spots = {
        variant.name: [
            s
            for s in hot.functions
            if s.key in variant.candidates and s.key not in variant.refused and not _lent(s.key, variant)
        ]
        for variant, _ in sampled
    }
    # Of many comparisons at 95 % some favour the candidate by chance: Bonferroni's correction.
    count = max(1, sum(map(len, spots.values())))
    confidence = 1 - _ERROR / count
    comparisons: dict[tuple[Key, str], Comparison] = {}
    for variant, profiles in sampled:
        rows = spots[variant.name]
        ranges = [_ranges(spot.key, variant, images[spot.image]) for spot in rows]
        compared = compare_sampled(original, profiles, ranges, seed=seed, confidence=confidence)
        for spot, row in zip(rows, compared, strict=True):
            comparisons[spot.key, variant.candidates[spot.key].variant] = row.comparison
    return comparisons


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


def _sampled(workload: Workload, variant: _Variant | None, options: OptimizeOptions) -> Profile:
    profile = sample(
        workload.command if variant is None else variant.command,
        frequency_hz=frequency(workload, options),
        timeout_s=options.timeout_s if variant is None else workload.patched_limit_s,
        stdout=workload.printed,
        stderr=Stream.DISCARD,
    )
    if profile.interrupted:
        raise KeyboardInterrupt
    if variant is None and not profile.completed:
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
