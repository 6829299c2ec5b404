"""Each candidate against its original, on inputs captured from the run and on changed ones, in isolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.errors import LinkError
from burnish.core.verdict import Refuted, Tested, Unknown, Verdict, strength
from burnish.pipeline.proposing import Key, Proposals
from burnish.verify.compare import ReturnPart
from burnish.verify.replay import LinkedObjects, Subject, replay_check

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.workload import Workload


@dataclass(frozen=True, slots=True)
class Checked:
    """What the tests say of each candidate: by function and variant. ``passed`` are those that may be used."""

    proposals: Proposals
    verdicts: Mapping[tuple[Key, str], Verdict] = field(default_factory=dict[tuple[Key, str], Verdict])

    def passed(self, candidate: Candidate) -> bool:
        """True if a candidate agreed on at least one captured input."""
        return isinstance(self.verdicts.get((candidate.key, candidate.variant)), Tested)

    def candidates(self, key: Key) -> tuple[Candidate, ...]:
        """The candidates of a function that passed."""
        return tuple(c for c in self.proposals.candidates.get(key, ()) if self.passed(c))

    def of(self, key: Key) -> dict[str, Verdict]:
        """The verdicts on a function's candidates, by variant."""
        return {variant: verdict for (k, variant), verdict in self.verdicts.items() if k == key}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each candidate that was wrong."""
        return tuple(
            f"This is a bug in Burnish: variant {variant} of {verdict.counterexample}"
            for (_, variant), verdict in self.verdicts.items()
            if isinstance(verdict, Refuted)
        )

    def worst(self, key: Key) -> Verdict | None:
        """The weakest verdict on a function's candidates."""
        found = self.of(key)
        return min(found.values(), key=strength) if found else None


def check(
    workload: Workload, proposals: Proposals, options: OptimizeOptions, say: Callable[[str], None]
) -> Checked:
    """Run the workload once for each variant, under observation, and compare at sampled calls."""
    verdicts: dict[tuple[Key, str], Verdict] = {}
    for variant in proposals.variants:
        candidates = [c for row in proposals.candidates.values() for c in row if c.variant == variant]
        say(f"{len(candidates)} functions, variant {variant}")
        subjects: list[Subject] = []
        linked: list[Candidate] = []
        for candidate in candidates:
            try:
                subjects.append(_subject(candidate))
                linked.append(candidate)
            except LinkError as error:
                verdicts[candidate.key, variant] = Unknown(str(error))
        if not subjects:
            continue
        replay = replay_check(
            workload.command,
            subjects,
            stdout=workload.printed,
            timeout_s=None if options.timeout_s is None else options.timeout_s + options.budget_s,
            budget_s=options.budget_s,
            entries_per_function=options.entries,
            mutations_per_entry=options.mutations,
            seed=options.seed,
        )
        for candidate, report in zip(linked, replay.reports, strict=True):
            verdicts[candidate.key, variant] = report.verdict
    return Checked(proposals, verdicts)


def _subject(candidate: Candidate) -> Subject:
    bounds = candidate.bounds
    code = LinkedObjects.of([candidate.code], bounds.address)
    returns = tuple(ReturnPart(register, size) for register, size in candidate.returns)
    return Subject(
        candidate.image, bounds.address, bounds.size, bounds.name, code, returns, candidate.stack_bytes
    )
