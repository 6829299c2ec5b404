"""What the user names as one of the two functions' homes: an ELF file, an object, C, or assembly."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

from burnish.core.errors import ImageError
from burnish.core.image import FunctionBounds, Image
from burnish.images.assembly import assemble_object
from burnish.images.data_symbols import ImageData, read_data
from burnish.images.elf import load_bytes
from burnish.images.file_check import read_elf
from burnish.images.find import find_function
from burnish.images.locate import locate
from burnish.images.source import compile_c
from burnish.recompile import Summaries
from burnish.verify.subject.debug_types import DebugTypes

Syntax = Literal["att", "intel"]

_TEXT_LIMIT = 16 << 20
"""Bytes of source text that are read."""
_ALWAYS = ("-g", "-fmerge-constants")
"""Types are known, and each constant is apart, as with optimisation; neither changes code."""
_ASSEMBLY, _SOURCE = (".s", ".asm"), (".c", ".i", ".S")


class InputKind(Enum):
    """What a side was read from."""

    ELF = "ELF"
    C = "C"
    ASSEMBLY = "assembly"


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A file, loaded. ``elf`` is the ELF file that it is, or that was made of it; ``name`` is what a user calls it."""

    name: str
    kind: InputKind
    image: Image = field(repr=False)
    data: ImageData = field(repr=False)
    elf: bytes = field(repr=False)
    summaries: Summaries = field(repr=False)
    types: DebugTypes = field(repr=False)

    @property
    def functions(self) -> tuple[FunctionBounds, ...]:
        """All that may be compared: no parts of others."""
        return tuple(bounds for bounds in self.image.functions if not bounds.is_part)

    def function(self, name: str) -> FunctionBounds:
        """The function of a name or address. Raises ``FunctionNotFoundError``, which names those spelled alike."""
        return find_function(self.image, name)


def read_input(source: str | Path, flags: Sequence[str] = ("-O2",), syntax: Syntax = "att") -> Input:
    """Reads a file (or, for a string of several lines, assembly text) with the functions in it.

    C is compiled by gcc with ``flags``, and so that types are known; assembly is in ``syntax`` unless it says
    otherwise. Raises ``ImageError`` and ``HostError`` with one sentence for what cannot be read.
    """
    if isinstance(source, str) and "\n" in source:
        return _from_assembly(source, "the assembly text", syntax)
    path = Path(source)
    if path.suffix in _SOURCE:
        return _from_c(path, flags)
    if path.suffix in _ASSEMBLY:
        return _from_assembly(_text(path), str(path), syntax)
    return from_elf(read_elf(locate(path)), str(path))


def from_elf(elf: bytes, name: str, kind: InputKind = InputKind.ELF) -> Input:
    """The same of an ELF file's content. Raises ``ImageError``."""
    image = load_bytes(elf, Path(name), name)
    return Input(name, kind, image, read_data(image, elf), elf, Summaries(image), DebugTypes(elf, image))


def _from_c(path: Path, flags: Sequence[str]) -> Input:
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        made = Path(folder) / "compiled"
        compile_c(path, (*_ALWAYS, *flags), output=made)
        return from_elf(made.read_bytes(), str(path), InputKind.C)


def _from_assembly(text: str, name: str, syntax: Syntax) -> Input:
    try:
        elf = assemble_object(text, syntax)
    except ImageError as error:
        raise ImageError(str(error).replace("the text", name, 1)) from None
    return from_elf(elf, name, InputKind.ASSEMBLY)


def _text(path: Path) -> str:
    """Source text. Raises ``ImageError`` for a file that holds none."""
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a directory, not assembly text")
        if not path.is_file():
            raise ImageError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        with path.open("rb") as file:
            raw = file.read(_TEXT_LIMIT + 1)
    except PermissionError:
        raise ImageError(f"{path} cannot be read: permission denied") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > _TEXT_LIMIT:
        raise ImageError(f"{path} is larger than {_TEXT_LIMIT >> 20} MiB, too large for assembly text")
    if not raw.strip():
        raise ImageError(f"{path} is empty")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ImageError(f"{path} is not assembly text")
    return text
