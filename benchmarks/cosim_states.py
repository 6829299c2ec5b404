"""Co-simulation, second part: states to run an example on.

Memory windows lie where the example's operands point; registers, flags and memory mix random values with edge values.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from burnish.domains.concrete import FLAG_BITS
from burnish.runtime.isolation import StateBatch, Window
from cosim_forms import DATA, STACK, WINDOW, Example, MemoryOperand

_EDGES_64 = np.array(
    [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
     0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001,
     0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFF80, 0xFFFFFFFFFFFF8000, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF,
     0x5555555555555555, 0xAAAAAAAAAAAAAAAA, 0x8080808080808080, 0x7F7F7F7F7F7F7F7F, 0x8000800080008000],
    np.uint64,
)  # fmt: skip
_EDGES_F64 = np.array(
    [0, 1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
     0xFFF0000000000000, 0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0xFFF4000000000123,
     0x7FF8DEAD0000BEEF, 0x3FF0000000000000, 0xBFF0000000000000, 0x3FE0000000000000, 0x3FF8000000000000,
     0x4004000000000000, 0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000200000,
     0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000,
     0x3690000000000000, 0x36A0000000000000, 0x380FFFFFC0000000, 0x3FB999999999999A, 0x400921FB54442D18],
    np.uint64,
)  # fmt: skip
_EDGES_F32 = np.array(
    [0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000,
     0x7F800001, 0xFFA00123, 0x7FC0BEEF, 0x3F800000, 0xBF800000, 0x3F000000, 0x3FC00000, 0x40200000, 0x4EFFFFFF,
     0x4F000000, 0xCF000000, 0xCF000001, 0x5EFFFFFF, 0x5F000000, 0xDF000000, 0x3DCCCCCD, 0x40490FDB, 0x3F800001],
    np.uint32,
)  # fmt: skip


def _general_values(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """A third edges, a third small, a third anything."""
    anything = rng.integers(0, 1 << 64, shape, np.uint64, endpoint=False)
    edges = rng.choice(_EDGES_64, shape)
    small = (rng.integers(-40, 300, shape)).astype(np.int64).view(np.uint64)
    kind = rng.integers(0, 3, shape)
    return np.where(kind == 0, anything, np.where(kind == 1, edges, small))


def _vector_values(rng: np.random.Generator, count: int, width: int) -> NDArray[np.uint64]:
    """``(count, width, 2)`` halves: doubles, floats, integers and anything, edges among them. Each row is of one kind,
    so that operands meet their like."""
    shape = (count, width, 2)
    anything = rng.integers(0, 1 << 64, shape, np.uint64, endpoint=False)
    doubles = np.where(
        rng.random(shape) < 0.6,
        rng.choice(_EDGES_F64, shape),
        (rng.standard_normal(shape) * 1e3).view(np.uint64),
    )
    wide = (count, width, 4)
    scaled = (rng.standard_normal(wide) * 100).astype(np.float32).view(np.uint32)
    singles = np.where(rng.random(wide) < 0.6, rng.choice(_EDGES_F32, wide), scaled)
    integers = rng.choice(_EDGES_64, shape)
    rows = rng.integers(0, 4, (count, 1, 1))
    floats = np.ascontiguousarray(singles.astype(np.uint32)).view(np.uint64)
    return np.select([rows == 0, rows == 1, rows == 2], [doubles, floats, integers], anything)


def states(example: Example, count: int, seed: int) -> StateBatch:
    """``count`` states in which the example's memory operand, if any, lies in a window."""
    rng = np.random.default_rng([seed, *example.raw])
    gpr = _general_values(rng, (count, 16))
    xmm = _vector_values(rng, count, 17)
    data = np.frombuffer(rng.bytes(count * WINDOW), np.uint8).reshape(count, WINDOW).copy()
    stack = np.frombuffer(rng.bytes(count * WINDOW), np.uint8).reshape(count, WINDOW).copy()
    targets = (DATA + WINDOW // 2 + rng.integers(-64, 64, count)).astype(np.uint64)
    gpr[:, 4] = (STACK + WINDOW // 2 + 8 * rng.integers(-16, 16, count)).astype(np.uint64)
    if _wants_alignment(example):
        targets &= np.uint64(0xFFFF_FFFF_FFFF_FFF0)
    fs_base = _shape_operands(example, rng, gpr, targets)
    if example.memory is not None:
        if example.memory.rip_relative or example.memory.fs:
            targets[:] = DATA + WINDOW // 2
        values = xmm[:, 16].copy().view(np.uint8).reshape(count, 16)
        _put(data, targets - np.uint64(DATA), values)
        _put(stack, (gpr[:, 4] - np.uint64(STACK)), values)
    _shape_control(example, gpr, data, stack, targets)
    bits = list(FLAG_BITS.values())
    flags = np.zeros(count, np.uint64)
    for bit in bits:
        if bit != FLAG_BITS["df"]:
            flags |= np.where(rng.random(count) < 0.5, np.uint64(bit), np.uint64(0))
    windows = (Window(DATA, data), Window(STACK, stack))
    return StateBatch(gpr, np.ascontiguousarray(xmm[:, :16]), flags, windows, fs_base=fs_base)


def _wants_alignment(example: Example) -> bool:
    """True for 16-byte operands that fault where they are not aligned: all but MOVUPS, MOVDQU and LDDQU."""
    encoding = example.encoding
    free = encoding.opcode in (0x10, 0x11) or (encoding.opcode in (0x6F, 0x7F) and encoding.mandatory == 0xF3)
    return example.memory is not None and example.memory.size == 16 and not free and encoding.opcode != 0xF0


def _put(window: NDArray[np.uint8], offsets: NDArray[np.uint64], values: NDArray[np.uint8]) -> None:
    """Write one value in each row, where its offset lies in the window."""
    inside = offsets <= np.uint64(WINDOW - values.shape[1])
    rows = np.flatnonzero(inside)[:, None]
    columns = offsets[inside].astype(np.int64)[:, None] + np.arange(values.shape[1])
    window[rows, columns] = values[inside]


def _shape_operands(
    example: Example, rng: np.random.Generator, gpr: NDArray[np.uint64], targets: NDArray[np.uint64]
) -> int:
    """Make addresses fall into the window, and dividends and counts make sense; returns the base of ``fs``."""
    count = len(gpr)
    encoding, memory = example.encoding, example.memory
    opcode, one = encoding.opcode, encoding.map == 0
    if one and 0xA4 <= opcode <= 0xAF and opcode not in (0xA8, 0xA9):
        gpr[:, 6] = targets
        gpr[:, 7] = (DATA + WINDOW // 2 + rng.integers(-256, 256, count)).astype(np.uint64)
        gpr[:, 1] = rng.integers(0, 40, count).astype(np.uint64)
        return 0
    if one and opcode in (0xF6, 0xF7) and encoding.extension >= 6:
        _sensible_dividends(rng, gpr, encoding.operand_size if opcode & 1 else 1)
    if one and opcode == 0xC9:
        gpr[:, 5] = (STACK + WINDOW // 2 + 8 * rng.integers(-16, 16, count)).astype(np.uint64)
    bit_string = encoding.map == 1 and opcode in (0xA3, 0xAB, 0xB3, 0xBB) and not encoding.is_register
    if bit_string:
        offsets = rng.integers(-2000, 2000, count).astype(np.int64).view(np.uint64)
        gpr[:, encoding.reg] = offsets
    if encoding.vex is not None and opcode == 0xF7 and encoding.mandatory == 0:
        # BEXTR: in most states a field that begins inside the operand, and may reach beyond its end.
        start, length = rng.integers(0, 72, (2, count))
        fields = (start | length << 8).astype(np.uint64)
        control = gpr[:, encoding.vex.source]
        gpr[:, encoding.vex.source] = np.where(
            rng.random(count) < 0.7, control & ~np.uint64(0xFFFF) | fields, control
        )
    if memory is None or memory.rip_relative:
        return 0
    return _place(memory, gpr, targets, rng)


def _place(
    memory: MemoryOperand, gpr: NDArray[np.uint64], targets: NDArray[np.uint64], rng: np.random.Generator
) -> int:
    """Choose base, index or segment base so that the address is ``targets`` (or as near as a scale allows)."""
    displacement = np.uint64(memory.displacement & 0xFFFF_FFFF_FFFF_FFFF)
    scale = np.uint64(memory.scale)
    if memory.fs:
        if memory.base >= 0:
            gpr[:, memory.base] = (rng.integers(0, 64, len(gpr)) * 16).astype(np.uint64)
        if memory.index >= 0:
            gpr[:, memory.index] = rng.integers(0, 64, len(gpr)).astype(np.uint64)
        return (DATA + WINDOW // 2 - memory.displacement) & ((1 << 47) - 1)
    if memory.base < 0:
        if memory.index >= 0:
            gpr[:, memory.index] = (targets - displacement) // scale
        return 0
    if memory.base == memory.index:
        gpr[:, memory.base] = (targets - displacement) // (scale + np.uint64(1))
        return 0
    index = gpr[:, memory.index] * scale if memory.index >= 0 else np.uint64(0)
    if memory.base == 4:
        # The stack pointer stays in its window; a wild index is made small.
        if memory.index >= 0:
            gpr[:, memory.index] = rng.integers(0, 64, len(gpr)).astype(np.uint64)
        room = np.uint64(WINDOW // 2)
        if abs(memory.displacement) > WINDOW // 4:
            gpr[:, 4] = np.uint64(STACK) + room - displacement
        if memory.size == 16:
            if memory.index >= 0:
                gpr[:, memory.index] &= np.uint64(0x30)
            gpr[:, 4] = (gpr[:, 4] & np.uint64(0xFFFF_FFFF_FFFF_FFF0)) - (displacement & np.uint64(15))
        return 0
    gpr[:, memory.base] = targets - displacement - index
    return 0


def _sensible_dividends(rng: np.random.Generator, gpr: NDArray[np.uint64], size: int) -> None:
    """In two thirds of the states the upper half of the dividend is zero, or the sign of the lower."""
    kind = rng.integers(0, 3, len(gpr))
    if size == 1:
        low = gpr[:, 0] & np.uint64(0xFF)
        high = np.where(low & np.uint64(0x80), np.uint64(0xFF00), np.uint64(0))
        kept = gpr[:, 0] & np.uint64(0xFFFFFFFFFFFF00FF)
        gpr[:, 0] = np.where(kind == 0, gpr[:, 0], np.where(kind == 1, kept, kept | high))
        return
    negative = gpr[:, 0] >> np.uint64(8 * size - 1) & np.uint64(1)
    sign = np.where(negative == 1, np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0))
    gpr[:, 2] = np.where(kind == 0, gpr[:, 2], np.where(kind == 1, np.uint64(0), sign))


def _shape_control(
    example: Example,
    gpr: NDArray[np.uint64],
    data: NDArray[np.uint8],
    stack: NDArray[np.uint8],
    targets: NDArray[np.uint64],
) -> None:
    """Let indirect jumps, calls and returns go to the end of the code."""
    encoding = example.encoding
    end = np.tile(np.frombuffer(struct.pack("<Q", example.end), np.uint8), (len(gpr), 1))
    if encoding.map != 0:
        return
    if encoding.opcode in (0xC2, 0xC3):
        _put(stack, gpr[:, 4] - np.uint64(STACK), end)
    if encoding.opcode == 0xFF and encoding.extension in (2, 4):
        if encoding.is_register:
            gpr[:, encoding.rm] = example.end
        elif example.memory is not None and example.memory.fs:
            gpr[:, max(example.memory.base, 0)] = 0
            _put(data, targets - np.uint64(DATA), end)
        elif example.memory is not None and example.memory.base == 4:
            offset = gpr[:, 4] + np.uint64(example.memory.displacement & (1 << 64) - 1) - np.uint64(STACK)
            if example.memory.index >= 0:
                offset = offset + gpr[:, example.memory.index] * np.uint64(example.memory.scale)
            _put(stack, offset, end)
        else:
            memory = example.memory
            if memory is not None and memory.base < 0 <= memory.index:
                base = gpr[:, memory.index] * np.uint64(memory.scale)
                targets = base + np.uint64(memory.displacement & (1 << 64) - 1)
            _put(data, targets - np.uint64(DATA), end)
