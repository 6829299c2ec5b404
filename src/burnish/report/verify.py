"""The text of ``burnish verify``."""

from __future__ import annotations

import shlex
from collections import Counter

from burnish.core.specification import ALL_LIVE_OUTS, Specification
from burnish.core.state import DEFAULT_MXCSR, MemoryRegion
from burnish.core.verdict import Counterexample, Proved, Refuted, Unknown, Verdict, label, strength
from burnish.pipeline.verify_inputs import parts_of, told
from burnish.pipeline.verifying import FunctionVerdict, Verification
from burnish.report.tables import Column, print_line, print_table

_BYTES = 32
"""Of a piece of memory that are shown."""
_SOURCES = {
    "dwarf": "from the debug information",
    "prototype": "from the prototype",
    "default": "no type is known, so all that may carry a result",
    "option": "as asked for",
}


def print_verification(done: Verification) -> None:
    """The verdict with what stands beside it, and what was done; a table where there are several functions."""
    if len(done.functions) == 1:
        _print_one(done, done.functions[0])
    else:
        _print_many(done)
    if done.claims:
        held = sum(
            strength(row.verdict) >= strength(claim)
            and not row.conditional
            and not isinstance(claim, Refuted)
            for row, claim in zip(done.functions, done.claims, strict=True)
        )
        agreed = sum(
            isinstance(row.verdict, Refuted) and isinstance(claim, Refuted)
            for row, claim in zip(done.functions, done.claims, strict=True)
        )
        total = len(done.claims)
        print_line(f"The certificate's claims: {held + agreed} of {total} confirmed.")


def _print_one(done: Verification, row: FunctionVerdict) -> None:
    print_line(f"{_verdict(row)}: {_names(row)} ({done.original}, {done.rewrite})")
    if row.reason and not isinstance(row.verdict, Unknown):
        print_line(f"Not proved: {row.reason}.")
    for note in row.notes:
        print_line(f"Note: {note}.")
    if isinstance(row.verdict, Refuted):
        _print_counterexample(done, row, row.verdict.counterexample)
    if row.specification is not None:
        print_line(f"Compared: {_compared(row.specification)}.")
    print_line(f"{_effort(row)} in {done.seconds:.2f} s.")


def _print_many(done: Verification) -> None:
    columns = (
        Column("function", folds=True),
        Column("verdict", folds=True),
        Column("time", right=True),
        Column("why no stronger", folds=True),
    )
    print_table(columns, [_row(row) for row in done.functions])
    print()
    counts = Counter(_word(row.verdict) for row in done.functions)
    total = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    print_line(f"{len(done.functions)} functions of {done.original} and {done.rewrite}: {total}.")


def _row(row: FunctionVerdict) -> tuple[str, ...]:
    why = row.reason
    if isinstance(row.verdict, Refuted):
        why = " ".join(row.verdict.counterexample.differing)
    word = _verdict(row) if not isinstance(row.verdict, Unknown) else "UNKNOWN"
    return _names(row), word, f"{1000 * sum(row.effort.seconds.values()):.0f} ms", why


def _names(row: FunctionVerdict) -> str:
    return row.function if row.function == row.against else f"{row.function} against {row.against}"


def _word(verdict: Verdict) -> str:
    return label(verdict).partition("(")[0]


def _verdict(row: FunctionVerdict) -> str:
    """Never a bare word where the user changed what is compared."""
    word = "REFUTED" if isinstance(row.verdict, Refuted) else label(row.verdict)
    return f"{word} {', '.join(row.overrides)}" if row.overrides else word


def _compared(specification: Specification) -> str:
    parts = [f"{part.register} ({part.size} bytes)" for part in specification.live_outs]
    source = _SOURCES[specification.source]
    if specification.live_outs == ALL_LIVE_OUTS and specification.source == "default":
        parts = [part.register for part in specification.live_outs]
    results = f"{', '.join(parts) or 'no result'} ({source})"
    memory = "memory" if specification.memory else "not memory"
    return f"{results}, {memory}, callee-saved registers, calls, faults, termination"


def _effort(row: FunctionVerdict) -> str:
    effort = row.effort
    parts = [f"{effort.tests} tests"]
    if effort.reached:
        of = [f"{found} of {every}" for found, every in effort.reached]
        parts = [f"{parts[0]} that reach {of[0]} blocks of the original and {of[1]} of the rewrite"]
    if effort.queries:
        solvers = " and ".join(f"{name} {version}" for name, version in effort.solvers.items())
        parts.append(f"{effort.queries} queries" + (f" to {solvers}" if solvers else ""))
    if effort.invariants:
        parts.append(f"{len(effort.invariants)} invariants")
    if effort.method and isinstance(row.verdict, Proved):
        parts.append(effort.method)
    return ", ".join(parts)


def _print_counterexample(done: Verification, row: FunctionVerdict, found: Counterexample) -> None:
    for sentence in found.differing:
        print_line(f"  {sentence}")
    values = [
        f"{name} = {value:#x}" for name, value in found.registers.items() if value and _is_shown(name, value)
    ]
    print_line(f"On {found.source}: {', '.join(values) or 'all registers zero'}; other registers are zero.")
    for region in told(found):
        print_line(f"  {_memory(region, found)}")
    parts = parts_of(found)
    if parts is None:
        print_line("To run it again: write a certificate with -o FILE, and give that to burnish verify.")
        return
    words = ["burnish", "verify", done.original, done.rewrite, "--function", row.function]
    if row.against != row.function:
        words += ["--against", row.against]
    words += done.again
    words += [word for part in parts for word in ("--input", part)]
    print_line(f"To run it again: {shlex.join(words)}")


def _is_shown(name: str, value: int) -> bool:
    return (name, value) != ("mxcsr", DEFAULT_MXCSR) and name not in ("rsp", "rip")


def _memory(region: MemoryRegion, found: Counterexample) -> str:
    """One line on a piece of memory: where it is, and what it holds."""
    name = next((name for name, address in found.places.items() if address == region.address), "")
    kept = region.data.rstrip(b"\0")
    shown = kept[:_BYTES].hex(" ") + (" …" if len(kept) > _BYTES else "")
    rest = ", then zeros" if len(kept) < len(region.data) else ""
    content = f"{shown}{rest}" if kept else "zeros"
    return f"{len(region.data)} bytes at {region.address:#x}{f' ({name})' if name else ''}: {content}"
