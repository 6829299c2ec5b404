"""``burnish import`` and the exports that draw: wrong input is one sentence, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from burnish.cli.frame import main

FOLDED = "main;mix 30\nmain 10\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files of all sorts."""
    monkeypatch.chdir(tmp_path)
    Path("good").write_text(FOLDED)
    Path("half").write_text("main;mix 30\nmain;mi")
    Path("prose").write_text("It was a dark\nand stormy night.\n")
    Path("perf.data").write_bytes(b"PERFILE2\0\0\0\0")
    Path("binary").write_bytes(b"\x7fELF\0\0\0\0")
    Path("latin").write_bytes(b"ma\xefn;mix 3\n")
    Path("empty").touch()
    Path("run.fdata").write_text("1 main 2e 1 main 0 0 5\n")
    Path("folder").mkdir()
    Path("folder", "mine").write_text("mine")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("import nosuch", "No such file"),
        ("import folder", "Is a directory"),
        ("import empty", "is empty"),
        ("import perf.data", "perf script"),
        ("import binary", "is not text"),
        ("import prose", "line 1"),
        ("import half", "line 2"),
        ("import good --format nosuch", "perf-script, callgrind, fdata, folded"),
        ("import good --format callgrind", "line 1"),
        ("import good --format fdata", "line 1"),
        ("import good --format perf-script", "line 1"),
        ("import good --event cycles", "--event has no meaning"),
        ("import run.fdata --image nosuch", "nosuch"),
        ("import run.fdata --image good", "not an ELF"),
        ("import run.fdata --image good --image half", "--image once"),
        ("import good -o folder", "in the way"),
        ("import good -o nosuch/r", "does not exist"),
        ("import good --hot 0", "--hot"),
    ],
)
def test_wrong_input_is_one_sentence(
    here: Path, capfd: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    before = sorted(here.rglob("*"))
    assert main(words.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("burnish: ")
    assert said in err
    assert err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


def test_the_verbs_one_after_another(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "good", "-o", "r", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["verb"], document["samples"], document["stacks"]) == ("import", 40, 1)
    assert main(["import", "good", "-o", "r"]) == 0
    assert "40 samples" in capfd.readouterr().out
    assert main(["profile", "r"]) == 0
    shown = capfd.readouterr().out
    assert "75.0 %" in shown
    assert "with callees" in shown
    assert main(["profile", "r", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["manifest"]["imported"]["file"] == "good"
    assert document["sampled"][0] == {
        "name": "mix",
        "image": "",
        "samples": 30,
        "share": 0.75,
        "with_callees": 30,
    }
    for kind in ("folded", "speedscope", "parquet"):
        assert main(["export", "r", "--format", kind, "-o", f"out.{kind}"]) == 0
    assert Path("out.folded").read_text() == "main 10\nmain;mix 30\n"
    assert Path("out.parquet", "stacks.parquet").exists()
    assert main(["export", "r", "--format", "chrome-trace", "-o", "out.chrome"]) == 2
    assert "times" in capfd.readouterr().err
    assert main(["export", "r", "--format", "branches", "-o", "out.branches"]) == 2
    assert "no table 'trace'" in capfd.readouterr().err
    assert main(["annotate", "r", "-f", "mix"]) == 2
    assert "no function 'mix'" in capfd.readouterr().err
    assert not Path("out.chrome").exists()
    assert main(["import", "latin", "-o", "l"]) == 0


def test_standard_input_can_be_imported(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FOLDED.encode())))
    assert main(["import", "-", "-o", "r"]) == 0
    assert "standard input" in capfd.readouterr().out
