"""Machine code for the tests of this package, from an assembler that is not ours."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.runtime.isolation import Executor

Assemble = Callable[[str], bytes]


@pytest.fixture(scope="session")
def assemble(tmp_path_factory: pytest.TempPathFactory) -> Assemble:
    """Intel syntax to bytes, by gcc and objcopy."""
    if shutil.which("gcc") is None or shutil.which("objcopy") is None:
        pytest.skip("needs gcc and objcopy")
    folder: Path = tmp_path_factory.mktemp("assembly")

    @functools.cache
    def translate(text: str) -> bytes:
        source, linked, flat = folder / "a.s", folder / "a.o", folder / "a.bin"
        source.write_text(f".intel_syntax noprefix\n{text}\n")
        subprocess.run(["gcc", "-c", source, "-o", linked], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", linked, flat], check=True)
        return flat.read_bytes()

    return translate


@pytest.fixture
def executor() -> Iterator[Executor]:
    with Executor() as executor:
        yield executor
