"""``verify``: are two functions the same?

The stages, in their order: *read* both files as pairs of functions, *judge* each pair (``judging``: tests first, then
proof), *close* what callees were taken for, *certify*.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from burnish.images.output_file import output_file, refuse_unsuitable
from burnish.pipeline.certificates import certificate_of, compared, read_file, tasks_of
from burnish.pipeline.judging import Task, closed, judge
from burnish.pipeline.verify_jobs import judged
from burnish.pipeline.verify_recorded import recorded_inputs
from burnish.pipeline.verifying import FunctionVerdict, Verification, VerifyOptions
from burnish.verify.certificate import Program
from burnish.verify.engines import StandardEngines
from burnish.verify.subject import Input, choose_functions, read_input

Say = Callable[[str], None]


def verify(
    original: str | os.PathLike[str],
    rewrite: str | os.PathLike[str],
    options: VerifyOptions | None = None,
    say: Say = lambda text: None,
) -> Verification:
    """Compare functions of two files. A string of several lines is assembly text instead of a file's name. ``say`` is
    told what is being done.

    Raises ``ImageError``, ``FunctionNotFoundError``, ``UsageError``, ``CertificateError`` and ``HostError`` for what
    the user can mend.
    """
    options = options or VerifyOptions()
    started = time.monotonic()
    if options.certificate is not None:
        refuse_unsuitable(options.certificate, *map(Path, _files(original, rewrite)))
    say("reading")
    flags = options.cflags if options.rewrite_cflags is None else options.rewrite_cflags
    first = read_input(os.fspath(original), options.cflags, options.syntax)
    second = read_input(os.fspath(rewrite), flags, options.syntax)
    chosen = choose_functions(first, second, options.function, options.against)
    if options.certificate is not None:
        for source in (first, second):
            Program.of(source)  # what is too large is refused now, and not when all is done
    alone = options.function is not None
    tasks = [Task(functions, alone, replay=options.replay) for functions in chosen]
    rows = closed(_rows(first, second, tasks, options, say))
    if options.certificate is not None:
        text = certificate_of(first, second, options, rows).to_json()
        with output_file(options.certificate) as file:
            file.write(text.encode())
    seconds = time.monotonic() - started
    return Verification(
        first.name, second.name, options.accept, rows, seconds, options.seed, again=options.words
    )


def recheck(
    certificate: str | os.PathLike[str],
    options: VerifyOptions | None = None,
    say: Say = lambda text: None,
) -> Verification:
    """Prove again what a certificate claims, from the programs in it; nothing of it is believed. ``options`` has the
    time limit, the solvers, ``accept`` and ``jobs``; all else is the certificate's. Raises ``CertificateError``."""
    options = options or VerifyOptions()
    started = time.monotonic()
    say("reading")
    known = read_file(Path(certificate))
    first, second = known.original.load(), known.rewrite.load()
    tasks = tasks_of(known, first, second)
    options = replace(options, overrides=known.overrides, cache=False)
    found = closed(_rows(first, second, tasks, options, say))
    rows = tuple(compared(claim, row) for claim, row in zip(known.claims, found, strict=True))
    seconds = time.monotonic() - started
    claims = tuple(claim.verdict for claim in known.claims)
    return Verification(first.name, second.name, options.accept, rows, seconds, options.seed, claims)


def _rows(
    first: Input, second: Input, tasks: Sequence[Task], options: VerifyOptions, say: Say
) -> list[FunctionVerdict]:
    """The verdicts in the order of the tasks."""
    rows: dict[int, FunctionVerdict] = {}
    for number, row in _judged(first, second, tasks, options):
        rows[number] = row
        say(f"{len(rows)} of {len(tasks)} functions: {row.function}")
    return [rows[number] for number in range(len(tasks))]


def _judged(
    first: Input, second: Input, tasks: Sequence[Task], options: VerifyOptions
) -> Iterator[tuple[int, FunctionVerdict]]:
    if options.jobs > 1 and len(tasks) > 1:
        # The solvers of a job end with its process.
        yield from judged(tasks, options.jobs, lambda: _judge(first, second, options, _engines(options)))
        return
    with _engines(options) as engines:
        work = _judge(first, second, options, engines)
        for number, task in enumerate(tasks):
            yield number, work(task)


def _engines(options: VerifyOptions) -> StandardEngines:
    return StandardEngines(
        options.solver,
        options.bound,
        tests=options.tests,
        seed=options.seed,
        smt_lib=options.smt_lib,
        cached=options.cache,
        inputs=recorded_inputs(options.recording) if options.recording is not None else lambda pair: (),
    )


def _judge(
    first: Input, second: Input, options: VerifyOptions, engines: StandardEngines
) -> Callable[[Task], FunctionVerdict]:
    return lambda task: judge(first, second, task, options.overrides, engines, options.timeout_s)


def _files(*sources: str | os.PathLike[str]) -> Iterator[str]:
    """Those that are names of files, and not text."""
    for source in sources:
        if "\n" not in (name := os.fspath(source)):
            yield name
