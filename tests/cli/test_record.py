"""``burnish record`` and what reads recordings: wrong input is one sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.cli.frame import main

BURNISH = (sys.executable, "-m", "burnish")


@pytest.fixture
def here(busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a program, things that are none, and a recording that is none."""
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("hello\n")
    Path("text").chmod(0o755)
    Path("empty").touch(0o755)
    Path("busy").symlink_to(busy)
    Path("folder").mkdir()
    Path("folder", "mine").write_text("mine")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("record", "No command"),
        ("record -- ./nosuch", "does not exist"),
        ("record -- nosuchprogram", "not found"),
        ("record -- ./folder", "directory"),
        ("record -- ./text", "not an ELF file"),
        ("record -- ./empty", "empty"),
        ("record -f nosuch -- ./busy 1", "no function 'nosuch'"),
        ("record -f , -- ./busy 1", "names no function"),
        ("record -f _start -- ./busy 1", "stack depth"),
        ("record --what nonsense -- ./busy 1", "'nonsense'"),
        ("record --what , -- ./busy 1", "names nothing"),
        ("record --max-size 5X -f mix -- ./busy 1", "no size"),
        ("record --on-full wait -f mix -- ./busy 1", "--on-full"),
        ("record --cpu nosuch -f mix -- ./busy 1", "no CPU named"),
        ("record -o folder -f mix -- ./busy 1", "in the way"),
        ("record -o nosuch/r -f mix -- ./busy 1", "does not exist"),
        ("profile nosuch", "does not exist"),
        ("profile folder", "not a recording"),
        ("profile text", "not a recording"),
        ("annotate folder -f mix", "not a recording"),
        ("export folder --format callgrind -o out", "not a recording"),
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
    assert (
        main(["record", "-o", "r", "-f", "mix", "--what", "edges,blocks", "--json", "--", "./busy", "20"])
        == 0
    )
    out, err = capfd.readouterr()
    assert out == subprocess.run(["./busy", "20"], stdout=subprocess.PIPE, text=True, check=True).stdout
    document = json.loads(err)
    assert document["verb"] == "record"
    assert document["events"] == document["entered"] > 20

    assert main(["profile", "r"]) == 0
    assert "mix" in capfd.readouterr().out
    assert main(["profile", "r", "-f", "mix", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["functions"][0]["calls"] == 20
    assert main(["profile", "r", "-f", "nosuch"]) == 2
    assert "no function 'nosuch'" in capfd.readouterr().err
    assert main(["annotate", "r", "-f", "mix", "--syntax", "intel"]) == 0
    assert "ret" in capfd.readouterr().out
    assert main(["annotate", "r", "-f", "mix", "--json"]) == 0
    assert len(json.loads(capfd.readouterr().out)["lines"]) > 5
    assert main(["export", "r", "--format", "branches", "-o", "out"]) == 0
    assert Path("out").stat().st_size % 18 == 0
    assert main(["export", "r", "--format", "nonsense", "-o", "other"]) == 2
    assert "callgrind" in capfd.readouterr().err
    assert not Path("other").exists()


def test_only_edges_have_no_trace_to_export(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "-o", "r", "-f", "mix", "--", "./busy", "20"]) == 0
    assert main(["export", "r", "--format", "branches", "-o", "out"]) == 2
    assert "no table 'trace'" in capfd.readouterr().err
    assert not Path("out").exists()


def test_a_later_version_is_refused(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "-o", "r", "-f", "mix", "--", "./busy", "20"]) == 0
    manifest = Path("r", "manifest.json")
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    capfd.readouterr()
    assert main(["profile", "r"]) == 2
    assert "later Burnish" in capfd.readouterr().err


def test_ctrl_c_ends_the_program_and_keeps_the_recording(here: Path, busy: Path) -> None:
    process = subprocess.Popen(
        [*BURNISH, "record", "-o", "r", "-f", "mix", "--", "./busy", "1000000000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"BURNISH_TEST_MARK": "record-ctrl-c"},
    )
    deadline = time.monotonic() + 60
    while not _running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"cut short" in err
    assert b"Traceback" not in err
    assert not _running(process.pid)
    done = subprocess.run(
        [*BURNISH, "profile", "r", "--json"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert json.loads(done)["functions"][0]["calls"] > 10


def _running(parent: int) -> list[int]:
    """Children of a process that are the recorded program."""
    found: list[int] = []
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = task.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and (task.parent / "cmdline").read_bytes().startswith(b"./busy\0"):
                found.append(int(task.parent.name))
        except OSError:
            continue
    return found
