"""Verbs with the arguments that are handy in Python, for ``burnish``'s public face."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import UsageError
from burnish.pipeline import optimize as pipeline
from burnish.pipeline.live import record_process
from burnish.pipeline.merge import Source, merge_recordings
from burnish.pipeline.optimization import Optimization, OptimizeOptions
from burnish.pipeline.record import record as record_run
from burnish.pipeline.recording import RecordOptions
from burnish.pipeline.recording_words import burst as burst_of
from burnish.pipeline.recording_words import kinds, observer_of
from burnish.pipeline.verify import verify as verify_files
from burnish.pipeline.verifying import Verification, VerifyOptions
from burnish.record.store import Recording
from burnish.verify.subject import Overrides


def optimize(
    program: str | os.PathLike[str],
    arguments: Iterable[str | os.PathLike[str]] = (),
    *,
    output: str | os.PathLike[str],
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Optimization:
    """Make a copy of ``program`` at ``output`` that runs ``program arguments…`` faster.

    ``options`` are the other fields of ``OptimizeOptions``: ``burnish.optimize("./a", ["-k"], output="./a.fast",
    cpu="haswell")``. ``say`` is told what is being done. Raises as ``burnish.pipeline.optimize.optimize`` does, and
    ``TypeError`` for an unknown option.
    """
    words = tuple(os.fspath(argument) for argument in arguments)
    return pipeline.optimize(OptimizeOptions(os.fspath(program), words, Path(output), **options), say)


def record(
    command: Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] = "run.burnish",
    *,
    pid: int | None = None,
    seconds: float | None = None,
    what: Iterable[str] = ("edges",),
    observer: str = "auto",
    burst: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Recording:
    """Run ``command`` with probes in its hot functions, and open the recording that is left at ``output``.

    With ``pid`` that process is recorded instead, for so many ``seconds`` (None: until it ends, or Ctrl-C):
    ``burnish.record(pid=1234, seconds=10.0)``.

    ``what`` are words of ``--what`` (``edges``, ``blocks``, …), ``observer`` is one of ``--observer``, ``burst`` is
    that of ``--burst``, and ``options`` are the other fields of ``RecordOptions``: ``burnish.record(["./a", "-k"],
    what=["blocks"], functions=("main",))``. Raises as ``burnish.pipeline.record.record`` and
    ``burnish.pipeline.live.record_process`` do, and ``TypeError`` for an unknown option.
    """
    words = tuple(os.fspath(word) for word in command)
    chosen = kinds(",".join(what))
    options["burst"] = burst_of(burst)
    if pid is not None:
        if words:
            raise UsageError("Either a process is recorded or a command is run, not both.")
        return record_process(
            pid, seconds, RecordOptions("", (), Path(output), chosen, **options), say
        ).open()
    if seconds is not None:
        raise UsageError("How many seconds goes with a pid; for a command there is timeout_s.")
    if not words:
        raise UsageError("No command to record was given.")
    options["observer"] = observer_of(observer)
    return record_run(RecordOptions(words[0], words[1:], Path(output), chosen, **options), say).open()


def merge(recordings: Iterable[Source], output: str | os.PathLike[str]) -> Recording:
    """Write what several recordings of one program say together at ``output``, and open that. Raises as
    ``burnish.pipeline.merge.merge_recordings`` does."""
    return merge_recordings(recordings, Path(output)).open()


def verify(
    original: str | os.PathLike[str],
    rewrite: str | os.PathLike[str],
    function: str | None = None,
    against: str | None = None,
    *,
    live_out: Iterable[str] | None = None,
    memory: bool = True,
    assume: Iterable[str] = (),
    prototype: str | None = None,
    same_callees: bool = False,
    types: bool = False,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Verification:
    """Prove that ``function`` of ``original`` does the same as ``against`` (default: the same name) of ``rewrite``, or
    find an input on which it does not; without ``function`` all of one name in both.

    Files are ELF, objects, C or assembly; a string of several lines is assembly text. ``options`` are the other fields
    of ``VerifyOptions``: ``burnish.verify("a.s", "b.s", "f", live_out=["eax"], timeout_s=10.0)``. Raises as
    ``burnish.pipeline.verify.verify`` does, and ``TypeError`` for an unknown option.
    """
    overrides = Overrides(
        None if live_out is None else tuple(live_out), memory, tuple(assume), prototype, same_callees, types
    )
    chosen = VerifyOptions(function, against, overrides, **options)
    return verify_files(original, rewrite, chosen, say)
