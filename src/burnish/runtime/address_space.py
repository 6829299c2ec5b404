"""What a process has mapped: its mappings, where an image lies in them, and free places near code.

Format of ``/proc/<pid>/maps`` and ``/proc/<pid>/auxv``: proc(5).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from burnish.images.elf_layout import PF_X, ElfLayout

PAGE = 4096
AT_PHDR, AT_PHNUM, AT_ENTRY, AT_SYSINFO_EHDR = 3, 5, 9, 33
_REACH = (1 << 31) - (1 << 20)
"""How far a 32-bit displacement reaches, with room for the code's own size."""
_LOWEST = 0x10000
_HIGHEST = (1 << 47) - PAGE
_GAP = 16 * PAGE
"""Left free between placed code and what is mapped: the heap grows upwards, stacks downwards."""


class Mapping(NamedTuple):
    """One line of ``/proc/<pid>/maps``. Addresses and ``offset`` in bytes; ``path`` as the kernel shows it
    (``[heap]``, empty for anonymous memory)."""

    start: int
    end: int
    access: str
    offset: int
    device: str
    inode: int
    path: str

    @property
    def readable(self) -> bool:
        return self.access[0] == "r"

    @property
    def writable(self) -> bool:
        return self.access[1] == "w"

    @property
    def executable(self) -> bool:
        return self.access[2] == "x"

    @property
    def shared(self) -> bool:
        return self.access[3] == "s"


def read_mappings(pid: int) -> tuple[Mapping, ...]:
    """The mappings of a process, ascending; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
    except OSError:
        return ()
    return parse_mappings(text)


def parse_mappings(text: str) -> tuple[Mapping, ...]:
    """The mappings that a text of the form of ``/proc/<pid>/maps`` describes."""
    found: list[Mapping] = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        start, _, end = fields[0].partition("-")
        path = fields[5] if len(fields) > 5 else ""
        found.append(
            Mapping(
                int(start, 16), int(end, 16), fields[1], int(fields[2], 16), fields[3], int(fields[4]), path
            )
        )
    return tuple(found)


def mapping_at(mappings: Sequence[Mapping], address: int) -> Mapping | None:
    """The mapping that holds ``address``, or None."""
    return next((mapping for mapping in mappings if mapping.start <= address < mapping.end), None)


def image_base(mappings: Sequence[Mapping], path: Path, layout: ElfLayout) -> int | None:
    """What to add to an image address of the file at ``path`` (resolved) to get an address in the process.

    None where no executable segment of it is mapped.
    """
    for segment in layout.loads:
        if not segment.flags & PF_X:
            continue
        first = segment.offset - segment.offset % PAGE
        for mapping in mappings:
            if mapping.executable and mapping.offset == first and _is_file(mapping, path):
                return mapping.start - (segment.vaddr - segment.vaddr % PAGE)
    return None


def _is_file(mapping: Mapping, path: Path) -> bool:
    if mapping.path == str(path):
        return True
    if not mapping.inode or mapping.path.startswith("["):
        return False
    # Another name of the same file; on some file systems the device number here is not that of stat().
    try:
        return Path(mapping.path).samefile(path)
    except OSError:
        return False


def free_near(mappings: Sequence[Mapping], low: int, high: int, size: int) -> int | None:
    """A page-aligned address of ``size`` free bytes, all of which reach and are reached from every byte of
    ``low`` … ``high`` by a 32-bit displacement; below them where possible. None where there is no such place."""
    needed = size + -size % PAGE
    edges = [
        (_LOWEST, _LOWEST),
        *((m.start, m.end) for m in mappings if m.start < _HIGHEST),
        (_HIGHEST, _HIGHEST),
    ]
    found: list[int] = []
    for (_, before), (after, _) in itertools.pairwise(edges):
        room = (max(before + _GAP, high - _REACH), min(after - _GAP, low + _REACH))
        first, last = room[0] + -room[0] % PAGE, room[1] - room[1] % PAGE - needed
        if first <= last:
            found.append(last if last < low else first)
    below = [address for address in found if address < low]
    return max(below) if below else min(found, default=None)


def auxiliary_vector(pid: int) -> dict[int, int]:
    """The auxiliary vector of a 64-bit process by type; empty if it is gone."""
    try:
        data = Path(f"/proc/{pid}/auxv").read_bytes()
    except OSError:
        return {}
    return dict(struct.iter_unpack("<QQ", data[: len(data) - len(data) % 16]))
