"""The output: made aside, compared with the original on the workload, and put in its place only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.deployment import Deployment
from burnish.core.measure import Comparison
from burnish.core.verdict import label
from burnish.pipeline.choosing import replacements
from burnish.pipeline.deploy import deploy
from burnish.pipeline.optimization import Choice, OptimizeOptions
from burnish.runtime.command import Command
from burnish.runtime.outputs import capture_outputs, same_outputs

if TYPE_CHECKING:
    from burnish.pipeline.workload import Workload


@dataclass(frozen=True, slots=True)
class Written:
    """A trial of the output in the working folder. ``command`` runs it; None where there is nothing to write, or
    where it does not do what the original does (``reason`` says which). ``kept`` are the functions in it, ``wrong``
    those with which the program did something else."""

    program: Path
    kept: tuple[Choice, ...]
    command: Command | None
    reason: str
    warnings: tuple[str, ...] = ()
    wrong: tuple[Choice, ...] = ()

    def refusal(self, whole: tuple[Comparison, Comparison] | None) -> str:
        """Why the output is not to be written; empty if it is. ``whole`` compares processor and wall time."""
        if self.command is None:
            return self.reason
        if whole is not None and whole[0].slower:
            return "functions got faster, but the whole program got slower"
        return ""

    def publish(self, output: Path) -> Deployment:
        """Write the real output."""
        return _deploy(self.program, output, self.kept)


def write(
    workload: Workload,
    chosen: Sequence[Choice],
    options: OptimizeOptions,
    work: Path,
    say: Callable[[str], None],
) -> Written:
    """Make the output in the working folder and compare what it does with what the original does. If it does something
    else, the functions are tried one by one, and those that do no harm alone once more together."""
    if not chosen:
        return Written(workload.program, (), None, "nothing got faster beyond noise")
    say("comparing outputs")
    trial = _Trial.of(workload, chosen, work / "output" / options.output.name)
    if not trial.differences:
        return Written(workload.program, tuple(chosen), trial.command, "", trial.deployment.warnings)
    good: list[Choice] = []
    for number, choice in enumerate(chosen if len(chosen) > 1 else ()):
        say(f"comparing outputs with {choice.candidate.bounds.name} alone")
        alone = _Trial.of(workload, [choice], work / f"output-{number}" / options.output.name)
        good += [] if alone.differences else [choice]
    wrong = tuple(choice for choice in chosen if choice not in good)
    warnings = (f"This is a bug in Burnish: with {_names(wrong or chosen)} rebuilt, {trial.differences[0]}",)
    if good and wrong:
        again = _Trial.of(workload, good, work / "output-good" / options.output.name)
        if not again.differences:
            warnings += again.deployment.warnings
            return Written(workload.program, tuple(good), again.command, "", warnings, wrong)
    reason = "the rebuilt program does not do what the original does"
    return Written(workload.program, (), None, reason, warnings, tuple(chosen))


@dataclass(frozen=True, slots=True)
class _Trial:
    """A deployment that was run once, and how what it did differs from what the original does."""

    deployment: Deployment
    command: Command
    differences: tuple[str, ...]

    @staticmethod
    def of(workload: Workload, chosen: Sequence[Choice], output: Path) -> _Trial:
        output.parent.mkdir()
        deployment = _deploy(workload.program, output, chosen)
        command = workload.running(deployment.output, deployment.environment)
        done = capture_outputs(command, timeout_s=workload.patched_limit_s)
        return _Trial(deployment, command, tuple(same_outputs(workload.expected, done)))


def _names(choices: Sequence[Choice]) -> str:
    return ", ".join(choice.candidate.bounds.name for choice in choices)


def _deploy(program: Path, output: Path, chosen: Sequence[Choice]) -> Deployment:
    candidates = {choice.candidate.key: choice.candidate for choice in chosen}
    labels = {choice.candidate.key: label(choice.verdict) for choice in chosen}
    return deploy(program, output, replacements(candidates, labels))
