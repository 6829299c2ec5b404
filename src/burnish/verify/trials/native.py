"""Makes of a lifted function the bytes that run in the isolated executor.

The function's machine code is kept as it is. What depends on addresses is patched: rip-relative and absolute operands
lead to the objects of an arena, jumps between parts of the function to where those lie now, calls to stubs, and jump
tables are rebuilt beside the code. What cannot be moved so is refused with the reason.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish.core.code import Function, Instruction
from burnish.machine.encoding import Encoding, decode
from burnish.runtime.batch import DEFAULT_CODE_ADDRESS
from burnish.verify.jump_tables import switch_targets, table_at
from burnish.verify.pair import Side
from burnish.verify.trials.arena import Arena

_TRAP = 0xCC
_GAP = 128
"""Parts of a function that lie further apart than that many bytes are moved apart: no short jump leads across."""
_LEAD = 16
"""Bytes of a jump to the entry, where that cannot come first."""
_FAR_JUMP = b"\xff\x25\x00\x00\x00\x00"
"""A jump to the address that follows it."""
_MARGIN = 16
_REACH = (1 << 31) - (1 << 24)
"""How far a jump of 32 bits leads, less what the code itself takes."""
_BRANCH = 4
_NO_BASE = 5
_INDEXED = 4


class CannotRunError(Exception):
    """A function that cannot run natively apart from its program; the message is the reason, as a phrase."""


@dataclass(frozen=True, slots=True)
class NativeCode:
    """A side as bytes for ``address``. It is entered at the first byte and ends by ``ret``. Relative to image
    addresses, ``moved`` gives for each part ``(start, end, difference)``."""

    data: bytes = field(repr=False)
    address: int
    moved: tuple[tuple[int, int, int], ...] = ()

    def image_address(self, address: int) -> int | None:
        """The image address of what runs at ``address``; None for stubs and tables."""
        for start, end, difference in self.moved:
            if start + difference <= address < end + difference:
                return address - difference
        return None

    def native_address(self, address: int) -> int | None:
        """Where the instruction at an image address runs; None for one that is not there."""
        for start, end, difference in self.moved:
            if start <= address < end:
                return address + difference
        return None


@dataclass(slots=True)
class _Part:
    """Bytes of the function that stay together. ``offset`` is where they lie in the native code."""

    start: int
    end: int
    offset: int


def transplant(
    side: Side, arena: Arena, stubs: Mapping[str, int] | None = None, address: int = DEFAULT_CODE_ADDRESS
) -> NativeCode:
    """The native code of ``side`` and of what it calls as far as that is known, with objects in ``arena``. ``stubs``
    has the address of the code that stands for each other callee, by name. Raises ``CannotRunError``."""
    return _Transplant(side, arena, {} if stubs is None else stubs, address).make()


def bodies_by_name(side: Side) -> dict[str, Function]:
    """Functions that run as they are when they are called: the side's own, and those that it calls and whose code is
    known."""
    found = {
        side.callees[address].name: body for address, body in side.bodies.items() if address in side.callees
    }
    own = side.callees.get(side.function.address)
    return found if own is None else {**found, own.name: side.function}


class _Transplant:
    def __init__(self, side: Side, arena: Arena, stubs: Mapping[str, int], address: int) -> None:
        self._side = side
        self._arena = arena
        self._stubs = stubs
        self._address = address
        self._bodies = bodies_by_name(side)
        self._functions = list({id(f): f for f in (side.function, *self._bodies.values())}.values())
        found = {one.address: one for f in self._functions for one in f.instructions}
        self._instructions = [found[address] for address in sorted(found)]
        if not self._instructions:
            raise CannotRunError("no code")
        self._parts, self._size = self._arranged()
        self._tail = bytearray()
        self._slot_at: dict[int, int] = {}
        self._tables: dict[int, int] = {}
        self._thunks: dict[int, int] = {}

    def _arranged(self) -> tuple[list[_Part], int]:
        """Where the parts go. The one with the entry comes first and begins there, unless a short jump leads across."""
        entry = self._side.function.address
        for instruction in self._instructions:
            data = self._side.image.read(instruction.address, instruction.size)
            encoding = None if data is None else decode(data)
            if data is not None and encoding is not None and encoding.moves_size == 1:
                target = instruction.end + int.from_bytes(
                    data[encoding.moves_at :][:1], "little", signed=True
                )
                if (instruction.address < entry) != (target < entry):
                    return _parts(self._instructions, None)
        return _parts(self._instructions, entry)

    def make(self) -> NativeCode:
        code = bytearray([_TRAP]) * self._size
        for part in self._parts:
            # The bytes between reached instructions are padding, or code that is never reached.
            data = self._side.image.read(part.start, part.end - part.start)
            if data is None:
                raise CannotRunError(f"no bytes at {part.start:#x}")
            code[part.offset : part.offset + len(data)] = data
        start = self._offset(self._side.function.address)
        if start:
            code[:5] = b"\xe9" + (start - 5).to_bytes(4, "little")
        self._move_tables()
        for instruction in self._instructions:
            self._patch(code, instruction)
        whole = bytes(code) + bytes(self._tail) + bytes([_TRAP]) * _MARGIN
        moved = tuple((p.start, p.end, self._address + p.offset - p.start) for p in self._parts)
        return NativeCode(whole, self._address, moved)

    def _offset(self, image_address: int) -> int | None:
        for part in self._parts:
            if part.start <= image_address < part.end:
                return part.offset + image_address - part.start
        return None

    def _append(self, data: bytes, alignment: int = 8) -> int:
        """Puts bytes behind the code; their offset."""
        at = self._size + len(self._tail)
        padding = -at % alignment
        self._tail += bytes([_TRAP]) * padding + data
        return at + padding

    # Instructions.

    def _patch(self, code: bytearray, instruction: Instruction) -> None:
        offset = self._offset(instruction.address)
        assert offset is not None
        encoding = decode(bytes(code[offset : offset + instruction.size]))
        if encoding is None:
            raise CannotRunError(f"an instruction at {instruction.address:#x} that cannot be moved")
        if not encoding.moves_size:
            self._patch_absolute(code, offset, encoding)
            return
        at = offset + encoding.moves_at
        size = encoding.moves_size
        distance = int.from_bytes(code[at : at + size], "little", signed=True)
        target = instruction.end + distance
        here = self._address + offset + instruction.size
        if encoding.is_rip_relative:
            goal = self._data_address(target, encoding)
        else:
            goal = self._within_reach(self._code_address(target), here)
        _put(code, at, goal - here, size, instruction.address)

    def _data_address(self, target: int, encoding: Encoding) -> int:
        table = self._tables.get(target)
        if table is not None:
            return self._address + table
        if target in self._side.callees and encoding.opcode == 0xFF and encoding.extension in (2, 4):
            return self._slot(target, self._code_address(target))
        slot = self._side.slots.get(target)
        if slot is not None:
            return self._slot(target, self._arena.addresses[slot.data.name] + slot.offset)
        place = self._side.places.get(target)
        if place is not None:
            return self._arena.addresses[place.data.name] + place.offset
        inside = self._offset(target)
        if inside is not None:
            return self._address + inside
        raise CannotRunError(f"an address, {target:#x}, of which it is not known what lies there")

    def _patch_absolute(self, code: bytearray, offset: int, encoding: Encoding) -> None:
        """Displacements that are 32-bit addresses: in code that is linked for a fixed place."""
        if encoding.modrm < 0 or encoding.is_register or not encoding.displacement:
            return
        mode = encoding.modrm >> 6
        bare = mode == 0 and encoding.modrm & 7 == _INDEXED and encoding.sib & 7 == _NO_BASE
        if not bare and mode != 2:
            return
        target = encoding.displacement
        table = self._tables.get(target)
        place = self._side.places.get(target)
        if table is not None:
            address = self._address + table
        elif place is not None:
            address = self._arena.addresses[place.data.name] + place.offset
        elif bare and b"\x64" not in encoding.prefixes and self._side.image.segment_at(target) is not None:
            raise CannotRunError(f"an address, {target:#x}, of which it is not known what lies there")
        else:
            return
        at = offset + encoding.size - encoding.immediate_size - 4
        _put(code, at, address, 4, target)

    # Calls.

    def _code_address(self, target: int) -> int:
        """Where what a call or jump leads to lies: in the code, or a stub."""
        inside = self._offset(target)
        if inside is not None:
            return self._address + inside
        callee = self._side.callees.get(target)
        if callee is None:
            raise CannotRunError(f"a jump or call to {target:#x}, of which it is not known what lies there")
        body = self._bodies.get(callee.name)
        offset = None if body is None else self._offset(body.address)
        if offset is not None:
            return self._address + offset
        stub = self._stubs.get(callee.name)
        if stub is None:
            raise CannotRunError(f"calls {callee.name}")
        return stub

    def _within_reach(self, goal: int, here: int) -> int:
        """What a jump or call has to lead to: its goal, or a jump to it. Stubs are where they are, and a solver may
        want the code far from there."""
        if -_REACH <= goal - here < _REACH:
            return goal
        if goal not in self._thunks:
            self._thunks[goal] = self._append(_FAR_JUMP + struct.pack("<Q", goal))
        return self._address + self._thunks[goal]

    def _slot(self, slot: int, holds: int) -> int:
        """Address of a word for a slot of the GOT, which holds an address."""
        if slot not in self._slot_at:
            self._slot_at[slot] = self._append(struct.pack("<Q", holds))
        return self._address + self._slot_at[slot]

    # Jump tables.

    def _move_tables(self) -> None:
        switches = switch_targets(self._functions)
        if not switches:
            return
        candidates = set(self._side.places) | self._absolute_displacements()
        for targets in switches:
            found = False
            for address in sorted(candidates):
                found = self._move_table(address, targets) or found
            if not found:
                raise CannotRunError("a jump table that was not found")

    def _absolute_displacements(self) -> set[int]:
        found: set[int] = set()
        for instruction in self._instructions:
            data = self._side.image.read(instruction.address, instruction.size)
            encoding = None if data is None else decode(data)
            if encoding is not None and encoding.modrm >= 0 and not encoding.is_register:
                found.add(encoding.displacement)
        return found

    def _move_table(self, address: int, targets: frozenset[int]) -> bool:
        """Rebuilds the table at an image address, if what lies there is a table that leads to all of ``targets``."""
        found = table_at(self._side.image, address, targets)
        if found is None:
            return False
        entries, size = found
        inside = [place for entry in entries if (place := self._offset(entry)) is not None]
        if len(inside) < len(entries):
            return False
        offset = self._size + len(self._tail)
        offset += -offset % 8
        table = self._address + offset
        data = bytearray()
        for place in inside:
            goal = self._address + place
            data += struct.pack("<i", goal - table) if size == 4 else struct.pack("<Q", goal)
        self._append(bytes(data))
        self._tables.setdefault(address, offset)
        return True


def _parts(instructions: Sequence[Instruction], entry: int | None) -> tuple[list[_Part], int]:
    """Runs of instructions with small gaps, the one with the entry first, which begins there; and their size. Without
    ``entry`` they are in order behind room for a jump."""
    runs: list[tuple[int, int]] = []
    for instruction in instructions:
        if runs and instruction.address <= runs[-1][1] + _GAP and instruction.address != entry:
            runs[-1] = (runs[-1][0], max(runs[-1][1], instruction.end))
        else:
            runs.append((instruction.address, instruction.end))
    runs.sort(key=lambda run: (run[0] != entry, run[0]))
    parts: list[_Part] = []
    offset = 0 if entry is not None else _LEAD
    for start, end in runs:
        # What is aligned stays so: up to a cache line.
        offset += (start - offset) % 16 if offset else 0
        parts.append(_Part(start, end, offset))
        offset += end - start + _MARGIN
    return parts, offset


def _put(code: bytearray, at: int, value: int, size: int, where: int) -> None:
    try:
        code[at : at + size] = value.to_bytes(size, "little", signed=True)
    except OverflowError:
        raise CannotRunError(
            f"a short jump or operand at {where:#x} that does not reach its target"
        ) from None
