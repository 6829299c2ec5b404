"""What instructions do to control, told from their shape alone: quicker than lifting, for whole images."""

from __future__ import annotations

from burnish.machine.encoding import Encoding, Map


def is_relative_jump(shape: Encoding) -> bool:
    """A direct jump, conditional or not; no call."""
    if shape.map is Map.ONE:
        opcode = shape.opcode
        return opcode in (0xE9, 0xEB) or opcode & 0xF0 == 0x70 or 0xE0 <= opcode <= 0xE3
    return shape.map is Map.TWO and shape.opcode & 0xF0 == 0x80


def is_return(shape: Encoding) -> bool:
    """A return, near or far, or from an interrupt."""
    return shape.map is Map.ONE and shape.opcode in (0xC2, 0xC3, 0xCA, 0xCB, 0xCF)


def is_indirect_jump(shape: Encoding) -> bool:
    """A jump to what a register or memory holds."""
    return shape.map is Map.ONE and shape.opcode == 0xFF and shape.extension in (4, 5)


def leaves(shape: Encoding) -> bool:
    """True if control never goes on behind the instruction; traps are not counted."""
    return (
        is_return(shape) or is_indirect_jump(shape) or (shape.map is Map.ONE and shape.opcode in (0xE9, 0xEB))
    )


def is_padding(raw: bytes, shape: Encoding) -> bool:
    """What assemblers and compilers put between functions."""
    if shape.map is Map.ONE:
        return shape.opcode == 0x90 or raw == b"\xcc"
    return shape.map is Map.TWO and shape.opcode == 0x1F
