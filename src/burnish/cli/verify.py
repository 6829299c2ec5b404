"""``burnish verify``."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from burnish.cli.options import JsonOption
from burnish.cli.preload import preload

OriginalArgument = Annotated[
    str,
    typer.Argument(
        metavar="ORIGINAL",
        show_default=False,
        help="ELF file, object, C source (.c) or assembly (.s); or a certificate.",
    ),
]
RewriteArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="REWRITE",
        show_default=False,
        help="The file with what shall do the same; ORIGINAL itself, if --against is given without it.",
    ),
]
FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function",
        "-f",
        metavar="NAME|0xADDR",
        show_default=False,
        help="The function to compare; without it all that have one name in both files.",
    ),
]
AgainstOption = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="NAME|0xADDR",
        show_default=False,
        help="Its counterpart in REWRITE, where that has another name.",
    ),
]
LiveOutOption = Annotated[
    str | None,
    typer.Option(
        "--live-out",
        metavar="REGISTERS",
        show_default=False,
        help="Compare these results, with commas between them (eax, rdx, xmm0:8), and not those of the type.",
    ),
]
NoMemoryOption = Annotated[bool, typer.Option("--no-memory", help="Do not compare memory.")]
AssumeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="CONDITION",
        show_default=False,
        help="Only look at inputs for which this holds, as in 'rdi != 0 && [rdi+8]:4 s< 10'. May be repeated.",
    ),
]
PrototypeOption = Annotated[
    str | None,
    typer.Option(
        "--prototype",
        metavar="DECLARATION",
        show_default=False,
        help="The function's type in C, as in 'int f(const char *, unsigned)', where the files do not say.",
    ),
]
SameCalleesOption = Annotated[
    bool,
    typer.Option(
        "--assume-same-callees", help="Take functions of one name that both files call for one, unseen."
    ),
]
TypesOption = Annotated[
    bool,
    typer.Option(
        "--assume-types",
        help="Take ORIGINAL to access objects as its pointers declare them, as C's rule on types asks.",
    ),
]
BoundOption = Annotated[
    int,
    typer.Option("--bound", metavar="N", min=1, help="Unroll loops for which no invariant is found N times."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.01, help="For each pair of functions.")
]


class SolverChoice(Enum):
    """Which solvers are asked."""

    FIRST = "first"
    BOTH = "both"
    BITWUZLA = "bitwuzla"
    Z3 = "z3"


SolverOption = Annotated[
    SolverChoice,
    typer.Option(
        "--solver", help="Take the first answer of Bitwuzla and Z3, want both to agree, or ask one alone."
    ),
]


class AcceptChoice(Enum):
    """Which verdicts count as success."""

    PROVED = "proved"
    BOUNDED = "bounded"
    TESTED = "tested"


AcceptOption = Annotated[
    AcceptChoice, typer.Option("--accept", help="The weakest verdict for which the exit code is 0.")
]
TestsOption = Annotated[
    int, typer.Option("--tests", metavar="N", min=0, help="Inputs on which both are run before any proof.")
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of everything random.")]
CflagsOption = Annotated[
    str, typer.Option("--cflags", metavar="FLAGS", help="What gcc is given for C sources.")
]

RewriteCflagsOption = Annotated[
    str | None,
    typer.Option(
        "--rewrite-cflags",
        metavar="FLAGS",
        show_default=False,
        help="What gcc is given for REWRITE alone, where that is another.",
    ),
]


class SyntaxChoice(Enum):
    """How assembly is written."""

    ATT = "att"
    INTEL = "intel"


SyntaxOption = Annotated[
    SyntaxChoice, typer.Option("--syntax", help="How assembly is written that does not say so itself.")
]


CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="CERTIFICATE",
        show_default=False,
        help="Write what was found here, with all that is needed to check it again.",
    ),
]
SmtLibOption = Annotated[
    Path | None,
    typer.Option(
        "--smt-lib",
        metavar="FOLDER",
        show_default=False,
        help="Write each query to a solver here, as an SMT-LIB 2 file.",
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="PART",
        show_default=False,
        help="Only run both on this input: rdi=0x10, [0x20000]=00ff (bytes at an address), counter@0x30000 (where an "
        "object lies). May be repeated.",
    ),
]
RecordingOption = Annotated[
    Path | None,
    typer.Option(
        "--recording",
        metavar="RECORDING",
        show_default=False,
        help="Test on the calls of ORIGINAL's functions in this recording, too (of record --what entries).",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Use nothing that earlier runs left.")]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Work on N pairs of functions at a time.")
]


def run(
    original: OriginalArgument,
    rewrite: RewriteArgument = None,
    function: FunctionOption = None,
    against: AgainstOption = None,
    live_out: LiveOutOption = None,
    no_memory: NoMemoryOption = False,
    assume: AssumeOption = None,
    prototype: PrototypeOption = None,
    assume_same_callees: SameCalleesOption = False,
    assume_types: TypesOption = False,
    bound: BoundOption = 8,
    timeout: TimeoutOption = 60.0,
    solver: SolverOption = SolverChoice.FIRST,
    accept: AcceptOption = AcceptChoice.PROVED,
    tests: TestsOption = 512,
    seed: SeedOption = 0,
    cflags: CflagsOption = "-O2",
    rewrite_cflags: RewriteCflagsOption = None,
    syntax: SyntaxOption = SyntaxChoice.ATT,
    certificate: CertificateOption = None,
    smt_lib: SmtLibOption = None,
    input_: InputOption = None,
    recording: RecordingOption = None,
    no_cache: NoCacheOption = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> int:
    """Prove that a function does the same as another, or find an input on which it does not.

    Functions of one name in ORIGINAL and REWRITE are compared. What must be the same: results by the function's type
    (from debug information or --prototype; else all registers that may carry one), memory, callee-saved registers,
    calls and their order, faults, termination. What you take away from that stands beside the verdict. A certificate
    alone is checked again, from the programs in it. Exits 0 for PROVED (or what --accept allows), 1 for REFUTED, 3 for
    anything weaker.
    """
    asked = _Asked(live_out, no_memory, assume, prototype, assume_same_callees, assume_types)
    return _answer(
        original,
        rewrite,
        asked,
        json,
        function=function,
        against=against,
        bound=bound,
        timeout_s=timeout,
        solver=solver.value,
        accept=accept.value,
        tests=tests,
        seed=seed,
        cflags=tuple(_words(cflags, "--cflags")),
        rewrite_cflags=None if rewrite_cflags is None else tuple(_words(rewrite_cflags, "--rewrite-cflags")),
        syntax=syntax.value,
        certificate=certificate,
        smt_lib=smt_lib,
        cache=not no_cache,
        replay=input_,
        recording=recording,
        jobs=jobs,
    )


class _Asked(NamedTuple):
    """What stands beside the verdict."""

    live_out: str | None
    no_memory: bool
    assume: list[str] | None
    prototype: str | None
    same_callees: bool
    types: bool


def _answer(original: str, rewrite: str | None, asked: _Asked, json: bool, **options: Any) -> int:
    preload("burnish.pipeline.verify", "burnish.report.verify")
    from burnish.core.verdict import Accept
    from burnish.pipeline.verify import recheck, verify
    from burnish.pipeline.verify_inputs import input_of
    from burnish.pipeline.verifying import VerifyOptions
    from burnish.report.progress import progress
    from burnish.report.verify import print_verification
    from burnish.verify.solve.query import Choice
    from burnish.verify.subject import Overrides

    live_out = asked.live_out
    options |= {
        "overrides": Overrides(
            live_out=None if live_out is None else tuple(filter(None, map(str.strip, live_out.split(",")))),
            memory=not asked.no_memory,
            assume=tuple(asked.assume or ()),
            prototype=asked.prototype,
            same_callees=asked.same_callees,
            types=asked.types,
        ),
        "solver": Choice(options["solver"]),
        "accept": Accept(options["accept"]),
        "replay": None if options["replay"] is None else input_of(options["replay"]),
    }
    chosen = VerifyOptions(**options)
    with progress() as say:
        if rewrite is None and chosen.against is None:
            done = recheck(original, chosen, say)
        else:
            done = verify(original, rewrite or original, chosen, say)
    if json:
        print(done.to_json())
    else:
        print_verification(done)
    return done.exit_code


def _words(text: str, option: str) -> list[str]:
    from burnish.core.errors import UsageError

    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} cannot be read: {error}") from None
