"""Where the named objects that two functions refer to lie when they run natively.

Objects of one name have one address for both sides. All lie within reach of a 32-bit displacement of the code, and
below 2^31, so that absolute 32-bit addresses work too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from burnish.core.image import Access
from burnish.runtime.batch import Window
from burnish.verify.pair import DataObject, Pair, Side

PAGE = 4096
CONSTANT_BASE = 0x1000_0000
"""Constant objects lie from here on, each at the end of pages of its own, so that what reads over its end faults."""
WRITABLE_BASE = 0x2000_0000
"""Others lie from here on, likewise."""
_SPAN = 0x1000_0000
_VECTOR = 16
_SPACE = 1 << 17


@dataclass(frozen=True, slots=True)
class Arena:
    """Addresses of objects by name. ``constant`` and ``writable`` are in order of address; neither changes when
    objects are added behind."""

    addresses: Mapping[str, int] = field(default_factory=dict[str, int])
    constant: tuple[DataObject, ...] = ()
    writable: tuple[DataObject, ...] = ()

    def with_objects(self, objects: Iterable[DataObject], given: Mapping[str, int] | None = None) -> Arena:
        """This arena with further objects: at their ``given`` address, else behind those that it has. Objects of a
        name that it has are left out."""
        addresses = dict(self.addresses)
        constant, writable = list(self.constant), list(self.writable)
        for thing in objects:
            if thing.name in addresses:
                continue
            chosen = (given or {}).get(thing.name)
            if thing.data is None:
                addresses[thing.name] = self._behind(addresses, writable, thing) if chosen is None else chosen
                writable.append(thing)
            else:
                addresses[thing.name] = _next(addresses, constant, thing) if chosen is None else chosen
                constant.append(thing)
        return Arena(addresses, tuple(constant), tuple(writable))

    @staticmethod
    def _behind(addresses: Mapping[str, int], placed: list[DataObject], thing: DataObject) -> int:
        last = max(
            (addresses[other.name] + max(other.size, 1) for other in placed if _near(addresses[other.name])),
            default=WRITABLE_BASE,
        )
        return _at_end_of_page(last, thing)

    def constant_windows(self, beside: Arena | None = None) -> list[Window]:
        """Windows that hold the constant objects, but for those that ``beside`` has already."""
        known: Mapping[str, int] = {} if beside is None else beside.addresses
        return [
            Window(self.addresses[thing.name], np.frombuffer(thing.data, np.uint8), Access.READ)
            for thing in self.constant
            if thing.name not in known and thing.data
        ]


def objects_of(side: Side) -> list[DataObject]:
    """The objects that a side refers to, in order of the addresses by which it does."""
    found = {
        place.data.name: place.data
        for table in (side.places, side.slots)
        for _, place in sorted(table.items())
    }
    return list(found.values())


def _near(address: int) -> bool:
    return WRITABLE_BASE <= address < WRITABLE_BASE + _SPAN


def _alignment(thing: DataObject) -> int:
    return max(_VECTOR, min(thing.alignment, PAGE))


def _next(addresses: Mapping[str, int], placed: list[DataObject], thing: DataObject) -> int:
    last = max(
        (
            addresses[other.name] + max(other.size, 1)
            for other in placed
            if CONSTANT_BASE <= addresses[other.name] < CONSTANT_BASE + _SPAN
        ),
        default=CONSTANT_BASE,
    )
    return _at_end_of_page(last, thing)


def _at_end_of_page(last: int, thing: DataObject) -> int:
    """A place behind ``last`` and a page of nothing."""
    start = -(-last // PAGE) * PAGE + PAGE
    size = max(thing.size, 1)
    end = -(-(start + size) // PAGE) * PAGE
    return (end - size) & -_alignment(thing)


def roomy_places(pair: Pair) -> Mapping[str, int]:
    """Addresses for the objects of both sides, with much room behind each of the original's: of some it is not known
    where they end."""
    found: dict[str, int] = {}
    ends = {False: WRITABLE_BASE, True: CONSTANT_BASE}
    for thing in objects_of(pair.original):
        constant = thing.data is not None
        found[thing.name] = _at_end_of_page(ends[constant], thing)
        ends[constant] = found[thing.name] + max(thing.size, 1) + _SPACE
    return (
        Arena()
        .with_objects(objects_of(pair.original), found)
        .with_objects(objects_of(pair.rewrite))
        .addresses
    )
