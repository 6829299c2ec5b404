"""``burnish optimize``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import CpuOption, JsonOption, OutputOption
from burnish.cli.preload import preload

ProgramArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        show_default=False,
        help="The compiled program: a path, or a name to look up in PATH.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.01, help="End a run of the workload that takes longer."
    ),
]
BudgetOption = Annotated[
    float,
    typer.Option(
        "--budget",
        metavar="SECONDS",
        min=1.0,
        help="Time for checking a variant, for measuring, and for comparing.",
    ),
]
FunctionsOption = Annotated[
    int, typer.Option("--max-functions", metavar="N", min=1, help="Consider the N hottest functions.")
]
ShareOption = Annotated[
    float,
    typer.Option(
        "--min-share", metavar="PERCENT", min=0.0, max=100.0, help="Leave functions with fewer samples."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Of everything random.")]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FOLDER",
        help="Where report.json and the assembly go; beside OUTPUT if not given.",
    ),
]


class RequireChoice(Enum):
    """Values of ``--require``."""

    PROVED = "proved"
    BOUNDED = "bounded"
    TESTED = "tested"


RequireOption = Annotated[
    RequireChoice,
    typer.Option("--require", help="The weakest verdict with which rebuilt code is used."),
]


def run(
    context: typer.Context,
    program: ProgramArgument,
    output: OutputOption,
    cpu: CpuOption = "native",
    timeout: TimeoutOption = None,
    budget: BudgetOption = 30.0,
    max_functions: FunctionsOption = 16,
    min_share: ShareOption = 1.0,
    seed: SeedOption = 1,
    report: ReportOption = None,
    require: RequireOption = RequireChoice.TESTED,
    json: JsonOption = False,
) -> int:
    """Make a copy of PROGRAM that runs its workload faster: burnish optimize PROGRAM -o OUTPUT -- ARGUMENTS.

    The workload is PROGRAM with what stands after `--`. It is run some dozens of times in the current directory
    and must do the same each time. Hot functions are rebuilt for this processor, checked against the original on
    inputs from the run, measured, and kept where they are faster beyond noise. A hot function in a shared library
    goes into a copy of that library beside OUTPUT. PROGRAM is never changed; where nothing gets faster, nothing is
    written.
    """
    preload("burnish.pipeline.optimize", "burnish.report.optimize")
    from burnish.core.verdict import Accept
    from burnish.pipeline.optimization import OptimizeOptions
    from burnish.pipeline.optimize import optimize
    from burnish.report.optimize import print_optimization
    from burnish.report.progress import progress

    options = OptimizeOptions(
        program=program,
        arguments=context.obj.command or (),
        output=output,
        cpu=cpu,
        timeout_s=timeout,
        budget_s=budget,
        max_functions=max_functions,
        min_share=min_share / 100.0,
        seed=seed,
        report=report,
        require=Accept(require.value),
    )
    with progress() as say:
        done = optimize(options, say)
    if json:
        print(done.to_json())
    else:
        print_optimization(done)
    return 0
