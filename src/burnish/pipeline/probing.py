"""Which functions are recorded, and copies of their files in which they have probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from burnish.core.code import Function, Refused
from burnish.core.deployment import Deployment, Replacement
from burnish.core.errors import RefusedError, TargetError, UsageError
from burnish.core.image import FunctionBounds
from burnish.core.profile import Profile
from burnish.core.recording import Numbering, Unrecorded, What
from burnish.images import find_function, load
from burnish.images.patch import unpatchable
from burnish.pipeline.hotspots import pick
from burnish.pipeline.optimization import HotSpot
from burnish.pipeline.recompile import rebuild_all
from burnish.pipeline.recording import Probed, RecordOptions, Records, Wanted
from burnish.pipeline.stages import Say
from burnish.pipeline.started import deploy_programs, programs_of
from burnish.recompile import Rebuilt, Target
from burnish.recompile.numbering import Numbers, number
from burnish.recompile.numbering import Wanted as Numbered
from burnish.recompile.planned import Plan
from burnish.recompile.probes import MOST_SITES, Probes
from burnish.record.sampling import sample
from burnish.runtime.command import Command, Stream

_FREQUENCY_HZ = 1997
_LITTLE = 1 << 16
"""Blocks whose numbers fit into two bytes."""


def find_wanted(options: RecordOptions, program: Path, stdin: Path | Stream) -> Wanted:
    """The functions that are named; or, of a run that is sampled, the hot ones."""
    if options.functions:
        return find_named(options, program)
    load(program)  # what is no program is told before anything is run
    profile = sample(
        Command((options.program, *options.arguments), stdin=stdin),
        frequency_hz=_FREQUENCY_HZ,
        timeout_s=options.timeout_s,
        stdout=Stream.DISCARD,
        stderr=Stream.DISCARD,
    )
    return find_sampled(options, program, profile)


def find_named(options: RecordOptions, program: Path) -> Wanted:
    """The functions of the program that are named. Raises ``FunctionNotFoundError``."""
    image = load(program)
    named = [find_function(image, name) for name in options.functions]
    unique = {bounds.address: bounds for bounds in named}.values()
    return Wanted({program: image}, [HotSpot(program, bounds, 0.0) for bounds in unique])


def find_sampled(options: RecordOptions, program: Path, profile: Profile) -> Wanted:
    """The hot functions of a profile. Raises ``TargetError`` where there is none that can be recorded."""
    if profile.interrupted:
        raise KeyboardInterrupt
    hot, foreign = pick(profile, program, options.min_share, options.hot, started=True)
    started, reasons = programs_of(profile, program)
    own = [spot for spot in hot if spot.image not in reasons]
    if not own:
        raise TargetError(
            "Nothing hot was found that can be recorded: the run was too short, or spent its time elsewhere; name "
            "functions with --function."
        )
    images = {path: load(path) for path in dict.fromkeys(spot.image for spot in own)}
    left = [
        Unrecorded(row.bounds.name, str(row.image), row.bounds.address, row.share, reason)
        for row, reason in (*((spot, reasons[spot.image]) for spot in hot if spot.image in reasons), *foreign)
    ]
    return Wanted(images, own, left, profile.samples * profile.period_ns / 1e9, True, started, profile)


class Putter(Protocol):
    """Where rebuilt functions go."""

    @property
    def live(self) -> bool:
        """Whether the code that they replace may be running at that time."""
        ...

    def unfit(self, path: Path, built: Sequence[Rebuilt]) -> list[Refused]:
        """Which of the functions of a file cannot be put there, and why."""
        ...

    def put(self, replacements: Mapping[Path, Sequence[Replacement]]) -> Deployment:
        """Puts them there."""
        ...


@dataclass(frozen=True, slots=True)
class IntoCopies:
    """Into copies of the program and its libraries, in the folder ``work``; ``started`` are programs that it starts."""

    program: Path
    work: Path
    started: Sequence[Path] = ()
    live: bool = False

    def unfit(self, path: Path, built: Sequence[Rebuilt]) -> list[Refused]:
        """Those that the file has no room for."""
        return list(unpatchable(path, [_replacement(made) for made in built]))

    def put(self, replacements: Mapping[Path, Sequence[Replacement]]) -> Deployment:
        """Writes the copies."""
        return deploy_programs(self.program, self.work, replacements, self.started)


def probe_wanted(options: RecordOptions, wanted: Wanted, putter: Putter, say: Say) -> Probed:
    """Rebuild the wanted functions with probes, and put them where they go."""
    records = _records(wanted, options.what)
    numbered_too = Numbered(records.accesses or records.contents, records.results, records.snapshots)
    numbered: dict[tuple[Path, int], tuple[Function, Numbering]] = {}
    free = Numbers()
    replacements: dict[Path, list[Replacement]] = {}
    for path, image in wanted.images.items():

        def probe(plan: Plan, path: Path = path) -> Probes:
            numbering = number(plan, free, numbered_too)
            if free.site > MOST_SITES:
                raise UsageError(
                    "These functions have too many loads and stores to record; choose fewer of them."
                )
            numbered[path, plan.function.address] = (plan.function, numbering)
            return Probes(
                numbering, records.bytes, records.blocks, records.contents, options.burst is not None
            )

        def unfit(built: Sequence[Rebuilt], path: Path = path) -> list[Refused]:
            return putter.unfit(path, built)

        spots = [spot for spot in wanted.spots if spot.image == path]
        built, refused = rebuild_all(
            image, [spot.bounds for spot in spots], Target(options.cpu), say, unfit, probe, putter.live
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
    deployment = putter.put({p: r for p, r in replacements.items() if r})
    kept: list[tuple[Path, FunctionBounds, Function, Numbering]] = []
    for spot in wanted.spots:
        found = numbered.get((spot.image, spot.bounds.address))
        if found is not None and any(r.code.address == spot.bounds.address for r in replacements[spot.image]):
            kept.append((spot.image, spot.bounds, *found))
    return Probed(kept, deployment, free.counter, records)


def _records(wanted: Wanted, what: Sequence[What]) -> Records:
    """What must be written to the ring. Two bytes a block where all blocks can be numbered with them: a block has at
    least one byte."""
    blocks = What.BLOCKS in what
    if any(kind in what for kind in (What.MEMORY, What.VALUES, What.STORES, What.SNAPSHOTS)):
        snapshots = What.SNAPSHOTS in what
        contents = What.STORES in what or snapshots
        return Records(8, blocks, What.MEMORY in what, contents, What.VALUES in what, snapshots)
    if not blocks:
        return Records()
    return Records(2 if sum(spot.bounds.size for spot in wanted.spots) < _LITTLE else 4, blocks)


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, "record", "UNKNOWN (recorded)")
