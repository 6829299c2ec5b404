"""The verdict on one pair of functions, in view of the functions that they call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.core.image import FunctionBounds
from burnish.core.verdict import Counterexample, Proved, Refuted, Unknown, strength
from burnish.pipeline.verifying import FunctionVerdict
from burnish.verify.callees import discharged, held_apart
from burnish.verify.decide import Engines, Hint, decide
from burnish.verify.keeping import Keeping
from burnish.verify.pair import Pair
from burnish.verify.subject import Input, Overrides, Reading, read_pair

_FAR = 1 << 20
"""How far constants are moved to see whether a difference is one of addresses."""
_NOT_SAME = "the two differ where callees of one name are taken to be the same"


@dataclass(frozen=True, slots=True)
class Task:
    """A pair of functions to judge. ``alone`` where theirs are not all the functions of both files. A check of what was
    claimed says with ``invariants`` where the proof is (None: it is to be found), and with ``trusting`` whether it
    takes callees to be the same (None: whichever proves more). With ``replay`` both are run on that input and nothing
    else is done."""

    functions: tuple[FunctionBounds, FunctionBounds]
    alone: bool = True
    invariants: Hint = None
    trusting: bool | None = None
    replay: Counterexample | None = None


def judge(
    original: Input, rewrite: Input, task: Task, overrides: Overrides, engines: Engines, timeout_s: float
) -> FunctionVerdict:
    """The verdict. Callees of one name whose code differs are executed in line or taken to be the same: whichever
    proves more. Where all functions of a file are compared the latter comes first, since the callees' own proofs
    follow. Raises ``UsageError``."""
    first, second = task.functions
    blank = FunctionVerdict(first.name, second.name, Unknown(""), addresses=(first.address, second.address))
    reading = read_pair(original, rewrite, task.functions, overrides)
    if isinstance(reading, Unknown):
        return replace(blank, verdict=reading, reason=reading.reason)
    blank = replace(blank, specification=reading.pair.specification, notes=reading.notes)
    if overrides.types:
        engines = Keeping(engines)
    if task.replay is not None:
        row = _replayed(blank, reading.pair, task.replay, engines)
        return _believed(row, reading.pair, reading, engines)
    best: FunctionVerdict | None = None
    for pair, taken, assumed in _ways(original, rewrite, task, overrides, reading):
        decision = decide(pair, engines, timeout_s, task.invariants)
        found = tuple(dict.fromkeys((*(name for name in taken if name in decision.callees), *assumed)))
        row = replace(
            blank,
            verdict=decision.verdict,
            reason=decision.reason,
            provisos=decision.provisos,
            effort=decision.effort,
            taken=found,
            trusted=found,
        )
        row = _believed(row, pair, reading, engines)
        if isinstance(row.verdict, Refuted) and taken:
            continue  # what callees do is made up there, and only the code itself can refute
        if best is None or strength(row.verdict) > strength(best.verdict):
            best = row
        if isinstance(row.verdict, Proved | Refuted):
            break
    return best or replace(blank, verdict=Unknown(_NOT_SAME), reason=_NOT_SAME)


def _believed(row: FunctionVerdict, pair: Pair, reading: Reading, engines: Engines) -> FunctionVerdict:
    """The row, but no ``Refuted`` that rests on two things being different that may be one."""
    if not isinstance(row.verdict, Refuted):
        return row
    found = row.verdict.counterexample
    reason = ""
    if reading.doubts:
        reason = f"they differ if {reading.doubts[0]}, which is not known"
    elif reading.apart:
        moved = {name: at + _FAR * (name in reading.apart) for name, at in found.places.items()}
        again = engines.confirm(pair, replace(found, places=moved))
        if not isinstance(again, Counterexample) or again.differing != found.differing:
            reason = (
                "they differ if their constants are not the same, of which it is not known where they end"
            )
    return replace(row, verdict=Unknown(reason), reason=reason) if reason else row


def _replayed(blank: FunctionVerdict, pair: Pair, given: Counterexample, engines: Engines) -> FunctionVerdict:
    found = engines.confirm(pair, given)
    if isinstance(found, Counterexample):
        return replace(blank, verdict=Refuted(found))
    return replace(blank, verdict=Unknown(found), reason=found)


def _ways(
    original: Input, rewrite: Input, task: Task, overrides: Overrides, reading: Reading
) -> list[tuple[Pair, tuple[str, ...], tuple[str, ...]]]:
    """The pair as it was read, and with callees taken to be the same: those, and functions of which the addresses are;
    in the order in which they are tried."""
    ways: list[tuple[Pair, tuple[str, ...], tuple[str, ...]]] = [(reading.pair, (), ())]
    apart = held_apart(reading.pair)
    if not apart or task.trusting is False:
        return ways
    trusting = read_pair(original, rewrite, task.functions, replace(overrides, same_callees=True))
    if isinstance(trusting, Reading):
        specification = replace(trusting.pair.specification, same_callees=False)
        ways.append((replace(trusting.pair, specification=specification), apart, trusting.assumed))
        if not task.alone:
            ways.reverse()
    return ways if task.trusting is None else ways[-1:] if task.alone else ways[:1]


def closed(rows: Sequence[FunctionVerdict]) -> tuple[FunctionVerdict, ...]:
    """The rows, where callees were taken to be the same less those that all together are proved to be."""
    proved = {
        row.function: row.taken
        for row in rows
        if isinstance(row.verdict, Proved) and row.function == row.against and not row.provisos
    }
    known = discharged(proved)
    return tuple(replace(row, taken=tuple(name for name in row.taken if name not in known)) for row in rows)
