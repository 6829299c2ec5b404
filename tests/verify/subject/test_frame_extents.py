"""How far a local reaches: gcc puts objects without a name where variables are that do not live at the same time."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.code import Function
from burnish.core.verdict import Proved
from burnish.images import assemble, control_flow
from burnish.verify.pair import Local
from burnish.verify.subject.frame_extents import aligns_calls, widened
from burnish.verify.subject.inputs import read_input

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
        ("test edi, edi\nje 1f\npush rbx\npush rbp\nsub rsp, 24\nadd rsp, 24\npop rbp\npop rbx\n1:", -16),
        ("test edi, edi\nje 1f\npush rbx\nsub rsp, 24\nadd rsp, 24\npop rbx\n1:\nsub rsp, 8\nadd rsp, 8", 0),
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


def _random_functions(count: int) -> str:
    """C functions with locals of chance sizes that are given away, and values that have to be kept over calls."""
    chance = random.Random(4)
    made = ["void take(void *, ...); long other(void);"]
    for number in range(count):
        sizes = [chance.choice((1, 2, 3, 4, 8, 9, 12, 16, 24, 40)) for _ in range(chance.randint(1, 4))]
        kept = chance.randint(0, 5)
        locals_ = "".join(f"char l{k}[{size}];" for k, size in enumerate(sizes))
        given = "".join(f"take(l{k});" for k in range(len(sizes)))
        values = "".join(f"long v{k} = other();" for k in range(kept))
        early = "if (!x) return 5;" if chance.random() < 0.4 else ""
        total = "+".join(["x", *(f"v{k}" for k in range(kept))])
        made.append(f"long f{number}(long x) {{ {early} {locals_} {values} {given} return {total}; }}")
    return "\n".join(made)


@pytest.mark.parametrize("level", ["-O1", "-O2", "-Os"])
def test_gcc_begins_locals_where_the_stack_is_aligned(level: str, tmp_path: Path) -> None:
    """Of what gcc says of its own frames, nothing lies in what is taken for padding."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "f.c").write_text(_random_functions(60))
    _run("gcc", "-g", "-w", level, "-fno-stack-protector", "-c", tmp_path / "f.c", "-o", tmp_path / "f.o")
    made = read_input(tmp_path / "f.o")
    tight = 0
    for bounds in made.functions:
        function = made.summaries.lift(made.image, bounds)
        assert isinstance(function, Function)
        known = [one for one in made.types.locals(bounds) if one.offset < 0]
        assert known and made.types.by_gcc(bounds) and aligns_calls(function, {}, made.image.plt)
        top = max(one.end for one in widened([Local(-4096, 1)], function, aligned=True))
        assert all(one.end <= top for one in known)
        assert top <= max(one.end for one in widened([Local(-4096, 1)], function))
        tight += any(one.end == top for one in known)
    assert tight > 20


def test_only_what_needs_an_aligned_stack_aligns_it() -> None:
    names = "".join(f".globl {name}\n" for name in "fghkm")
    text = "f:\ncall g\nret\ng:\ncall h\nret\nh:\nret\nk:\ncall elsewhere\nret\nm:\ncall rax\nret\n"
    image = assemble(names + text, "intel")
    found = {bounds.name: control_flow(image, bounds) for bounds in image.functions}
    functions = {name: one for name, one in found.items() if isinstance(one, Function)}
    bodies = {one.address: one for one in functions.values()}
    aligned = {name: aligns_calls(one, bodies, image.plt) for name, one in functions.items()}
    assert aligned == {"f": False, "g": False, "h": False, "k": True, "m": False}
    assert not aligns_calls(functions["f"], {}, image.plt)
    assert aligns_calls(functions["f"], bodies, [functions["h"].address])


CHARACTER = """
long write_all(void *, const void *, long);
int f(void **state, int c) {
  unsigned char buffer[SIZE];
  if (!state) return -1;
  if (state[1]) return -1;
  buffer[0] = c;
  if (write_all(state[2], buffer, SIZE) != SIZE) return -1;
  return c & 255;
}
"""


def test_padding_is_no_part_of_a_local(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    path = tmp_path / "f.c"
    path.write_text(CHARACTER)
    made = burnish.verify(
        path, path, function="f", cflags=["-O1", "-DSIZE=1"], rewrite_cflags=["-O2", "-DSIZE=1"], cache=False
    )
    assert isinstance(made.verdict, Proved), made.functions
    wrong = tmp_path / "wrong.c"
    wrong.write_text(CHARACTER.replace("buffer[SIZE]", "buffer[1]"))
    flags = ["-w", "-DSIZE=9"]
    done = burnish.verify(
        path,
        wrong,
        function="f",
        cflags=["-O1", *flags],
        rewrite_cflags=["-O2", *flags],
        cache=False,
        tests=0,
    )
    assert not isinstance(done.verdict, Proved)
