"""Names for the memory of a recorded run: data symbols, the stack, the heap, files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.core.errors import ImageError
from burnish.core.recording import RecordedImage
from burnish.images.data_symbols import DataSymbol, linked_symbols
from burnish.images.elf_layout import ET_EXEC, ElfLayout, read_layout
from burnish.record.attribution import build_id
from burnish.record.store import Recording

STACK, HEAP = "stack", "heap"
_GAP = 1 << 20
"""Bytes between accesses beyond which they are held to be of different memory, where nothing is known of it."""
_STACK_GROWS = 64 << 20
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class _Piece:
    """Memory at ``start`` … ``end``."""

    start: int
    end: int
    name: str


class Objects:
    """The memory of all processes of a recording, as far as the tables ``mappings`` and the recorded files tell.

    A file that is not there any more, or has another build-id, has no symbols: its data has the file's name. Memory
    without a file is the heap, but for what lies by the main stack; that includes the stacks of other threads. Where
    the recording has no mappings, memory is grouped by gaps: see ``cluster``. Of processes with different memory at
    one address the first has it.
    """

    def __init__(self, recording: Recording) -> None:
        self._images: list[_Piece] = []
        self._symbols: list[_Piece] = []
        self._others: list[_Piece] = []
        self._stacks: list[_Piece] = []
        known = recording.has("mappings")
        rows: list[dict[str, Any]] = recording.to_arrow("mappings").to_pylist() if known else []
        self._knows = bool(rows)
        for index, image in enumerate(recording.manifest.images):
            bases = dict.fromkeys(
                (row["process"], row["name"]) for row in rows if row["image"] == index and row["name"]
            )
            starts = [
                min(r["start"] - r["offset"] for r in rows if (r["process"], r["name"]) == key)
                for key in bases
            ]
            self._add_image(image, starts)
        for row in rows:
            name: str = row["name"]
            if name == "[stack]":
                self._stacks.append(_Piece(row["start"] - _STACK_GROWS, row["end"], STACK))
            elif row["image"] is None:
                named = name and name != "[heap]"
                self._others.append(_Piece(row["start"], row["end"], Path(name).name if named else HEAP))
            else:
                number: int = row["image"]
                file = recording.manifest.images[number].path
                self._others.append(_Piece(row["start"], row["end"], Path(file).name))
        self._clusters: list[_Piece] = []

    def _add_image(self, image: RecordedImage, starts: Sequence[int]) -> None:
        path = Path(image.path)
        try:
            layout, symbols = _read(image)
        except (ImageError, OSError):
            return
        low = min((segment.vaddr for segment in layout.loads), default=0)
        high = max((segment.vaddr + segment.memsz for segment in layout.loads), default=0)
        bases = {start - (low - low % _PAGE) for start in starts}
        if layout.header.type == ET_EXEC:
            bases = {0}
        for base in sorted(bases):
            self._images.append(_Piece(base + low, base + high, path.name))
            self._symbols += [_Piece(base + s.address, base + s.end, s.name) for s in symbols if s.size]
        # Of symbols with one place the first name counts; of nested ones the inner one comes later.
        self._symbols.sort(key=lambda piece: (piece.start, -piece.end))

    def cluster(self, extents: Iterable[tuple[int, int]]) -> None:
        """Group memory of which nothing is known, from the addresses that were touched: ``memory 1`` and so on, by
        address."""
        if self._knows:
            return
        unknown = sorted((least, end) for least, end in extents if not self._known(least, end))
        for least, end in unknown:
            if self._clusters and least - self._clusters[-1].end < _GAP:
                last = self._clusters.pop()
                self._clusters.append(_Piece(last.start, max(last.end, end), last.name))
            else:
                self._clusters.append(_Piece(least, end, f"memory {len(self._clusters) + 1}"))

    def name(self, least: int, end: int) -> str:
        """The name of the memory at ``least`` … ``end``; where it is of several objects of one file, that file's."""
        known = self._known(least, end)
        if known:
            return known
        for piece in self._clusters:
            if piece.start <= least and end <= piece.end:
                return piece.name
        return HEAP

    def _known(self, least: int, end: int) -> str:
        index = bisect_right(self._symbols, least, key=lambda piece: piece.start)
        for piece in reversed(self._symbols[max(0, index - 8) : index]):
            if end <= piece.end:
                return piece.name
        for pieces in (self._images, self._others, self._stacks):
            for piece in pieces:
                if piece.start <= least and end <= piece.end:
                    return piece.name
        return ""


def _read(image: RecordedImage) -> tuple[ElfLayout, tuple[DataSymbol, ...]]:
    """Layout and symbols of the file that was recorded. Raises ``ImageError`` where it is another one now."""
    path = Path(image.path)
    if build_id(path) != image.build_id:
        raise ImageError(f"{path} is not the file that was recorded.")
    order = sorted(linked_symbols(path), key=lambda s: (s.address, s.size, s.binding, s.name))
    return read_layout(path), tuple(order)
