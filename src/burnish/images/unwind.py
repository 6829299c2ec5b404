"""Unwind records (``.eh_frame``) of rebuilt code, and the search table (``.eh_frame_hdr``) that finds them.

Formats: Linux Standard Base Core 5.0, sections 10.6.1 and 10.6.2, pointer encodings in 10.5.1; DWARF 3,
section 6.4.1, for ``.debug_frame``.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from burnish.core.deployment import Frame

_PCREL_SDATA4 = 0x1B
_DATAREL_SDATA4 = 0x3B
_UDATA4 = 0x03
_HEADER = struct.Struct("<BBBBiI")
_DEBUG_COMMON = 0xFFFFFFFF
_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Common:
    """What a common information entry says: ``factors`` are the alignment factors and the number of the
    return address register as they are encoded."""

    offset: int
    factors: bytes
    instructions: bytes


@dataclass(frozen=True, slots=True)
class _Description:
    """A frame description entry: code of ``size`` bytes at ``start``."""

    offset: int
    common: _Common
    start: int
    size: int
    instructions: bytes


def read_frames(records: bytes, address: int) -> tuple[Frame, ...]:
    """The frame descriptions in ``records``, an ``.eh_frame`` at ``address``, as far as a zero length.

    Only those whose pointers are 32-bit and relative to their place, as LLVM and gcc write them for
    position-independent code; others are left out.
    """
    return tuple(Frame(d.start, d.size, address + d.offset) for d in _descriptions(records, address))


def debug_frame(records: bytes, address: int) -> bytes:
    """The same descriptions as a ``.debug_frame`` section.

    gdb reads one ``.eh_frame`` and one ``.debug_frame`` from a file. The original code has the first, so the
    new code gets the second.
    """
    out = bytearray()
    places: dict[int, int] = {}
    for found in _descriptions(records, address):
        if found.common.offset not in places:
            places[found.common.offset] = len(out)
            entry = struct.pack("<IBB", _DEBUG_COMMON, _VERSION, 0)
            out += _padded(entry + found.common.factors + found.common.instructions)
        entry = struct.pack("<IQQ", places[found.common.offset], found.start, found.size)
        out += _padded(entry + found.instructions)
    return bytes(out)


def merged_search_table(old: bytes, old_address: int, address: int, frames: Sequence[Frame]) -> bytes | None:
    """A search table at ``address``: the entries of the table ``old`` (at ``old_address``) and of ``frames``.

    Where both describe one address the new one stands. None if ``old`` is not in the one form that unwinders
    search, or something is out of reach of 32 bits: the table is then best left alone.
    """
    if len(old) < _HEADER.size:
        return None
    version, pointer, counted, form, distance, count = _HEADER.unpack_from(old)
    if (version, pointer, counted, form) != (_VERSION, _PCREL_SDATA4, _UDATA4, _DATAREL_SDATA4):
        return None
    if _HEADER.size + 8 * count > len(old):
        return None
    entries = {
        old_address + start: old_address + record
        for start, record in struct.iter_unpack("<ii", old[_HEADER.size : _HEADER.size + 8 * count])
    }
    entries.update((frame.start, frame.record) for frame in frames)
    return _search_table(address, old_address + 4 + distance, entries)


def search_table(records: int, address: int, frames: Sequence[Frame]) -> bytes | None:
    """A search table at ``address`` for ``frames``, whose ``.eh_frame`` lies at ``records``; None if
    something is out of reach of 32 bits."""
    return _search_table(address, records, {frame.start: frame.record for frame in frames})


def _search_table(address: int, records: int, entries: dict[int, int]) -> bytes | None:
    try:
        head = _HEADER.pack(
            _VERSION, _PCREL_SDATA4, _UDATA4, _DATAREL_SDATA4, records - (address + 4), len(entries)
        )
        return head + b"".join(
            struct.pack("<ii", start - address, record - address) for start, record in sorted(entries.items())
        )
    except struct.error:
        return None


def _descriptions(records: bytes, address: int) -> Generator[_Description]:
    offset = 0
    while offset + 8 <= len(records):
        length, reference = struct.unpack_from("<II", records, offset)
        end = offset + 4 + length
        if length in (0, 0xFFFFFFFF) or end > len(records):
            return
        if reference:
            common = _common(records, offset + 4 - reference)
            if common is not None and length >= 13:
                distance, size = struct.unpack_from("<iI", records, offset + 8)
                extra, start = _leb128(records, offset + 16)
                code = address + offset + 8 + distance
                yield _Description(offset, common, code, size, records[start + extra : end])
        offset = end


def _common(records: bytes, offset: int) -> _Common | None:
    """The common information entry at ``offset``; None if its descriptions are not in the expected form."""
    if offset < 0 or offset + 9 > len(records):
        return None
    length, identity, version = struct.unpack_from("<IIB", records, offset)
    end = min(offset + 4 + length, len(records))
    stop = records.find(b"\0", offset + 9, end)
    augmentation = records[offset + 9 : max(stop, 0)].decode("latin-1")
    if identity or version != _VERSION or not augmentation.startswith("z"):
        return None
    cursor = _leb128(records, _leb128(records, stop + 1)[1])[1] + 1
    factors = records[stop + 1 : cursor]
    extra, cursor = _leb128(records, cursor)
    if _pointer_encoding(augmentation[1:], records[cursor : cursor + extra]) != _PCREL_SDATA4:
        return None
    return _Common(offset, factors, records[cursor + extra : end])


def _pointer_encoding(letters: str, data: bytes) -> int | None:
    """How code addresses are written, by the letters of an augmentation string (without ``z``) and their
    data."""
    place = 0
    for letter in letters:
        match letter:
            case "R":
                return data[place] if place < len(data) else None
            case "L":
                place += 1
            case "S" | "B":
                pass
            case _:
                return None
    return None


def _leb128(data: bytes, offset: int) -> tuple[int, int]:
    """The unsigned number at ``offset`` and where it ends."""
    value = shift = 0
    while offset < len(data):
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return value, offset


def _padded(entry: bytes) -> bytes:
    """An entry with its length in front, filled with ``DW_CFA_nop`` to a multiple of eight bytes."""
    entry += bytes(-(4 + len(entry)) % 8)
    return struct.pack("<I", len(entry)) + entry
