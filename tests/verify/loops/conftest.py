"""C functions compiled twice, and states from which both run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import burnish
from burnish.core.code import Function
from burnish.core.specification import LiveOut, Specification
from burnish.core.state import MachineState, MemoryRegion
from burnish.images import assemble, compile_c, control_flow
from burnish.verify.pair import Pair, Side
from burnish.verify.solve import Solver

FLAGS = ("-fno-tree-loop-distribute-patterns", "-fwrapv", "-fno-strict-aliasing", "-fcf-protection=none")
_ARGUMENTS = (7, 6, 2, 1, 8, 9)
"""Numbers of the argument registers."""


def function_of(source: str, *flags: str) -> Side:
    """The only function of a C source."""
    image = compile_c(source + "\n", [*flags, *FLAGS])
    function = control_flow(image, image.functions[0])
    assert isinstance(function, Function), function
    return Side("f", image, function, {}, {})


def assembled(text: str) -> Side:
    """The function ``f`` of Intel assembly."""
    image = assemble(f".globl f\nf:\n{text}\n", "intel")
    function = control_flow(image, image.functions[0])
    assert isinstance(function, Function), function
    return Side("f", image, function, {}, {})


def states(kinds: str, seed: int = 0, counts: tuple[int, ...] = ()) -> list[MachineState]:
    """Entry states for arguments of these kinds: ``p`` a pointer to bytes, ``z`` to a string, ``n`` the length in 64
    bits, ``i`` in 32 (garbage above), ``c`` any 32 bits."""
    rng = random.Random(seed)
    lengths = counts or (
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        9,
        16,
        17,
        18,
        31,
        33,
        40,
        6,
        10,
        12,
        20,
        24,
        28,
        37,
        1,
        2,
        50,
    )
    return [_state(kinds, length, rng) for length in lengths]


def _state(kinds: str, length: int, rng: random.Random) -> MachineState:
    gpr = [rng.getrandbits(64) for _ in range(16)]
    memory: list[MemoryRegion] = []
    base = 0x10000 * rng.randrange(16, 1 << 20)
    for kind, register in zip(kinds, _ARGUMENTS, strict=False):
        if kind in "pz":
            base += 0x10000 * rng.randrange(1, 9)
            address = base + rng.randrange(256)
            size = length if kind == "z" else max(4 * length + 8, 8)
            data = bytes(rng.randrange(1, 256) for _ in range(size)) + b"\0" * (kind == "z")
            memory.append(MemoryRegion(address, data))
            gpr[register] = address
        elif kind == "n":
            gpr[register] = length
        elif kind == "i":
            gpr[register] = length | rng.getrandbits(32) << 32
    top = 0x7FFF00000000 + 0x10000 * rng.randrange(1 << 10) + 16 * rng.randrange(64) + 8
    memory.append(MemoryRegion(top - 0x400, rng.randbytes(0x500)))
    gpr[4] = top
    xmm = tuple(rng.getrandbits(128) for _ in range(16))
    return MachineState(tuple(gpr), xmm, memory=tuple(memory))


MakePair = Callable[..., Pair]


@pytest.fixture
def make_pair() -> MakePair:
    """``make_pair(source, original flag, rewrite flag, size of the result)``; a second source where it is another."""

    def make(source: str, first: str, second: str, size: int = 4, *, other: str = "") -> Pair:
        outs = (LiveOut("rax", size),) if size else ()
        sides = function_of(source, first), function_of(other or source, second)
        return Pair(*sides, Specification(outs, source="prototype"))

    return make


def verdict_of(folder: Path, source: str, *flags: str, timeout_s: float = 20, **options: Any) -> object:
    """The verdict on ``f`` against ``g`` of one C source."""
    path = folder / "made.c"
    path.write_text(source)
    names = options.pop("against", ("f", "g"))
    flags = (*flags, "-w")
    found = burnish.verify(path, path, *names, cflags=flags, timeout_s=timeout_s, cache=False, **options)
    (row,) = found.functions
    return row.verdict


@pytest.fixture(scope="session")
def solver() -> Iterator[Solver]:
    """Both solvers, without a cache."""
    with Solver(cache=None) as one:
        yield one
