"""Programs and replacements for their functions, made by gcc."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from burnish.core.deployment import ObjectCode
from burnish.runtime.command import Command
from burnish.runtime.process import CodePoint
from burnish.verify.replay import LinkedObjects, Subject


@dataclass(frozen=True)
class Program:
    """A compiled file and the image addresses of its symbols, as nm tells them."""

    path: Path
    symbols: dict[str, int]
    compile_object: Callable[[str], bytes]

    def command(self, *arguments: str) -> Command:
        return Command((str(self.path), *arguments))

    def point(self, name: str) -> CodePoint:
        return CodePoint(self.path, self.symbols[name])

    def subject(self, name: str, source: str, **fields: object) -> Subject:
        """A function and what replaces it: C source in which ``rebuilt`` is the replacement and ``AT_x`` stands for
        the address of the symbol ``x``."""
        for symbol, address in self.symbols.items():
            source = source.replace(f"AT_{symbol}", f"__burnish_at_{address:x}")
        code = ObjectCode(self.compile_object(source), "rebuilt", self.symbols[name])
        provider = LinkedObjects.of([code], self.symbols[name])
        return Subject(self.path, self.symbols[name], 1, name, provider, **fields)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Program]:
    """``build(source, *flags)`` compiles a program with gcc."""
    if shutil.which("gcc") is None or shutil.which("nm") is None:
        pytest.skip("needs gcc and nm")
    folder = tmp_path_factory.mktemp("programs")

    @functools.cache
    def compile_object(source: str) -> bytes:
        text, made = folder / "rebuilt.c", folder / "rebuilt.o"
        text.write_text(source)
        flags = ["-O2", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-fcf-protection=none"]
        subprocess.run(["gcc", *flags, "-c", text, "-o", made], check=True)
        return made.read_bytes()

    @functools.cache
    def build_program(source: str, *flags: str) -> Program:
        made = folder / f"program{len(list(folder.iterdir()))}"
        text = made.with_suffix(".c")
        text.write_text(source)
        subprocess.run(["gcc", "-O1", text, "-o", made, *flags], check=True)
        listing = subprocess.run(["nm", made], check=True, capture_output=True, text=True).stdout
        symbols = {
            line.split()[2]: int(line.split()[0], 16) for line in listing.splitlines() if line[0] != " "
        }
        return Program(made, symbols, compile_object)

    return build_program
