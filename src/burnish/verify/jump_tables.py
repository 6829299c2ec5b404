"""Jump tables in the image of a lifted function: found by what they lead to."""

from __future__ import annotations

from collections.abc import Iterable

from burnish.core.code import Function, Switch
from burnish.core.image import Image


def switch_targets(functions: Iterable[Function]) -> list[frozenset[int]]:
    """For each jump through a table, the image addresses to which it leads."""
    return [
        frozenset(label.address for label in block.terminator.targets)
        for function in functions
        for block in function.blocks
        if isinstance(block.terminator, Switch)
    ]


def table_at(image: Image, address: int, targets: frozenset[int]) -> tuple[list[int], int] | None:
    """The targets in the table at an image address, in order, and the size of its entries: 4 bytes for distances from
    there, 8 for addresses. None where there is no table that leads to all of ``targets``."""
    for size in (4, 8):
        entries = _entries(image, address, size, targets)
        if frozenset(entries) == targets:
            return entries, size
    return None


def _entries(image: Image, address: int, size: int, targets: frozenset[int]) -> list[int]:
    found: list[int] = []
    while True:
        data = image.read(address + size * len(found), size)
        if data is None:
            return found
        entry = int.from_bytes(data, "little", signed=True) + (address if size == 4 else 0)
        if entry not in targets:
            return found
        found.append(entry)
