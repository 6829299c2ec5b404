"""``burnish recompile`` as a person uses it: on the libraries of the system, judged by the programs that use them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ImageError

SIZE = 3 << 20


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``burnish recompile`` with ``arguments``."""
    command = [sys.executable, "-m", "burnish", "recompile", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def library(name: str) -> Path:
    try:
        return burnish.load(name).image.path
    except ImageError:
        pytest.skip(f"no {name}")


def data() -> bytes:
    """Text of a small vocabulary, noise and runs: all paths of a compressor."""
    choose = random.Random(23)
    words = [choose.randbytes(choose.randrange(2, 9)).hex().encode() for _ in range(3000)]
    text = b" ".join(choose.choices(words, k=SIZE // 12))
    return text[: SIZE // 2] + choose.randbytes(SIZE // 4) + bytes(SIZE // 8) + b"ab" * (SIZE // 16)


def test_bzip2_works_with_a_rebuilt_library(tmp_path: Path) -> None:
    bzip2 = shutil.which("bzip2")
    original = library("libbz2.so.1.0")
    if bzip2 is None:
        pytest.skip("bzip2 is not installed")
    before = original.read_bytes()
    copy = tmp_path / "lib" / "libbz2.so.1.0"
    copy.parent.mkdir()
    done = run(original, "--all", "-o", copy, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rebuilt, refused = len(report["patched"]["functions"]), len(report["refused"])
    assert rebuilt >= 0.9 * (rebuilt + refused)
    assert rebuilt + refused == len(burnish.load(original).functions)
    assert original.read_bytes() == before
    assert copy.stat().st_mode == original.stat().st_mode
    environment = {**os.environ, "LD_LIBRARY_PATH": str(copy.parent), "LD_DEBUG": "libs"}
    (tmp_path / "plain").write_bytes(data())
    for level in ("-1", "-9"):
        packed = subprocess.run([bzip2, level, "-c", "plain"], cwd=tmp_path, capture_output=True, check=True)
        ours = subprocess.run(
            [bzip2, level, "-c", "plain"], cwd=tmp_path, capture_output=True, check=True, env=environment
        )
        assert str(copy).encode() in ours.stderr, "the loader did not take the copy"
        assert hashlib.sha256(ours.stdout).digest() == hashlib.sha256(packed.stdout).digest()
        back = subprocess.run(
            [bzip2, "-dc"], input=packed.stdout, capture_output=True, check=True, env=environment
        )
        assert back.stdout == data()


def test_chosen_functions_of_libz_are_rebuilt_and_the_rest_is_left(tmp_path: Path) -> None:
    original = library("libz.so.1")
    copy = tmp_path / "libz.so.1"
    done = run(original, "-f", "adler32,crc32,inflate", "-o", copy, "--cpu", "x86-64", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 of 3" in done.stdout or "3 functions" in done.stdout, done.stdout
    script = (
        "import sys, zlib; d = open('plain', 'rb').read(); p = zlib.compress(d, 6); assert zlib.decompress(p) == d\n"
        "print(zlib.adler32(d), zlib.crc32(d), hash(p) and zlib.crc32(p))\n"
        "print(any(sys.argv[1] in line for line in open('/proc/self/maps')))"
    )
    (tmp_path / "plain").write_bytes(data())
    answers: list[str] = []
    for environment in (os.environ, {**os.environ, "LD_PRELOAD": str(copy)}):
        command = [sys.executable, "-c", script, str(copy)]
        answers.append(
            subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
            ).stdout
        )
    first, second = (answer.splitlines() for answer in answers)
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("False", "True")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--all", "-f", "adler32"], "say which functions to rebuild"),
        ([], "say which functions to rebuild"),
        (["-f", "adlre32"], "did you mean adler32"),
        (["-f", ","], "No function was named"),
        (["-f", "0x1"], "no function at 0x1"),
        (["--all", "--cpu", "pentium9"], "pentium9"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = run(library("libz.so.1"), "-o", "out.so", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("burnish: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", ["missing/out.so", ".", "poem"])
def test_wrong_files_are_one_sentence(tmp_path: Path, output: str) -> None:
    """An output that cannot be; and, for the last, an input that is no ELF file."""
    (tmp_path / "poem").write_text("Two roads diverged")
    file = tmp_path / "poem" if output == "poem" else library("libz.so.1")
    done = run(file, "--all", "-o", "new.so" if output == "poem" else output, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("burnish: ")
    assert [path.name for path in tmp_path.iterdir()] == ["poem"]


def test_the_input_is_no_output(tmp_path: Path) -> None:
    copy = Path(shutil.copy(library("libz.so.1"), tmp_path / "libz.so.1"))
    before = copy.read_bytes()
    done = run(copy, "--all", "-o", copy, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert copy.read_bytes() == before


def test_callers_that_do_not_align_the_stack(build: Callable[..., Path], tmp_path: Path) -> None:
    # gcc sees that neither many nor step needs an aligned stack, and calls them without one.
    text = (Path(__file__).parents[1] / "files" / "attached.c").read_text()
    program, output = build("unaligned", text, "-pthread"), tmp_path / "out"
    assert run(program, "-o", output, "--function", "many,step", cwd=tmp_path).returncode == 0
    answers = [
        subprocess.run([path], input="t 100 2\nc 50\n", capture_output=True, text=True, check=False)
        for path in (program, output)
    ]
    assert [(done.stdout, done.returncode) for done in answers] == [(answers[0].stdout, 3)] * 2
