"""``verify``: are two functions the same?

The stages, in their order: *read* both files as pairs of functions, *test* each natively, *prove* it, *replay* what a
solver found (``burnish.verify.decide``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from burnish.core.image import FunctionBounds
from burnish.core.verdict import Unknown
from burnish.pipeline.verifying import FunctionVerdict, Verification, VerifyOptions
from burnish.verify.decide import Engines, decide
from burnish.verify.engines import StandardEngines
from burnish.verify.subject import Input, choose_functions, read_input, read_pair

Say = Callable[[str], None]


def verify(
    original: str | os.PathLike[str],
    rewrite: str | os.PathLike[str],
    options: VerifyOptions | None = None,
    say: Say = lambda text: None,
) -> Verification:
    """Compare functions of two files. A string of several lines is assembly text instead of a file's name. ``say`` is
    told what is being done.

    Raises ``ImageError``, ``FunctionNotFoundError``, ``UsageError`` and ``HostError`` for what the user can mend.
    """
    options = options or VerifyOptions()
    started = time.monotonic()
    say("reading")
    first = read_input(os.fspath(original), options.cflags, options.syntax)
    flags = options.cflags if options.rewrite_cflags is None else options.rewrite_cflags
    second = read_input(os.fspath(rewrite), flags, options.syntax)
    chosen = choose_functions(first, second, options.function, options.against)
    rows: list[FunctionVerdict] = []
    with StandardEngines(options.solver, options.bound) as engines:
        for number, functions in enumerate(chosen, 1):
            say(f"function {number} of {len(chosen)}: {functions[0].name}")
            rows.append(_verdict(first, second, functions, options, engines))
    return Verification(
        first.name,
        second.name,
        options.accept,
        tuple(rows),
        time.monotonic() - started,
        options.seed,
    )


def _verdict(
    original: Input,
    rewrite: Input,
    functions: tuple[FunctionBounds, FunctionBounds],
    options: VerifyOptions,
    engines: Engines,
) -> FunctionVerdict:
    names = functions[0].name, functions[1].name
    reading = read_pair(original, rewrite, functions, options.overrides)
    if isinstance(reading, Unknown):
        return FunctionVerdict(*names, reading, reading.reason)
    decision = decide(reading.pair, engines, options.timeout_s)
    return FunctionVerdict(
        *names,
        decision.verdict,
        decision.reason,
        reading.pair.specification,
        decision.provisos,
        decision.effort,
        reading.notes,
    )
