"""Blocks of real functions as terms, folded as they are built, against the same operations on numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from burnish.core.code import Block, Function
from burnish.core.pcode import Operation
from burnish.domains.integers import DivisionError, compute
from burnish.domains.smt import build as t
from burnish.domains.smt.domain import SmtDomain
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.domains.walker import Walker
from burnish.images import load
from burnish.images.control_flow import control_flow
from burnish.machine.registers import CELLS, FLAG_CELLS, Cell
from burnish.verify.solve.query import Model

LIBRARIES = Path("/lib/x86_64-linux-gnu")
_FLAGS = {cell.name for cell in FLAG_CELLS}


class Noise(dict[int, int]):
    """Memory without an end: what was not written is a function of its address."""

    def __missing__(self, address: int) -> int:
        return address * 0x9E3779B97F4A7C15 >> 40 & 0xFF


class Numbers:
    """The domain of numbers over such a memory."""

    def __init__(self, registers: dict[str, int]) -> None:
        self.registers = registers
        self.memory = Noise()

    def constant(self, value: int, size: int) -> int:
        return value

    def initial(self, cell: Cell, offset: int, size: int) -> int:
        return self.registers[cell.name] >> 8 * offset & (1 << 8 * size) - 1

    def segment_base(self, name: str) -> int:
        return self.registers["fs_base"]

    def apply(self, operation: Operation, arguments: Sequence[int]) -> int:
        return compute(operation, arguments)

    def load(self, address: int, size: int) -> int:
        return sum(self.memory[(address + k) % (1 << 64)] << 8 * k for k in range(size))

    def store(self, address: int, value: int, size: int) -> None:
        for k in range(size):
            self.memory[(address + k) % (1 << 64)] = value >> 8 * k & 0xFF

    def extract(self, value: int, size: int, offset: int, part: int) -> int:
        return value >> 8 * offset & (1 << 8 * part) - 1

    def concat(self, parts: Sequence[tuple[int, int]]) -> int:
        total = shift = 0
        for value, size in parts:
            total |= value << shift
            shift += 8 * size
        return total

    def effect(self, operation: Operation, walker: Walker[int]) -> None:
        raise MeaninglessError(operation.opcode.name)


def _state(rng: random.Random) -> dict[str, int]:
    """Registers that are often near each other, so that accesses overlap."""
    base = rng.getrandbits(64)
    found: dict[str, int] = {"fs_base": 0x7000}
    for cell in CELLS.values():
        kind = rng.randrange(4)
        value = (
            base + rng.randrange(-24, 24) if kind == 0
            else rng.choice((0, 1, -1, 1 << 31, 1 << 63, 255, 40)) if kind == 1
            else rng.randrange(-9, 300) if kind == 2
            else rng.getrandbits(8 * cell.size)
        )  # fmt: skip
        found[cell.name] = value & 1 if cell.name in _FLAGS else value % (1 << 8 * cell.size)
    return found


@cache
def _blocks(name: str) -> tuple[Block, ...]:
    image = load(LIBRARIES / name)
    some = image.functions[:: max(len(image.functions) // 40, 1)]
    functions = [control_flow(image, bounds) for bounds in some]
    return tuple(block for f in functions if isinstance(f, Function) for block in f.blocks)


def _compared(block: Block, rng: random.Random, states: int) -> int:
    """The number of states on which a block was compared; 0 where it has calls or ``rep``."""
    domain = SmtDomain(t.memory("memory"))
    terms: Walker[Term] = Walker(domain)
    try:
        for operation in block.operations:
            terms.step(operation)
    except MeaninglessError:
        return 0
    cells = list(terms.registers)
    address = t.var("probe", 64)
    roots = [
        domain.fault,
        *(terms.read_cell(cell, 0, cell.size) for cell in cells),
        t.select(domain.memory, address),
    ]
    for _ in range(states):
        state = _state(rng)
        numbers = Numbers(state)
        walker: Walker[int] = Walker(numbers)
        faulted = False
        try:
            for operation in block.operations:
                walker.step(operation)
        except DivisionError:
            faulted = True
        probe = rng.choice([*numbers.memory, state["rsp"]])
        model = Model({**state, "probe": probe}, {"memory": Noise()})
        fault, *values, byte = evaluate(roots, model)
        assert fault == faulted
        if not faulted:
            want = [walker.read_cell(cell, 0, cell.size) for cell in cells]
            assert dict(zip(cells, values, strict=True)) == dict(zip(cells, want, strict=True)), block.label
            assert byte == numbers.memory[probe]
    return states


@pytest.mark.parametrize("name", ["libz.so.1", "libbz2.so.1.0", "libm.so.6"])
def test_blocks_compute_what_their_operations_do(name: str) -> None:
    if not (LIBRARIES / name).exists():
        pytest.skip(f"{name} is not installed")
    rng = random.Random(name)
    blocks = [block for block in _blocks(name) if len(block.operations) > 3]
    sample = rng.sample(blocks, min(len(blocks), 120))
    assert sum(_compared(block, rng, 3) for block in sample) > 150
