"""Places in code, the ways out of a region, and what a region is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from burnish.core.code import Label
from burnish.domains.smt.terms import Term
from burnish.verify.engine.execute import Log
from burnish.verify.engine.formats import formatted
from burnish.verify.engine.state import State, join_states
from burnish.verify.pair import Callee, Declared, Pair, Side


class Point(NamedTuple):
    """A place in a function: a block and the index of an operation in it. In a callee that is executed as if it stood
    in line, ``callers`` has the places to return to, the innermost last."""

    label: Label
    operation: int = 0
    callers: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class AtCut:
    """At the beginning of a block that the caller asked to stop at."""

    label: Label


@dataclass(frozen=True, slots=True)
class AtCall:
    """At a call, or a jump that leaves the function. ``target`` is the address that is called where it is not known by
    name. ``resume`` is where it goes on after the call, None where that is the function's own return. ``entry`` is the
    image address of what is called, None where that is not known. ``site`` is the block with the call, and the index of
    its operation there; for a jump at the end of the block the number of operations."""

    callee: Callee
    target: Term | None
    resume: Point | None
    address: int
    entry: int | None = None
    site: tuple[Label, int] | None = None


@dataclass(frozen=True, slots=True)
class AtReturn:
    """Before a return: the return address is yet to be popped."""


@dataclass(frozen=True, slots=True)
class AtTrap:
    """At an instruction that always faults (``certain``), or where control should not get to: after a call that does
    not return, or outside the cases of a jump table."""

    certain: bool


@dataclass(frozen=True, slots=True)
class AtUnknown:
    """Where what happens next has no meaning here: it has to be shown that no input gets there. ``does`` is the
    predicate of a sentence on that side."""

    does: str


Where = AtCut | AtCall | AtReturn | AtTrap | AtUnknown


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a region, taken where ``condition`` holds (under the region's own)."""

    condition: Term
    where: Where
    state: State = field(repr=False)


Ways = tuple[Exit, Exit]
"""An exit of each side."""


@dataclass(frozen=True, slots=True)
class Region:
    """The ways out, which exclude each other and leave none out, and what happened on the way."""

    exits: tuple[Exit, ...]
    log: Log = field(repr=False)


def exit_at(condition: Term, where: Point | Where, state: State) -> Exit:
    """A way out at a place: at a cut where that is in the code."""
    return Exit(condition, AtCut(where.label) if isinstance(where, Point) else where, state)


def merged(exits: Sequence[Exit]) -> list[Exit]:
    """Exits that lead to one place as one; calls stay apart."""
    groups: dict[object, list[Exit]] = {}
    for exit_ in exits:
        key: object = id(exit_) if isinstance(exit_.where, AtCall) else exit_.where
        groups.setdefault(key, []).append(exit_)
    found: list[Exit] = []
    for group in groups.values():
        condition, state = join_states([(one.condition, one.state) for one in group])
        found.append(Exit(condition, group[0].where, state))
    return found


def decisions(region: Region) -> Iterator[Term]:
    """What decides where a region leads, what it accesses and whether it faults."""
    yield from (one.condition for one in region.exits)
    yield from region.log.faults
    for access in region.log.accesses:
        yield access.condition
        yield access.address


def called(where: Where) -> str:
    """The name of the callee; empty where nothing is called."""
    return where.callee.name if isinstance(where, AtCall) else ""


def behind(where: Point | Where) -> Point | Where:
    """Where it goes on when a callee has returned."""
    return where.resume if isinstance(where, AtCall) and where.resume is not None else AtReturn()


def is_cut(point: Point, cuts: frozenset[Label]) -> bool:
    """True for the beginning of a block of the function itself that is one of ``cuts``."""
    return not point.callers and point.operation == 0 and point.label in cuts


def typed(
    pair: Pair, first: tuple[AtCall, State], second: tuple[AtCall, State]
) -> tuple[tuple[AtCall, State], tuple[AtCall, State], str] | None:
    """A call by an address on both sides with the arguments of the type that the pointer is declared with, or one that
    has a format with those that it tells of, and a phrase that says so; None where nothing is known, or each side has
    another type."""
    if first[0].target is None:
        known = formatted(pair.original, first[0].callee, first[1])
        if known is None:
            return None
        return (replace(first[0], callee=known[0]), first[1]), second, known[1]
    mine, its = _declared(pair.original, first[0]), _declared(pair.rewrite, second[0])
    if mine is None or (its is not None and not mine.is_alike(its)):
        return None
    calls = [
        replace(call, callee=replace(call.callee, arguments=mine.arguments, stack_bytes=mine.stack_bytes))
        for call, _ in (first, second)
    ]
    phrase = f"what is called through {mine.through} takes the arguments that it is declared with"
    return (calls[0], first[1]), (calls[1], second[1]), phrase


def _declared(side: Side, call: AtCall) -> Declared | None:
    """What the type says of a function that a side calls by its address."""
    return None if call.target is None or call.site is None else side.declared(call.site)


def does(exit_: Exit) -> str:
    """The predicate of a sentence on a side that leaves there."""
    match exit_.where:
        case AtReturn():
            return "returns"
        case AtCall(callee):
            return f"calls {callee.name}"
        case AtTrap():
            return "stops"
        case AtUnknown(phrase):
            return phrase
        case _:
            return "loops"
