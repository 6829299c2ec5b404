"""The programs that claims about speed are measured on, each with something to do.

A workload takes about a second; ``quick`` ones take a quarter of that. All inputs are made from a seed. The second
input of each workload (``unseen``) is one that nothing was chosen on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import ROOT
from inputs import mixed, text

_EXAMPLES = ROOT / "examples"
OWN = "pixels"
"""Our own C program."""


@dataclass(frozen=True, slots=True)
class Task:
    """A program with arguments, to be run in the folder that ``prepared`` gives. ``program`` is its file;
    ``unseen`` are other arguments for it."""

    name: str
    group: str
    program: Path
    arguments: tuple[str, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Compressor:
    """A Debian program that compresses a file: megabytes for a second of compressing and of decompressing."""

    program: str
    pack: tuple[str, ...]
    unpack: tuple[str, ...]
    suffix: str
    pack_mb: float
    unpack_mb: float
    make: Callable[[int, int], bytes]


_COMPRESSORS = (
    _Compressor("bzip2", ("-9", "-k", "-f"), ("-d", "-k", "-f"), ".bz2", 12, 8, text),
    _Compressor("gzip", ("-6", "-n", "-k", "-f"), ("-d", "-n", "-k", "-f"), ".gz", 24, 80, mixed),
    _Compressor("xz", ("-6", "-T1", "-k", "-f"), ("-d", "-k", "-f"), ".xz", 3, 60, mixed),
)
_LUA: Mapping[str, tuple[int, int, int]] = {
    "fannkuch": (10, 9, 8),
    "binary_trees": (16, 15, 14),
    "words": (400_000, 300_000, 200_000),
}
"""Scripts with their argument: usual, quick, unseen."""

SQLITE = "sqlite"
_SQL = """
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, price REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
INSERT INTO item
  SELECT i, (i * 7919) % 97, printf('item %d of %d', (i * 31) % 10007, i), ((i * 37) % 1000) / 8.0 FROM n;
CREATE INDEX by_kind ON item (kind, price);
CREATE INDEX by_name ON item (name);
SELECT kind, count(*), sum(price), max(name) FROM item GROUP BY kind ORDER BY 3 DESC LIMIT 5;
SELECT count(*) FROM item a JOIN item b ON a.kind = b.kind AND a.price = b.price WHERE a.id % 16 = 0;
SELECT count(*), min(id), max(id) FROM item WHERE name LIKE '%7 of %3' OR price BETWEEN 20 AND 21.5;
UPDATE item SET price = price + 1 WHERE kind % 3 = 1;
DELETE FROM item WHERE id % 5 = 0;
SELECT total(price), group_concat(DISTINCT kind % 11) FROM item;
"""
"""Inserts, sorts, joins, scans and updates, all in memory."""

NAMES = (
    *(f"{c.program} {way}" for c in _COMPRESSORS for way in (c.pack[0], "-d")),
    *(f"lua {script}" for script in _LUA),
    OWN,
)
"""All workloads."""


@contextmanager
def prepared(name: str, seed: int, quick: bool) -> Generator[Task | str]:
    """The workload ``name``, set up in a folder of its own that is the working directory meanwhile; or a sentence
    that says what this machine lacks for it."""
    with TemporaryDirectory(prefix="burnish-") as folder, chdir(folder):
        if name == OWN:
            yield _pixels(quick)
        elif name == SQLITE:
            yield _sqlite(quick)
        elif name.startswith("lua "):
            yield _lua(name, quick)
        else:
            yield _compressor(name, seed, quick)


def built(source: Path, output: Path, *flags: str) -> Path | str:
    """``source`` compiled by gcc with ``flags``, or a sentence that says why not."""
    if shutil.which("gcc") is None:
        return "gcc is missing: apt-get install gcc"
    done = subprocess.run(["gcc", *flags, "-o", output, source], capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"{source.name} does not compile" if done.returncode else output


def pixels_source() -> Path:
    """Our own C program."""
    return _EXAMPLES / "pixels.c"


def _pixels(quick: bool) -> Task | str:
    program = built(pixels_source(), Path("pixels").absolute(), "-O2")
    if isinstance(program, str):
        return program
    return Task(OWN, "our own C program", program, ("40" if quick else "160",), ("23",))


def _sqlite(quick: bool) -> Task | str:
    program = shutil.which("sqlite3")
    if program is None:
        return "sqlite3 is missing: apt-get install sqlite3"
    for file, rows in (("sample.sql", 120_000 if quick else 400_000), ("unseen.sql", 20_000)):
        Path(file).write_text(_SQL.format(rows=rows))
    words = (":memory:", ".read sample.sql"), (":memory:", ".read unseen.sql")
    return Task(SQLITE, "Debian's SQLite", Path(program), *words)


def _lua(name: str, quick: bool) -> Task | str:
    program = shutil.which("lua5.4")
    if program is None:
        return "lua5.4 is missing: apt-get install lua5.4"
    script = name.removeprefix("lua ")
    usual, small, unseen = _LUA[script]
    file = f"{script}.lua"
    shutil.copy(_EXAMPLES / file, file)
    return Task(name, "lua5.4", Path(program), (file, str(small if quick else usual)), (file, str(unseen)))


def _compressor(name: str, seed: int, quick: bool) -> Task | str:
    word = name.split()[0]
    kind = next(c for c in _COMPRESSORS if c.program == word)
    program = shutil.which(word)
    if program is None:
        return f"{word} is missing: apt-get install {'xz-utils' if word == 'xz' else word}"
    unpacking = name.endswith(" -d")
    size = int(1e6 * (kind.unpack_mb if unpacking else kind.pack_mb) / (4 if quick else 1))
    words = kind.unpack if unpacking else kind.pack
    names: list[str] = []
    for file, length, start in (("sample", size, seed), ("unseen", size // 3, seed + 1000)):
        path = Path(file)
        path.write_bytes(kind.make(length, start))
        if unpacking:
            subprocess.run([program, *kind.pack[1:], path], check=True)
            path.unlink()
            file += kind.suffix
        # gzip writes the time of the file that it unpacks, and bzip2 its own.
        os.utime(file, (1_600_000_000, 1_600_000_000))
        names.append(file)
    return Task(name, f"Debian's {word}", Path(program), (*words, names[0]), (*words, names[1]))
