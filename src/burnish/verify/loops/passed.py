"""The cuts that a side passes on its way through a round."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.code import Label
from burnish.verify.engine.points import AtCut, AtReturn, Point, Where
from burnish.verify.loops.align import Step

Passed = tuple[Label | None, ...]


def was_seen(passed: tuple[Passed, Passed], steps: Sequence[Step]) -> bool:
    """True for a way that some run went."""
    return any(begins(step.a, passed[0]) and begins(step.b, passed[1]) for step in steps)


def passed_after(before: Passed, at: Point | Where, now: Where) -> Passed:
    """The cuts that a side has passed, with the one that it has come to."""
    if not isinstance(at, Point):
        return before
    match now:
        case AtCut(label):
            return (*before, label)
        case AtReturn():
            return (*before, None)
        case _:
            return before


def begins(whole: Passed, part: Passed) -> bool:
    """True where a way may be the beginning of another."""
    return whole[: len(part)] == part
