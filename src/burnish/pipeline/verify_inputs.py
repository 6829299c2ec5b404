"""Inputs of a function as a user writes them: ``rdi=0x10``, ``[0x20000]:64=00ff``, ``counter@0x30000``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.core.errors import UsageError
from burnish.core.state import DEFAULT_MXCSR, MemoryRegion
from burnish.core.verdict import Counterexample
from burnish.machine.registers import CELLS, GPR_NAMES, VECTOR_CELLS

_EXAMPLES = "examples are rdi=0x10, [0x20000]=00ff, [0x20000]:64=00ff (zeros follow) and counter@0x30000"
_STACK_POINTER = 0x7FFD_0000_0008
_BELOW, _ABOVE = 0x1000, 0x100
"""Bytes of stack that there are where nothing is said of it."""
_LARGEST = _DEEPEST = 1 << 20
_SHOWN = 96
"""Bytes of memory that fit a command line."""
_REGISTERS = frozenset((*GPR_NAMES, *(cell.name for cell in VECTOR_CELLS), "eflags", "mxcsr", "fs_base"))


def input_of(parts: Sequence[str]) -> Counterexample:
    """The input that the parts make: registers (0 where none is given), memory, and where objects lie that the code
    names. Where nothing is said of the stack there is one with zeros above the return address. Raises
    ``UsageError``."""
    found = _Input()
    for part in map(str.strip, parts):
        try:
            known = found.add(part)
        except ValueError:
            known = False
        if not known:
            raise UsageError(f"{part!r} is no part of an input; {_EXAMPLES}")
    registers, memory = found.registers, found.memory
    stack = registers.setdefault("rsp", _STACK_POINTER)
    for start, end in ((stack - _BELOW, stack + 8), (stack + 8, stack + 8 + _ABOVE)):
        if not any(region.address < end and start < region.end for region in memory):
            memory.append(MemoryRegion(start, bytes(end - start)))
    return Counterexample(
        "", 0, registers, (), memory=tuple(memory), places=found.places, source="a given input"
    )


@dataclass(slots=True)
class _Input:
    """What the parts so far say."""

    registers: dict[str, int] = field(default_factory=dict[str, int])
    memory: list[MemoryRegion] = field(default_factory=list[MemoryRegion])
    places: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, part: str) -> bool:
        """False for what is no part of an input; may raise ``ValueError`` for it instead."""
        if match := re.fullmatch(r"\[(\w+)\](?::(\w+))?=([0-9a-fA-F]*)", part):
            data = bytes.fromhex(match[3])
            size = int(match[2], 0) if match[2] else len(data)
            self.memory.append(MemoryRegion(int(match[1], 0), data.ljust(size, b"\0")))
            return len(data) <= size <= _LARGEST and size > 0
        if match := re.fullmatch(r"(\w+)=(-?\w+)", part):
            bits = 8 * CELLS[match[1]].size if match[1] in CELLS else 64
            self.registers[match[1]] = int(match[2], 0) & (1 << bits) - 1
            return match[1] in _REGISTERS
        if match := re.fullmatch(r"(.+)@(0x[0-9a-fA-F]+)", part):
            self.places[match[1]] = int(match[2], 16)
            return True
        return False


def told(given: Counterexample) -> tuple[MemoryRegion, ...]:
    """The memory of an input that there is something to say of: not the garbage below the stack pointer, not the return
    address, and no zeros above it."""
    stack = given.registers.get("rsp", 0)
    found: list[MemoryRegion] = []
    for region in given.memory:
        if region.address < stack + 8 + _ABOVE and stack - _DEEPEST <= region.address:
            start = max(region.address, stack + 8)
            data = region.data[start - region.address :].rstrip(b"\0")
            region = MemoryRegion(start, data, region.access)
            if not data:
                continue
        found.append(region)
    return tuple(found)


def parts_of(given: Counterexample) -> tuple[str, ...] | None:
    """The parts from which ``input_of`` makes such an input again; None where they are too long for a command line."""
    memory = told(given)
    stack = given.registers.get("rsp", 0)
    usual = {("mxcsr", DEFAULT_MXCSR)}
    if stack % 16 == 8 and not any(abs(region.address - stack) < _DEEPEST for region in memory):
        usual.add(("rsp", stack))  # one stack is as good as another
    parts = [
        f"{name}={value:#x}"
        for name, value in given.registers.items()
        if value and name in _REGISTERS and (name, value) not in usual
    ]
    shown = 0
    for region in memory:
        kept = region.data.rstrip(b"\0")
        shown += len(kept)
        parts.append(f"[{region.address:#x}]:{len(region.data):#x}={kept.hex()}")
    parts += [f"{name}@{address:#x}" for name, address in given.places.items()]
    return tuple(parts) if shown <= _SHOWN else None
