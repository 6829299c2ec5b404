"""``burnish record``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from burnish.pipeline.recording import RecordResult

from burnish.cli.options import CpuOption, JsonOption

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="RECORDING",
        help="The recording to write: a folder, or one file where this ends in .zip.",
    ),
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
        "stores (what was written, and what stayed constant), snapshots (registers at the start of blocks), entries "
        "(calls, with the registers and the memory that they find and leave, in a run of the original).",
    ),
]
EntriesOption = Annotated[
    int,
    typer.Option(
        "--entries", metavar="N", min=1, help="With --what entries: up to N different ones of each function."
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
PidOption = Annotated[
    int | None,
    typer.Option(
        "--pid",
        metavar="PID",
        show_default=False,
        help="Record this process, which runs already, instead of starting a program; it is left as it was.",
    ),
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="TIME",
        show_default=False,
        help="With --pid: for how long, as in 10s, 500ms, 2m. Without it: until Ctrl-C, or until the process ends.",
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
    pid: PidOption = None,
    for_: ForOption = None,
    hot: HotOption = 20,
    function: FunctionOption = None,
    what: WhatOption = "edges",
    on_full: OnFullOption = OnFull.BLOCK,
    max_size: SizeOption = None,
    burst: BurstOption = None,
    entries: EntriesOption = 64,
    timeout: TimeoutOption = None,
    observer: ObserverOption = ObserverChoice.AUTO,
    cpu: CpuOption = "native",
    json: JsonOption = False,
) -> int:
    """Run a program and keep what its hot functions did: burnish record -o run.burnish -- PROGRAM ARGUMENTS.

    Or a process that runs already: burnish record --pid PID --for 10s.

    Without --function the program is run twice: sampled, to find where it spends its time, and recorded, with probes
    in those functions. With --what entries beside other kinds it is run once more, as it is. What the recorded run
    prints, and its exit code, are the program's own; a summary goes to standard error. `burnish profile RECORDING`
    shows the recording.
    """
    from burnish.core.recording import Observer
    from burnish.pipeline.live import record_process
    from burnish.pipeline.record import record
    from burnish.pipeline.recording import RecordOptions
    from burnish.pipeline.recording_words import burst as burst_of
    from burnish.pipeline.recording_words import duration, function_names, kinds, size_in_bytes
    from burnish.report.progress import progress
    from burnish.report.record import print_recorded

    command = context.obj.command or ()
    seconds = duration(for_)
    _check(context.obj.command, pid, seconds, timeout)
    options = RecordOptions(
        program=command[0] if command else "",
        arguments=command[1:],
        output=output,
        what=kinds(what),
        functions=function_names(function),
        hot=hot,
        cpu=cpu,
        timeout_s=timeout,
        drop=on_full is OnFull.DROP,
        most_bytes=size_in_bytes(max_size),
        burst=burst_of(burst),
        entries=entries,
        observer=Observer(observer.value),
    )
    with progress() as say:
        done = record(options, say) if pid is None else record_process(pid, seconds, options, say)
    print_recorded(done, json=json)
    return 0 if pid is not None else _exit_code(done)


def _exit_code(done: RecordResult) -> int:
    """That of the program; of one that ended otherwise, what a shell would say."""
    from burnish.cli.frame import INTERRUPTED

    if done.interrupted:
        return INTERRUPTED
    if done.timed_out:
        return 0  # it was asked for
    return done.exit_code if done.exit_code is not None else 128 + (done.signal or 0)


def _check(command: object, pid: int | None, seconds: float | None, timeout: float | None) -> None:
    """Refuse options that exclude each other."""
    from burnish.core.errors import UsageError

    if pid is None and seconds is not None:
        raise UsageError(
            "--for says how long to record a process that --pid names; for a program there is --timeout."
        )
    if pid is not None and command is not None:
        raise UsageError("Either a process is recorded (--pid) or a program is started (after --), not both.")
    if pid is not None and timeout is not None:
        raise UsageError("A process that --pid names is not ended; --for says how long to record it.")
