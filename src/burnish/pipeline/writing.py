"""The output: made aside, compared with the original on the workload, and put in its place only then."""

from __future__ import annotations

import shutil
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
    where it does not do what the original does (``reason`` says which)."""

    program: Path
    kept: tuple[Choice, ...]
    command: Command | None
    reason: str
    warnings: tuple[str, ...] = ()

    def publish(
        self, options: OptimizeOptions, whole: tuple[Comparison, Comparison] | None
    ) -> tuple[Deployment | None, str]:
        """Write the real output, unless whole runs got slower; returns it, or None and why not."""
        if self.command is None:
            return None, self.reason
        if whole is not None and whole[0].slower:
            return None, "functions got faster, but the whole program got slower"
        return _deploy(self.program, options.output, self.kept), ""


def write(
    workload: Workload,
    chosen: Sequence[Choice],
    options: OptimizeOptions,
    work: Path,
    say: Callable[[str], None],
) -> Written:
    """Make the output in the working folder and compare what it does with what the original does."""
    if not chosen:
        return Written(workload.program, (), None, "nothing got faster beyond noise")
    folder = work / "output"
    folder.mkdir()
    try:
        trial = _deploy(workload.program, folder / options.output.name, chosen)
        command = workload.running(trial.output, dict(trial.environment))
        say("comparing outputs")
        differences = same_outputs(workload.expected, capture_outputs(command, timeout_s=options.timeout_s))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if differences:
        reason = f"the rebuilt program does not do what the original does: {differences[0]}"
        return Written(workload.program, (), None, reason, (f"This is a bug in Burnish: {differences[0]}",))
    return Written(workload.program, tuple(chosen), command, "", trial.warnings)


def _deploy(program: Path, output: Path, chosen: Sequence[Choice]) -> Deployment:
    candidates = {choice.candidate.key: choice.candidate for choice in chosen}
    labels = {choice.candidate.key: label(choice.verdict) for choice in chosen}
    return deploy(program, output, replacements(candidates, labels))
