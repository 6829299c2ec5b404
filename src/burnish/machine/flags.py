"""Which flags and results an instruction leaves undefined.

Compiled code does not read them, so what p-code writes there is of no account; a comparison with a processor must
leave them out, and a proof must take them as unknown.

Source: Intel SDM volume 2, "Flags Affected" of each instruction; AMD64 Architecture Programmer's Manual volume 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.pcode import Varnode
from burnish.machine.bit_manipulation import VEX_UNDEFINED_FLAGS
from burnish.machine.emit import general
from burnish.machine.encoding import Encoding, Map, decode
from burnish.machine.shifts import DOUBLE_SHIFTS, SHIFTS

_NONE: frozenset[str] = frozenset()
ALWAYS = frozenset({"af"})
"""The auxiliary carry is never modelled: what would read it is refused."""

_ALL = frozenset({"cf", "pf", "zf", "sf", "of"})
_RESULT = frozenset({"pf", "zf", "sf"})

_BY_OPCODE: dict[tuple[Map, int], frozenset[str]] = {
    **dict.fromkeys(((Map.TWO, 0xAF), (Map.ONE, 0x69), (Map.ONE, 0x6B)), _RESULT),  # IMUL
    **dict.fromkeys(((Map.TWO, 0xA3), (Map.TWO, 0xAB), (Map.TWO, 0xB3), (Map.TWO, 0xBB)), _ALL - {"cf", "zf"}),  # BT
    (Map.TWO, 0xBA): _ALL - {"cf", "zf"},
}  # fmt: skip


def undefined_flags(raw: bytes, count: int | None = None) -> frozenset[str]:
    """Names of the flags (``cf pf af zf sf of``) that the instruction ``raw`` leaves undefined, and the auxiliary
    carry, which is never modelled. Of a shift by ``CL`` this depends on the count: ``count`` is the value of ``CL``,
    or None for whatever any count may leave undefined."""
    encoding = decode(raw)
    return ALWAYS if encoding is None else ALWAYS | _undefined(encoding, count)


@dataclass(frozen=True, slots=True)
class UndefinedResult:
    """A register that an instruction leaves undefined where, after it, ``flag`` is 1."""

    register: Varnode
    flag: str


def undefined_results(raw: bytes) -> tuple[UndefinedResult, ...]:
    """What the instruction ``raw`` leaves undefined beside flags: the destination of BSF and BSR where the source is 0,
    all 64 bits of it for 32-bit operands. (AMD says that it keeps its value, and p-code does so; of Intel's processors
    some clear the upper half.) Other instructions with undefined results, as SHLD of 16 bits, are refused."""
    encoding = decode(raw)
    if encoding is None or encoding.map is not Map.TWO or encoding.opcode not in (0xBC, 0xBD):
        return ()
    if encoding.mandatory == 0xF3:
        return ()
    size = 2 if encoding.operand_size == 2 else 8
    return (UndefinedResult(general(encoding.reg, size), "zf"),)


def _undefined(encoding: Encoding, count: int | None) -> frozenset[str]:
    opcode_map, opcode = encoding.map, encoding.opcode
    if encoding.vex is not None:
        return VEX_UNDEFINED_FLAGS.get((opcode_map, opcode, encoding.mandatory), _NONE)
    if opcode_map is Map.TWO and opcode in (0xBC, 0xBD):
        counting = encoding.mandatory == 0xF3
        return frozenset({"of", "sf", "pf"}) if counting else _ALL - {"zf"}
    if opcode_map is Map.ONE and opcode in (0xF6, 0xF7):
        return {4: _RESULT, 5: _RESULT, 6: _ALL, 7: _ALL}.get(encoding.extension, _NONE)
    if opcode_map is Map.ONE and opcode in SHIFTS:
        return _of_shift(encoding, count)
    if opcode_map is Map.TWO and opcode in DOUBLE_SHIFTS:
        return _of_shift(encoding, count)
    return _BY_OPCODE.get((opcode_map, opcode), _NONE)


def _of_shift(encoding: Encoding, count: int | None) -> frozenset[str]:
    """OF for counts but 1; CF of SHL and SHR for counts of the width or more. A count of 0 leaves all flags alone."""
    double = encoding.map is Map.TWO
    size = encoding.operand_size if double or encoding.opcode & 1 else 1
    by_register = encoding.opcode in ((0xA5, 0xAD) if double else (0xD2, 0xD3))
    if not by_register:
        count = encoding.immediate if encoding.immediate_size else 1
    limit = 0x3F if size == 8 else 0x1F
    counts = range(limit + 1) if count is None else (count & limit,)
    found: set[str] = set()
    for each in counts:
        if each > 1:
            found.add("of")
        if each >= 8 * size and (double or encoding.extension in (4, 5, 6)):
            found.add("cf")
    return frozenset(found)
