"""The debug information of an object file as a linker would leave it, for one that is read by itself.

pyelftools does the same, at some twenty times the cost: in files with much debug information that is most of the time
that a verdict takes. Source: System V ABI, AMD64, section 4.4.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

_RELA, _NO_BITS = 4, 8
_COMPRESSED = 0x800
_SIZES = {1: 8, 10: 4, 11: 4}
"""Bytes that R_X86_64_64, R_X86_64_32 and R_X86_64_32S write: the symbol's value plus the addend."""
SECTIONS = (
    ".debug_info", ".debug_aranges", ".debug_abbrev", ".debug_str", ".debug_loc", ".debug_ranges", ".debug_line",
    ".debug_addr", ".debug_str_offsets", ".debug_line_str", ".debug_loclists", ".debug_rnglists", ".debug_sup",
    ".gnu_debugaltlink", ".debug_types",
)  # fmt: skip
"""What is read."""
_READ = (b".debug_info", b".debug_types", b".debug_str_offsets", b".debug_addr")


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def debug_sections(elf: bytes, *, relocate: bool) -> dict[str, bytes] | None:
    """The debug information of a file (64 bits, little-endian) by section; where ``relocate``, of an object file with
    its relocations applied. None where that is not done here, or tables are damaged."""
    try:
        table = _table(elf)
        found: dict[str, bytes] = {}
        for name, one in table:
            known = name.decode("latin-1")
            if known.startswith(".zdebug_"):
                return None
            if known in SECTIONS and one.type != _NO_BITS:
                if one.flags & _COMPRESSED or known in found:
                    return None  # of several in groups it is not for us to say which is read
                found[known] = _content(elf, one)
        return _relocated(elf, table, found) if relocate else found
    except (struct.error, IndexError, ValueError):
        return None


def _content(elf: bytes, section: _Section) -> bytes:
    if section.offset + section.size > len(elf):
        raise ValueError
    return elf[section.offset : section.offset + section.size]


def _table(elf: bytes) -> list[tuple[bytes, _Section]]:
    """The sections with their names. Raises ``ValueError`` for no file of 64 bits, least significant byte first."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [
        _Section._make(struct.unpack_from("<IIQQQQIIQQ", elf, start + size * k)) for k in range(count)
    ]
    if not sections:
        return []
    names = sections[names_at].offset
    return [(elf[names + one.name : elf.index(b"\0", names + one.name)], one) for one in sections]


def _relocated(
    elf: bytes, table: list[tuple[bytes, _Section]], sections: dict[str, bytes]
) -> dict[str, bytes] | None:
    found = dict(sections)
    for _, one in table:
        if one.type != _RELA or not 0 < one.info < len(table) or table[one.info][0] not in _READ:
            continue
        name = table[one.info][0].decode()
        data = bytearray(found[name])
        if not _apply(elf, data, one, table[one.link][1]):
            return None
        found[name] = bytes(data)
    return found


def _apply(elf: bytes, data: bytearray, table: _Section, symbols: _Section) -> bool:
    """Applies one table to a section; False where it has what is not known here."""
    if table.entry_size != 24 or symbols.entry_size != 24 or table.size % 24:
        return False
    rows = _rows(elf, table, [("place", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<u8")])
    values = _rows(elf, symbols, [("name", "<u8"), ("value", "<u8"), ("size", "<u8")])["value"]
    if not np.isin(rows["kind"], list(_SIZES)).all():
        return False
    written = np.frombuffer(data, np.uint8)
    for kind, size in _SIZES.items():
        mine = rows[rows["kind"] == kind]
        if not len(mine):
            continue
        if int(mine["place"].max()) + size > len(data):
            return False
        # Modulo 2 ** 64, as the processor adds.
        results = values[mine["symbol"]] + mine["addend"]
        octets = results.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size]
        written[mine["place"].astype(np.intp)[:, None] + np.arange(size)] = octets
    return True


def _rows(elf: bytes, section: _Section, fields: list[tuple[str, str]]) -> np.ndarray[Any, Any]:
    """A section of records. Raises ``ValueError`` for one that reaches beyond the end of the file."""
    kind = np.dtype(fields)
    return np.frombuffer(elf, kind, section.size // kind.itemsize, section.offset)
