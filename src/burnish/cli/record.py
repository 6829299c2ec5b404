"""``burnish record``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import CpuOption, JsonOption

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="The recording to write.")
]
HotOption = Annotated[int, typer.Option("--hot", metavar="N", min=1, help="Record the N hottest functions.")]
FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function",
        "-f",
        metavar="NAMES",
        show_default=False,
        help="Record these functions of the program, by names or 0xADDRESSES with commas between them, and sample "
        "nothing.",
    ),
]
WhatOption = Annotated[
    str,
    typer.Option(
        "--what",
        metavar="KINDS",
        help="With commas between them: edges (how often each block and edge was passed), blocks (the order of "
        "blocks, too), memory (the addresses of loads and stores between them), values (the results of instructions), "
        "stores (what was written, and what stayed constant), snapshots (registers at the start of blocks).",
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.01, help="End a run that takes longer; keep what was seen."
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--max-size",
        metavar="SIZE",
        show_default=False,
        help="Keep no more of the trace than this on disk: bytes, or 500M, 2G. The rest is counted and left out.",
    ),
]


BurstOption = Annotated[
    str | None,
    typer.Option(
        "--burst",
        metavar="N/M",
        show_default=False,
        help="Trace N of every M blocks that a thread enters, one after another, so that a long run costs less. Counts "
        "are of all.",
    ),
]


class ObserverChoice(Enum):
    """What watches the functions."""

    AUTO = "auto"
    PROBES = "probes"
    QBDI = "qbdi"


ObserverOption = Annotated[
    ObserverChoice,
    typer.Option(
        help="What watches: probes in rebuilt functions, or QBDI, which is much slower and records what cannot be "
        "rebuilt, too. auto takes QBDI where a function that --function names cannot be rebuilt."
    ),
]


class OnFull(Enum):
    """What a thread does whose part of the ring is full."""

    BLOCK = "block"
    DROP = "drop"


OnFullOption = Annotated[
    OnFull,
    typer.Option(
        help="Where the recorder does not keep up: let the program wait, or lose records and count them."
    ),
]


def run(
    context: typer.Context,
    output: OutputOption = Path("run.burnish"),
    hot: HotOption = 20,
    function: FunctionOption = None,
    what: WhatOption = "edges",
    on_full: OnFullOption = OnFull.BLOCK,
    max_size: SizeOption = None,
    burst: BurstOption = None,
    timeout: TimeoutOption = None,
    observer: ObserverOption = ObserverChoice.AUTO,
    cpu: CpuOption = "native",
    json: JsonOption = False,
) -> int:
    """Run a program and keep what its hot functions did: burnish record -o run.burnish -- PROGRAM ARGUMENTS.

    Without --function the program is run twice: sampled, to find where it spends its time, and recorded, with probes
    in those functions. What the recorded run prints, and its exit code, are the program's own; a summary goes to
    standard error. `burnish profile FOLDER` shows the recording.
    """
    from burnish.cli.frame import INTERRUPTED
    from burnish.core.recording import Observer
    from burnish.pipeline.record import record
    from burnish.pipeline.recording import RecordOptions
    from burnish.pipeline.recording_words import burst as burst_of
    from burnish.pipeline.recording_words import function_names, kinds, size_in_bytes
    from burnish.report.progress import progress
    from burnish.report.record import print_recorded

    command = context.obj.command or ()
    with progress() as say:
        done = record(
            RecordOptions(
                program=command[0] if command else "",
                arguments=command[1:],
                output=output,
                what=kinds(what),
                functions=function_names(function),
                hot=hot,
                cpu=cpu,
                observer=Observer(observer.value),
                timeout_s=timeout,
                drop=on_full is OnFull.DROP,
                most_bytes=size_in_bytes(max_size),
                burst=burst_of(burst),
            ),
            say,
        )
    print_recorded(done, json=json)
    if done.interrupted:
        return INTERRUPTED
    if done.timed_out:
        return 0  # it was asked for
    return done.exit_code if done.exit_code is not None else 128 + (done.signal or 0)
