"""Where functions lie, from ``.eh_frame``: it survives stripping, since unwinding needs it.

Formats: Linux Standard Base Core 5.0, sections 10.5 (pointer encodings) and 10.6 (records); DWARF 5, section 6.4.2
(call frame instructions).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_ADVANCE, _OFFSET = 0x40, 0x80
_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_OFFSET, _DEF_CFA_EXPRESSION = 0x0C, 0x0D, 0x0E, 0x0F
_OMIT = 0xFF
_FORMATS = {0x0: "<Q", 0x2: "<H", 0x3: "<I", 0x4: "<Q", 0xA: "<h", 0xB: "<i", 0xC: "<q"}
_ULEB, _SLEB = 0x1, 0x9
_PCREL, _DATAREL, _INDIRECT = 0x10, 0x30, 0x80


class FrameRange(NamedTuple):
    """One frame description: ``size`` bytes of code from ``start``.

    ``has_handler`` says that it names a language-specific data area. ``mid_frame`` says that the frame is not
    that of a function's entry where the range begins: the range is a piece of a function.
    """

    start: int
    size: int
    has_handler: bool
    mid_frame: bool


class _Common(NamedTuple):
    """What frame descriptions share (CIE); encodings are ``_OMIT`` where absent."""

    augmented: bool
    pointer: int
    handler: int


def frame_ranges(records: bytes, address: int) -> tuple[FrameRange, ...]:
    """The code ranges that ``records``, an ``.eh_frame`` at ``address``, describes, by start.

    Records that cannot be read (an encoding that compilers do not emit) are left out, and everything after a
    record whose length leaves the section.
    """
    found: list[FrameRange] = []
    commons: dict[int, _Common | None] = {}
    offset, end = 0, len(records)
    while offset + 8 <= end:
        length, reference = struct.unpack_from("<II", records, offset)
        if length == 0:  # the terminator; crtend.o's may be followed by further records
            offset += 4
            continue
        following = offset + 4 + length
        if length >= 0xFFFFFFF0 or following > end:
            break
        if reference:
            place = offset + 4 - reference
            if place not in commons:
                commons[place] = _guarded_common(records, place)
            common = commons[place]
            if common is not None:
                record = _description(records, offset, following, common, address)
                if record is not None:
                    found.append(record)
        offset = following
    return tuple(sorted(found))


def _guarded_common(records: bytes, offset: int) -> _Common | None:
    try:
        return _common(records, offset)
    except (IndexError, struct.error):
        return None


def _common(records: bytes, offset: int) -> _Common | None:
    if offset < 0:
        return None
    _, identity, version = struct.unpack_from("<IIB", records, offset)
    stop = records.index(0, offset + 9)
    letters = records[offset + 9 : stop]
    if identity or version not in (1, 3):
        return None
    if not letters:
        return _Common(False, 0, _OMIT)
    if letters[:1] != b"z":
        return None
    cursor = _skip_leb128(records, _skip_leb128(records, stop + 1))
    cursor = cursor + 1 if version == 1 else _skip_leb128(records, cursor)
    cursor = _skip_leb128(records, cursor)
    pointer, handler = 0, _OMIT
    for letter in letters[1:].decode("latin-1"):
        match letter:
            case "R":
                pointer = records[cursor]
                cursor += 1
            case "L":
                handler = records[cursor]
                cursor += 1
            case "P":
                width = _width(records[cursor])
                if width is None:
                    return None
                cursor += 1 + width
            case "S" | "B":
                pass
            case _:
                return None
    return _Common(True, pointer, handler)


def _description(records: bytes, offset: int, end: int, common: _Common, address: int) -> FrameRange | None:
    cursor = offset + 8
    if common.pointer == _PCREL | 0xB and cursor + 8 <= end:  # by far the most frequent
        distance, size = struct.unpack_from("<iI", records, cursor)
        start = address + cursor + distance
        cursor += 8
    else:
        kind, width = _FORMATS.get(common.pointer & 0xF), _width(common.pointer)
        if kind is None or width is None or cursor + 2 * width > end:
            return None
        if common.pointer & _INDIRECT or common.pointer & 0x70 not in (0, _PCREL):
            return None
        (start,) = struct.unpack_from(kind, records, cursor)
        (size,) = struct.unpack_from(kind.upper(), records, cursor + width)
        start += address + cursor if common.pointer & 0x70 == _PCREL else 0
        cursor += 2 * width
    if not size:
        return None
    has_handler = False
    if common.augmented and cursor < end:
        length, cursor = _uleb128(records, cursor)
        has_handler = common.handler != _OMIT and any(records[cursor : cursor + length])
        cursor += length
    return FrameRange(start & (1 << 64) - 1, size, has_handler, _starts_mid_frame(records, cursor, end))


def _starts_mid_frame(records: bytes, cursor: int, end: int) -> bool:
    """True if the call frame instructions before the first advance set up anything but the entry's frame (CFA =
    RSP + 8, nothing saved)."""
    if cursor >= end:
        return False
    first = records[cursor]
    match first:
        case 0x0E:
            return _uleb128(records, cursor + 1)[0] != 8
        case 0x0C:
            register, cursor = _uleb128(records, cursor + 1)
            return (register, _uleb128(records, cursor)[0]) != (7, 8)
        case 0x0D | 0x0F:
            return True
        case _:
            return first & 0xC0 == _OFFSET


def _width(encoding: int) -> int | None:
    kind = _FORMATS.get(encoding & 0xF)
    return None if kind is None else struct.calcsize(kind)


def _uleb128(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[offset]
        value |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            return value, offset


def _skip_leb128(data: bytes, offset: int) -> int:
    while data[offset] & 0x80:
        offset += 1
    return offset + 1


def section_from_header(header: bytes, address: int) -> int | None:
    """The address of ``.eh_frame`` as ``.eh_frame_hdr`` (``header``, at ``address``) gives it; None where it is
    encoded in a way that no linker uses."""
    if len(header) < 8 or header[0] != 1:
        return None
    base = {_PCREL: address + 4, _DATAREL: address, 0: 0}.get(header[1] & 0xF0)
    kind = _FORMATS.get(header[1] & 0xF)
    if base is None or kind is None or len(header) < 4 + struct.calcsize(kind):
        return None
    return base + struct.unpack_from(kind, header, 4)[0]
