"""``burnish revert``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.images.patch import patch_image

PROGRAM = Path("/bin/true")


def revert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "burnish", "revert", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    output = tmp_path / "patched"
    patch_image(PROGRAM.resolve(), output, note={"made": "by a test"})
    assert output.read_bytes() != PROGRAM.read_bytes()
    return output


def test_the_original_comes_back(patched: Path, tmp_path: Path) -> None:
    original = tmp_path / "original"
    done = revert(patched, "-o", original)
    assert (done.returncode, done.stderr) == (0, "")
    assert original.read_bytes() == PROGRAM.read_bytes()
    assert original.stat().st_mode == patched.stat().st_mode
    assert done.stdout == f"{original}: the original of {patched}, {PROGRAM.stat().st_size} bytes.\n"


def test_as_json(patched: Path, tmp_path: Path) -> None:
    original = tmp_path / "original"
    document = json.loads(revert(patched, "-o", original, "--json").stdout)
    assert (document["verb"], document["output"]) == ("revert", str(original))
    assert document["size"] == original.stat().st_size


def test_in_place(patched: Path) -> None:
    done = revert(patched, "-o", patched)
    assert (done.returncode, done.stderr) == (0, "")
    assert patched.read_bytes() == PROGRAM.read_bytes()


def test_what_was_not_patched_is_one_sentence(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copy(PROGRAM, copy)
    output = tmp_path / "output"
    for file in (copy, tmp_path / "missing", tmp_path):
        done = revert(file, "-o", output)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("burnish: ")
        assert done.stderr.count("\n") == 1
    assert not output.exists()
