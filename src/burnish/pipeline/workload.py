"""The workload: a command that does the same thing each time it is run."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError, TargetError
from burnish.core.image import Image, ImageKind
from burnish.core.measure import Comparison
from burnish.cost.commands import Progress, compare_commands
from burnish.images import load
from burnish.pipeline.places import check_output, check_report, report_folder
from burnish.recompile import Target
from burnish.runtime.command import Command, Stream, find_executable
from burnish.runtime.outputs import OutputSnapshot, as_left, capture_outputs, not_repeatable

if TYPE_CHECKING:
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.writing import Written

_SHORT_S = 0.1
_PATIENCE_MS = 500
_MOST_INPUT = 4 << 30
_SHORTEST_LIMIT_S = 10.0
_PATIENCE = 20
_MAX_PAIRS = 30


@dataclass(frozen=True, slots=True)
class Workload:
    """The command, the file that it runs, what a run of the original puts out, and how long one takes (seconds).

    ``printed`` is a scratch file that takes what sampled and traced runs print: some programs (grep, tar) do less when
    they see that it is discarded."""

    program: Path
    image: Image
    command: Command
    expected: OutputSnapshot
    cpu_s: float
    wall_s: float
    limit_s: float | None
    printed: Path
    warnings: tuple[str, ...]

    @property
    def patched_limit_s(self) -> float:
        """How long a run with rebuilt functions may take: one that takes much longer than the original hangs."""
        allowed = max(_SHORTEST_LIMIT_S, _PATIENCE * self.wall_s)
        return allowed if self.limit_s is None else min(allowed, self.limit_s)

    def running(self, executable: Path, environment: Mapping[str, str] | None = None) -> Command:
        """The same command with another file in the program's place."""
        command = replace(self.command, executable=executable.absolute())
        if not environment:
            return command
        return replace(command, env={**os.environ, **environment})


def prepare(options: OptimizeOptions, work: Path) -> Workload:
    """Find the program, see that the results can be put where they belong, and run the original twice, to know what
    it does and that it does it again.

    Raises ``ImageError`` for what is no program, ``HostError`` where something is in the way of the output,
    ``TargetError`` where the two runs fail or differ.
    """
    program, image = _identify(options)
    check_output(options.output, [program])
    if options.report is not None:
        check_report(options.report)
    else:
        check_report(report_folder(options.output), "; name another folder with --report")
    Target(options.cpu).resolved()
    stdin, warnings = standard_input(work)
    command = Command((options.program, *options.arguments), stdin=stdin)
    first = capture_outputs(command, timeout_s=options.timeout_s)
    if not first.result.succeeded:
        said = first.error_text.strip().splitlines()[-1:]
        detail = f": {said[0]}" if said else ""
        raise TargetError(f"The workload {first.result.outcome}{detail}; it must end with exit code 0.")
    second = capture_outputs(command, timeout_s=options.timeout_s)
    problems = not_repeatable(first, second)
    if problems:
        raise TargetError(problems[0])
    warnings += first.incomplete
    if second.result.cpu_s < _SHORT_S:
        warnings += (
            f"The workload takes only {second.result.cpu_s:.2f} s; a longer one is measured more exactly.",
        )
    used = second.result
    printed = work / "printed"
    return Workload(
        program, image, command, second, used.cpu_s, used.wall_s, options.timeout_s, printed, warnings
    )


def leave_as_the_original(workload: Workload) -> None:
    """Run the original once more if the files that it writes are not as it leaves them: a rebuilt function may have
    been wrong, and these are the user's files."""
    if not as_left(workload.expected):
        capture_outputs(workload.command, timeout_s=workload.limit_s)


def _identify(options: OptimizeOptions) -> tuple[Path, Image]:
    """The program's file and what is in it; errors say what to do instead."""
    try:
        program = find_executable(Command((options.program,)))
    except TargetError:
        path = Path(options.program)
        if options.program and path.is_file():
            _load_program(path, options)  # it may be worse than not executable
        raise
    return program, _load_program(program, options)


def _load_program(program: Path, options: OptimizeOptions) -> Image:
    try:
        image = load(program)
    except ImageError as error:
        interpreter = interpreter_of(program)
        if interpreter is None:
            raise
        raise ImageError(
            f"{program} is a script; optimise its interpreter: "
            f"burnish optimize {interpreter} -o {options.output} -- {options.program} …"
        ) from error
    if image.kind is ImageKind.SHARED:
        raise ImageError(
            f"{program} is a shared library; give a program that uses it (hot functions of libraries are optimised "
            "too), or rebuild it as it is with burnish recompile."
        )
    if image.kind not in (ImageKind.EXECUTABLE, ImageKind.PIE):
        raise ImageError(f"{program} is a {image.kind.value}, and no program.")
    return image


def interpreter_of(program: Path) -> str | None:
    """What the first line of a script names; None for what is no script."""
    try:
        with program.open("rb") as file:
            head = file.read(256)
    except OSError:
        return None
    words = head[2:].splitlines()[0].split() if head.startswith(b"#!") and head[2:].strip() else []
    if not words:
        return None
    named = words[1] if words[0].endswith(b"/env") and len(words) > 1 else words[0]
    return named.decode(errors="replace")


def standard_input(work: Path) -> tuple[Path | Stream, tuple[str, ...]]:
    """Standard input is read once and kept, so that every run reads the same. A terminal gives nothing, and so does
    a pipe in which nothing comes: who starts us from a script may have left one open. With it, warnings."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return Stream.DISCARD, ()
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        poll = select.poll()
        poll.register(0, select.POLLIN)
        if not poll.poll(_PATIENCE_MS):
            said = f"Nothing came from standard input within {_PATIENCE_MS / 1000} s; the workload is run without."
            return Stream.DISCARD, (said,)
    elif not stat.S_ISREG(mode):
        return Stream.DISCARD, ()
    kept = work / "stdin"
    size = 0
    with kept.open("wb") as file, os.fdopen(os.dup(0), "rb") as source:
        while part := source.read(1 << 20):
            size += file.write(part)
            if size > _MOST_INPUT:
                raise TargetError("Standard input has more than 4 GiB, or no end; give the workload less.")
    return kept, ()


def compare_whole(
    workload: Workload, written: Written, options: OptimizeOptions, say: Callable[[str], None]
) -> tuple[Comparison, Comparison] | None:
    """Processor time and wall time of whole runs, original and output by turns; None where nothing was written."""
    if written.command is None:
        return None

    def progress(now: Progress) -> None:
        say(f"{now.pairs} pairs of runs, {now.elapsed_s:.0f} of at most {options.budget_s:.0f} s")

    compared = compare_commands(
        workload.command,
        written.command,
        seed=options.seed,
        max_pairs=_MAX_PAIRS,
        timeout_s=workload.patched_limit_s,
        budget_s=options.budget_s,
        on_progress=progress,
    )
    return compared.cpu, compared.wall
