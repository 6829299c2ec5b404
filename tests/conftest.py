"""Options and fixtures of the whole suite."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = Path(__file__).with_name("files")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the expected outputs in tests/files that differ"
    )


def pytest_configure() -> None:
    # A shell without job control starts what stands before & with SIGINT ignored, and children inherit that: then
    # no test could interrupt anything.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile C text with ``gcc -O2``: ``build(name, text, *flags)`` gives the file, in a folder of its own."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")

    def compile_text(name: str, text: str, *flags: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "text.c").write_text(text)
        subprocess.run(["gcc", "-O2", "text.c", "-o", name, *flags], cwd=folder, check=True)
        (folder / "text.c").unlink()
        return folder / name

    return compile_text


@pytest.fixture(scope="session")
def hot_text() -> str:
    """C text of ``mix``, which is hot in ``main_text``."""
    return (FILES / "mix.c").read_text()


@pytest.fixture(scope="session")
def main_text() -> str:
    """C text of a program that calls ``mix`` as often as its argument says."""
    return (FILES / "mix_main.c").read_text()


@pytest.fixture(scope="session")
def busy(build: Callable[..., Path], hot_text: str, main_text: str) -> Path:
    """A program that spends its time in ``mix``."""
    return build("busy", hot_text + main_text)
