"""Each candidate against its original: on inputs captured from the run and on changed ones, in isolation, and by proof
where one is required."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from burnish.core.candidate import Candidate
from burnish.core.errors import LinkError
from burnish.core.verdict import Accept, Bounded, Proved, Refuted, Tested, Unknown, Verdict, strength
from burnish.pipeline.proposing import Key, Proposals
from burnish.verify.compare import ReturnPart
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines
from burnish.verify.rebuilt import rebuilt_pair
from burnish.verify.replay import LinkedObjects, Subject, replay_check
from burnish.verify.subject import read_input

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.workload import Workload


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of each candidate: by function and variant. ``passed`` are those that may be used, with a verdict
    as strong as ``require``. ``reasons`` has why a candidate was not proved, where a proof was looked for."""

    proposals: Proposals
    require: Accept
    verdicts: Mapping[tuple[Key, str], Verdict] = field(default_factory=dict[tuple[Key, str], Verdict])
    reasons: Mapping[tuple[Key, str], str] = field(default_factory=dict[tuple[Key, str], str])

    def passed(self, candidate: Candidate) -> bool:
        """True if a candidate agreed on at least one captured input, and is proved where that is required."""
        verdict = self.verdicts.get((candidate.key, candidate.variant))
        return verdict is not None and self.require.allows(verdict)

    def reason(self, key: Key) -> str:
        """Why a function's candidates were not proved; empty where none was looked for."""
        return next((reason for (k, _), reason in self.reasons.items() if k == key), "")

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
    if options.require is Accept.TESTED:
        return Checked(proposals, options.require, verdicts)
    proved, reasons = _proofs(proposals, verdicts, options, say)
    return Checked(proposals, options.require, verdicts | proved, reasons)


def _proofs(
    proposals: Proposals,
    verdicts: Mapping[tuple[Key, str], Verdict],
    options: OptimizeOptions,
    say: Callable[[str], None],
) -> tuple[dict[tuple[Key, str], Verdict], dict[tuple[Key, str], str]]:
    """What a proof says of the candidates that passed the tests, and why there is none. A proof that takes something
    for granted counts as none."""
    found: dict[tuple[Key, str], Verdict] = {}
    reasons: dict[tuple[Key, str], str] = {}
    candidates = [c for row in proposals.candidates.values() for c in row]
    sources = {image: read_input(image) for image in {candidate.image for candidate in candidates}}
    with StandardEngines(seed=options.seed, cached=True) as engines:
        for candidate in candidates:
            key = candidate.key, candidate.variant
            if not isinstance(verdicts.get(key), Tested):
                continue
            say(f"proof of {candidate.bounds.name}, variant {candidate.variant}")
            pair = rebuilt_pair(sources[candidate.image], candidate)
            if isinstance(pair, Unknown):
                reasons[key] = pair.reason
                continue
            decision = decide(pair, engines, options.proof_s)
            match decision.verdict:
                case Proved() | Bounded() if not decision.provisos:
                    found[key] = decision.verdict
                case Refuted():
                    found[key] = decision.verdict
                case _:
                    reasons[key] = decision.reason or f"provided that {', '.join(decision.provisos)}"
    return found, reasons


def _subject(candidate: Candidate) -> Subject:
    bounds = candidate.bounds
    code = LinkedObjects.of([candidate.code], bounds.address)
    returns = tuple(ReturnPart(register, size) for register, size in candidate.returns)
    return Subject(
        candidate.image, bounds.address, bounds.size, bounds.name, code, returns, candidate.stack_bytes
    )
