"""BOLT's ``.fdata``: branches between symbols with counts, or (``no_lbr``) samples at symbols.

A line is ``1 FROM OFFSET 1 TO OFFSET MISPREDICTED COUNT``; in a file that begins with ``no_lbr``, ``1 NAME OFFSET
COUNT``. The first field of a place is 0 for one outside every symbol, 1 for a global symbol, 2 for a local one; 3, 4
and 5 are the same in lines of memory accesses (bolt/lib/Profile/DataReader.cpp). Offsets are hexadecimal. perf2bolt
also writes ways that fall through, from the last instruction of a block to the next one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from burnish.core.image import FunctionBounds, Image
from burnish.core.recording import Counts
from burnish.record.imports.parsed import Jumps, Kind, ParsedRun, Place, Sample, malformed

_FIELDS = re.compile(r"(?:\\.|\S)+")
_PLACE, _MEMORY = ("0", "1", "2"), ("3", "4", "5")
_LOCAL = re.compile(r"/\d+$")
"""What BOLT puts behind names that several local symbols have: ``name/1``, ``name/file.c/1``."""


def read_fdata(lines: Iterable[tuple[int, str]], file: str, image: Image | None) -> ParsedRun:
    """Read numbered lines. ``image`` is the program that they are about, None where it is not known: then names are
    all that is kept. Raises ``ProfileFileError``."""
    reader = _Reader(file, image)
    for number, line in lines:
        reader.read(number, line.rstrip("\n"))
    return reader.finish()


class _Reader:
    def __init__(self, file: str, image: Image | None) -> None:
        self._file = file
        self._symbols = _Symbols(image)
        self._path = "" if image is None else str(image.path)
        self._samples: Counter[Place] = Counter()
        self._jumps: Jumps = Counter()
        self._entries: Counter[int] = Counter()
        self._memory = self._outside = 0
        self._plain = False
        self._bolted = False

    def read(self, number: int, line: str) -> None:
        """One line."""
        words: list[str] = _FIELDS.findall(line)
        if not words:
            return
        if words[0] == "no_lbr" and not self._samples:
            self._plain = True
        elif words[0] == "boltedcollection" and not self._samples:
            self._bolted = True
        elif words[0] in _MEMORY:
            self._require(words, 7, number, line)
            self._place(words[:3], number, line, _MEMORY)
            self._place(words[3:6], number, line, _MEMORY)
            self._memory += self._count(words[6], number, line)
        elif self._plain:
            self._require(words, 4, number, line)
            self._samples[self._place(words[:3], number, line)] += self._count(words[3], number, line)
        else:
            self._branch(words, number, line)

    def _branch(self, words: list[str], number: int, line: str) -> None:
        self._require(words, 8, number, line)
        source, target = self._place(words[:3], number, line), self._place(words[3:6], number, line)
        self._count(words[6], number, line)
        count = self._count(words[7], number, line)
        if words[0] == "0":
            self._outside += count
        else:
            self._samples[source] += count
        start = self._symbols.start(target)
        if source.address is None or target.address is None:
            if start is not None and target.address == start:
                self._entries[start] += count
            return
        if self._symbols.start(source) == start:
            self._jumps[source.address, target.address] += count
        elif target.address == start:
            self._entries[target.address] += count

    def finish(self) -> ParsedRun:
        """What all lines said."""
        unit, counts = ("samples", Counts.NONE) if self._plain else ("branches", Counts.SAMPLED)
        run = ParsedRun(Kind.FDATA, unit, counts)
        run.samples = [Sample(None, None, None, (place,), count) for place, count in self._samples.items()]
        if not self._plain and self._path:
            run.jumps[self._path] = self._jumps
            run.entries[self._path] = self._entries
            run.jumps_collected = True
        if not self._path:
            run.notes.append("The file does not name the program; give it with --image for counts of blocks.")
        if self._memory:
            run.notes.append(f"{self._memory:,} memory accesses are in the file; they were left out.")
        if self._outside:
            run.notes.append(f"{self._outside:,} branches come from outside the program.")
        if self._bolted:
            run.notes.append(
                "It was collected from a program that BOLT had rebuilt; addresses are of that one."
            )
        if self._symbols.unknown:
            names = ", ".join(sorted(self._symbols.unknown)[:3])
            run.notes.append(
                f"{len(self._symbols.unknown)} names are not in the program, or several functions have them: {names}."
            )
        return run

    def _require(self, words: list[str], fields: int, number: int, line: str) -> None:
        if len(words) != fields:
            raise malformed(self._file, number, f"has {len(words)} fields where {fields} belong", line)

    def _count(self, word: str, number: int, line: str) -> int:
        if not (word.isascii() and word.isdigit()):
            raise malformed(self._file, number, "does not end in a count", line)
        return int(word)

    def _place(self, words: list[str], number: int, line: str, kinds: tuple[str, ...] = _PLACE) -> Place:
        kind, name, offset = words
        if kind not in kinds:
            raise malformed(
                self._file, number, f"says {kind!r} where {kinds[0]}, {kinds[1]} or {kinds[2]} belongs", line
            )
        try:
            distance = int(offset, 16)
        except ValueError:
            raise malformed(
                self._file, number, f"says {offset!r} where a hexadecimal offset belongs", line
            ) from None
        name = re.sub(r"\\(.)", r"\1", name)
        if kind == kinds[0] or kinds is _MEMORY:
            return Place("", None, "" if name == "[unknown]" else name)
        return self._symbols.place(name, distance)


class _Symbols:
    """Names of an image's functions. Names that cannot be told apart are collected in ``unknown``."""

    def __init__(self, image: Image | None) -> None:
        self._image = image
        self._named: dict[str, FunctionBounds | None] = {}
        self.unknown: set[str] = set()
        for bounds in () if image is None else image.functions:
            for name in (bounds.name, *bounds.aliases):
                self._named[name] = None if name in self._named else bounds

    def place(self, name: str, offset: int) -> Place:
        """The place ``offset`` bytes behind a symbol."""
        if self._image is None:
            return Place("", None, name)
        path = str(self._image.path)
        plain = name
        bounds = self._named.get(name)
        while bounds is None and name not in self._named and _LOCAL.search(plain):
            plain = plain.rpartition("/")[0]
            plain = plain if plain in self._named else plain.partition("/")[0]
            bounds = self._named.get(plain)
        if bounds is None:
            self.unknown.add(name)
            return Place(path, None, name)
        return Place(path, bounds.address + offset, bounds.name)

    def start(self, place: Place) -> int | None:
        """Where the function of a place begins."""
        if self._image is None or place.address is None:
            return None
        bounds = self._image.bounds_at(place.address)
        return None if bounds is None else bounds.address
