"""``burnish recompile``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.cli.frame import main
from burnish.images.note import revert

Build = Callable[..., Path]


@pytest.fixture
def here(busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(busy, tmp_path / "busy")
    (tmp_path / "link").symlink_to("busy")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing", "-o", "out", "--all"], "missing"),
        (["text", "-o", "out", "--all"], "not an ELF file but text"),
        (["folder", "-o", "out", "--all"], "directory"),
        (["busy", "-o", "out"], "either --function NAMES or --all"),
        (["busy", "-o", "out", "--all", "-f", "mix"], "either --function NAMES or --all"),
        (["busy", "-o", "out", "-f", "mixx"], "mixx"),
        (["busy", "-o", "out", "-f", ","], "No function was named"),
        (["busy", "-o", "out", "-f", "0x1"], "0x1"),
        (["busy", "-o", "busy", "--all"], "busy is the input"),
        (["busy", "-o", "link", "--all"], "link is the input"),
        (["busy", "-o", "folder", "--all"], "is a directory"),
        (["busy", "-o", "no/out", "--all"], "no does not exist"),
        (["busy", "-o", "out", "--all", "--cpu", "z80"], "no CPU named 'z80'"),
        (["busy", "--all"], "--output"),
        (["busy", "-o", "out", "--all", "--", "1"], "nothing after --"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}
    assert main(["recompile", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("burnish: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


def test_named_functions_are_rebuilt_once_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recompile", "busy", "-o", "out", "-f", "mix, main,mix", "--cpu", "x86-64", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert sorted(row["name"] for row in document["patched"]["functions"]) == ["main", "mix"]
    assert document["refused"] == []
    run = subprocess.run(["./out", "20"], capture_output=True, check=True)
    assert run.stdout == subprocess.run(["./busy", "20"], capture_output=True, check=True).stdout
    revert(Path("out"), Path("back"))
    assert (here / "back").read_bytes() == (here / "busy").read_bytes()


def test_one_function_keeps_what_its_caller_keeps_in_registers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recompile", "busy", "-o", "out", "-f", "mix"]) == 0
    assert "1 of 1 functions" in capsys.readouterr().out
    run = subprocess.run(["./out", "20"], capture_output=True, check=True)
    assert run.stdout == subprocess.run(["./busy", "20"], capture_output=True, check=True).stdout


def test_what_cannot_be_rebuilt_is_named_with_its_reason(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
    #include <stdio.h>
    __attribute__((noinline)) long double third(long double x) { return x / 3; }
    __attribute__((noinline)) int twice(int x) { return 2 * x; }
    int main(int argc, char **argv) { printf("%Lf %d\\n", third(argc), twice(argc)); return 0; }
    """
    program = build("mixed", text)
    monkeypatch.chdir(tmp_path)
    assert main(["recompile", str(program), "-o", "out", "-f", "twice,third"]) == 2
    said = capsys.readouterr().err
    assert "x87" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["recompile", str(program), "-o", "out", "--all"]) == 0
    assert "x87" in capsys.readouterr().out
    run = subprocess.run(["./out"], capture_output=True, check=True)
    assert run.stdout == subprocess.run([program], capture_output=True, check=True).stdout
