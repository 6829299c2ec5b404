"""``verify``: are two functions the same?

The stages, in their order: *read* both files as pairs of functions, *test* each natively, *prove* it, *replay* what a
solver found (``burnish.verify.decide``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from burnish.core.image import FunctionBounds
from burnish.core.verdict import Proved, Refuted, Unknown, strength
from burnish.pipeline.verifying import FunctionVerdict, Verification, VerifyOptions
from burnish.verify.callees import discharged, held_apart
from burnish.verify.decide import Engines, decide
from burnish.verify.engines import StandardEngines
from burnish.verify.pair import Pair
from burnish.verify.subject import Input, Reading, choose_functions, read_input, read_pair

Say = Callable[[str], None]
_NOT_SAME = "the two differ where callees of one name are taken to be the same"


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
    with StandardEngines(options.solver, options.bound, tests=options.tests, seed=options.seed) as engines:
        for number, functions in enumerate(chosen, 1):
            say(f"function {number} of {len(chosen)}: {functions[0].name}")
            rows.append(_verdict(first, second, functions, options, engines))
    return Verification(
        first.name,
        second.name,
        options.accept,
        _closed(rows),
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
    """Callees of one name whose code differs are executed in line or taken to be the same: whichever proves more.
    Where all functions of a file are compared the latter comes first, since the callees' own proofs follow."""
    names = functions[0].name, functions[1].name
    reading = read_pair(original, rewrite, functions, options.overrides)
    if isinstance(reading, Unknown):
        return FunctionVerdict(*names, reading, reading.reason)
    ways: list[tuple[Pair, tuple[str, ...]]] = [(reading.pair, ())]
    apart = held_apart(reading.pair)
    trusting = (
        read_pair(original, rewrite, functions, replace(options.overrides, same_callees=True))
        if apart
        else None
    )
    if isinstance(trusting, Reading):
        specification = replace(trusting.pair.specification, same_callees=False)
        ways.append((replace(trusting.pair, specification=specification), apart))
        if options.function is None:
            ways.reverse()
    best: FunctionVerdict | None = None
    for pair, taken in ways:
        decision = decide(pair, engines, options.timeout_s)
        row = FunctionVerdict(
            *names,
            decision.verdict,
            decision.reason,
            pair.specification,
            decision.provisos,
            decision.effort,
            reading.notes,
            tuple(name for name in taken if name in decision.callees),
        )
        if isinstance(row.verdict, Refuted) and taken:
            continue  # what callees do is made up there, and only the code itself can refute
        if best is None or strength(row.verdict) > strength(best.verdict):
            best = row
        if isinstance(row.verdict, Proved | Refuted):
            break
    return best or FunctionVerdict(*names, Unknown(_NOT_SAME), _NOT_SAME, reading.pair.specification)


def _closed(rows: Sequence[FunctionVerdict]) -> tuple[FunctionVerdict, ...]:
    """The rows, where callees were taken to be the same less those that all together are proved to be."""
    proved = {
        row.function: row.taken
        for row in rows
        if isinstance(row.verdict, Proved) and row.function == row.against and not row.provisos
    }
    closed = discharged(proved)
    return tuple(replace(row, taken=tuple(name for name in row.taken if name not in closed)) for row in rows)
