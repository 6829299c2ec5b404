"""The shape of an x86-64 instruction: prefixes, opcode, ModRM, displacement, immediate, and so its length.

Nothing here knows what an instruction does. The lifter needs the shape for three things: to recognise an
instruction that it has lifted before without asking SLEIGH, to move the lifted form to another address, and to
look rows up in the tables of instructions that it spells itself.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2 and appendix A.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

MAX_INSTRUCTION = 15
_LEGACY_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0")


class Map(IntEnum):
    """Which opcode map the opcode byte is looked up in. VEX, EVEX and XOP instructions have maps of their own."""

    ONE = 0
    TWO = 1
    """After ``0F``."""
    THREE_38 = 2
    """After ``0F 38``."""
    THREE_3A = 3
    """After ``0F 3A``."""
    VECTOR_EXTENSION = 4
    """EVEX, XOP and the other maps of VEX: AVX and later."""
    VEX_38 = 5
    """Map ``0F 38`` of VEX: AVX, and the general instructions of BMI1 and BMI2."""
    VEX_3A = 6
    """Map ``0F 3A`` of VEX: likewise."""


class Vex(NamedTuple):
    """What a VEX prefix of three bytes says beside the bits that it shares with REX."""

    source: int
    """The field ``vvvv``: the number of one more register; 0 where there is none."""
    length: int
    """0 for scalars and vectors of 128 bits, 1 for those of 256."""
    mandatory: int
    """As ``Encoding.mandatory``, from the field ``pp``."""


class Encoding(NamedTuple):
    """One instruction's shape. Fields that the instruction does not have are -1 (``modrm``, ``sib``) or 0.

    ``moves_at`` is the offset of the bytes whose meaning depends on the instruction's own address (a rip-relative
    displacement or a branch distance), ``moves_size`` how many there are: 0 for none.
    """

    size: int
    prefixes: bytes
    rex: int
    """The REX byte, or of VEX the bits ``WRXB`` alone."""
    map: Map
    opcode: int
    modrm: int
    sib: int
    displacement: int
    immediate: int
    """Sign-extended from its size."""
    immediate_size: int
    moves_at: int
    moves_size: int
    vex: Vex | None = None
    """Of the maps ``VEX_38`` and ``VEX_3A``."""

    @property
    def mandatory(self) -> int:
        """The prefix that selects among SSE instructions: F2 or F3 (the last of them), else 66, else 0. VEX has a field
        for it."""
        if self.vex is not None:
            return self.vex.mandatory
        last = max(self.prefixes.rfind(0xF2), self.prefixes.rfind(0xF3))
        return self.prefixes[last] if last >= 0 else 0x66 if 0x66 in self.prefixes else 0

    @property
    def repeats(self) -> bool:
        """True where a prefix repeats a string instruction."""
        return 0xF2 in self.prefixes or 0xF3 in self.prefixes

    @property
    def operand_size(self) -> int:
        """Bytes of a general operand: 8 with REX.W, 2 with the prefix 66, else 4. (Byte forms say so in the
        opcode.)"""
        return 8 if self.rex & 8 else 2 if 0x66 in self.prefixes else 4

    @property
    def reg(self) -> int:
        """Register number (or opcode extension, modulo 8) in ModRM's middle field."""
        return (self.modrm >> 3 & 7) | (self.rex & 4) << 1

    @property
    def extension(self) -> int:
        """ModRM's middle field as part of the opcode."""
        return self.modrm >> 3 & 7

    @property
    def rm(self) -> int:
        """Register number in ModRM's last field; only where ``is_register``."""
        return (self.modrm & 7) | (self.rex & 1) << 3

    @property
    def is_register(self) -> bool:
        """True where ModRM names a register and not memory."""
        return self.modrm >= 0xC0

    @property
    def is_rip_relative(self) -> bool:
        """True where the memory operand is relative to the next instruction."""
        return self.modrm >= 0 and self.modrm & 0xC7 == 5


# What follows an opcode, in one byte: bit 7 a ModRM byte; bit 6 a branch distance; the low bits the immediate.
_MODRM, _BRANCH = 0x80, 0x40
_NONE, _IMM8, _IMM16, _IMMZ, _IMMV, _MOFFS, _ENTER, _GROUP3 = range(8)
_INVALID = 0x3F


def _one_byte() -> bytes:
    table = bytearray(256)
    for row in range(0, 0x40, 8):
        table[row : row + 8] = bytes([_MODRM] * 4 + [_IMM8, _IMMZ, _INVALID, _INVALID])
    for op in (0x60, 0x61, 0x62, 0x82, 0x9A, 0xCE, 0xD4, 0xD5, 0xD6, 0xEA):
        table[op] = _INVALID
    for op in (0x63, *range(0x84, 0x90), *range(0xD0, 0xD4), *range(0xD8, 0xE0), 0xFE, 0xFF):
        table[op] = _MODRM
    for op in (0x6B, 0x80, 0x83, 0xC0, 0xC1, 0xC6):
        table[op] = _MODRM | _IMM8
    for op in (0x69, 0x81, 0xC7):
        table[op] = _MODRM | _IMMZ
    for op in (0x6A, 0xA8, *range(0xB0, 0xB8), 0xCD, *range(0xE4, 0xE8)):
        table[op] = _IMM8
    for op in (0x68, 0xA9):
        table[op] = _IMMZ
    for op in (*range(0x70, 0x80), *range(0xE0, 0xE4), 0xEB):
        table[op] = _BRANCH | _IMM8
    for op in range(0xB8, 0xC0):
        table[op] = _IMMV
    for op in range(0xA0, 0xA4):
        table[op] = _MOFFS
    table[0xC2] = table[0xCA] = _IMM16
    table[0xC8] = _ENTER
    table[0xE8] = table[0xE9] = _BRANCH | _IMMZ
    table[0xF6] = table[0xF7] = _MODRM | _GROUP3
    return bytes(table)


def _two_byte() -> bytes:
    table = bytearray([_MODRM] * 256)
    plain = (*range(0x05, 0x0A), 0x0B, 0x0E, *range(0x30, 0x38), 0x77, *range(0xA0, 0xA3), *range(0xA8, 0xAB))
    for op in (*plain, *range(0xC8, 0xD0)):
        table[op] = _NONE
    for op in (0x04, 0x0A, 0x0C, 0x25, 0x26, 0x27, 0x36, *range(0x39, 0x40)):
        table[op] = _INVALID
    for op in range(0x80, 0x90):
        table[op] = _BRANCH | _IMMZ
    for op in (0x0F, *range(0x70, 0x74), 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6):
        table[op] = _MODRM | _IMM8
    return bytes(table)


_TABLES = (_one_byte(), _two_byte(), bytes([_MODRM] * 256), bytes([_MODRM | _IMM8] * 256))


_VEX_MANDATORY = (0, 0x66, 0xF3, 0xF2)


def decode(code: bytes, offset: int = 0) -> Encoding | None:
    """The shape of the instruction at ``offset``; None where the bytes are none, or end too early."""
    try:
        found = _decode(code, offset)
    except IndexError:
        return None
    if found is None or found.size > MAX_INSTRUCTION or offset + found.size > len(code):
        return None
    return found


def _decode(code: bytes, start: int) -> Encoding | None:
    at = start
    byte = code[at]
    while byte in _LEGACY_PREFIXES:
        at += 1
        byte = code[at]
    prefixes = code[start:at]
    rex = 0
    if byte & 0xF0 == 0x40:
        rex = byte
        at += 1
        byte = code[at]
    if not rex and (byte in b"\xc4\xc5\x62" or (byte == 0x8F and code[at + 1] & 0x1F >= 8)):
        return _vector_extension(code, start, at, prefixes)
    opcode_map = Map.ONE
    at += 1
    if byte == 0x0F:
        byte = code[at]
        at += 1
        opcode_map = Map.TWO
        if byte == 0x38 or byte == 0x3A:
            opcode_map = Map.THREE_38 if byte == 0x38 else Map.THREE_3A
            byte = code[at]
            at += 1
    layout = _TABLES[opcode_map][byte]
    return None if layout == _INVALID else _operands(code, start, at, prefixes, rex, opcode_map, byte, layout)


def _vector_extension(code: bytes, start: int, at: int, prefixes: bytes) -> Encoding | None:
    """VEX, EVEX and XOP. Only the length matters, for all are refused, except in the two maps of VEX that have general
    instructions."""
    kind = code[at]
    if kind == 0xC5:
        table, header = 1, 2
    else:
        table, header = code[at + 1] & (0x07 if kind == 0x62 else 0x1F), 4 if kind == 0x62 else 3
    opcode = code[at + header]
    if kind == 0x8F:
        layout = _MODRM | {8: _IMM8, 9: _NONE, 10: _IMMZ}.get(table, _NONE)
    elif table in (1, 2, 3):
        layout = _TABLES[table][opcode] & ~_BRANCH
    else:
        layout = _MODRM
    if layout == _INVALID:
        return None
    end = at + header + 1
    if kind == 0xC4 and table in (2, 3):
        # R, X, B and vvvv are stored inverted.
        first, second = code[at + 1] ^ 0xE0, code[at + 2] ^ 0x78
        rex = second >> 4 & 8 | first >> 5
        vex = Vex(second >> 3 & 15, second >> 2 & 1, _VEX_MANDATORY[second & 3])
        opcode_map = Map.VEX_38 if table == 2 else Map.VEX_3A
        return _operands(code, start, end, prefixes, rex, opcode_map, opcode, layout, vex)
    return _operands(code, start, end, prefixes, 0, Map.VECTOR_EXTENSION, opcode, layout)


def _operands(
    code: bytes,
    start: int,
    at: int,
    prefixes: bytes,
    rex: int,
    opcode_map: Map,
    opcode: int,
    layout: int,
    vex: Vex | None = None,
) -> Encoding:
    modrm = sib = -1
    displacement = moves_at = moves_size = 0
    if layout & _MODRM:
        modrm = code[at]
        at += 1
        mode = modrm & 0xC0
        if mode != 0xC0:
            width = 1 if mode == 0x40 else 4 if mode == 0x80 else 0
            if modrm & 7 == 4:
                sib = code[at]
                at += 1
                if mode == 0 and sib & 7 == 5:
                    width = 4
            elif mode == 0 and modrm & 7 == 5:
                width = 4
                moves_at, moves_size = at - start, 4
            if width:
                displacement = int.from_bytes(code[at : at + width], "little", signed=True)
                at += width
    size = _immediate_size(layout & 0x3F, opcode, modrm, prefixes, rex)
    immediate = int.from_bytes(code[at : at + size], "little", signed=True) if size else 0
    if layout & _BRANCH:
        moves_at, moves_size = at - start, size
    at += size
    return Encoding(
        at - start, prefixes, rex, opcode_map, opcode, modrm, sib, displacement, immediate, size, moves_at,
        moves_size, vex,
    )  # fmt: skip


def _immediate_size(kind: int, opcode: int, modrm: int, prefixes: bytes, rex: int) -> int:
    if kind == _NONE:
        return 0
    if kind == _IMM8:
        return 1
    if kind == _GROUP3:
        if modrm & 0x30:
            return 0
        kind = _IMMZ if opcode & 1 else _NONE
        if kind == _NONE:
            return 1
    if kind == _IMMZ:
        return 2 if 0x66 in prefixes and not rex & 8 else 4
    if kind == _IMMV:
        return 8 if rex & 8 else 2 if 0x66 in prefixes else 4
    if kind == _MOFFS:
        return 4 if 0x67 in prefixes else 8
    return 2 if kind == _IMM16 else 3
