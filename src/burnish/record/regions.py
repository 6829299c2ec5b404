"""Where addresses of a process belong: to an image, the heap, a stack, or other memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from burnish.runtime.address_space import PAGE, Mapping

Numbers = npt.NDArray[np.int64]
Addresses = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Place:
    """A file that was loaded: its number, the path that the process sees, and its lowest and highest image address
    (one past the last byte)."""

    image: int
    path: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Located:
    """Of each address: the number of its image, -1 for none; the image address, or the address itself; and a name of
    the memory: the file's path, ``[heap]``, ``[stack]``, or nothing."""

    images: Numbers
    addresses: Addresses
    names: list[str]


def load_base(mappings: Sequence[Mapping], place: Place) -> int | None:
    """What to add to an image address; None where the file is not mapped."""
    starts = [m.start - m.offset for m in mappings if m.path == place.path]
    return min(starts) - (place.low - place.low % PAGE) if starts else None


def locate(addresses: Addresses, mappings: Sequence[Mapping], places: Sequence[Place]) -> Located:
    """Where each address belongs. Of mappings that overlap (from several times) the later one holds."""
    images = np.full(len(addresses), -1, np.int64)
    own = addresses.copy()
    named = np.full(len(addresses), -1, np.int64)
    for index, mapping in enumerate(mappings):
        inside = (addresses >= np.uint64(mapping.start)) & (addresses < np.uint64(mapping.end))
        named[inside] = index
    names = [mappings[index].path if index >= 0 else "" for index in named.tolist()]
    for place in places:
        base = load_base(mappings, place)
        if base is None:
            continue
        low, high = np.uint64(base + place.low), np.uint64(base + place.high)
        inside = (addresses >= low) & (addresses < high)
        images[inside] = place.image
        own[inside] = addresses[inside] - np.uint64(base)
    return Located(images, own, names)
