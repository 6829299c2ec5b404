"""Claim: at least 90 % of the functions of libz and libbz2 can be rebuilt, all at once, and the libraries still do
the same, byte for byte.

Every function that lifts is rebuilt, for baseline x86-64 and for this processor. The judges are zlib's own test
programs ``example`` and ``minigzip`` (Debian and Ubuntu ship their source with zlib1g-dev), and the ``bzip2`` command
on 100 MB; each runs once with the system's library and once with the rebuilt one, and must put out the same bytes.

    python benchmarks/recompile_libraries.py [--quick] [--seed N] [--megabytes N]
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.images import load
from burnish.pipeline.recompile import Recompilation, recompile
from burnish.report.tables import Column, percent, print_line, print_table
from harness import Figure, common, finish, parser
from inputs import mixed

CPUS = ("x86-64", "native")
_EXAMPLES = Path("/usr/share/doc/zlib1g-dev/examples")
_MINIGZIP_MODES = ("-1", "-6", "-9", "-f", "-h", "-r")
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Item:
    """One comparison of what the system's and the rebuilt library do. ``detail`` says what was compared, or what
    differs."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A library rebuilt for one CPU, and what was seen of it."""

    library: str
    cpu: str
    rebuilt: int
    functions: int
    refused: tuple[str, ...]
    seconds: float
    """Of all functions together, to lift and rebuild."""
    items: tuple[Item, ...]

    @property
    def passed(self) -> bool:
        return all(item.passed for item in self.items) and bool(self.items)


@dataclass(frozen=True, slots=True)
class Trial:
    """A folder to work in and the library that programs in it shall load; None: the system's."""

    folder: Path
    library: Path | None
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, *words: str | Path, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Exit code, standard output and standard error of a command that works in the folder."""
        env = dict(os.environ) | self.environment
        if self.library is not None:
            env["LD_LIBRARY_PATH"] = str(self.library.parent)
        done = subprocess.run(
            words, input=stdin, capture_output=True, cwd=self.folder, env=env, check=False, timeout=600
        )
        return done.returncode, done.stdout, done.stderr

    def loads(self, program: Path) -> bool:
        """True if the loader, asked, gives the program this trial's library (ld.so(8), LD_TRACE_LOADED_OBJECTS)."""
        tracing = Trial(self.folder, self.library, {"LD_TRACE_LOADED_OBJECTS": "1"})
        return self.library is None or str(self.library).encode() in tracing.run(program)[1]


def zlib_tests(folder: Path, examples: Path = _EXAMPLES) -> tuple[Path, Path] | str:
    """``example`` and ``minigzip``, built against the system's libz; or why they cannot be."""
    if shutil.which("gcc") is None:
        return "no gcc (apt-get install gcc)"
    programs: list[Path] = []
    for name in ("example", "minigzip"):
        source, packed = examples / f"{name}.c", examples / f"{name}.c.gz"
        if packed.exists():
            text = gzip.decompress(packed.read_bytes())
        elif source.exists():
            text = source.read_bytes()
        else:
            return f"no source of {name} (apt-get install zlib1g-dev, or name its folder with --zlib-tests)"
        (folder / f"{name}.c").write_bytes(text)
        words = ["gcc", "-O2", "-w", f"{name}.c", "-o", name, "-lz"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{name}.c does not compile: {done.stderr.strip().splitlines()[-1]}"
        programs.append(folder / name)
    return programs[0], programs[1]


def check_libz(library: Path, tests: tuple[Path, Path], work: Path, data: bytes) -> list[Item]:
    """zlib's own test programs with the system's and with the rebuilt ``library``."""
    example, minigzip = tests
    system, rebuilt = _trials(work, library)
    items = [_loaded(rebuilt, example)]
    items.append(_same("zlib's example", system, rebuilt, [(example, "test.gz")], ["test.gz"]))
    for mode in _MINIGZIP_MODES:
        items.append(_same(f"minigzip {mode}", system, rebuilt, [(minigzip, mode)], [], data))
    packed = system.run(minigzip, stdin=data)[1]
    back = rebuilt.run(minigzip, "-d", stdin=packed)
    items.append(_equal("minigzip -d", back[0] == 0 and back[1] == data, f"{len(data):,} bytes came back"))
    damaged = packed[: len(packed) // 2] + b"\xff\x00" + packed[len(packed) // 2 + 2 :]
    items.append(_same("minigzip -d, damaged", system, rebuilt, [(minigzip, "-d")], [], damaged))
    return items


def check_libbz2(library: Path, bzip2: Path, work: Path, data: bytes) -> list[Item]:
    """The ``bzip2`` command with the system's and with the rebuilt ``library``."""
    system, rebuilt = _trials(work, library)
    items = [_loaded(rebuilt, bzip2)]
    packed = b""
    for level in ("-9", "-1"):
        sizes = f"{len(data):,} bytes compressed"
        first, second = (trial.run(bzip2, level, "-c", stdin=data) for trial in (system, rebuilt))
        items.append(_equal(f"bzip2 {level}", first == second and first[0] == 0, sizes))
        packed = packed or first[1]
    for words in (("-d", "-c"), ("-d", "-s", "-c")):
        back = rebuilt.run(bzip2, *words, stdin=packed)
        name = " ".join(("bzip2", *words[:-1]))
        items.append(_equal(name, back[0] == 0 and back[1] == data, f"{len(data):,} bytes came back"))
    damaged = packed[: len(packed) // 2] + b"\xff\x00" + packed[len(packed) // 2 + 2 :]
    items.append(_same("bzip2 -t, damaged", system, rebuilt, [(bzip2, "-t")], [], damaged))
    return items


def rebuild_library(name: str, cpu: str, work: Path) -> tuple[Path, Recompilation]:
    """All functions of a system library, rebuilt, in a copy under the name that the loader looks for."""
    folder = work / f"{name}-{cpu}"
    folder.mkdir(parents=True)
    output = folder / name
    return output, recompile(load(name).path, output, None, cpu)


def _trials(work: Path, library: Path) -> tuple[Trial, Trial]:
    folders = [work / "system", work / "rebuilt"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return Trial(folders[0], None), Trial(folders[1], library)


def _loaded(trial: Trial, program: Path) -> Item:
    return _equal("the loader takes the rebuilt library", trial.loads(program), program.name)


def _same(
    name: str,
    system: Trial,
    rebuilt: Trial,
    commands: Sequence[tuple[str | Path, ...]],
    files: Sequence[str],
    stdin: bytes = b"",
) -> Item:
    """The commands in both folders: exit codes, outputs and the files they write must be equal."""
    for words in commands:
        first, second = system.run(*words, stdin=stdin), rebuilt.run(*words, stdin=stdin)
        for what, left, right in zip(("exit code", "output", "error output"), first, second, strict=True):
            if left != right:
                return Item(name, False, f"{what} differs{_difference(left, right)}")
    for file in files:
        if (system.folder / file).read_bytes() != (rebuilt.folder / file).read_bytes():
            return Item(name, False, f"{file} differs")
    return Item(name, True, "exit code and output are the same")


def _difference(left: int | bytes, right: int | bytes) -> str:
    """The first place where two outputs differ, or both exit codes."""
    if isinstance(left, int) or isinstance(right, int):
        return f": {left} and {right}"
    at = next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )
    start = max(0, at - 20)
    return f" from byte {at} on: {left[start : at + 20]!r} and {right[start : at + 20]!r}"


def _equal(name: str, passed: bool, detail: str) -> Item:
    return Item(name, passed, detail if passed else f"not so: {detail}")


def check(library: str, cpu: str, work: Path, data: bytes, examples: Path = _EXAMPLES) -> Checked:
    """Rebuild one of the two libraries for a CPU and check it on ``data``."""
    rebuilt, done = rebuild_library(library, cpu, work)
    place = work / f"{library}-{cpu}-runs"
    place.mkdir()
    if library.startswith("libz"):
        tests = zlib_tests(place, examples)
        if isinstance(tests, str):
            items = [Item("zlib's tests", False, tests)]
        else:
            items = check_libz(rebuilt, tests, place, data)
    elif bzip2 := shutil.which("bzip2"):
        items = check_libbz2(rebuilt, Path(bzip2), place, data)
    else:
        items = [Item("bzip2", False, "no bzip2 (apt-get install bzip2)")]
    made = len(done.patched.functions)
    refused = tuple(f"{row.name} at {row.address:#x}: {row.refused}" for row in done.refused)
    return Checked(library, cpu, made, made + len(refused), refused, sum(done.seconds), tuple(items))


def _print(row: Checked) -> None:
    share = percent(row.rebuilt, row.functions)
    print_line(f"{row.library} for {row.cpu}: {row.rebuilt} of {row.functions} functions rebuilt ({share})")
    for refused in row.refused:
        print_line(f"  left as it is: {refused}")
    cells = [("PASS" if item.passed else "FAIL", item.name, item.detail) for item in row.items]
    print_table((Column(""), Column("item"), Column("compared", folds=True)), cells)
    print()


def _figures(rows: Sequence[Checked], size: int) -> list[Figure]:
    figures: list[Figure] = []
    for row in rows:
        share = f"{percent(row.rebuilt, row.functions)} ({row.rebuilt} of {row.functions})"
        enough = row.rebuilt >= _SHARE * row.functions
        figures.append(Figure(f"functions of {row.library} rebuilt, {row.cpu}", share, "≥ 90 %", "", enough))
        passed = sum(item.passed for item in row.items)
        what = "zlib's example and minigzip" if row.library.startswith("libz") else f"bzip2 on {size:,} bytes"
        result = f"{passed} of {len(row.items)} comparisons byte-identical"
        figures.append(Figure(f"{what}, {row.cpu}", result, "all", "the system's library", row.passed))
    return figures


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--megabytes", type=int, metavar="N", help="data for bzip2 (100; quick: 4)")
    options_of.add_argument("--zlib-tests", type=Path, default=_EXAMPLES, help="folder with zlib's example.c")
    arguments = options_of.parse_args()
    options = common(arguments)
    size = (arguments.megabytes or (4 if options.quick else 100)) * 1_000_000
    data = mixed(size, options.seed)
    rows: list[Checked] = []
    for library in ("libz.so.1", "libbz2.so.1.0"):
        for cpu in CPUS:
            with TemporaryDirectory(prefix="burnish-") as folder:
                part = data if library.startswith("libbz2") else data[: max(4_000_000, size // 5)]
                rows.append(check(library, cpu, Path(folder), part, arguments.zlib_tests))
            _print(rows[-1])
    return finish("recompile_libraries", options, _figures(rows, size), rows)


if __name__ == "__main__":
    sys.exit(main())
