"""Functions of real programs, each compiled twice: what the verifier is measured on.

zlib, bzip2, Lua and SQLite in Debian's versions, and string functions of our own (``programs/strings.c``).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from burnish.core.code import Function, successors
from burnish.core.errors import ImageError
from burnish.core.image import FunctionBounds, Image
from burnish.images import control_flow, load
from debian_sources import fetched
from harness import ROOT

COMMON = (
    "-g",
    "-w",
    "-fcf-protection=none",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
)
"""Flags of both sides, beside the level."""
LEVELS = ("-O1", "-O2")
_CLONES = (".constprop", ".isra", ".part", ".cold", ".lto")


@dataclass(frozen=True, slots=True)
class Project:
    """A package with the files that are compiled, and how."""

    name: str
    package: str
    files: tuple[str, ...]
    flags: tuple[str, ...] = ()


PROJECTS = (
    Project("strings", "", ("strings.c",), ("-ffreestanding", "-fno-builtin", "-fno-tree-loop-distribute-patterns")),
    Project("zlib", "zlib", ("*.c",), ("-D_LARGEFILE64_SOURCE=1", "-DHAVE_UNISTD_H", "-DHAVE_HIDDEN")),
    Project("bzip2", "bzip2", ("blocksort.c", "huffman.c", "crctable.c", "randtable.c", "compress.c", "decompress.c",
        "bzlib.c"), ("-D_FILE_OFFSET_BITS=64",)),
    Project("lua", "lua5.4", ("src/l*.c",), ("-DLUA_COMPAT_5_3", "-DLUA_USE_LINUX")),
    Project("sqlite", "sqlite3", ("tsrc/*.c",), ("-Itsrc", "-DSQLITE_CORE", "-DSQLITE_THREADSAFE=1")),
)  # fmt: skip
_NOT_ALONE = {
    "lua.c",
    "luac.c",
    "ltests.c",
    "onelua.c",
    "shell.c",
    "geopoly.c",
    "parse_template.c",
    "tclsqlite.c",
}
"""Programs, and files that others include."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A function in two objects; ``size`` is that of the first in bytes."""

    project: str
    file: str
    function: str
    original: Path
    rewrite: Path
    size: int

    @property
    def name(self) -> str:
        return f"{self.project}/{self.file}:{self.function}"


@dataclass(frozen=True, slots=True)
class Corpus:
    """All pairs of some projects, and what was left out: clones that gcc made with conventions of their own, and
    functions that one side alone has. ``skipped`` says which files could not be compiled."""

    pairs: tuple[Pair, ...]
    clones: int
    alone: int
    skipped: tuple[str, ...]


def corpus(
    names: Sequence[str], folder: Path, levels: Sequence[str] = LEVELS, flags: Sequence[str] = ()
) -> Corpus | str:
    """Compiles the projects of those names into ``folder``, with more ``flags`` for both sides; or a sentence that says
    what is missing."""
    if shutil.which("gcc") is None:
        return "gcc is missing: apt-get install gcc"
    chosen = [project for project in PROJECTS if project.name in names]
    sources = fetched([project.package for project in chosen if project.package])
    if isinstance(sources, str):
        return sources
    pairs: list[Pair] = []
    skipped: list[str] = []
    clones = alone = 0
    for project in chosen:
        source = sources[project.package] if project.package else ROOT / "benchmarks" / "programs"
        if project.name == "sqlite" and (wrong := amalgamated(source)):
            return wrong
        for path in sorted(p for pattern in project.files for p in source.glob(pattern)):
            if path.name in _NOT_ALONE:
                continue
            objects = [_compiled(project, source, path, (level, *flags), folder) for level in levels]
            if None in objects:
                skipped.append(f"{project.name}/{path.name}")
                continue
            first, second = (made for made in objects if made is not None)
            found, left = _pairs(project.name, path.stem, first, second)
            pairs += found
            clones += left[0]
            alone += left[1]
    return Corpus(tuple(pairs), clones, alone, tuple(skipped))


def _compiled(project: Project, source: Path, path: Path, flags: Sequence[str], folder: Path) -> Path | None:
    made = folder / project.name / f"{path.stem}{flags[0]}.o"
    made.parent.mkdir(parents=True, exist_ok=True)
    words = ["gcc", *COMMON, *flags, "-I.", *project.flags, "-c", str(path), "-o", str(made)]
    done = subprocess.run(words, cwd=source, capture_output=True, check=False)
    return made if done.returncode == 0 else None


def amalgamated(source: Path) -> str:
    """Makes SQLite's generated files and gathers all of them in ``tsrc``; empty, or what is missing."""
    if (source / "tsrc" / "sqlite3.h").exists():
        return ""
    for tool, package in (("tclsh", "tcl"), ("make", "make")):
        if shutil.which(tool) is None:
            return f"{tool} is missing: apt-get install {package}"
    words = ["make", "-s", "-f", "main.mk", "TOP=.", "TCC=gcc", "BCC=gcc", "NAWK=awk", "AR=ar", "OPTS="]
    done = subprocess.run([*words, "target_source"], cwd=source, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"SQLite's sources cannot be generated: {done.stderr[-300:]}"


def _pairs(project: str, file: str, first: Path, second: Path) -> tuple[list[Pair], tuple[int, int]]:
    """The pairs of two objects, and how many clones and lonely functions were left out."""
    try:
        one, two = load(first), load(second)
    except ImageError:  # tables alone
        return [], (0, 0)
    left, right = _symbols(one), _symbols(two)
    names = left.keys() | right.keys()
    clones = {name for name in names if any(part in name for part in _CLONES)}
    both = sorted((left.keys() & right.keys()) - clones)
    pairs = [Pair(project, file, name, first, second, left[name].size) for name in both]
    return pairs, (len(clones), len(names - clones) - len(both))


def _symbols(image: Image) -> dict[str, FunctionBounds]:
    return {b.name: b for b in image.functions if b.source == "symbol" and not b.is_part and b.size}


@lru_cache(maxsize=16)
def _image(path: Path) -> Image:
    return load(path)


def loops(pair: Pair) -> bool | None:
    """True if either side has a loop; None where no control flow was found."""
    known: list[bool] = []
    for path in (pair.original, pair.rewrite):
        image = _image(path)
        flow = control_flow(image, _symbols(image)[pair.function], keep_refused=True)
        if isinstance(flow, Function):
            known.append(_has_loop(flow))
    return None if not known else any(known)


def _has_loop(function: Function) -> bool:
    """True if some block can be reached from itself."""
    edges = {block.label: successors(block.terminator) for block in function.blocks}
    done: set[object] = set()
    active: set[object] = set()
    stack = [(block.label, False) for block in reversed(function.blocks)]
    while stack:
        label, left = stack.pop()
        if left:
            active.discard(label)
            done.add(label)
        elif label not in done and label not in active:
            active.add(label)
            stack.append((label, True))
            for after in edges.get(label, ()):
                if after in active:
                    return True
                stack.append((after, False))
    return False
