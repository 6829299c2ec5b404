"""Adds a folder to where a program looks for its libraries (``DT_RPATH``, ``DT_RUNPATH``), in place.

The dynamic section is not moved: the loader writes to it, so a copy would need a writable segment. Its string
table is only read; a longer copy of it goes into the new segment. Rules of the search: ld.so(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from burnish.images.elf_layout import (
    DT_NULL,
    DT_RPATH,
    DT_RUNPATH,
    DT_STRSZ,
    DT_STRTAB,
    PT_DYNAMIC,
    ElfLayout,
    pack_dynamic,
)

_ENTRY = 16
_ORIGIN = re.compile(r"\$(?:ORIGIN(?![A-Za-z0-9_])|\{ORIGIN\})")


@dataclass(frozen=True, slots=True)
class SearchPath:
    """A folder that is searched before all others; none if it is empty.

    ``origin`` is written for ``$ORIGIN`` in the folders that are searched already: the copy of a file that
    finds its libraries relative to itself must go on finding them where they are. Where it is empty they stay
    as they are.

    ``inherited`` makes it a ``DT_RPATH``: it then also serves the libraries that the program's own libraries
    need, and comes before LD_LIBRARY_PATH. A ``DT_RUNPATH`` does neither, and the loader ignores every
    ``DT_RPATH`` of a file that has one; so ``inherited`` turns an existing ``DT_RUNPATH`` into a
    ``DT_RPATH``.
    """

    folder: str
    inherited: bool
    origin: str = ""


@dataclass(frozen=True, slots=True)
class DynamicChange:
    """The new string table, and the entries of the dynamic section that change, by their index. The address
    of the string table is filled in by ``entries``."""

    strings: bytes
    changed: tuple[tuple[int, int, int], ...]
    strings_entry: int

    def entries(self, address: int) -> tuple[tuple[int, bytes], ...]:
        """``(index, bytes)`` of every entry that changes when the string table lies at ``address``."""
        packed = [(index, pack_dynamic(tag, value)) for index, tag, value in self.changed]
        return (*packed, (self.strings_entry, pack_dynamic(DT_STRTAB, address)))


def dynamic_change(layout: ElfLayout, path: SearchPath) -> DynamicChange | None:
    """What to change so that ``path`` is searched; None if the dynamic section has no room for an entry."""
    segment = layout.segment(PT_DYNAMIC)
    entries = layout.dynamic()
    tags = [tag for tag, _ in entries]
    strings = layout.dynamic_strings()
    if segment is None or not strings or tags.count(DT_STRTAB) != 1 or tags.count(DT_STRSZ) != 1:
        return None
    kind = DT_RUNPATH if DT_RUNPATH in tags else DT_RPATH
    old = layout.dynamic_texts(kind)
    text = ":".join(
        part for part in (path.folder, *(_anchored(part, path.origin) for part in old[-1:])) if part
    )
    if not text:
        return None  # an empty folder in a search path is the current one
    # An existing DT_RPATH is inherited already, and stays what it is.
    written = DT_RPATH if path.inherited or (old and kind == DT_RPATH) else DT_RUNPATH
    offset = len(strings)
    strings += text.encode("utf-8", "surrogateescape") + b"\0"
    if old:
        # Of a tag that occurs twice the loader takes the last; all of them are made to say the same.
        changed = [(i, written, offset) for i, tag in enumerate(tags) if tag in (DT_RPATH, DT_RUNPATH)]
    else:
        # One of the spare DT_NULL entries that linkers leave, but not the last, which ends the list.
        if (len(entries) + 2) * _ENTRY > segment.filesz or not _is_null(
            layout, segment.offset, len(entries) + 1
        ):
            return None
        changed = [(len(entries), written, offset)]
    changed.append((tags.index(DT_STRSZ), DT_STRSZ, len(strings)))
    return DynamicChange(strings, tuple(changed), tags.index(DT_STRTAB))


def relative_search_path(layout: ElfLayout) -> bool:
    """True where the libraries of a file are searched relative to itself."""
    texts = layout.dynamic_texts(DT_RPATH) + layout.dynamic_texts(DT_RUNPATH)
    return any(_ORIGIN.search(text) for text in texts)


def _anchored(text: str, origin: str) -> str:
    return _ORIGIN.sub(lambda _: origin, text) if origin else text


def entry_offset(layout: ElfLayout, index: int) -> int:
    """Where in the file the dynamic entry ``index`` lies."""
    segment = layout.segment(PT_DYNAMIC)
    assert segment is not None
    return segment.offset + index * _ENTRY


def _is_null(layout: ElfLayout, start: int, index: int) -> bool:
    entry = layout.data[start + index * _ENTRY : start + (index + 1) * _ENTRY]
    return entry == pack_dynamic(DT_NULL, 0)
