"""Unwind records (``.eh_frame``) of rebuilt code, and the search table (``.eh_frame_hdr``) that finds them.

Formats: Linux Standard Base Core 5.0, sections 10.6.1 and 10.6.2; pointer encodings, section 10.5.1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from burnish.core.deployment import Frame

_PCREL_SDATA4 = 0x1B
_DATAREL_SDATA4 = 0x3B
_UDATA4 = 0x03
_HEADER = struct.Struct("<BBBBiI")


def read_frames(records: bytes, address: int) -> tuple[Frame, ...]:
    """The frame descriptions in ``records``, an ``.eh_frame`` at ``address``, as far as a zero length.

    Only those whose pointers are 32-bit and relative to their place, as LLVM and gcc write them for
    position-independent code; others are left out.
    """
    found: list[Frame] = []
    offset = 0
    while offset + 8 <= len(records):
        length, reference = struct.unpack_from("<II", records, offset)
        if length in (0, 0xFFFFFFFF):
            break
        if reference and _pointer_encoding(records, offset + 4 - reference) == _PCREL_SDATA4:
            distance, size = struct.unpack_from("<iI", records, offset + 8)
            found.append(Frame(address + offset + 8 + distance, size, address + offset))
        offset += 4 + length
    return tuple(found)


def _pointer_encoding(records: bytes, offset: int) -> int | None:
    """How the common information entry at ``offset`` has code addresses written; None if not known."""
    if offset < 0 or offset + 9 > len(records):
        return None
    length, identity, version = struct.unpack_from("<IIB", records, offset)
    end = min(offset + 4 + length, len(records))
    stop = records.find(b"\0", offset + 9, end)
    augmentation = records[offset + 9 : stop]
    if identity or version != 1 or stop < 0 or not augmentation.startswith(b"z"):
        return None
    # Code and data alignment factors, return address register (a byte in version 1), augmentation length.
    cursor = _skip_leb128(records, _skip_leb128(records, stop + 1)) + 1
    cursor = _skip_leb128(records, cursor)
    for letter in augmentation[1:].decode("latin-1"):
        match letter:
            case "R":
                return records[cursor]
            case "L":
                cursor += 1
            case "S" | "B":
                pass
            case _:
                return None
    return None


def _skip_leb128(data: bytes, offset: int) -> int:
    while data[offset] & 0x80:
        offset += 1
    return offset + 1


def merged_search_table(old: bytes, old_address: int, address: int, frames: Sequence[Frame]) -> bytes | None:
    """A search table at ``address``: the entries of the table ``old`` (at ``old_address``) and of ``frames``.

    Where both describe one address the new one stands. None if ``old`` is not in the one form that unwinders
    search, or something is out of reach of 32 bits: the table is then best left alone.
    """
    if len(old) < _HEADER.size:
        return None
    version, pointer, counted, form, distance, count = _HEADER.unpack_from(old)
    if (version, pointer, counted, form) != (1, _PCREL_SDATA4, _UDATA4, _DATAREL_SDATA4):
        return None
    if _HEADER.size + 8 * count > len(old):
        return None
    entries = {
        old_address + start: old_address + record
        for start, record in struct.iter_unpack("<ii", old[_HEADER.size : _HEADER.size + 8 * count])
    }
    entries.update((frame.start, frame.record) for frame in frames)
    try:
        table = b"".join(
            struct.pack("<ii", start - address, record - address) for start, record in sorted(entries.items())
        )
        moved = old_address + 4 + distance - (address + 4)
        return _HEADER.pack(version, pointer, counted, form, moved, len(entries)) + table
    except struct.error:
        return None


def search_table_size(old: bytes, frames: int) -> int:
    """An upper bound for the size in bytes of the table that ``merged_search_table`` makes."""
    return len(old) + 8 * frames
