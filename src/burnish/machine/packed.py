"""SSE and SSE2: one table of rows, each a whole-vector spelling of an instruction.

Keys are ``(mandatory prefix, opcode map, opcode)``. Faults for unaligned operands (``movaps`` and arithmetic with a
memory operand fault on the processor where the address is no multiple of 16) are not part of the meaning, nor are
the exception flags that MXCSR collects: what lifts cannot read them.
"""

from __future__ import annotations

from burnish.machine.emit import Emitter
from burnish.machine.encoding import Encoding, Map
from burnish.machine.packed_float import FLOAT_ROWS
from burnish.machine.packed_integer import INTEGER_ROWS
from burnish.machine.packed_moves import MOVE_ROWS
from burnish.machine.packed_rows import Key, Row

ROWS: dict[Key, Row] = {**MOVE_ROWS, **INTEGER_ROWS, **FLOAT_ROWS}

_VECTOR_OPCODES = frozenset(
    (*range(0x10, 0x18), *range(0x28, 0x30), *range(0x50, 0x80), 0xC2, *range(0xC4, 0xC7), *range(0xD0, 0xFF))
)


def is_packed(encoding: Encoding) -> bool:
    """True for opcodes of the vector extensions (SSE and later), in our table or not."""
    return encoding.map is Map.TWO and encoding.opcode in _VECTOR_OPCODES


def spell_packed(emitter: Emitter) -> bool:
    """Write the instruction's operations, or return False and write nothing."""
    encoding = emitter.encoding
    row = ROWS.get((encoding.mandatory, encoding.map, encoding.opcode))
    if row is None:
        return False
    if row(emitter):
        return True
    emitter.operations.clear()
    return False
