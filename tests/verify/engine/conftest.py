"""Pairs for tests of the engine: two functions in assembly, without data; and a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from burnish.core.code import Function, TailCall
from burnish.core.image import Image
from burnish.core.pcode import OpCode, Space
from burnish.core.specification import Specification
from burnish.images import assemble, control_flow
from burnish.verify.pair import Callee, Pair, Side
from burnish.verify.solve import Solver

MakePair = Callable[[str, str, Specification, dict[str, Callee] | None], Pair]


def side(text: str, callees: dict[str, Callee] | None = None) -> Side:
    """The function ``f`` of Intel assembly."""
    image = assemble(f".globl f\nf:\n{text}\n", "intel")
    function = control_flow(image, next(one for one in image.functions if one.name == "f"))
    assert isinstance(function, Function), function
    known = callees or {}
    called = {
        op.inputs[0].offset
        for block in function.blocks
        for op in block.operations
        if op.opcode is OpCode.CALL
    } | {
        block.terminator.target.offset
        for block in function.blocks
        if isinstance(block.terminator, TailCall) and block.terminator.target.space is Space.RAM
    }
    names = {address: _name(image, address) for address in called}
    return Side("f", image, function, {}, {a: known.get(n, Callee(n)) for a, n in names.items()})


def _name(image: Image, address: int) -> str:
    if address in image.plt:
        return image.plt[address].name
    bounds = image.bounds_at(address)
    assert bounds is not None
    return bounds.name


def pair_of(
    original: str, rewrite: str, specification: Specification, callees: dict[str, Callee] | None = None
) -> Pair:
    """Two texts as a pair."""
    return Pair(side(original, callees), side(rewrite, callees), specification)


@pytest.fixture
def make_pair() -> MakePair:
    """Makes a pair of two texts."""
    return pair_of


@pytest.fixture(scope="session")
def solver() -> Iterator[Solver]:
    """Asks both solvers, without a cache."""
    with Solver() as one:
        yield one
