"""Real programs that benchmarks record: bzip2, SQLite and Lua, compiled from Debian's sources with drivers of ours."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from debian_sources import fetched
from harness import ROOT
from real_functions import amalgamated

PROGRAMS = ROOT / "benchmarks" / "programs"
_FLAGS = ("gcc", "-O2", "-g", "-w", "-fcf-protection=none", "-fno-stack-protector", "-no-pie")
_NOT_ALONE = ("shell.c", "tclsqlite.c", "geopoly.c", "parse_template.c")
_BZIP2 = ("blocksort", "huffman", "crctable", "randtable", "compress", "decompress", "bzlib")


@dataclass(frozen=True, slots=True)
class Source:
    """What a program is compiled from: a package, and a driver of ours, if it needs one. ``script`` is what it is
    given first."""

    package: str
    driver: str = ""
    script: str = ""


SOURCES = {
    "bzip2": Source("bzip2", "compress.c"),
    "sqlite": Source("sqlite3", "walk_pages.c"),
    "lua": Source("lua5.4", script="interpreted.lua"),
}


def compiled(name: str, folder: Path) -> Path | str:
    """The program of a name of ``SOURCES``, or a sentence that says what is missing."""
    made = SOURCES[name]
    sources = fetched([made.package])
    if isinstance(sources, str):
        return sources
    words = _words(made.package, sources[made.package])
    if isinstance(words, str):
        return words
    driver = [str(PROGRAMS / made.driver)] if made.driver else []
    command = [*_FLAGS, *driver, *words, "-o", str(folder / name), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder / name if done.returncode == 0 else f"{name} cannot be compiled: {done.stderr[-400:]}"


def arguments(name: str, size: int) -> tuple[str, ...]:
    """What the program is given to do so much."""
    script = SOURCES[name].script
    return (*((str(PROGRAMS / script),) if script else ()), str(size))


def _words(package: str, source: Path) -> list[str] | str:
    """Flags and files for the compiler."""
    match package:
        case "sqlite3":
            wrong = amalgamated(source)
            if wrong:
                return wrong
            files = [str(p) for p in sorted((source / "tsrc").glob("*.c")) if p.name not in _NOT_ALONE]
            flags = ["-DSQLITE_CORE", "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION"]
            return [*flags, f"-I{source / 'tsrc'}", *files]
        case "lua5.4":
            return [str(p) for p in sorted((source / "src").glob("*.c")) if p.name != "luac.c"]
        case _:
            files = [str(source / f"{name}.c") for name in _BZIP2]
            return ["-D_FILE_OFFSET_BITS=64", f"-I{source}", *files]
