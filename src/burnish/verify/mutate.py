"""Inputs like a captured one: seeded changes of argument registers and of the memory that arguments point to.

Pointers stay as they are, in registers and in memory, since a changed pointer mostly makes the original fault,
and an input on which the original does not return tells nothing.
"""

from __future__ import annotations

import random
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.runtime.address_space import Mapping
from burnish.runtime.registers import FloatRegisters, Registers
from burnish.runtime.snapshot import Snapshot

ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_VECTOR_ARGUMENTS = 4
_REACH = 256
"""How many bytes of what an argument points to may be changed."""
_WORD = (1 << 64) - 1
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, _WORD)
_FLOAT_EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-310, 1e300, float("inf"), float("-inf"), float("nan"))


@dataclass(frozen=True, slots=True)
class Input:
    """What a trial starts from: registers, and bytes that are written over the captured memory. ``changed`` says
    what differs from the captured input; empty for the captured input itself."""

    registers: Registers = field(repr=False)
    floats: FloatRegisters = field(repr=False)
    writes: tuple[tuple[int, bytes], ...] = ()
    changed: tuple[str, ...] = ()
    seed: int = 0

    def apply(self, snapshot: Snapshot) -> None:
        """Makes the memory of a copy that of this input."""
        for address, data in self.writes:
            snapshot.memory.write(address, data)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Which numbers are addresses in a process."""

    starts: tuple[int, ...] = field(repr=False)
    mappings: tuple[Mapping, ...] = field(repr=False)

    @staticmethod
    def of(mappings: Sequence[Mapping]) -> Addresses:
        """From mappings in ascending order."""
        return Addresses(tuple(mapping.start for mapping in mappings), tuple(mappings))

    def find(self, value: int) -> Mapping | None:
        """The mapping that ``value`` points into, or None."""
        index = bisect_right(self.starts, value) - 1
        if index >= 0 and value < self.mappings[index].end:
            return self.mappings[index]
        return None


def mutate(snapshot: Snapshot, captured: Input, addresses: Addresses, seed: int) -> Input:
    """A changed input; the same for the same seed and snapshot. At least one thing is changed."""
    random_source = random.Random(seed)
    registers = captured.registers.copy()
    floats = captured.floats
    changed: list[str] = []
    writes: list[tuple[int, bytes]] = []
    scalars = [name for name in ARGUMENTS if addresses.find(registers.get(name)) is None]
    targets = _targets(snapshot, [registers.get(name) for name in ARGUMENTS], addresses)
    for name in scalars:
        if random_source.random() < 0.5:
            old = registers.get(name)
            setattr(registers, name, _other(old, random_source))
            changed.append(f"{name} was {old:#x} and is {registers.get(name):#x}")
    for index in range(_VECTOR_ARGUMENTS):
        if random_source.random() < 0.25:
            value = _other_float(floats.xmm(index), random_source)
            floats = floats.with_xmm(index, value)
            changed.append(f"xmm{index} is {value:#x}")
    for address, size in targets:
        if random_source.random() < 0.5:
            write = _flips(snapshot, address, size, addresses, random_source)
            if write is not None:
                writes.append(write)
                changed.append(f"bytes at {write[0]:#x} were flipped")
    if not changed:
        index = random_source.randrange(2)
        floats = floats.with_xmm(index, random_source.getrandbits(128))
        changed.append(f"xmm{index} is {floats.xmm(index):#x}")
        if scalars:
            name = random_source.choice(scalars)
            setattr(registers, name, _other(registers.get(name), random_source))
            changed.append(f"{name} is {registers.get(name):#x}")
    return Input(registers, floats, tuple(writes), tuple(changed), seed)


def _targets(snapshot: Snapshot, values: Sequence[int], addresses: Addresses) -> list[tuple[int, int]]:
    """Writable runs (address, size) that arguments point to, directly and through what they point to."""
    rsp = snapshot.registers.rsp
    found: dict[int, int] = {}
    second: list[int] = []
    for value in values:
        size = _writable(value, rsp, addresses)
        if size:
            found[value] = size
            data = snapshot.memory.read(value, size)
            for (word,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8]):
                second.append(word)
    for value in second:
        size = _writable(value, rsp, addresses)
        if size:
            found.setdefault(value, size)
    return list(found.items())


def _writable(address: int, rsp: int, addresses: Addresses) -> int:
    """How many bytes at ``address`` may be changed. What lies below the return address is dead: none."""
    mapping = addresses.find(address)
    if mapping is None or not mapping.writable:
        return 0
    if mapping.start <= rsp < mapping.end and address < rsp + 8:
        return 0
    return min(_REACH, mapping.end - address)


def _flips(
    snapshot: Snapshot, address: int, size: int, addresses: Addresses, source: random.Random
) -> tuple[int, bytes] | None:
    """A changed run of memory, in which words that look like pointers are left alone."""
    data = bytearray(snapshot.memory.read(address, size))
    pointers = {
        at
        for at in range(-address % 8, len(data) - 7, 8)
        if addresses.find(int.from_bytes(data[at : at + 8], "little")) is not None
    }
    places = [at for at in range(len(data)) if (at - (at + address) % 8) not in pointers]
    if not places:
        return None
    for _ in range(source.randint(1, 8)):
        at = source.choice(places)
        match source.randrange(3):
            case 0:
                data[at] ^= 1 << source.randrange(8)
            case 1:
                data[at] = source.randrange(256)
            case _:
                data[at] = (data[at] + source.choice((-1, 1))) % 256
    return address, bytes(data)


def _other(value: int, source: random.Random) -> int:
    """Another value of an argument: near it, of its size, or an edge."""
    match source.randrange(4):
        case 0:
            return (value + source.choice((-8, -2, -1, 1, 2, 8))) & _WORD
        case 1:
            return source.choice(_EDGES)
        case 2:
            return source.getrandbits(max(1, value.bit_length()))
        case _:
            return source.getrandbits(source.choice((4, 8, 16, 32, 64)))


def _other_float(value: int, source: random.Random) -> int:
    """Another 128-bit value whose low lane is a plausible float or double."""
    match source.randrange(3):
        case 0:
            return value ^ 1 << source.randrange(128)
        case 1:
            number = struct.pack("<d", source.choice((*_FLOAT_EDGES, source.uniform(-1e3, 1e3))))
        case _:
            number = struct.pack("<f", source.uniform(-1e3, 1e3)).ljust(8, b"\0")
    return value >> 64 << 64 | int.from_bytes(number, "little")
