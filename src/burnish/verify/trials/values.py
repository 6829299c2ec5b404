"""Values on which wrong code shows: corners, small numbers, the code's own constants, and random ones of all sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from burnish.machine.encoding import decode
from burnish.verify.pair import Side

Words = NDArray[np.uint64]
Octets = NDArray[np.uint8]
Source = np.random.Generator

_WORD = (1 << 64) - 1
_DOUBLES = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.0, 3.0, 10.0, 1e-310, 1e300, -1e300, 2147483647.0, 2147483648.0,
    -2147483648.0, 9.223372036854775807e18, 4294967296.0, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_MOST_CONSTANTS = 128
_MOST_SUMMED = 12
_LEA = 0x8D
_TEXT = np.frombuffer(b"abcxyzABCZ0129 \t\n.,-+_/%\\\"'=:;()<>\x7f", np.uint8)


def corners() -> list[int]:
    """Numbers at which something changes, as 64-bit words."""
    found = {0, 1, 2, 3, _WORD, _WORD - 1}
    for bit in range(64):
        for near in (-1, 0, 1):
            found.add(((1 << bit) + near) & _WORD)
    for width in (8, 16, 32):
        for near in (-1, 0, 1):
            found.add((-(1 << (width - 1)) + near) & _WORD)
    return sorted(found)


def constants(sides: Sequence[Side]) -> list[int]:
    """The constants in the code of the sides, without repetition. One that is added counts with the other sign, too."""
    found: dict[int, None] = {}
    for side in sides:
        for instruction in side.function.instructions:
            data = side.image.read(instruction.address, instruction.size)
            encoding = None if data is None else decode(data)
            # The distance of a jump is no number that anything is compared with.
            if encoding is None or (encoding.moves_size and not encoding.is_rip_relative):
                continue
            if encoding.immediate_size:
                found.update({encoding.immediate: None, -encoding.immediate: None})
            if encoding.opcode == _LEA and encoding.displacement and not encoding.moves_size:
                found[-encoding.displacement] = None
    return list(found)[:_MOST_CONSTANTS]


def displacements(sides: Sequence[Side]) -> list[int]:
    """Those of the memory operands of the sides, without repetition: where the fields are that they look at."""
    found: dict[int, None] = {}
    for side in sides:
        for instruction in side.function.instructions:
            data = side.image.read(instruction.address, instruction.size)
            encoding = None if data is None else decode(data)
            if encoding is None or encoding.modrm < 0 or encoding.is_register or encoding.moves_size:
                continue
            found[encoding.displacement] = None
    return list(found)[:_MOST_CONSTANTS]


def pool_of(sides: Sequence[Side]) -> Words:
    """What ``integers`` picks from: corners, the code's own constants and their neighbours, and half as many sums of
    two constants: a comparison is often with what is left after a subtraction."""
    first = corners()
    own = constants(sides)
    near = [_masked(value + step) for value in own for step in (-1, 0, 1)]
    few = own[:_MOST_SUMMED]
    sums = [_masked(one + other + step) for one in few for other in few for step in (-1, 0, 1)]
    parts = [
        first,
        near * max(1, len(first) // max(len(near), 1)),
        (sums * max(1, len(first) // (2 * max(len(sums), 1))))[:: max(1, 2 * len(sums) // len(first))],
    ]
    return np.array([value for part in parts for value in part], np.uint64)


def _masked(value: int) -> int:
    """As an unsigned number, of 32 bits if it has a sign."""
    return value & (0xFFFFFFFF if -(1 << 31) <= value < 0 else _WORD)


def raw(source: Source, shape: tuple[int, ...]) -> Words:
    """Random words."""
    count = 1
    for extent in shape:
        count *= extent
    found: Words = source.bit_generator.random_raw(count)
    return found.reshape(shape)


def integers(source: Source, shape: tuple[int, ...], pool: Words) -> Words:
    """Words: small numbers, picks of the pool, and random numbers of every width, each a good part."""
    chance = raw(source, shape)
    kind = chance & np.uint64(0xFF)
    # Of every width, but for a tenth that has all 64 bits.
    width = np.where(kind < 230, chance >> np.uint64(8) & np.uint64(63), np.uint64(0))
    result = raw(source, shape) >> width
    picked = pool[(chance >> np.uint64(24)) % np.uint64(len(pool))]
    result = np.where(kind < 154, picked, result)
    tiny = (chance >> np.uint64(40)) % np.uint64(21) - np.uint64(4)
    octet = chance >> np.uint64(48) & np.uint64(0xFF)
    return np.where(kind < 77, np.where(kind < 20, octet, tiny), result)


def small(source: Source, shape: tuple[int, ...]) -> Words:
    """Counts: mostly below 10, some up to 64 or 256, a few negative."""
    chance = raw(source, shape)
    kind = chance & np.uint64(0x3FF)
    some = chance >> np.uint64(12) & np.where(kind < 60, np.uint64(255), np.uint64(63))
    result = np.where(kind < 200, some, (chance >> np.uint64(24)) % np.uint64(10))
    return np.where(kind < 6, np.uint64(_WORD), result)


def doubles(source: Source, count: int) -> Words:
    """Double precision numbers as words."""
    kind = source.random(count)
    values = source.normal(0, 1, count) * np.exp2(source.integers(-40, 41, count).astype(np.float64))
    whole = kind < 0.5
    values[whole] = source.integers(-100, 101, count).astype(np.float64)[whole]
    edge = kind < 0.25
    values[edge] = np.array(_DOUBLES)[source.integers(0, len(_DOUBLES), count)][edge]
    return values.view(np.uint64)


def floats(source: Source, count: int) -> Words:
    """Pairs of single precision numbers as words."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return doubles(source, 2 * count).view(np.float64).astype(np.float32).view(np.uint64)


def vectors(source: Source, rows: int, registers: int, pool: Words) -> Words:
    """Contents of vector registers, uint64 ``(rows, registers, 2)``; all registers of a row hold the same kind."""
    count = rows * registers * 2
    result = integers(source, (count,), pool)
    kind = np.repeat(source.random(rows), registers * 2)
    for low, high, made in ((0.0, 0.35, doubles(source, count)), (0.35, 0.7, floats(source, count))):
        chosen = (kind >= low) & (kind < high)
        result[chosen] = made[chosen]
    return result.reshape(rows, registers, 2)


_CALM = np.array([0, 0, 1, 2, 6, 6, 6, 6])
_KINDS = 10


def contents(source: Source, rows: int, size: int, pool: Words, calm: int = 0) -> Octets:
    """Memory, uint8 ``(rows, size)``: each row of one kind, zeros, small bytes, text that ends, numbers of 1 to 8
    bytes, floating-point numbers or random bytes. The first ``calm`` rows have no large numbers."""
    words = (size + 7) // 8
    kind = source.integers(0, _KINDS, rows)
    kind[:calm] = _CALM[source.integers(0, len(_CALM), calm)]
    result = np.zeros((rows, words * 8), np.uint8)
    result[kind == 9] = source.integers(0, 256, (rows, words * 8), np.uint8)[kind == 9]
    for number, maker in enumerate((_small_bytes, _text, _text, _halves, _words, _many_small)):
        chosen = np.flatnonzero(kind == number + 1)
        if len(chosen):
            result[chosen] = maker(source, len(chosen), words, pool)
    for number, made in ((7, doubles), (8, floats)):
        chosen = np.flatnonzero(kind == number)
        if len(chosen):
            result[chosen] = made(source, len(chosen) * words).view(np.uint8).reshape(len(chosen), -1)
    return np.ascontiguousarray(result[:, :size])


def _small_bytes(source: Source, rows: int, words: int, pool: Words) -> Octets:
    return source.integers(0, 4, (rows, words * 8), np.uint8)


def _text(source: Source, rows: int, words: int, pool: Words) -> Octets:
    result = _TEXT[source.integers(0, len(_TEXT), (rows, words * 8))]
    if rows % 2:
        result = source.integers(1, 256, (rows, words * 8), np.uint8)
    longest = min(words * 8 - 1, 40)
    ends = source.integers(0, longest + 1, rows)
    result[np.arange(rows), ends] = 0
    result[:, -1] = 0
    return result


def _halves(source: Source, rows: int, words: int, pool: Words) -> Octets:
    """32-bit numbers."""
    return integers(source, (rows, words * 2), pool).astype(np.uint32).view(np.uint8).reshape(rows, -1)


def _words(source: Source, rows: int, words: int, pool: Words) -> Octets:
    return integers(source, (rows, words), pool).view(np.uint8).reshape(rows, -1)


def _many_small(source: Source, rows: int, words: int, pool: Words) -> Octets:
    """Small 32-bit numbers: counts, indices, states."""
    return small(source, (rows, words * 2)).astype(np.uint32).view(np.uint8).reshape(rows, -1)
