"""What a compiler passes on in a register over a call whose callee leaves it alone is an argument, even where that
callee's code is not understood."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved

SOURCE = """
long k();
static __attribute__((noinline)) void g(void) { asm volatile("BODY"); }
long f(long a, int b) { g(); return k(1, b) + 1; }
"""
DRIVER = """
#include <stdio.h>
long f(long, int);
long k(long a, int b) { return b; }
int main(void) { printf("%ld", f(0, 5)); }
"""
BODIES = {"not understood": "fldpi; fstp %st(0)", "that restores it": "pushq %rsi; popq %rsi"}


def _run(*command: object) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("body", BODIES)
def test_an_argument_over_a_call_counts(body: str, tmp_path: Path) -> None:
    """The rewrite passes another number; the processor shows the difference."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "f.c").write_text(SOURCE.replace("BODY", BODIES[body]))
    (tmp_path / "main.c").write_text(DRIVER)
    flags = ("-g", "-O2", "-fcf-protection=none")
    text = _run("gcc", *flags, "-S", tmp_path / "f.c", "-o", "-")
    files: list[Path] = []
    for name, code in (("right", text), ("wrong", text.replace("call\tg\n", "call\tg\n\tmovl $6, %esi\n"))):
        (tmp_path / f"{name}.s").write_text(code)
        files.append(tmp_path / f"{name}.o")
        _run("gcc", "-c", tmp_path / f"{name}.s", "-o", files[-1])
        _run("gcc", tmp_path / "main.c", files[-1], "-o", tmp_path / name)
    if [_run(tmp_path / name) for name in ("right", "wrong")] != ["6", "7"]:
        pytest.skip("this gcc makes other code")
    wrong = burnish.verify(files[0], files[1], function="f", cache=False, tests=0, timeout_s=10.0)
    assert not isinstance(wrong.verdict, Proved)
