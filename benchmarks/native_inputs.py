"""Inputs for functions of a known signature, by seed: numbers with their corners, texts, buffers and lengths.

What a signature does not fix is garbage: the upper bits of narrow arguments, all other registers, the dead stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from burnish.core.state import FLAGS_MASK
from burnish.runtime.isolation import Window
from native_pair import ARGUMENTS, GPR, ROOM, RSP, STACK, STACK_SIZE, Inputs, Result

Kind = Literal["i8", "i32", "i64", "pointer", "pointer/4", "text", "length", "length/4", "character"]
"""``pointer`` and ``text`` point into a window of their own, now and then into another's; ``pointer/4`` to a multiple
of four; ``length`` is at most a window's size, in bytes or in numbers of four; ``character`` is one that occurs in
texts. All but pointers and ``i64`` are 32 bits wide at most."""
POINTERS = ("pointer", "pointer/4", "text")

SIZE = 64
"""Bytes of a window. It ends where its page ends, and the next page is not mapped."""
_CORNERS = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000)
_LETTERS = b"aab\0\xff\x80zA0 \n"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes, in order of the argument registers, and what it gives."""

    arguments: tuple[Kind, ...]
    results: tuple[Result, ...] = (Result("rax", 4),)


def window_address(index: int) -> int:
    """Where the window of the argument ``index`` of a written case lies."""
    return 0x1000_0000 + 0x10_0000 * index + 0x1000 - SIZE


def _far(index: int) -> int:
    """Where that of a made input lies: above 4 GiB, so that an address cut to 32 bits is another."""
    return 0x2000_0000_0000 + window_address(index)


def inputs_for(signature: Signature, count: int, seed: int) -> Inputs:
    """``count`` states for a function. The first are corners: all arguments 0, all ones, the least, and so on."""
    source = np.random.default_rng(seed)
    gpr = source.integers(0, 1 << 64, (count, 16), np.uint64)
    xmm = source.integers(0, 1 << 64, (count, 16, 2), np.uint64)
    flags = source.integers(0, 1 << 12, count, np.uint64) & np.uint64(FLAGS_MASK & ~0x400)
    gpr[:, GPR.index("rsp")] = RSP
    stack = source.integers(0, 256, (count, STACK_SIZE), np.uint8)
    pointers = [n for n, kind in enumerate(signature.arguments) if kind in POINTERS]
    data = tuple(
        (f"window {n}", Window(_far(n), _contents(source, signature.arguments[n], count))) for n in pointers
    )
    for number, kind in enumerate(signature.arguments):
        gpr[:, GPR.index(ARGUMENTS[number])] = _values(source, kind, count, number, pointers)
    return Inputs(gpr, xmm, flags, stack, data)


def _values(
    source: np.random.Generator, kind: Kind, count: int, number: int, pointers: Sequence[int]
) -> NDArray[np.uint64]:
    match kind:
        case "i64":
            return _integers(source, count, 64)
        case "i8" | "i32":
            return _with_garbage(source, _integers(source, count, 32 if kind == "i32" else 8), 32)
        case "length" | "length/4":
            most = SIZE if kind == "length" else SIZE // 4
            short = source.integers(0, most // 4, count, np.uint64)
            long = source.integers(0, most + 1, count, np.uint64)
            return np.where(source.random(count) < 0.7, short, long)
        case "character":
            letters = np.frombuffer(_LETTERS, np.uint8).astype(np.uint64)
            return _with_garbage(source, source.choice(letters, count), 32)
        case "pointer" | "pointer/4" | "text":
            own = np.full(count, _far(number), np.uint64)
            other = np.array([_far(n) for n in pointers], np.uint64)[source.integers(0, len(pointers), count)]
            base = np.where(source.random(count) < 0.15, other, own)
            offset = source.integers(0, SIZE // 2, count, np.uint64)
            if kind == "pointer/4":
                offset &= np.uint64(0xFFFF_FFFF_FFFF_FFFC)
            return base + np.where(source.random(count) < 0.3, np.uint64(0), offset)


def _integers(source: np.random.Generator, count: int, bits: int) -> NDArray[np.uint64]:
    """A mix: corners and their negatives, few bits, small numbers, anything."""
    mask = (1 << bits) - 1
    corners = [*_CORNERS, *(-c for c in _CORNERS), 1 << bits - 1, (1 << bits - 1) - 1, (1 << bits - 1) + 1]
    table = np.array([c & mask for c in corners], np.uint64)
    anything = source.integers(0, mask, count, np.uint64, endpoint=True)
    few = np.uint64(1) << source.integers(0, bits, count, np.uint64)
    few |= np.uint64(1) << source.integers(0, bits, count, np.uint64)
    narrow = anything >> source.integers(0, bits, count, np.uint64)
    choice = source.integers(0, 4, count)
    mixed = np.choose(choice, [table[source.integers(0, len(table), count)], few, narrow, anything])
    first = min(count, len(table))
    mixed[:first] = table[:first]
    return mixed.astype(np.uint64)


def _with_garbage(source: np.random.Generator, values: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    """With anything above ``bits`` in half of them."""
    garbage = source.integers(0, 1 << (64 - bits), len(values), np.uint64) << np.uint64(bits)
    return values | np.where(source.random(len(values)) < 0.5, garbage, np.uint64(0))


def _contents(source: np.random.Generator, kind: Kind, count: int) -> NDArray[np.uint8]:
    letters = np.frombuffer(_LETTERS, np.uint8)
    text = letters[source.integers(0, len(letters), (count, SIZE))]
    # Without NULs but for the last byte: long strings.
    long = np.where(text == 0, np.uint8(ord("a")), text)
    anything = source.integers(0, 256, (count, SIZE), np.uint8)
    choice = source.integers(0, 3, (count, 1))
    made = np.where(choice == 0, text, np.where(choice == 1, long, text if kind == "text" else anything))
    if kind == "text":
        made[:, -1] = 0
    return made.astype(np.uint8)


assert STACK + STACK_SIZE == RSP + 8 + ROOM
