"""``optimize``: a compiled program in, a faster one out. The stages stand in ``optimize``, a line each."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.core.measure import Comparison
from burnish.pipeline.checking import check
from burnish.pipeline.choosing import choose, measure
from burnish.pipeline.hotspots import HotSpots, find_hot, load_images
from burnish.pipeline.optimization import Assembly, FunctionReport, Optimization, OptimizeOptions
from burnish.pipeline.proposing import propose
from burnish.pipeline.reporting import assembly_of, function_reports, write_folder
from burnish.pipeline.workload import Workload, compare_whole, prepare
from burnish.pipeline.writing import Written, write

Say = Callable[[str], None]


@dataclass(slots=True)
class Stages:
    """Says which stage is running, and keeps the time of each (seconds)."""

    say: Say
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[Say]:
        """Runs its body as the stage ``name``; gives it a function that says details of that stage."""
        self.say(name)
        began = time.monotonic()
        try:
            yield lambda text: self.say(f"{name}: {text}")
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began


def optimize(options: OptimizeOptions, say: Say = lambda text: None) -> Optimization:
    """Make a copy of ``options.program`` at ``options.output`` that runs the same workload faster.

    The workload is the program with ``options.arguments``; it is run some dozens of times, where the user stands,
    and must do the same each time. Nothing is written unless something got faster and the outputs are the same.

    Raises ``ImageError`` for what is no program, ``TargetError`` for a workload that fails or cannot be repeated,
    ``HostError`` for what this machine lacks.
    """
    stages = Stages(say)
    with TemporaryDirectory(prefix="burnish-") as folder:
        work = Path(folder)
        with stages.stage("Running the original"):
            workload = prepare(options, work)
        with stages.stage("Sampling"):
            hot = find_hot(workload, options)
        with stages.stage("Rebuilding") as detail:
            proposals = propose(hot, load_images(hot), options, detail)
        with stages.stage("Checking") as detail:
            checked = check(workload, proposals, options, detail)
        with stages.stage("Measuring") as detail:
            measured = measure(workload, hot, checked, options, work, detail)
        with stages.stage("Choosing"):
            chosen = choose(measured, checked)
        with stages.stage("Writing") as detail:
            written = write(workload, chosen, options, work, detail)
        with stages.stage("Comparing whole runs") as detail:
            whole = compare_whole(workload, written, options, detail)
        reports = function_reports(hot, proposals, checked, measured, written.kept)
        return _finish(options, workload, hot, reports, written, whole, stages)


def _finish(
    options: OptimizeOptions,
    workload: Workload,
    hot: HotSpots,
    reports: tuple[FunctionReport, ...],
    written: Written,
    whole: tuple[Comparison, Comparison] | None,
    stages: Stages,
) -> Optimization:
    """Put the output in its place, if there is one, and the report beside it."""
    deployment, reason = written.publish(options, whole)
    texts: tuple[Assembly, ...] = assembly_of(written.kept) if deployment is not None else ()
    result = Optimization(
        program=workload.program,
        command=workload.command.argv,
        cpu=options.cpu,
        functions=reports,
        deployment=deployment,
        cpu_time=whole[0] if whole else None,
        wall_time=whole[1] if whole else None,
        reason=reason,
        warnings=(*workload.warnings, *hot.warnings, *written.warnings),
        seconds=stages.seconds,
        assembly=texts,
    )
    if deployment is not None or options.report is not None:
        write_folder(result, options)
    return result
