"""The workload: a command that does the same thing each time it is run."""

from __future__ import annotations

import os
import select
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError, TargetError
from burnish.core.image import Image, ImageKind
from burnish.core.measure import Comparison
from burnish.cost.commands import Progress, compare_commands
from burnish.images import load
from burnish.runtime.command import Command, Stream, find_executable
from burnish.runtime.outputs import OutputSnapshot, capture_outputs, not_repeatable

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.writing import Written

_SHORT_S = 0.1
_PATIENCE_MS = 500
_MAX_PAIRS = 30


@dataclass(frozen=True, slots=True)
class Workload:
    """The command, the file that it runs, what a run of the original puts out, and how long one takes."""

    program: Path
    image: Image
    command: Command
    expected: OutputSnapshot
    cpu_s: float
    warnings: tuple[str, ...]

    def running(self, executable: Path, environment: dict[str, str] | None = None) -> Command:
        """The same command with another file in the program's place."""
        command = replace(self.command, executable=executable)
        if not environment:
            return command
        return replace(command, env={**os.environ, **environment})


def prepare(options: OptimizeOptions, work: Path) -> Workload:
    """Find the program and run the original twice, to know what it does and that it does it again.

    Raises ``ImageError`` for what is no program, ``TargetError`` where the two runs fail or differ.
    """
    command = Command((options.program, *options.arguments), stdin=_standard_input(work))
    program = find_executable(command)
    image = load(program)
    if image.kind not in (ImageKind.EXECUTABLE, ImageKind.PIE):
        raise ImageError(f"{program} is a {image.kind.value}; optimize takes the program that loads it")
    first = capture_outputs(command, timeout_s=options.timeout_s)
    if not first.result.succeeded:
        said = first.error_text.strip().splitlines()[-1:]
        detail = f": {said[0]}" if said else ""
        raise TargetError(f"The workload {first.result.outcome}{detail}")
    second = capture_outputs(command, timeout_s=options.timeout_s)
    problems = not_repeatable(first, second)
    if problems:
        raise TargetError(problems[0])
    warnings = list(first.incomplete)
    if second.result.cpu_s < _SHORT_S:
        warnings.append(
            f"The workload takes only {second.result.cpu_s:.2f} s; a longer one is measured more exactly."
        )
    return Workload(program, image, command, second, second.result.cpu_s, tuple(warnings))


def _standard_input(work: Path) -> Path | Stream:
    """Standard input is read once and kept, so that every run reads the same. A terminal gives nothing, and so does
    a pipe in which nothing comes: who starts us from a script may have left one open."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return Stream.DISCARD
    if stat.S_ISFIFO(mode):
        poll = select.poll()
        poll.register(0, select.POLLIN)
        if not poll.poll(_PATIENCE_MS):
            return Stream.DISCARD
    elif not stat.S_ISREG(mode):
        return Stream.DISCARD
    kept = work / "stdin"
    with kept.open("wb") as file, os.fdopen(os.dup(0), "rb") as source:
        shutil.copyfileobj(source, file)
    return kept


def compare_whole(
    workload: Workload, written: Written, options: OptimizeOptions, say: Callable[[str], None]
) -> tuple[Comparison, Comparison] | None:
    """Processor time and wall time of whole runs, original and output by turns; None where nothing was written."""
    if written.command is None:
        return None

    def progress(now: Progress) -> None:
        say(f"{now.pairs} pairs of runs")

    compared = compare_commands(
        workload.command,
        written.command,
        seed=options.seed,
        max_pairs=_MAX_PAIRS,
        timeout_s=options.timeout_s,
        budget_s=options.budget_s,
        on_progress=progress,
    )
    return compared.cpu, compared.wall
