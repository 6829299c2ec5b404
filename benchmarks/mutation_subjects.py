"""Pairs of equal functions that are mutated, each with what it takes, compiled alone into two objects."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from hackers_delight import CORRECTED, FLAGS, LEVELS, source
from harness import ROOT
from mutants import Mutant
from native_inputs import Kind, Signature
from native_pair import Result

LOOPS = ROOT / "tests" / "files" / "verify" / "loops"
STRINGS = ROOT / "benchmarks" / "programs" / "strings.c"
_RAX = Result("rax", 8)
_EAX = Result("rax", 4)
_STRINGS: dict[str, Signature] = {
    "s_strlen_bytes": Signature(("text",), (_RAX,)),
    "s_memchr": Signature(("pointer", "character", "length"), (_RAX,)),
    "s_memrchr": Signature(("pointer", "character", "length"), (_RAX,)),
    "s_strnlen_bytes": Signature(("text", "length"), (_RAX,)),
    "s_memcmp": Signature(("pointer", "pointer", "length")),
    "s_bcmp": Signature(("pointer", "pointer", "length")),
    "s_strcmp": Signature(("text", "text")),
    "s_strncmp": Signature(("text", "text", "length")),
    "s_tolower": Signature(("i32",)),
    "s_isspace": Signature(("i32",)),
    "s_isalnum": Signature(("i32",)),
    "s_isxdigit": Signature(("i32",)),
    "s_strchr": Signature(("text", "character"), (_RAX,)),
    "s_strrchr": Signature(("text", "character"), (_RAX,)),
    "s_memcpy": Signature(("pointer", "pointer", "length"), (_RAX,)),
    "s_memset": Signature(("pointer", "character", "length"), (_RAX,)),
    "s_memccpy": Signature(("pointer", "pointer", "character", "length"), (_RAX,)),
    "s_stpcpy": Signature(("pointer", "text"), (_RAX,)),
    "s_ffs": Signature(("i32",)),
    "s_swap_bytes": Signature(("i32",)),
    "s_utf8_length": Signature(("text",), (_RAX,)),
    "s_encode_utf8": Signature(("pointer", "i32"), (_RAX,)),
    "s_hash": Signature(("text",)),
}
_RESULTS = {
    "uint32_t": (_EAX,),
    "int32_t": (_EAX,),
    "size_t": (_RAX,),
    "uint64_t": (_RAX,),
    "void *": (_RAX,),
    "void ": (),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A function in two objects that are equal."""

    name: str
    function: str
    signature: Signature
    original: Path
    rewrite: Path
    options: tuple[str, ...] = ()
    """Of ``burnish verify``, without which they are not equal."""


def subjects(folder: Path, only: Sequence[str] = ()) -> list[Subject]:
    """All, or those with a name in ``only``, compiled into ``folder``."""
    found: list[Subject] = []
    wanted = set(only)
    for program in CORRECTED:
        if not wanted or program.name in wanted:
            kinds: tuple[Kind, ...] = ("i32",) * len(program.parameters)
            made = [
                _compiled(folder / f"{program.name}{level}.o", source((program,)), (*FLAGS, *LEVELS[level]))
                for level in ("-O0", "-O3")
            ]
            found.append(Subject(program.name, program.name, Signature(kinds), *made))
    found += [loop(path, folder) for path in loop_files() if not wanted or _stem(path) in wanted]
    found += [_string(name, folder) for name in _STRINGS if not wanted or name in wanted]
    return found


def loop_files() -> list[Path]:
    """The originals of the examples of loops."""
    return sorted(LOOPS.glob("*.orig.c"))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".orig.c")


def loop(original: Path, folder: Path, *more: str) -> Subject:
    """An example of a loop, compiled as its files say, with ``more`` flags."""
    sides: list[Path] = []
    for path in (original, original.with_name(original.name.replace(".orig.", ".rewrite."))):
        flags = shlex.split(_said(path.read_text(), "cflags"))
        sides.append(_compiled(folder / f"{path.stem}.o", path.read_text(), (*FLAGS, *flags, *more)))
    text = original.read_text()
    head = re.search(r"^(\w[\w ]*?\*?) ?(\w+)\(.*\) \{$", text, re.MULTILINE)
    assert head is not None
    results = next(found for name, found in _RESULTS.items() if f"{head[1]} ".startswith(name))
    kinds = cast(tuple[Kind, ...], tuple(_said(text, "arguments").split()))
    options = tuple(shlex.split(_said(text, "options")))
    return Subject(_stem(original), head[2], Signature(kinds, results), *sides, options)


def loop_of_one_source(original: Path, folder: Path, *more: str) -> Subject:
    """The original of an example at ``-O1`` and at ``-O2``, beside the flags that its file asks for and ``more``."""
    text = original.read_text()
    flags = [word for word in shlex.split(_said(text, "cflags")) if not word.startswith("-O")]
    sides = [
        _compiled(folder / f"{_stem(original)}{level}.o", text, (*FLAGS, *flags, *more, level))
        for level in ("-O1", "-O2")
    ]
    return replace(loop(original, folder, *more), original=sides[0], rewrite=sides[1])


def _said(text: str, key: str) -> str:
    found = re.search(rf"^// {key}: (.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _string(name: str, folder: Path) -> Subject:
    """A string function alone: the file with everything else, which is not called."""
    flags = (
        *FLAGS,
        "-ffreestanding",
        "-fno-builtin",
        "-fno-tree-loop-distribute-patterns",
        "-ffunction-sections",
    )
    made = [
        _compiled(folder / f"strings{level}.o", STRINGS.read_text(), (*flags, level))
        for level in ("-O1", "-O2")
    ]
    return Subject(name, name, _STRINGS[name], *made)


def _compiled(output: Path, text: str, flags: Sequence[str]) -> Path:
    if not output.exists():
        output.with_suffix(".c").write_text(text)
        words = ["gcc", *flags, "-c", str(output.with_suffix(".c")), "-o", str(output)]
        subprocess.run(words, check=True)
    return output


@dataclass(frozen=True, slots=True)
class Code:
    """The bytes of a function in an object file: where they lie there, and which of them a linker fills in."""

    path: Path
    offset: int
    data: bytes
    relocated: frozenset[int]

    @staticmethod
    def of(path: Path, function: str) -> Code:
        """Of the function of that name; raises ``LookupError`` where there is none."""
        with path.open("rb") as file:
            elf = ELFFile(file)
            symbols = elf.get_section_by_name(".symtab")
            for symbol in symbols.iter_symbols():
                if symbol.name == function and symbol["st_info"]["type"] == "STT_FUNC":
                    number, start, size = symbol["st_shndx"], symbol["st_value"], symbol["st_size"]
                    section = elf.get_section(number)
                    data = section.data()[start : start + size]
                    covered = _relocated(elf, number, start)
                    return Code(path, section["sh_offset"] + start, data, covered)
        raise LookupError(f"{path.name} has no function {function}")

    def mutated(self, mutant: Mutant, output: Path) -> Path:
        """The object with the change, as a file."""
        output.write_bytes(mutant.applied(self.path.read_bytes(), self.offset))
        return output


def _relocated(elf: ELFFile, number: int, start: int) -> frozenset[int]:
    """Offsets, from ``start`` in a section, of bytes with relocations; eight each, to be safe."""
    found: set[int] = set()
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection) and section["sh_info"] == number:
            for relocation in section.iter_relocations():
                at = relocation["r_offset"] - start
                found.update(range(at, at + 8))
    return frozenset(found)
