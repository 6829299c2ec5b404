"""``optimize``: a compiled program in, a faster one out. The stages stand in ``optimize``, a line each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from burnish.core.errors import HostError
from burnish.core.measure import Comparison
from burnish.pipeline.checking import Checked, check
from burnish.pipeline.choosing import Measured, choose, measure
from burnish.pipeline.hotspots import HotSpots, find_hot
from burnish.pipeline.optimization import Optimization, OptimizeOptions
from burnish.pipeline.places import report_folder, working_folder
from burnish.pipeline.proposing import Proposals, propose
from burnish.pipeline.reporting import assembly_of, function_reports, write_folder
from burnish.pipeline.stages import Say, Stages
from burnish.pipeline.workload import Workload, compare_whole, leave_as_the_original, prepare
from burnish.pipeline.writing import Written, write


def optimize(options: OptimizeOptions, say: Say = lambda text: None) -> Optimization:
    """Make a copy of ``options.program`` at ``options.output`` that runs the same workload faster.

    The workload is the program with ``options.arguments``; it is run some dozens of times, where the user stands,
    and must do the same each time. Nothing is written unless something got faster and the outputs are the same.

    Raises ``ImageError`` for what is no program, ``TargetError`` for a workload that fails or cannot be repeated,
    ``HostError`` for what this machine lacks.
    """
    stages = Stages(say)
    with working_folder() as work:
        with stages.stage("Running the original"):
            workload = prepare(options, work)
        with stages.stage("Sampling"):
            hot = find_hot(workload, options)
        with stages.stage("Rebuilding") as detail:
            proposals = propose(hot, options, detail)
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
        with stages.stage("Leaving your files as they were"):
            leave_as_the_original(workload)
        found = Findings(workload, hot, proposals, checked, measured, written, whole)
        return _finish(options, found, stages)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the stages found out."""

    workload: Workload
    hot: HotSpots
    proposals: Proposals
    checked: Checked
    measured: Measured
    written: Written
    whole: tuple[Comparison, Comparison] | None


def _finish(options: OptimizeOptions, found: Findings, stages: Stages) -> Optimization:
    """Put the output in its place, if there is one, and the report beside it."""
    hot, written, whole = found.hot, found.written, found.whole
    reason = written.refusal(whole)
    deployment = None if reason else written.publish(options.output)
    folder = options.report or (report_folder(options.output) if deployment is not None else None)
    result = Optimization(
        program=found.workload.program,
        command=found.workload.command.argv,
        cpu=options.cpu,
        functions=function_reports(hot, found.proposals, found.checked, found.measured, written, reason),
        elsewhere=hot.elsewhere,
        deployment=deployment,
        cpu_time=whole[0] if whole else None,
        wall_time=whole[1] if whole else None,
        reason=reason,
        warnings=(
            *found.workload.warnings,
            *hot.warnings,
            *found.checked.warnings,
            *found.measured.warnings,
            *written.warnings,
        ),
        seconds=stages.seconds,
        assembly=assembly_of(written.kept) if deployment is not None else (),
        report=folder,
    )
    if folder is None:
        return result
    try:
        write_folder(result, folder)
    except HostError as error:
        # The output is there, and good; the report is a thing apart.
        return replace(result, report=None, warnings=(*result.warnings, str(error)))
    return result
