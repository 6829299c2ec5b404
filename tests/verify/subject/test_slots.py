"""Words that hold the address of a function: which of them are what they are for good."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.cli.frame import main

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

TABLE = """
int f(int), g(int);
static struct { const char *name; int (*call)(int); } table[2] = {{"f", f}, {"g", g}};
int call(int x) { return CALL(x) + 1; }
void set(int (*p)(int)) { table[0].call = p; }
"""


def verdict(tmp_path: Path, shared: bool, *calls: str) -> int:
    """The exit code for ``call`` with the one and the other as what it calls."""
    paths: list[str] = []
    for number, call in enumerate(calls):
        path = tmp_path / f"{number}.c"
        path.write_text(TABLE.replace("CALL", call))
        if shared:
            made = tmp_path / f"{number}.so"
            subprocess.run(["gcc", "-O2", "-g", "-fPIC", "-shared", "-o", made, path], check=True)
            path = made
        paths.append(str(path))
    flags = () if shared else ("--cflags=-O2 -g -fPIC",)
    return main(["verify", *paths, "--function", "call", "--no-cache", "--timeout", "5", *flags])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("one", "other"), [("table[0].call", "f"), ("table[0].call", "table[1].call")])
def test_a_variable_that_begins_as_a_function_may_be_another(
    tmp_path: Path, shared: bool, one: str, other: str
) -> None:
    assert verdict(tmp_path, shared, one, other) in (1, 3)
    assert verdict(tmp_path, shared, one, one) == 0


@pytest.mark.parametrize(("section", "expected"), [(".data.rel.ro", 0), (".data.rel", 3)])
def test_what_lies_in_constant_memory_is_what_it_is(tmp_path: Path, section: str, expected: int) -> None:
    text = f"""
.globl call
.type call, @function
call: sub $8, %rsp
   CALL
   add $8, %rsp
   ret
.size call, .-call
.section {section}, "aw"
table: .quad f, g, g + 1
.size table, 24
.type table, @object
"""
    for name, call in (("a.s", "*8 + table(%rip)"), ("b.s", "g@PLT"), ("c.s", "*16 + table(%rip)")):
        (tmp_path / name).write_text(text.replace("CALL", f"call {call}"))
    command = ["verify", str(tmp_path / "a.s"), "--function", "call", "--no-cache", "--timeout", "5"]
    assert main([*command, str(tmp_path / "b.s")]) == expected
    assert main([*command, str(tmp_path / "c.s")]) in (1, 3)


def test_code_is_not_read_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
.globl f, g
.type f, @function
.type g, @function
f: BODY
   ret
.size f, .-f
g: push %rbx
   call f
   mov f(%rip), %rax
   pop %rbx
   ret
.size g, .-g
"""
    (tmp_path / "a.s").write_text(text.replace("BODY", "lea 1(%rdi), %eax"))
    (tmp_path / "b.s").write_text(text.replace("BODY", "mov %edi, %eax\n inc %eax"))
    command = ["verify", str(tmp_path / "a.s"), str(tmp_path / "b.s"), "--function", "g", "--no-cache"]
    assert main([*command, "--assume-same-callees", "--tests", "0"]) == 3
    assert "an access to code as if it were data" in capsys.readouterr().out
