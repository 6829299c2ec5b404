"""Small changes of machine code: mutants, as mutation testing has them, made on bytes so that all of them can run.

A mutant changes one instruction and keeps its length. Relocated bytes are left alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import capstone

Kind = Literal["operand", "constant", "condition", "deleted", "swapped", "width", "operation", "target"]
KINDS: tuple[Kind, ...] = (
    "operand",
    "constant",
    "condition",
    "deleted",
    "swapped",
    "width",
    "operation",
    "target",
)
_NOPS = {1: "90", 2: "6690", 3: "0f1f00", 4: "0f1f4000", 5: "0f1f440000", 6: "660f1f440000", 7: "0f1f8000000000",
    8: "0f1f840000000000", 9: "660f1f840000000000"}  # fmt: skip
_ATTEMPTS = 400
_REPEATED = 100
"""So many draws an instruction that bring nothing new mean that all has been drawn."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One instruction of a function changed. ``offset`` is from the start of the function."""

    kind: Kind
    offset: int
    before: bytes
    after: bytes
    text: str
    """What it was and what it is, as disassembly."""

    def applied(self, code: bytes, start: int = 0) -> bytes:
        """``code`` with the change, where the function begins at ``start``. What a relocation fills in stays."""
        at = start + self.offset
        places = list(zip(self.before, self.after, code[at : at + len(self.before)], strict=True))
        assert all(held == old for old, new, held in places if old != new)
        made = bytes(held if old == new else new for old, new, held in places)
        return code[:at] + made + code[at + len(made) :]


@dataclass(frozen=True, slots=True)
class _Place:
    """An instruction in its bytes: where the opcode is, ModRM, displacement and immediate; 0 is none."""

    raw: bytes
    opcode: int
    rex: int
    modrm: int
    displacement: tuple[int, int]
    immediate: tuple[int, int]
    address: int

    @property
    def code(self) -> int:
        """The opcode's last byte, with 0x0f00 before it where it has two."""
        first = self.raw[self.opcode]
        return 0x0F00 | self.raw[self.opcode + 1] if first == 0x0F else first

    @property
    def last(self) -> int:
        """Where the opcode's last byte is."""
        return self.opcode + (self.raw[self.opcode] == 0x0F)

    def with_byte(self, at: int, value: int) -> bytes:
        """The instruction with another byte."""
        return self.raw[:at] + bytes([value & 0xFF]) + self.raw[at + 1 :]


def mutants(
    code: bytes, seed: str, count: int, relocated: frozenset[int] = frozenset(), targets: bool = True
) -> list[Mutant]:
    """At most ``count`` different mutants of a function, by seed. ``relocated`` are offsets of bytes that a linker
    fills in. Kinds are drawn alike as far as the code has a place for each."""
    source = random.Random(seed)
    instructions = list(_decoded(code))
    starts = [instruction.address for instruction in instructions]
    found: dict[tuple[int, bytes], Mutant] = {}
    tried: set[tuple[int, Kind, bytes]] = set()
    repeated = 0
    for _ in range(_ATTEMPTS * count):
        if len(found) == count or repeated > _REPEATED * len(instructions):
            break
        kind = source.choice(KINDS if targets else KINDS[:-1])
        instruction = source.choice(instructions)
        made = _OPERATORS[kind](_place(instruction), source, starts)
        if made is None or made == bytes(instruction.bytes):
            continue
        attempt = (instruction.address, kind, made)
        repeated += 1
        if attempt in tried:
            continue
        repeated = 0
        tried.add(attempt)
        changed = {
            instruction.address + n
            for n, (a, b) in enumerate(zip(instruction.bytes, made, strict=True))
            if a != b
        }
        covered = range(instruction.address, instruction.address + instruction.size)
        if changed & relocated or (kind == "deleted" and relocated & set(covered)):
            continue
        after = list(_decoded(made, instruction.address))
        if len(after) != 1 or after[0].size != instruction.size:
            continue
        text = f"{_text(instruction)} → {_text(after[0]) if kind != 'deleted' else 'nop'}"
        mutant = Mutant(kind, instruction.address, bytes(instruction.bytes), made, text)
        if _text(instruction) != _text(after[0]):
            found.setdefault((mutant.offset, made), mutant)
    return list(found.values())


def _decoded(code: bytes, address: int = 0) -> Iterator[capstone.CsInsn]:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    return decoder.disasm(code, address)


def _text(instruction: capstone.CsInsn) -> str:
    return f"{instruction.mnemonic} {instruction.op_str}".strip()


def _place(instruction: capstone.CsInsn) -> _Place:
    raw = bytes(instruction.bytes)
    at = 0
    while raw[at] in (0x66, 0xF2, 0xF3, 0x2E, 0x3E, 0x64, 0x65):
        at += 1
    rex = at if raw[at] & 0xF0 == 0x40 else -1
    at += rex >= 0
    encoding = instruction.encoding
    return _Place(
        raw,
        at,
        rex,
        encoding.modrm_offset,
        (encoding.disp_offset, encoding.disp_size),
        (encoding.imm_offset, encoding.imm_size),
        instruction.address,
    )


def _deleted(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    if place.code in (0xC3, 0xE8) or len(place.raw) not in _NOPS or place.code == 0x0F1F:
        return None
    return bytes.fromhex(_NOPS[len(place.raw)])


def _condition(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    code = place.code
    if code & 0xFFF0 in (0x70, 0x0F80, 0x0F90, 0x0F40):
        other = place.raw[place.last] ^ source.choice((1, 1, 2, 3, 4, 5, 8, 12))
        return place.with_byte(place.last, other)
    return None


def _constant(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    code = place.code
    if code & 0xFFF0 in (0x70, 0x0F80) or code in (0xEB, 0xE9, 0xE8):
        return None
    parts = [part for part in (place.displacement, place.immediate) if part[1] and part[0]]
    if not parts:
        return None
    at, size = source.choice(parts)
    value = int.from_bytes(place.raw[at : at + size], "little")
    changed = source.choice(
        (value + 1, value - 1, value ^ 1 << source.randrange(8 * size), -value, 0, value + 4, value - 8)
    )
    return place.raw[:at] + (changed & (1 << 8 * size) - 1).to_bytes(size, "little") + place.raw[at + size :]


def _target(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    if place.code not in (0xEB, *range(0x70, 0x80)):
        return None
    end = place.address + len(place.raw)
    near = [start for start in starts if -128 <= start - end <= 127]
    return place.with_byte(len(place.raw) - 1, source.choice(near) - end) if near else None


def _register_fields(place: _Place) -> list[int]:
    """Shifts of the fields of ModRM that name a register."""
    fields: list[int] = []
    groups = (0x80, 0x81, 0x83, 0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3, 0xF6, 0xF7, 0xFE, 0xFF, 0xC6, 0xC7, 0x0FBA,
        0x0F71, 0x0F72, 0x0F73)  # fmt: skip
    if place.code not in groups and place.code & 0xFFF0 != 0x0F90:
        fields.append(3)
    if place.raw[place.modrm] >> 6 == 3 or place.raw[place.modrm] & 7 not in (4, 5):
        fields.append(0)
    return fields


def _operand(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    if place.modrm:
        fields = _register_fields(place)
        if not fields:
            return None
        return place.with_byte(
            place.modrm, place.raw[place.modrm] ^ source.randrange(1, 8) << source.choice(fields)
        )
    if place.code in (*range(0x50, 0x60), *range(0xB8, 0xC0)):
        return place.with_byte(place.last, place.raw[place.last] ^ source.randrange(1, 8))
    return None


def _swapped(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    """Both registers of an instruction change places: ModRM's two, or base and index of an address."""
    if not place.modrm:
        return None
    modrm = place.raw[place.modrm]
    raw = bytearray(place.raw)
    if modrm >> 6 == 3 and len(_register_fields(place)) == 2:
        raw[place.modrm] = 0xC0 | (modrm & 7) << 3 | modrm >> 3 & 7
        low, high = 0, 2  # REX.B and REX.R
    elif modrm >> 6 != 3 and modrm & 7 == 4:
        sib = raw[place.modrm + 1]
        if sib & 7 == 4 or sib >> 3 & 7 == 4:
            return None
        raw[place.modrm + 1] = sib & 0xC0 | (sib & 7) << 3 | sib >> 3 & 7
        low, high = 0, 1  # REX.B and REX.X
    else:
        return None
    if place.rex >= 0:
        rex = raw[place.rex]
        one, two = rex >> low & 1, rex >> high & 1
        raw[place.rex] = rex & ~(1 << low | 1 << high) | one << high | two << low
    return bytes(raw)


def _width(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    choices: list[bytes] = []
    if place.rex >= 0:
        choices.append(place.with_byte(place.rex, place.raw[place.rex] ^ 8))
    flips = {0x0FB6: (1, 8, 9), 0x0FB7: (1, 8, 9), 0x0FBE: (1, 8, 9), 0x0FBF: (1, 8, 9), 0x88: (1,), 0x89: (1,),
        0x8A: (1,), 0x8B: (1,), 0x38: (1,), 0x39: (1,), 0x3A: (1,), 0x3B: (1,), 0x84: (1,), 0x85: (1,), 0x00: (1,),
        0x01: (1,), 0xD1: (1,), 0xD3: (1,), 0xC1: (1,)}  # fmt: skip
    choices += [place.with_byte(place.last, place.raw[place.last] ^ f) for f in flips.get(place.code, ())]
    return source.choice(choices) if choices else None


_GROUPS = {0x80: (0, 1, 2, 3, 4, 5, 6, 7), 0x81: (0, 1, 2, 3, 4, 5, 6, 7), 0x83: (0, 1, 2, 3, 4, 5, 6, 7),
    0xC0: (0, 1, 4, 5, 7), 0xC1: (0, 1, 4, 5, 7), 0xD1: (0, 1, 4, 5, 7), 0xD3: (0, 1, 4, 5, 7),
    0xF6: (2, 3), 0xF7: (2, 3, 4, 5, 6, 7), 0xFE: (0, 1), 0xFF: (0, 1)}  # fmt: skip
"""What the middle field of ModRM may be, of opcodes that it is a part of."""
_FAMILIES = (tuple(op << 3 | form for op in range(8)) for form in (0, 1, 2, 3))
_ALIKE = (*_FAMILIES, (0x8D, 0x8B), (0x0FFE, 0x0FFA, 0x0FFD, 0x0FFC, 0x0FD4, 0x0FEF, 0x0FEB, 0x0FDB),
    (0x0F58, 0x0F5C, 0x0F59), (0x0F6E, 0x0F7E), (0x0F28, 0x0F6F), (0x0F62, 0x0F6A), (0x0FBC, 0x0FBD),
    (0x98, 0x99))  # fmt: skip
"""Opcodes of one shape, any of which can stand for another."""


def _operation(place: _Place, source: random.Random, starts: list[int]) -> bytes | None:
    code = place.code
    if code in _GROUPS and place.modrm:
        now = place.raw[place.modrm] >> 3 & 7
        others = [op for op in _GROUPS[code] if op != now]
        if now not in _GROUPS[code]:
            return None
        return place.with_byte(place.modrm, place.raw[place.modrm] & 0xC7 | source.choice(others) << 3)
    for family in _ALIKE:
        if code in family:
            return place.with_byte(place.last, source.choice(family))
    return None


_OPERATORS: dict[Kind, Callable[[_Place, random.Random, list[int]], bytes | None]] = {
    "operand": _operand,
    "constant": _constant,
    "condition": _condition,
    "deleted": _deleted,
    "swapped": _swapped,
    "width": _width,
    "operation": _operation,
    "target": _target,
}
