"""Which instructions are refused before anyone asks what they mean, as a table over their encodings."""

from __future__ import annotations

from burnish.core.code import Reason
from burnish.machine.bit_manipulation import vex_speller
from burnish.machine.encoding import Encoding, Map, decode

Row = tuple[Reason, str]

_SYSTEM, _X87, _ATOMIC = (Reason.SYSTEM, ""), (Reason.X87, ""), (Reason.ATOMIC, "")
_CONTROL = (Reason.CONTROL_STATE, "")


def _rows(row: Row, opcode_map: Map, *opcodes: int) -> dict[tuple[Map, int], Row]:
    return {(opcode_map, opcode): row for opcode in opcodes}


_BY_OPCODE: dict[tuple[Map, int], Row] = {
    **_rows(_SYSTEM, Map.ONE, *range(0x6C, 0x70), 0x8C, 0x8E, 0xCA, 0xCB, 0xCD, 0xCF),
    **_rows(_SYSTEM, Map.ONE, *range(0xE4, 0xE8), *range(0xEC, 0xF0), 0xF1, 0xFA, 0xFB),
    **_rows(_X87, Map.ONE, 0x9B, *range(0xD8, 0xE0)),
    # PUSHF, POPF, CLD, STD; SAHF and LAHF, because they touch the auxiliary carry, which p-code does not keep.
    **_rows(_CONTROL, Map.ONE, 0x9C, 0x9D, 0x9E, 0x9F, 0xFC, 0xFD),
    **_rows(_SYSTEM, Map.TWO, *range(0x0A), 0x0E, *range(0x20, 0x28), *range(0x30, 0x38)),
    **_rows(_SYSTEM, Map.TWO, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, 0xB2, 0xB4, 0xB5, 0x78, 0x79),
    **_rows(_X87, Map.TWO, 0x77),
    **_rows(_ATOMIC, Map.TWO, 0xB0, 0xB1),
    **_rows((Reason.NO_MEANING, "enter"), Map.ONE, 0xC8),
}
"""Refused whatever the operands are."""

_BY_EXTENSION: dict[tuple[Map, int, int, bool], Row] = {
    (Map.ONE, 0xFF, 3, False): _SYSTEM,
    (Map.ONE, 0xFF, 5, False): _SYSTEM,
    (Map.TWO, 0xAE, 2, False): _CONTROL,
    (Map.TWO, 0xAE, 3, False): _CONTROL,
    **{(Map.TWO, 0xAE, k, True): _ATOMIC for k in (5, 6, 7)},
    **{(Map.TWO, 0xAE, k, True): _SYSTEM for k in range(5)},
    **{(Map.TWO, 0xAE, k, False): _SYSTEM for k in (0, 1, 4, 5, 6, 7)},
    **{(Map.TWO, 0xC7, k, register): _SYSTEM for k in range(8) for register in (False, True)},
    (Map.TWO, 0xC7, 1, False): _ATOMIC,
    # Rotations through carry by more than one.
    **{
        (Map.ONE, op, k, register): (Reason.NO_MEANING, "a rotation through carry by more than one")
        for op in (0xC0, 0xC1, 0xD2, 0xD3)
        for k in (2, 3)
        for register in (False, True)
    },
}
"""Refused for ModRM's middle field, with a memory (False) or a register (True) operand."""

_MMX = frozenset(
    (*range(0x60, 0x6C), 0x6E, 0x6F, *range(0x70, 0x77), 0x7E, 0x7F, 0xC4, 0xC5, *range(0xD1, 0xFF))
)
"""Two-byte opcodes that without a mandatory prefix work on MMX registers."""

_MMX_WITH_PREFIX = {(0x66, 0x2A), (0x66, 0x2C), (0x66, 0x2D), (0xF2, 0xD6), (0xF3, 0xD6)}
_BRANCHES = frozenset(((Map.ONE, 0xE8), (Map.ONE, 0xE9), (Map.ONE, 0xEB), (Map.ONE, 0xC3), (Map.ONE, 0xC2)))
_UNDEFINED_WORDS = frozenset(
    (
        (Map.TWO, 0xA4),
        (Map.TWO, 0xA5),
        (Map.TWO, 0xAC),
        (Map.TWO, 0xAD),
        *((Map.TWO, k) for k in range(0xC8, 0xD0)),
    )
)
"""SHLD, SHRD and BSWAP: with 16-bit operands their results are undefined."""

_NO_REPEAT = frozenset(((Map.TWO, 0xC3), (Map.THREE_38, 0xF0), (Map.THREE_38, 0xF1)))
"""MOVNTI and MOVBE. (CRC32, which shares MOVBE's opcodes, has no meaning in p-code.)"""

_VEX: dict[tuple[Map, int, int], Row] = {
    (Map.VEX_38, 0xF5, 0xF2): (Reason.NO_MEANING, "pdep"),
    (Map.VEX_38, 0xF5, 0xF3): (Reason.NO_MEANING, "pext"),
}
"""Instructions coded with VEX that are no vector instructions, by the mandatory prefix too."""

_STRING = frozenset((*range(0xA4, 0xA8), *range(0xAA, 0xB0)))


def refusal(encoding: Encoding) -> Row | None:
    """Why an instruction is refused, with what else is to be said, or None. Says nothing of instructions that have
    no meaning in p-code: those show themselves."""
    opcode_map, opcode = encoding.map, encoding.opcode
    if opcode_map is Map.VECTOR_EXTENSION:
        return Reason.AVX, ""
    if encoding.vex is not None and vex_speller(encoding) is None:
        return _VEX.get((opcode_map, opcode, encoding.mandatory), (Reason.AVX, ""))
    if 0xF0 in encoding.prefixes:
        return Reason.ATOMIC, "lock"
    if encoding.modrm >= 0:
        row = _BY_EXTENSION.get((opcode_map, opcode, encoding.extension, encoding.is_register))
        if row is not None:
            return row
    row = _BY_OPCODE.get((opcode_map, opcode)) or _mmx(encoding) or _prefixed(encoding)
    if row is not None:
        return row
    if opcode_map is Map.ONE:
        return _one_byte(encoding)
    if opcode_map is Map.TWO and opcode == 0x1E and encoding.mandatory == 0xF3:
        # ENDBR is a hint; the other forms read the shadow stack.
        return None if encoding.modrm in (0xFA, 0xFB) else (Reason.SYSTEM, "shadow stack")
    if opcode_map is Map.TWO and opcode in (0x52, 0x53):
        return Reason.NO_MEANING, "an approximation that differs between processors"
    return None


def _mmx(encoding: Encoding) -> Row | None:
    opcode_map, opcode, prefix = encoding.map, encoding.opcode, encoding.mandatory
    if opcode_map is Map.TWO:
        if prefix == 0 and (opcode in _MMX or opcode in (0x2A, 0x2C, 0x2D)):
            return _X87
        return _X87 if (prefix, opcode) in _MMX_WITH_PREFIX else None
    if opcode_map is Map.THREE_38 and prefix == 0 and opcode < 0xC0:
        return _X87
    return _X87 if opcode_map is Map.THREE_3A and prefix == 0 and opcode == 0x0F else None


def _prefixed(encoding: Encoding) -> Row | None:
    """Prefixes that change what is addressed or where control goes."""
    opcode_map, opcode, prefixes = encoding.map, encoding.opcode, encoding.prefixes
    if 0x65 in prefixes and (opcode_map is not Map.TWO or opcode != 0x1F):
        return Reason.SEGMENT, "gs"
    if opcode_map is Map.ONE and opcode in _STRING and (0x64 in prefixes or 0x67 in prefixes):
        return Reason.NO_MEANING, "a string instruction with an unusual address"
    if 0x67 in prefixes and encoding.is_rip_relative:
        return Reason.NO_MEANING, "an address relative to eip"
    if 0x64 in prefixes and encoding.is_rip_relative:
        return Reason.NO_MEANING, "an address relative to rip and fs"
    # Intel processors ignore the operand-size prefix of a near branch, AMD's do not; REX.W settles it.
    near = (
        (opcode_map, opcode) in _BRANCHES
        or (opcode_map is Map.ONE and (opcode & 0xF0 == 0x70 or opcode & 0xFC == 0xE0))
        or (opcode_map is Map.TWO and opcode & 0xF0 == 0x80)
        or (opcode_map is Map.ONE and opcode == 0xFF and encoding.extension in (2, 4))
    )
    if near and 0x66 in prefixes and not encoding.rex & 8:
        return Reason.NO_MEANING, "a branch with an operand-size prefix"
    if opcode_map is Map.ONE and opcode & 0xFC == 0xE0 and (encoding.repeats or 0x67 in prefixes):
        return Reason.NO_MEANING, "a loop instruction with a prefix"
    key = (opcode_map, opcode)
    if key in _UNDEFINED_WORDS and 0x66 in prefixes and not encoding.rex & 8:
        return Reason.NO_MEANING, "undefined for 16-bit operands"
    if key in _NO_REPEAT and (encoding.repeats or (opcode == 0xC3 and 0x66 in prefixes)):
        return Reason.NO_MEANING, "a prefix that this instruction does not take"
    return None


def _one_byte(encoding: Encoding) -> Row | None:
    opcode = encoding.opcode
    if opcode in (0x86, 0x87) and not encoding.is_register:
        return Reason.ATOMIC, "xchg with memory"
    if opcode == 0x90 and encoding.mandatory == 0xF3:
        return Reason.ATOMIC, "pause"
    if opcode == 0xC2 and encoding.immediate != 0:
        return Reason.CONVENTION, "return that pops arguments"
    if encoding.repeats and opcode in (0xA6, 0xA7, 0xAC, 0xAD, 0xAE, 0xAF):
        return Reason.NO_MEANING, "a repeated string comparison or load"
    return None


TRAPS = frozenset(((Map.ONE, 0xCC), (Map.ONE, 0xF4), (Map.TWO, 0x0B), (Map.TWO, 0xB9), (Map.TWO, 0xFF)))
"""INT3, HLT, UD2, UD1 and UD0."""


def is_trap(raw: bytes) -> bool:
    """True for UD0, UD1, UD2, INT3 and HLT: in a user's program control never goes past them."""
    encoding = decode(raw)
    return encoding is not None and (encoding.map, encoding.opcode) in TRAPS
