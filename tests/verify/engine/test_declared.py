"""Calls by an address with the arguments of the type that the pointer is declared with: the verdict says so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Bounded, Proved
from burnish.pipeline.verifying import FunctionVerdict

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

XSIZE = "what is called through size takes the arguments that it is declared with"
TYPES = """
struct methods { long version; int (*size)(void *); int (*read)(void *, int, double);
                 int (*any)(); int (*more)(int, ...); };
struct file { const struct methods *methods; long kept; };
struct state { struct { int n; struct methods m; } in; struct file files[3]; } ;
extern struct state global;
static struct methods table[4];
struct one_function { int kind; union { long number; struct { long n; int (*size)(void *); } m; char *text; } u; };
struct file *opened(int);
union either { int (*one)(int); int (*two)(int, int); };
"""
BY_MEMBER = "int f(struct file *p, long b) { p->kept = b; return p->methods->size(p); }"


def judged(folder: Path, source: str, rewrite: str, *, level: str = "-O1") -> FunctionVerdict:
    """The verdict on ``f`` of C source against assembly."""
    mine, theirs = folder / "f.c", folder / "f.s"
    mine.write_text(TYPES + source)
    theirs.write_text(f".globl f\nf:\n{rewrite}\n    .size f, .-f\n")
    done = burnish.verify(mine, theirs, function="f", cflags=[level], cache=False, tests=0, timeout_s=5.0)
    return done.functions[0]


def holds(found: FunctionVerdict) -> bool:
    return isinstance(found.verdict, Proved | Bounded)


def member(*, argument: str = "", offset: int = 8, more: str = "movl $1, %esi") -> str:
    return f"    movq %rsi, 8(%rdi)\n    movq (%rdi), %rax\n{argument}\n    {more}\n    jmp *{offset}(%rax)\n"


def test_a_register_that_the_type_has_no_argument_in_may_differ(tmp_path: Path) -> None:
    found = judged(tmp_path, BY_MEMBER, member())
    assert holds(found)
    assert XSIZE in found.provisos


def test_nothing_is_taken_for_granted_where_all_registers_agree(tmp_path: Path) -> None:
    found = judged(tmp_path, BY_MEMBER, member(more=""))
    assert holds(found)
    assert not found.provisos


@pytest.mark.parametrize(
    "rewrite",
    [
        member(argument="    addq $8, %rdi"),
        member(offset=16),
        member(offset=0),
        member(argument="    movq %rsi, %rdi"),
        member().replace("movq %rsi, 8", "movl %esi, 8"),
    ],
)
def test_what_the_type_has_is_compared(tmp_path: Path, rewrite: str) -> None:
    assert not holds(judged(tmp_path, BY_MEMBER, rewrite))


READ = "int f(struct file *p, int a, double b, int c) { p->kept = c; return p->methods->read(p, a, b); }"


def read(integer: str = "", vector: str = "") -> str:
    return (
        f"    movslq %edx, %rdx\n    movq %rdx, 8(%rdi)\n    movq (%rdi), %rax\n    {integer}\n    {vector}\n"
        "    movq $7, %rdx\n    pcmpeqd %xmm1, %xmm1\n    jmp *16(%rax)\n"
    )


def test_integers_and_vectors_are_arguments_by_their_types(tmp_path: Path) -> None:
    assert holds(judged(tmp_path, READ, read()))
    assert not holds(judged(tmp_path, READ, read(integer="addl $1, %esi")))
    assert not holds(judged(tmp_path, READ, read(vector="addsd %xmm0, %xmm0")))


OTHER_ARGUMENTS = {
    "no prototype": "int f(struct file *p, int a) { return p->methods->any(a, 5); }",
    "variable arguments": "int f(struct file *p, int a) { return p->methods->more(a, 5); }",
    "a union": "int f(union either *p, int a) { return p->two(a, 5); }",
    "a number": "int f(long *p, int a) { return ((int (*)(int, int)) p[1])(a, 5); }",
    "void": "int f(void *p, int a) { return ((int (*)(int, int)) p)(a, 5); }",
    "one or the other": """int f(struct file *p, struct methods *q, int a) {
        int (*g)(int, int) = a & 1 ? (int (*)(int, int)) p->methods->size : (int (*)(int, int)) q->read;
        return g(a, 5); }""",
    "a sum": """int f(struct file *p, int a, int b) {
        return ((int (*)(int, int)) ((long) p->methods->size + b))(a, 5) + 1; }""",
    "written over": """int f(struct file *p, long *q, int a) {
        long g = (long) p->methods->size; g ^= *q; return ((int (*)(int, int)) g)(a, 5); }""",
}


@pytest.mark.parametrize("what", OTHER_ARGUMENTS)
def test_a_pointer_of_no_known_type_may_take_anything(tmp_path: Path, what: str) -> None:
    mine, theirs = tmp_path / "f.c", tmp_path / "g.c"
    mine.write_text(TYPES + OTHER_ARGUMENTS[what])
    theirs.write_text(TYPES + OTHER_ARGUMENTS[what].replace("a, 5", "a, 6"))
    done = burnish.verify(mine, theirs, function="f", cflags=["-O2"], cache=False, tests=0, timeout_s=5.0)
    assert not holds(done.functions[0])
    same = burnish.verify(mine, mine, function="f", cflags=["-O2"], cache=False, tests=0, timeout_s=5.0)
    assert holds(same.functions[0]), same.functions


def test_a_cast_before_the_call_is_said(tmp_path: Path) -> None:
    """The member is declared with one argument, and called with two: who reads the verdict can see that."""
    source = "int f(struct file *p, long b) { p->kept = b; return ((int (*)(void *, int)) p->methods->size)(p, 1); }"
    found = judged(tmp_path, source, member(more="movl $2, %esi"))
    assert not holds(found) or XSIZE in found.provisos


THROUGH = {
    "a variable": "int f(int a, int b) { return global.in.m.size(&global MORE) + a + b; }",
    "a table": "int f(int a, int b) { return table[2].size(table MORE) + a + b; }",
    "elements of an array": "int f(struct state *s, int a) { return s->files[1].methods->size(s MORE) + a; }",
    "a union": "int f(struct one_function *s, int a) { return s->u.m.size(s MORE) + a; }",
    "a result": """int f(int a, int b) {
        struct file *s = opened(a);
        asm volatile ("" : : "S" (b));
        return s->methods->size(s MORE) + b; }""",
    "a parameter": "int f(int (*size)(void * ALSO), void *p, int a) { return size(p MORE) + a; }",
    "a loop": "int f(struct file *p, int n) { int s = 0; do s += p->methods->size(p MORE); while (--n); return s; }",
}
WRITES = "struct methods *other(void) { return table; }"


@pytest.mark.parametrize("what", THROUGH)
def test_types_are_followed_to_the_pointer(tmp_path: Path, what: str) -> None:
    mine, theirs, stripped = (tmp_path / name for name in ("f.c", "g.c", "g.o"))
    mine.write_text(TYPES + THROUGH[what].replace("MORE", "").replace("ALSO", "") + WRITES)
    types = TYPES.replace("(*size)(void *)", "(*size)(void *, int)")
    theirs.write_text(types + THROUGH[what].replace("MORE", ", 77").replace("ALSO", ", int") + WRITES)
    subprocess.run(["gcc", "-O1", "-c", str(theirs), "-o", str(stripped)], check=True)
    done = burnish.verify(mine, stripped, function="f", cflags=["-O1"], cache=False, tests=0, timeout_s=5.0)
    assert holds(done.functions[0]), done.functions
    assert XSIZE in done.functions[0].provisos
    disagreeing = burnish.verify(
        mine, theirs, function="f", cflags=["-O1"], cache=False, tests=0, timeout_s=5.0
    )
    assert not holds(disagreeing.functions[0]), "the types of both sides have to agree"


STACKED = """
void seven(long, long, long, long, long, long, {kind});
void f(long a, {kind} b) {{ seven(a, a, a, a, a, a, b); }}
"""
PUSHED = """.globl f
f:
    {}
    push %rsi
    mov %rdi, %rsi
    mov %rdi, %rdx
    mov %rdi, %rcx
    mov %rdi, %r8
    mov %rdi, %r9
    call seven@PLT
    add $8, %rsp
    ret
    .size f, .-f
"""


@pytest.mark.parametrize(
    ("kind", "before", "same"),
    [
        ("int", "movslq %esi, %rsi", True),
        ("int", "movl %esi, %esi", True),
        ("int", "movswq %si, %rsi", False),
        ("long", "movslq %esi, %rsi", False),
        ("long", "nop", True),
    ],
)
def test_of_a_stack_argument_only_its_own_bytes_count(
    tmp_path: Path, kind: str, before: str, same: bool
) -> None:
    path, other = tmp_path / "f.c", tmp_path / "g.s"
    path.write_text(STACKED.format(kind=kind))
    other.write_text(PUSHED.format(before))
    done = burnish.verify(path, other, function="f", cflags=["-O1", "-g"], cache=False, tests=0)
    assert isinstance(done.verdict, Proved) == same, done.functions
