"""Functions of other files that are declared never to return: the code after their calls is none of their caller's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved
from burnish.pipeline.verifying import Verification

SOURCE = """
DECLARED void stop(int *, int);
int f(int *p, int x) { if (p[0] > x) { p[1] = x; stop(p, x + 1); } return p[2] + x; }
int g(int *p) { p[3] = 7; stop(p, 5); return p[1]; }
int h(int *p) { return p[0] * 3; }
"""
NEVER, RETURNS = "-DDECLARED=_Noreturn", "-DDECLARED="
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def _verified(
    folder: Path, function: str, rewrite: str = SOURCE, declared: tuple[str, str] = (NEVER, NEVER)
) -> Verification:
    paths = folder / "original.c", folder / "rewrite.c"
    for path, text in zip(paths, (SOURCE, rewrite), strict=True):
        path.write_text(text)
    return burnish.verify(
        *paths,
        function=function,
        cflags=["-O1", declared[0]],
        rewrite_cflags=["-O2", declared[1]],
        cache=False,
        tests=0,
        timeout_s=20.0,
    )


@pytest.mark.parametrize("function", "fgh")
def test_what_comes_before_is_compared(function: str, tmp_path: Path) -> None:
    done = _verified(tmp_path, function)
    assert isinstance(done.verdict, Proved), done.functions


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("f", "x + 1", "x + 2"),
        ("f", "p[1] = x", "p[1] = 0"),
        ("f", "p[0] > x", "p[0] >= x"),
        ("f", "p[2]", "p[3]"),
        ("g", "p[3] = 7", "p[3] = 8"),
        ("g", "stop(p, 5)", "stop(p + 1, 5)"),
    ],
)
def test_a_difference_is_seen(function: str, old: str, new: str, tmp_path: Path) -> None:
    done = _verified(tmp_path, function, SOURCE.replace(old, new))
    assert not isinstance(done.verdict, Proved)


@pytest.mark.parametrize("function", "fg")
def test_what_the_rewrite_alone_declares_is_nothing(function: str, tmp_path: Path) -> None:
    done = _verified(tmp_path, function, declared=(RETURNS, NEVER))
    assert not isinstance(done.verdict, Proved)
