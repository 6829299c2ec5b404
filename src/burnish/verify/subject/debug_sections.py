"""The debug information of an object file as a linker would leave it, for one that is read by itself.

pyelftools does the same, at some twenty times the cost: in files with much debug information that is most of the time
that a verdict takes. Source: System V ABI, AMD64, section 4.4.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_RELA = 4
_COMPRESSED = 0x800
_SIZES = {1: 8, 10: 4, 11: 4}
"""Bytes that R_X86_64_64, R_X86_64_32 and R_X86_64_32S write: the symbol's value plus the addend."""
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


def relocated(elf: bytes) -> bytes | None:
    """The object file ``elf`` (64 bits, little-endian) with the relocations of what describes types and functions
    applied; None where it has some that are not known here, or damaged tables."""
    try:
        return _relocated(elf)
    except (struct.error, IndexError, ValueError):
        return None


def _relocated(elf: bytes) -> bytes | None:
    if elf[:6] != b"\x7fELF\x02\x01":
        return None
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [
        _Section._make(struct.unpack_from("<IIQQQQIIQQ", elf, start + size * k)) for k in range(count)
    ]
    names = sections[names_at].offset
    called = [elf[names + one.name : elf.index(b"\0", names + one.name)] for one in sections]
    if any(called.count(name) > 1 for name in _READ):
        return None  # in groups: which of them is read is not for us to say
    found = bytearray(elf)
    for one in sections:
        if one.type != _RELA or not 0 < one.info < count or called[one.info] not in _READ:
            continue
        target = sections[one.info]
        if target.flags & _COMPRESSED or not _apply(elf, found, one, target, sections[one.link]):
            return None
    return bytes(found)


def _apply(elf: bytes, found: bytearray, table: _Section, target: _Section, symbols: _Section) -> bool:
    """Applies one table; False where it has what is not known here."""
    if table.entry_size != 24 or symbols.entry_size != 24 or table.size % 24:
        return False
    values = [
        row[0] for row in struct.iter_unpack("<8xQ8x", elf[symbols.offset : symbols.offset + symbols.size])
    ]
    for place, info, addend in struct.iter_unpack("<QQq", elf[table.offset : table.offset + table.size]):
        size = _SIZES.get(info & 0xFFFFFFFF)
        if size is None or place + size > target.size:
            return False
        value = (values[info >> 32] + addend) & (1 << 8 * size) - 1
        at = target.offset + place
        found[at : at + size] = value.to_bytes(size, "little")
    return True
