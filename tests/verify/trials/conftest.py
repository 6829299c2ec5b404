"""Pairs of functions from C and assembly, and processes to run them in."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.core.specification import Specification
from burnish.verify.pair import Callee, Pair, Side
from burnish.verify.subject import Input, Overrides, choose_functions, read_input, read_pair
from burnish.verify.subject.pairs import Reading
from burnish.verify.trials import Bench


def _pair(one: Input, two: Input, specification: Specification, callees: Sequence[Callee] = ()) -> Pair:
    functions = choose_functions(one, two, "f")[0]
    reading = read_pair(one, two, functions, Overrides(same_callees=True))
    assert isinstance(reading, Reading), reading
    known = {callee.name: callee for callee in callees}

    def side(found: Side) -> Side:
        return replace(found, callees={a: known.get(c.name, c) for a, c in found.callees.items()})

    return Pair(side(reading.pair.original), side(reading.pair.rewrite), specification)


@functools.cache
def assemble_pair(original: str, rewrite: str, specification: Specification) -> Pair:
    """Two texts in Intel syntax, as functions ``f``."""
    one, two = (read_input(f".globl f\nf:\n{text}\n", syntax="intel") for text in (original, rewrite))
    return _pair(one, two, specification)


@pytest.fixture(scope="session")
def assembled() -> Callable[..., Pair]:
    """``assembled(original, rewrite, specification)``: two texts in Intel syntax, as functions ``f``."""
    return assemble_pair


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """``compiled(source, specification, flags, callees)``: the function ``f`` of C at two levels of optimisation.
    With ``idioms`` the compiler may make loops into calls of the C library; ``against`` is the rewrite's source."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("sources")

    @functools.cache
    def read(text: str, flags: tuple[str, ...]) -> Input:
        path: Path = folder / f"source{len(list(folder.iterdir()))}.c"
        path.write_text(text + "\n")
        return read_input(path, flags)

    def compile_pair(
        source: str,
        specification: Specification,
        flags: tuple[str, str] = ("-O0", "-O3"),
        callees: Sequence[Callee] = (),
        idioms: bool = False,
        against: str = "",
    ) -> Pair:
        plain = ["-fno-stack-protector", "-fcf-protection=none"]
        if not idioms:
            plain.append("-fno-tree-loop-distribute-patterns")
        one = read(source, (*flags[0].split(), *plain))
        two = read(against or source, (*flags[1].split(), *plain))
        return _pair(one, two, specification, callees)

    return compile_pair


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """Child processes for all tests."""
    with Bench() as shared:
        yield shared
