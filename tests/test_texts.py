"""Texts that show their own commands.

``tests/files/*.txt`` hold commands (``$ …``) and exactly what they print. The ``console`` blocks of README.md and
docs/ hold commands that must work; ``# exits 2`` after a command says with which code it ends. Their outputs depend on
the machine, so of them only this is compared: what ran printed something, and every line of the page that has
neither a digit nor ``…`` was printed. The ``python`` blocks of a page are run in order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted((ROOT / "tests" / "files").glob("*.txt"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the text under it, and the code with which it ends."""

    command: str
    expected: str
    code: int = 0


def steps(text: str) -> Iterator[Step]:
    """The commands of ``text``, each with the lines up to the next one."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        command, _, code = line.partition("  # exits ")
        yield Step(command, expected, int(code or 0))


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FILES": str(ROOT / "tests" / "files"),
        "EXAMPLES": str(ROOT / "examples"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


@needs_gcc
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_text_files(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = ""
    for step in steps(path.read_text()):
        done = run(step.command, tmp_path)
        exits = f"  # exits {done.returncode}" if done.returncode else ""
        made += f"$ {step.command}{exits}\n{done.stdout}"
    if request.config.getoption("--update-golden") and made != path.read_text():
        path.write_text(made)
    assert made == path.read_text()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def fixed_lines(text: str) -> list[str]:
    """Lines that are the same on every machine, with runs of spaces as one."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if re.search("[A-Za-z]", line) and not re.search(r"[\d…]", line)]


@needs_gcc
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page: Path, tmp_path: Path) -> None:
    for step in (step for block in blocks(page, "console") for step in steps(block)):
        done = run(step.command, tmp_path)
        assert done.returncode == step.code, f"{step.command}\n{done.stdout}"
        if not step.expected.strip():
            continue
        assert done.stdout.strip(), step.command
        printed = {" ".join(line.split()) for line in done.stdout.splitlines()}
        missing = [line for line in fixed_lines(step.expected) if line not in printed]
        assert not missing, f"{step.command}\nno longer prints: {missing}\nbut:\n{done.stdout}"
    (tmp_path / "page.py").write_text("\n".join(blocks(page, "python")))
    done = run("python page.py", tmp_path)
    assert done.returncode == 0, done.stdout
