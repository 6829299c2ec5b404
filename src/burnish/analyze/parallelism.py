"""What kind of parallelism each loop and each recursion of an execution has, with the evidence, and what it would
gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from burnish._native import Nest
from burnish.analyze.program import Program
from burnish.analyze.ranges import never_meet
from burnish.analyze.replay import CORES, Costs, Rounds, forked, pipelined, speculate, whole_run
from burnish.core.structure import Between, Dependence, Hazard, Region, Structure
from burnish.core.superblocks import (
    Carried,
    Finding,
    Flow,
    Parallelism,
    Prediction,
    Range,
    Recurrence,
)

_ALWAYS = 0.95
"""A share of rounds from which on a conflict happens in practically every round."""
_WORTH = 1.25
"""What a machine without costs must gain for conflicts not to be called serial."""
_GAINS = 1.1
"""What a pipeline must gain, its costs included, to be called one."""
_FREE = Costs(0.0, 0.0, 0.0, 0.0, 1 << 20, 0.0, 0.0)
_CHAINED = (Recurrence.PREDICTABLE, Recurrence.CHASE, Recurrence.HANDED, Recurrence.SERIAL)
"""Values that a round cannot know without those before it: a predictable one can be computed ahead, but one by one."""
_KEPT_RANGES = 64


@dataclass(frozen=True, slots=True)
class Effects:
    """Blocks with ordered effects, by region: those that ran in it, with those of what it called. ``shares`` is the
    share of its rounds in which at least one ran, 0 to 1."""

    blocks: Mapping[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    shares: Mapping[int, float] = field(default_factory=dict[int, float])


def explained(flows: Mapping[int, Flow]) -> Iterator[tuple[int, int, int]]:
    """Dependences (source, sink, region) that make no conflict of rounds, since what they hand on is known beforehand
    or a reduction."""
    for region, flow in flows.items():
        for carried in flow.carried:
            if carried.kind not in _CHAINED:
                yield from ((source, sink, region) for source, sink in carried.pairs)


def ordered_effects(structure: Structure, program: Program) -> Effects:
    """Where input, output and calls of unknown code happened."""
    own: dict[int, set[int]] = {}
    items = {
        region.number: {item for path in region.paths for item in path.items} for region in structure.regions
    }
    for number, found in items.items():
        own[number] = {
            item
            for item in found
            if item >= 0 and program.blocks[item].get("effect") in ("output", "unknown")
        }
    blocks = {number: set(found) for number, found in own.items()}
    changed = True
    while changed:  # recursion makes circles of regions
        changed = False
        for number, found in items.items():
            before = len(blocks[number])
            for item in found:
                if item < 0:
                    blocks[number] |= blocks.get(~item, set())
            changed |= len(blocks[number]) > before
    shares: dict[int, float] = {}
    for region in structure.regions:
        total = sum(path.count for path in region.paths)
        touched = sum(
            path.count
            for path in region.paths
            if any((blocks.get(~item) if item < 0 else item in own[region.number]) for item in path.items)
        )
        shares[region.number] = touched / total if total else 0.0
    return Effects({number: tuple(sorted(found)) for number, found in blocks.items() if found}, shares)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of an execution. ``nest`` is a walk in which what ``explained`` names was ignored."""

    structure: Structure
    program: Program
    flows: Mapping[int, Flow]
    ranges: Mapping[int, tuple[Range, ...]]
    nest: Nest
    effects: Effects
    costs: Costs
    cores: tuple[int, ...] = CORES


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """What each loop is, and each function that calls itself, those first that would gain the run most."""
    by_region: dict[int, list[Dependence]] = {}
    for row in evidence.structure.dependences:
        if row.region is not None:
            by_region.setdefault(row.region, []).append(row)
    made: list[Finding] = []
    for region in evidence.structure.regions:
        rows = by_region.get(region.number, [])
        if region.header is not None:
            made.append(_Loop(evidence, region, rows).finding())
        elif region.recursive:
            made.append(_recursion(evidence, region, rows))
    return tuple(sorted(made, key=lambda finding: (-finding.gain, finding.region)))


class _Loop:
    """One loop, judged."""

    def __init__(self, evidence: Evidence, region: Region, rows: Sequence[Dependence]) -> None:
        self._evidence = evidence
        self._region = region
        self._flow = evidence.flows.get(
            region.number, Flow(region.number, refused="its code was not analysed")
        )
        self._known = {
            pair for carried in self._flow.carried if carried.kind not in _CHAINED for pair in carried.pairs
        }
        self._carried = [row for row in rows if row.between is Between.ROUNDS]
        self._conflicts = [
            row
            for row in self._carried
            if row.hazard is Hazard.RAW and (row.source, row.sink) not in self._known
        ]
        self._again = [row for row in self._carried if row.hazard is not Hazard.RAW]
        self._ranges = evidence.ranges.get(region.number, ())
        cost, nearest, visit = evidence.nest.rounds(region.number)
        accesses = (region.loads + region.stores) / max(1, region.instructions)
        far = self._far()
        if far:
            first = np.r_[0, np.flatnonzero(np.diff(visit)) + 1] if len(visit) else np.zeros(0, np.intp)
            inside = np.arange(len(visit)) - np.repeat(first, np.diff(np.r_[first, len(visit)]))
            # The first rounds of each visit have no round so far before them.
            nearest = np.where((inside >= far) & ((nearest == 0) | (nearest > far)), far, nearest).astype(
                np.uint32
            )
        self._rounds = Rounds(cost, nearest, visit, accesses)
        self._ordered = evidence.effects.blocks.get(region.number, ())

    def finding(self) -> Finding:
        """What it is."""
        kind, predictions = self._kind()
        share = self._region.instructions / max(1, self._evidence.structure.instructions)
        return Finding(
            region=self._region.number,
            kind=kind,
            flow=self._flow,
            conflicts=self._share(),
            distance=self._distance(),
            private=self._private() if kind not in (Parallelism.SERIAL, Parallelism.UNKNOWN) else (),
            ordered=self._ordered,
            ranges=tuple(sorted(self._ranges, key=lambda r: (-r.count, r.site))[:_KEPT_RANGES]),
            predictions=predictions,
            gain=whole_run(share, predictions),
            obstacles=tuple(self._obstacles(kind)),
        )

    def _kind(self) -> tuple[Parallelism, tuple[Prediction, ...]]:
        alone = tuple(Prediction(number, 1.0) for number in self._evidence.cores)
        if self._region.rounds < 2 * self._region.entered and self._region.trips.most < 2:
            return Parallelism.UNKNOWN, alone
        if self._flow.refused:
            return Parallelism.UNKNOWN, alone
        if self._far() == 1:
            return self._piped(alone)
        if self._ordered and self._evidence.effects.shares[self._region.number] >= _ALWAYS:
            return Parallelism.SERIAL, alone
        if self._conflicts or self._far() or self._ordered:
            return self._speculated(alone)
        kind = Parallelism.INDEPENDENT
        if any(carried.kind is Recurrence.REDUCTION for carried in self._flow.carried):
            kind = Parallelism.REDUCTION
        elif self._private():
            kind = Parallelism.PRIVATE
        return kind, self._speculate(apart=self._apart())

    def _speculated(self, alone: tuple[Prediction, ...]) -> tuple[Parallelism, tuple[Prediction, ...]]:
        ideal = speculate(self._rounds, _FREE, self._evidence.cores)
        if ideal[-1].speedup < _WORTH:
            return self._piped(alone)
        found = self._speculate(apart=False)
        share = self._evidence.effects.shares.get(self._region.number, 0.0) if self._ordered else 0.0
        waits = tuple(replace(p, speedup=1 / (share + (1 - share) / p.speedup)) for p in found)
        return Parallelism.CONFLICTS, waits

    def _piped(self, alone: tuple[Prediction, ...]) -> tuple[Parallelism, tuple[Prediction, ...]]:
        if self._ordered or len(self._flow.stages) < 2:
            return Parallelism.SERIAL, alone
        round_cost = self._region.instructions / max(1, self._region.rounds)
        found = pipelined(self._flow.stages, round_cost, self._evidence.costs, self._evidence.cores)
        # Some part of every loop could be a stage: what counts is whether handing rounds on pays.
        if found[-1].speedup < _GAINS:
            return Parallelism.SERIAL, alone
        return Parallelism.PIPELINE, found

    def _speculate(self, *, apart: bool) -> tuple[Prediction, ...]:
        return speculate(self._rounds, self._evidence.costs, self._evidence.cores, apart=apart)

    def _apart(self) -> bool:
        """Whether the lines on which addresses lay cannot meet in as many rounds as there were: what a check of bounds
        at entry could tell, and no proof."""
        if self._flow.refused or not self._flow.counted or self._private():
            return False
        stores = [one for one in self._ranges if one.store]
        return all(never_meet(one, other) for one in stores for other in self._ranges)

    def _private(self) -> tuple[int, ...]:
        return tuple(sorted({row.sink for row in self._again if (row.source, row.sink) not in self._known}))

    def _share(self) -> float:
        """Of rounds that need an earlier one."""
        nearest = self._rounds.nearest
        return int(np.count_nonzero(nearest)) / len(nearest) if len(nearest) else 0.0

    def _far(self) -> int:
        """The least number of rounds after which a register's value is needed again; 0 where none is."""
        far = [one.distance for one in self._flow.carried if one.kind in _CHAINED and not one.pairs]
        return min(far, default=0)

    def _distance(self) -> tuple[int, int]:
        rows = [(row.least, row.most) for row in self._conflicts]
        far = self._far()
        rows += [(far, far)] if far else []
        return min((least for least, _ in rows), default=0), max((most for _, most in rows), default=0)

    def _obstacles(self, kind: Parallelism) -> Iterator[str]:
        if kind is Parallelism.UNKNOWN:
            yield self._flow.refused or "no visit had two rounds"
            return
        for carried in self._flow.carried:
            if carried.kind in _CHAINED:
                yield f"{_place(carried)} {'is' if len(carried.place) == 1 else 'are'} handed on ({carried.kind.value})"
            elif carried.kind is Recurrence.REDUCTION and carried.floating:
                yield f"{carried.operator} folds floating point: another order gives another result"
        worst = sorted(self._conflicts, key=lambda row: (-row.rounds, row.source, row.sink))
        sites = self._evidence.program.sites
        for row in worst[:3]:
            far = f"{row.least}" if row.least == row.most else f"{row.least} to {row.most}"
            far += " round" if row.most == 1 else " rounds"
            yield (
                f"the load at {sites[row.sink]['address']:#x} reads what the store at "
                f"{sites[row.source]['address']:#x} wrote {far} before, "
                f"in {row.rounds / self._region.rounds:.1%} of the rounds"
            )
        if len(worst) > 3:
            yield f"{len(worst) - 3} more pairs of stores and loads meet"
        if self._ordered:
            names = ", ".join(f"b{block}" for block in self._ordered[:4])
            share = self._evidence.effects.shares[self._region.number]
            yield f"input, output or unknown code in {share:.1%} of the rounds (blocks {names})"
        if not self._flow.counted and kind is not Parallelism.SERIAL:
            yield "how many rounds there are is not known before they run"


def _place(carried: Carried) -> str:
    return " and ".join(carried.place)


def _recursion(evidence: Evidence, region: Region, rows: Sequence[Dependence]) -> Finding:
    """A function that calls itself: its calls may run beside each other where none needs what an earlier one
    wrote."""
    child = ~region.number
    flow = evidence.flows.get(region.number, Flow(region.number, refused="its code was not analysed"))
    several = sum(path.count for path in region.paths if path.items.count(child) > 1)
    needs = [row for row in rows if row.hazard is Hazard.RAW and row.between is Between.CALL_TO_CALL]
    again = [row for row in rows if row.hazard is not Hazard.RAW and row.between is Between.CALL_TO_CALL]
    ordered = evidence.effects.blocks.get(region.number, ())
    obstacles: list[str] = []
    if not several:
        obstacles.append("no call of it made two calls of itself")
    if flow.refused:
        obstacles.append(flow.refused)
    if flow.chained_calls:
        obstacles.append("a call depends on what the call before it gave back")
    if ordered:
        obstacles.append(f"input, output or unknown code (blocks {', '.join(f'b{b}' for b in ordered[:4])})")
    for row in sorted(needs, key=lambda row: -row.count)[:3]:
        sites = evidence.program.sites
        obstacles.append(
            f"the load at {sites[row.sink]['address']:#x} reads what an earlier call wrote "
            f"at {sites[row.source]['address']:#x}, {row.count} times"
        )
    kind = Parallelism.UNKNOWN if flow.refused else Parallelism.SERIAL if obstacles else Parallelism.FORK_JOIN
    predictions = tuple(Prediction(number, 1.0) for number in evidence.cores)
    if kind is Parallelism.FORK_JOIN:
        predictions = forked(region.instructions, region.span, region.entered, evidence.costs, evidence.cores)
    share = region.instructions / max(1, evidence.structure.instructions)
    return Finding(
        region=region.number,
        kind=kind,
        flow=flow,
        conflicts=min(1.0, sum(row.rounds for row in needs) / max(1, region.rounds)),
        distance=(0, 0),
        private=tuple(sorted({row.sink for row in again})) if kind is Parallelism.FORK_JOIN else (),
        ordered=ordered,
        ranges=evidence.ranges.get(region.number, ())[:_KEPT_RANGES],
        predictions=predictions,
        gain=whole_run(share, predictions),
        obstacles=tuple(obstacles),
    )
