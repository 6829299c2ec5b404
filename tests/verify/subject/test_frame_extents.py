"""How far a local reaches: gcc puts objects without a name where variables are that do not live at the same time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.code import Function
from burnish.core.verdict import Proved
from burnish.images import assemble, control_flow
from burnish.verify.pair import Local
from burnish.verify.subject.frame_extents import widened

SOURCE = """
struct structure { int a[8]; };
void one(int *);
void all(struct structure *);
int f(void) {
  { int x = 1; one(&x); }
  int found;
  { struct structure *unnamed = &(struct structure){{1, 2, 3, 4}}; all(unnamed); found = unnamed->a[2]; }
  return found;
}
"""
DRIVER = """
#include <stdio.h>
struct structure { int a[8]; };
int f(void);
void one(int *x) { (void)x; }
void all(struct structure *s) { s->a[2] = 77; }
int main(void) { printf("%d", f()); }
"""
FLAGS = ("-g", "-O1", "-fno-stack-protector", "-fcf-protection=none")


def _run(*command: object) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def test_an_unnamed_object_in_a_variable_s_place_is_all_its_callee_s(tmp_path: Path) -> None:
    """The rewrite returns what was there before the call; the processor shows the difference."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "f.c").write_text(SOURCE)
    (tmp_path / "main.c").write_text(DRIVER)
    text = _run("gcc", *FLAGS, "-S", tmp_path / "f.c", "-o", "-")
    if text.count("movl\t8(%rsp), %eax") != 1:
        pytest.skip("this gcc makes other code")
    files: list[Path] = []
    for name, code in (("right", text), ("wrong", text.replace("movl\t8(%rsp), %eax", "movl\t$3, %eax"))):
        (tmp_path / f"{name}.s").write_text(code)
        files.append(tmp_path / f"{name}.o")
        _run("gcc", "-c", tmp_path / f"{name}.s", "-o", files[-1])
        _run("gcc", tmp_path / "main.c", files[-1], "-o", tmp_path / name)
    assert [_run(tmp_path / name) for name in ("right", "wrong")] == ["77", "3"]
    wrong = burnish.verify(files[0], files[1], function="f", cache=False, tests=0, timeout_s=20.0)
    assert not isinstance(wrong.verdict, Proved)
    same = burnish.verify(files[0], files[0], function="f", cache=False, tests=0, timeout_s=20.0)
    assert isinstance(same.verdict, Proved)


def _function(text: str) -> Function:
    image = assemble(f"f:\n{text}\nret\n", "intel")
    found = control_flow(image, image.functions[0])
    assert isinstance(found, Function)
    return found


@pytest.mark.parametrize(
    ("prologue", "top"),
    [
        ("", 0),
        ("sub rsp, 64\nadd rsp, 64", 0),
        ("push rbx\npop rbx", -8),
        ("push rbp\nmov rbp, rsp\npush r12\nmov r12d, edi\npush rbx\nsub rsp, 24", -24),
        ("push rbx\nsub rsp, 16\npush rbp\nadd rsp, 24\npop rbx", -8),
        ("push rax\npush rbx\npop rbx\npop rax", 0),
        ("sub rsp, 8\npush rbx\npop rbx\nadd rsp, 8", 0),
    ],
)
def test_a_variable_reaches_up_to_the_next_or_to_the_saved_registers(prologue: str, top: int) -> None:
    known = (Local(-40, 4, 4), Local(-64, 4, 4), Local(-64, 1), Local(16, 8, 8))
    assert widened(known, _function(prologue)) == (
        Local(-40, top + 40, 4),
        Local(-64, 24, 4),
        Local(-64, 24),
        Local(16, 8, 8),
    )
