"""The data of one image as objects that may lie anywhere.

A symbol with a size is an object. What lies between such symbols has an extent that nobody wrote down: the whole gap
counts as one object, since a guess would let two things that are one be held for two. Constants that the linker may
merge (string literals, floating-point constants) are objects of their own, known by their content.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from burnish.core.image import Access, Image, ImageKind
from burnish.images.data_symbols import DataSymbol, ImageData, Mergeable
from burnish.images.symbols import Binding

_PADDING = 64
"""Zeros between two objects, fewer than this, are padding."""
_COMPILER_MADE = re.compile(r"^(\.L|CSWTCH\.)")
_NUMBERED = re.compile(r"\.(\d+|(constprop|isra|part|lto_priv)\.\d+)+$")


@dataclass(frozen=True, slots=True)
class Region:
    """An object of an image: ``size`` bytes at ``address``. ``labels`` are the names in it with their offsets.

    ``data`` are its bytes where they are constant and mean the same wherever the file is loaded. ``digest`` stands for
    the content at load, with names for addresses in it, so that regions of different files can be compared; None
    where it cannot be. ``functions`` are the addresses of the functions that the digest names: whoever compares has to
    know that those of one name are the same.
    """

    address: int
    size: int
    alignment: int
    constant: bool
    labels: tuple[tuple[str, int], ...] = ()
    is_global: bool = False
    data: bytes | None = field(default=None, repr=False)
    digest: str | None = None
    functions: frozenset[int] = frozenset()
    bounded: bool = True
    """False for what lies between symbols, of which nobody wrote down where it begins and ends."""

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def anonymous(self) -> bool:
        """True for a constant that only compilers gave a name, if anyone."""
        return all(_COMPILER_MADE.match(name) for name, _ in self.labels)

    @property
    def label(self) -> str:
        """What a reader calls it."""
        return min(self.labels, key=lambda row: (row[1], row[0]))[0] if self.labels else "data"


def plain_name(name: str) -> str:
    """A local symbol without the number that compilers append."""
    return _NUMBERED.sub("", name)


class Regions:
    """The regions of one image, found as they are asked for."""

    def __init__(self, image: Image, data: ImageData) -> None:
        self._image = image
        self._data = data
        sized = sorted((s for s in data.symbols if s.size), key=lambda s: (s.address, -s.size))
        self._groups = _merged(sized)
        self._starts = [start for start, _, _ in self._groups]
        self._known: dict[tuple[int, int], Region] = {}
        self._open: set[tuple[int, int]] = set()
        self._own_functions = {
            name: one.address for one in image.functions for name in (one.name, *one.aliases)
        }
        self.by_name: dict[str, list[DataSymbol]] = {}
        for symbol in data.symbols:
            self.by_name.setdefault(symbol.name, []).append(symbol)

    def at(self, address: int) -> tuple[Region, int] | None:
        """The region that an address points into, or one past the end of, and the offset; None outside the data."""
        extent = self._extent(address)
        if extent is None:
            return None
        if extent not in self._known:
            self._known[extent] = self._region(*extent)
        region = self._known[extent]
        if region.constant and region.data is None and not region.labels:
            region = self._without_addresses(region, address)
        return region, address - region.address

    def _without_addresses(self, region: Region, address: int) -> Region:
        """The part of constants without names around ``address`` in which no relocated word is, whose bytes are known
        though what it is one object with is not; or a run of such words."""
        if self._image.kind is ImageKind.EXECUTABLE:
            return region
        places = self._data.relocated_in(region.address, region.end)
        index = bisect_right(places, address)
        low = places[index - 1] + 8 if index else region.address
        data = None
        if low <= address:
            high = places[index] if index < len(places) else region.end
            low = max(low, region.address)
            data = self._image.read(low, high - low)
        else:
            first = last = index - 1
            while first and places[first - 1] + 8 >= places[first]:
                first -= 1
            while last + 1 < len(places) and places[last] + 8 >= places[last + 1]:
                last += 1
            low, high = max(places[first], region.address), min(places[last] + 8, region.end)
        alignment = self._data.alignment_at(low)
        return replace(region, address=low, size=high - low, alignment=alignment, data=data, digest=None)

    def named(self, name: str) -> tuple[Region, int] | None:
        """The one region that has the symbol ``name``, and the symbol's offset in it; None where there is no such
        symbol or are several."""
        found = self.by_name.get(name)
        if not found or len({symbol.address for symbol in found}) != 1:
            return None
        return self.at(found[0].address)

    def _extent(self, address: int) -> tuple[int, int] | None:
        index = bisect_right(self._starts, address) - 1
        before = self._groups[index] if index >= 0 else None
        if before is not None and address < before[1]:
            return before[0], before[1]
        limits = self._section(address)
        if (
            before is not None
            and address == before[1]
            and (limits is None or self._is_padding(address, limits))
        ):
            return before[0], before[1]
        if limits is None:
            return None
        for part in self._data.mergeable:
            if part.start <= address < part.end:
                return self._merge_entry(part, address)
        low = max(limits[0], before[1]) if before is not None else limits[0]
        following = self._starts[index + 1] if index + 1 < len(self._starts) else limits[1]
        return low, min(limits[1], following)

    def _section(self, address: int) -> tuple[int, int] | None:
        """The bounds of the section of data, or of the segment where the file has no sections."""
        for section in self._image.sections:
            if section.address <= address < section.end:
                return (section.address, section.end)
        segment = self._image.segment_at(address)
        if segment is None or Access.EXECUTE in segment.access:
            return None
        return None if self._image.sections else (segment.address, segment.end)

    def _is_padding(self, address: int, limits: tuple[int, int]) -> bool:
        """True where nothing but a few zeros follows until the next object."""
        index = bisect_right(self._starts, address)
        end = min(self._starts[index] if index < len(self._starts) else limits[1], limits[1])
        if end - address >= _PADDING or any(address <= s.address < end for s in self._data.symbols):
            return False
        return not any(self._image.read(address, end - address) or b"")

    def _merge_entry(self, part: Mergeable, address: int) -> tuple[int, int]:
        unit = part.entry_size
        at = part.start + (address - part.start) // unit * unit
        if not part.strings:
            return at, min(at + unit, part.end)
        content = self._image.read(part.start, part.end - part.start) or b""
        first = last = at - part.start
        zero = bytes(unit)
        while first and content[first - unit : first] != zero:
            first -= unit
        while last < len(content) and content[last : last + unit] != zero:
            last += unit
        return part.start + first, min(part.start + last + unit, part.end)

    def _region(self, start: int, end: int) -> Region:
        size = end - start
        labels = {(s.name, s.address - start) for s in self._data.symbols if start <= s.address < end}
        bindings = [s.binding for s in self._data.symbols if start <= s.address < end]
        constant = self._image.is_constant(start, size)
        content = self._image.read(start, size) or b""
        moves = self._data.relocated_in(start, end) or self._holds_addresses(start, content)
        self._open.add((start, end))
        functions: set[int] = set()
        digest = self._digest(start, content, functions) if moves else hashlib.sha256(content).hexdigest()
        self._open.discard((start, end))
        return Region(
            start,
            size,
            self._data.alignment_at(start),
            constant,
            tuple(sorted(labels)),
            any(binding is not Binding.LOCAL for binding in bindings),
            content if constant and not moves and len(content) == size else None,
            digest,
            frozenset(functions),
            self._is_bounded(start),
        )

    def _holds_addresses(self, start: int, content: bytes) -> bool:
        """True where words of a file with fixed addresses may be such."""
        if self._image.kind is not ImageKind.EXECUTABLE:
            return False
        skip = -start % 8
        words = (content[k : k + 8] for k in range(skip, len(content) - 7, 8))
        return any(self._image.segment_at(int.from_bytes(word, "little")) is not None for word in words)

    def _is_bounded(self, start: int) -> bool:
        index = bisect_right(self._starts, start) - 1
        if index >= 0 and self._groups[index][0] == start:
            return True
        return any(part.start <= start < part.end for part in self._data.mergeable)

    def _digest(self, start: int, content: bytes, functions: set[int]) -> str | None:
        """Of content with addresses in it: what they point to is part of it. ``functions`` gets those of functions."""
        if self._image.kind is ImageKind.EXECUTABLE:
            return None
        found = hashlib.sha256()
        cursor = start
        for place in self._data.relocated_in(start, start + len(content)):
            target = self._pointee(place, functions) if cursor <= place <= start + len(content) - 8 else None
            if target is None:
                return None
            found.update(content[cursor - start : place - start])
            found.update(f"\0{target}\0".encode())
            cursor = place + 8
        found.update(content[cursor - start :])
        return found.hexdigest()

    def _pointee(self, place: int, functions: set[int]) -> str | None:
        """A name for what the word at ``place`` points to that holds in other files, too."""
        imported = imported_by(self._image, place)
        if imported is not None:
            own = self._own_functions.get(imported)
            if own is not None:
                # A library may take from elsewhere what it has itself.
                functions.add(own)
                return f"function {imported}"
            return None if imported in self.by_name else f"import {imported}"
        address = self._image.relative.get(place)
        if address is None or place in self._image.got:
            return None
        if self._image.is_code(address):
            function = self._image.bounds_at(address)
            if function is None or function.address != address:
                return None
            functions.add(address)
            return f"function {function.name}"
        extent = self._extent(address)
        if extent is None or extent in self._open:
            return None
        found = self.at(address)
        if found is None or found[0].digest is None:
            return None
        region, offset = found
        functions |= region.functions
        name = "constant" if region.anonymous and region.constant else region.label
        return f"{name} {region.digest} {offset}"


def imported_by(image: Image, place: int) -> str | None:
    """The import whose very address the word at ``place`` holds at first."""
    imported = image.got.get(place)
    return None if imported is None or imported.offset else imported.name


def _merged(sized: list[DataSymbol]) -> list[tuple[int, int, list[DataSymbol]]]:
    """Symbols that overlap as one extent each: ``(start, end, symbols)``, in order."""
    found: list[tuple[int, int, list[DataSymbol]]] = []
    for symbol in sized:
        if found and symbol.address < found[-1][1]:
            start, end, symbols = found[-1]
            found[-1] = (start, max(end, symbol.end), [*symbols, symbol])
        else:
            found.append((symbol.address, symbol.end, [symbol]))
    return found
