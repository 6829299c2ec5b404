"""Outputs of runs, compared byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from burnish.runtime import outputs
from burnish.runtime.command import Command
from burnish.runtime.outputs import OutputSnapshot, capture_outputs, not_repeatable, same_outputs


def _twice(cwd: Path, *argv: str) -> tuple[OutputSnapshot, OutputSnapshot]:
    command = Command(argv, cwd=cwd)
    return capture_outputs(command), capture_outputs(command)


def _shell(cwd: Path, script: str) -> OutputSnapshot:
    return capture_outputs(Command(("sh", "-c", script), cwd=cwd))


def test_a_file_beside_an_argument_is_captured(tmp_path: Path) -> None:
    """As with ``bzip2 -k -f somewhere/big.tar``: neither standard output nor below the working directory."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    (data / "big.tar").write_bytes(b"some text " * 1000)
    (data / "other").write_text("not of this run")
    first, second = _twice(elsewhere, "gzip", "-n", "-k", "-f", "../data/big.tar")
    assert [file.path.name for file in first.files] == ["big.tar.gz"]
    written = (data / "big.tar.gz").read_bytes()
    assert first.files[0].digest == (len(written), hashlib.sha256(written).hexdigest())
    assert same_outputs(first, second) == not_repeatable(first, second) == []


def test_a_workload_that_eats_its_input_is_named(tmp_path: Path) -> None:
    (tmp_path / "big").write_text("text")
    problems = not_repeatable(*_twice(tmp_path, "gzip", "big"))
    assert len(problems) == 1 and "uses up its input" in problems[0]


@pytest.mark.parametrize(
    "script", ["date +%N", "date +%N >&2", "date +%N >>log", "head -c 8 /dev/urandom >deep/x"]
)
def test_nondeterminism_is_found(tmp_path: Path, script: str) -> None:
    (tmp_path / "deep").mkdir()
    problems = not_repeatable(_shell(tmp_path, script), _shell(tmp_path, script))
    assert len(problems) == 1 and "differ" in problems[0]


@pytest.mark.parametrize(
    ("one", "two", "named"),
    [
        ("exit 1", "exit 2", "exit code 1"),
        ("exit 0", "kill -9 $$", "SIGKILL"),
        ("echo a >f; chmod 600 f", "echo a >f; chmod 700 f", "mode 700"),
        ("echo abc >f", "echo abd >f", "f differs"),
        ("echo a >f", "rm f", "removed"),
        ("echo a >f", "true", "in the first run only"),
        ("ln -sf one l", "ln -sf two l", "l differs"),
        ("rm -rf d; mkdir d", "true", "d was written"),
    ],
)
def test_each_difference_is_a_sentence(tmp_path: Path, one: str, two: str, named: str) -> None:
    differences = same_outputs(_shell(tmp_path, one), _shell(tmp_path, two))
    assert len(differences) == 1 and named in differences[0]


def test_a_run_that_writes_the_same_bytes_again_has_written(tmp_path: Path) -> None:
    first, second = _shell(tmp_path, "echo a >f"), _shell(tmp_path, "echo a >f")
    assert len(second.files) == 1 and same_outputs(first, second) == []


def test_limits_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MAX_BYTES", 10)
    snapshot = _shell(tmp_path, "echo 123456789012 >a; echo 1 >b")
    assert [file.digest.sha256 == "" for file in snapshot.files] == [True, True]
    assert "only their size" in snapshot.incomplete[0]
    monkeypatch.setattr(outputs, "MAX_FILES", 1)
    assert "not all were compared" in _shell(tmp_path, "true").incomplete[0]
