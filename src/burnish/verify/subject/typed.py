"""Which stores the loads of a function do not read, as long as the program keeps to C's rule on types.

C says of an object that it is read as what it was last written as, or as characters (C11, 6.5, paragraphs 6 and 7), and
compilers build on it: ``-fstrict-aliasing``. What an access is one of follows from the debug information, as far as
pointers can be followed through the code (``subject.pointers``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from burnish.core.code import Function
from burnish.verify.pair import Unseen
from burnish.verify.subject.declared import arguments_of, known_of
from burnish.verify.subject.effective import Effective, effective, is_inside
from burnish.verify.subject.naming import Home
from burnish.verify.subject.pointers import Accessed, accessed, held_at
from burnish.verify.subject.types import UnreadableTypeError

Kinds = tuple[Effective, ...]
"""What an access may be one of; empty where that is not known."""
_MOST_CLASSES = 8
"""Classes of loads that are told apart: each has a memory of its own."""


class TypedAccesses:
    """The accesses of a side's function, and of those that it calls. Nothing is read before it is asked for."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __call__(self, addresses: Iterable[int]) -> Unseen:
        """What is not seen among the instructions at these addresses."""
        wanted = set(addresses)
        kinds = {at: kind for at, kind in self._kinds.items() if at in wanted}
        stores = {at: kind for at, (_, kind) in kinds.items() if kind}
        by_class: dict[frozenset[int], list[int]] = {}
        for at, (kind, _) in kinds.items():
            if kind:
                hidden = frozenset(s for s, other in stores.items() if not _may_overlap(kind, other))
                if hidden:
                    by_class.setdefault(hidden, []).append(at)
        likely = sorted(by_class.items(), key=lambda item: (-len(item[1]), min(item[1])))[:_MOST_CLASSES]
        loads = {at: number for number, (_, members) in enumerate(likely) for at in members}
        hides: dict[int, set[int]] = {}
        for number, (hidden, _) in enumerate(likely):
            for at in hidden:
                hides.setdefault(at, set()).add(number)
        aligned = {
            at: next(iter(sizes))
            for at, both in kinds.items()
            if len(sizes := {kind.size if kind.whole else 1 for kinds in both for kind in kinds}) == 1
            and sizes <= {2, 4, 8}
        }
        return Unseen(loads, {at: frozenset(numbers) for at, numbers in hides.items()}, aligned)

    @cached_property
    def _kinds(self) -> dict[int, tuple[Kinds, Kinds]]:
        """What each instruction loads and stores, where it is one thing."""
        home = self._home
        found: dict[int, tuple[Kinds, Kinds]] = {}
        for function in (*home.bodies.values(), home.function):
            for at, accesses in _by_instruction(_in_function(home, function)):
                kinds = [{_kinds_of(one) for one in accesses if one.write is w} for w in (False, True)]
                load, store = (next(iter(kind)) if len(kind) == 1 else () for kind in kinds)
                found[at] = load, store
        return found


def _kinds_of(access: Accessed) -> Kinds:
    """Of what kinds an access may be; none where it is not known."""
    claims = [place for place in access.places if is_inside(place, access.size)]
    kinds = [effective(place, access.size) for place in claims]
    return () if None in kinds else tuple(kind for kind in kinds if kind is not None)


def _may_overlap(one: Kinds, other: Kinds) -> bool:
    return any(first.may_overlap(second) for first in one for second in other)


def _by_instruction(accesses: Iterable[Accessed]) -> Iterator[tuple[int, list[Accessed]]]:
    found: dict[int, list[Accessed]] = {}
    for one in accesses:
        found.setdefault(one.at, []).append(one)
    return iter(found.items())


def _in_function(home: Home, function: Function) -> Iterator[Accessed]:
    bounds = home.source.image.bounds_at(function.address)
    if bounds is None:
        return iter(())
    types = home.source.types
    try:
        known = arguments_of(home, bounds)
        at_entry = {} if known is None else types.pointers(bounds)
    except UnreadableTypeError:
        at_entry = {}
    return accessed(function, at_entry, known_of(home, bounds), held_at(function, types.held(bounds)))
