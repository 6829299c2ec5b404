"""Pairs of functions from C and assembly, with objects told apart by section, and processes to run them in."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence

import pytest

from burnish.core.code import Function
from burnish.core.image import Image
from burnish.core.pcode import OpCode, Space
from burnish.core.specification import Specification
from burnish.images import assemble, compile_c, control_flow
from burnish.verify.pair import Callee, DataObject, Pair, Place, Side
from burnish.verify.trials import Bench


def side(image: Image, name: str, callees: Sequence[Callee] = ()) -> Side:
    """One function of an image."""
    bounds = next(bounds for bounds in image.functions if bounds.name == name)
    function = control_flow(image, bounds)
    assert isinstance(function, Function), function
    known = {callee.name: callee for callee in callees}
    called: dict[int, Callee] = {}
    for table in (image.plt, image.got):
        for address, imported in table.items():
            called[address] = known.get(imported.name, Callee(imported.name))
    for other in image.functions:
        if other.name != name and not other.is_part:
            called[other.address] = known.get(other.name, Callee(other.name))
    places: dict[int, Place] = {}
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode in (OpCode.ADDRESS, OpCode.LOAD, OpCode.STORE):
                node = operation.inputs[0]
                if node.space is Space.CONST:
                    place = _place(image, node.offset)
                    if place is not None:
                        places[node.offset] = place
    return Side(name, image, function, places, called)


def _place(image: Image, address: int) -> Place | None:
    for section in image.sections:
        if section.address <= address < section.end and not image.is_code(address):
            data = None
            name = section.name
            if image.is_constant(section.address, section.size):
                data = image.read(section.address, section.size)
                assert data is not None
                name += hashlib.sha256(data).hexdigest()
            return Place(DataObject(name, section.size, 64, data), address - section.address)
    return None


def _assembled(original: str, rewrite: str, specification: Specification) -> Pair:
    first, second = (assemble(f".globl f\nf:\n{text}\n", "intel") for text in (original, rewrite))
    return Pair(side(first, "f"), side(second, "f"), specification)


def _compiled(
    source: str,
    specification: Specification,
    flags: tuple[str, str] = ("-O0", "-O3"),
    callees: Sequence[Callee] = (),
    idioms: bool = False,
) -> Pair:
    plain = ["-fno-stack-protector", "-fcf-protection=none"]
    if not idioms:
        plain.append("-fno-tree-loop-distribute-patterns")
    first, second = (compile_c(source + "\n\n", [*flag.split(), *plain]) for flag in flags)
    return Pair(side(first, "f", callees), side(second, "f", callees), specification)


@pytest.fixture(scope="session")
def assembled() -> Callable[..., Pair]:
    """``assembled(original, rewrite, specification)``: two texts in Intel syntax, as functions ``f``."""
    return _assembled


@pytest.fixture(scope="session")
def compiled() -> Callable[..., Pair]:
    """``compiled(source, specification, flags, callees)``: the function ``f`` of C at two levels of optimisation.
    With ``idioms`` the compiler may make loops into calls of the C library."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return _compiled


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """Child processes for all tests."""
    with Bench() as shared:
        yield shared
