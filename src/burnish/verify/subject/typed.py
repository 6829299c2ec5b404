"""Which stores the loads of a function do not read, as long as the program keeps to C's rule on types.

C says of an object that it is read as what it was last written as, or as characters (C11, 6.5, paragraphs 6 and 7), and
compilers build on it: ``-fstrict-aliasing``. What an access is one of follows from the debug information, as far as
pointers can be followed through the code (``subject.pointers``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from burnish.core.code import Function
from burnish.verify.pair import Unseen
from burnish.verify.subject.declared import arguments_of, known_of
from burnish.verify.subject.effective import Effective, Layouts, is_inside
from burnish.verify.subject.naming import Home
from burnish.verify.subject.pointers import Accessed, accessed, held_at
from burnish.verify.subject.types import UnreadableTypeError

Kinds = tuple[Effective, ...]
"""What an access may be one of; empty where that is not known."""
Access = tuple[Kinds, Kinds]
"""What an instruction loads, and what it stores."""


class TypedAccesses:
    """The accesses of a side's function, and of those that it calls. Nothing is read before it is asked for."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._layouts = Layouts()
        self._known: dict[int, Mapping[int, Access]] = {}

    def __call__(self, addresses: Iterable[int]) -> Unseen:
        """What is not seen among the instructions at these addresses: two loads are of one class where they do not see
        the same stores. The first classes have most loads."""
        wanted = set(addresses)
        home = self._home
        functions = (*home.bodies.values(), home.function)
        chosen = [one for one in functions if any(part.address in wanted for part in one.instructions)]
        found = {at: access for one in chosen for at, access in self._in(one).items()}
        accesses = {at: access for at, access in found.items() if at in wanted}
        stores = {at: kinds for at, (_, kinds) in accesses.items() if kinds}
        by_hidden: dict[frozenset[int], list[int]] = {}
        for at, (kinds, _) in accesses.items():
            hidden = frozenset(s for s, others in stores.items() if kinds and not _may_overlap(kinds, others))
            if hidden:
                by_hidden.setdefault(hidden, []).append(at)
        classes = sorted(by_hidden.items(), key=lambda item: (-len(item[1]), min(item[1])))
        hides: dict[int, set[int]] = {}
        members: dict[Effective, int] = {}
        for number, (hidden, _) in enumerate(classes):
            for at in hidden:
                hides.setdefault(at, set()).add(number)
        return Unseen(
            {at: number for number, (_, loads) in enumerate(classes) for at in loads},
            {at: frozenset(numbers) for at, numbers in hides.items()},
            _members(accesses, members, 0),
            _members(accesses, members, 1),
        )

    def _in(self, function: Function) -> Mapping[int, Access]:
        """What each instruction of a function accesses, as far as it is one thing."""
        if function.address not in self._known:
            try:
                found = {
                    at: self._one(accesses)
                    for at, accesses in _by_instruction(_in_function(self._home, function)).items()
                }
            except Exception:  # pyelftools raises anything at all for damaged tables
                found = {}
            self._known[function.address] = found
        return self._known[function.address]

    def _one(self, accesses: Sequence[Accessed]) -> Access:
        both = [{self._kinds_of(one) for one in accesses if one.write is write} for write in (False, True)]
        load, store = (next(iter(kinds)) if len(kinds) == 1 else () for kinds in both)
        return load, store

    def _kinds_of(self, access: Accessed) -> Kinds:
        """Of what kinds an access may be; none where it is not known."""
        claims = [place for place in access.places if is_inside(place, access.size)]
        kinds = [self._layouts.effective(place, access.size, vector=access.vector) for place in claims]
        return () if None in kinds else tuple(kind for kind in kinds if kind is not None)


def _may_overlap(one: Kinds, other: Kinds) -> bool:
    return any(first.may_overlap(second) for first in one for second in other)


def _members(accesses: Mapping[int, Access], numbers: dict[Effective, int], which: int) -> dict[int, int]:
    """The instructions that load (0) or store (1) one member of a structure, with numbers for the members."""
    found: dict[int, int] = {}
    for at, kinds in accesses.items():
        if len(kinds[which]) == 1 and kinds[which][0].outer:
            found[at] = numbers.setdefault(kinds[which][0], len(numbers))
    return found


def _by_instruction(accesses: Iterable[Accessed]) -> dict[int, list[Accessed]]:
    found: dict[int, list[Accessed]] = {}
    for one in accesses:
        found.setdefault(one.at, []).append(one)
    return found


def _in_function(home: Home, function: Function) -> Iterable[Accessed]:
    bounds, types = home.source.image.bounds_at(function.address), home.source.types
    if bounds is None or not types.by_strict_gcc(bounds):
        return ()
    try:
        known = arguments_of(home, bounds)
        at_entry = {} if known is None else types.pointers(bounds)
    except UnreadableTypeError:
        at_entry = {}
    return accessed(function, at_entry, known_of(home, bounds), held_at(function, types.held(bounds)))
