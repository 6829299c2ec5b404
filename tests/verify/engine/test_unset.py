"""Registers that nobody has set at a call hold no arguments; all others may."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Bounded, Proved
from burnish.pipeline.verifying import Verification

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def verified(original: str, rewrite: str, prototype: str | None = None) -> Verification:
    found = [f".globl f\nf:\n{text}\n    .size f, .-f\n" for text in (original, rewrite)]
    return burnish.verify(*found, function="f", prototype=prototype, cache=False, tests=0, timeout_s=5.0)


def is_proved(original: str, rewrite: str, prototype: str | None = None) -> bool:
    """Loops with calls by an address are only unrolled: they do not run by themselves, so that nothing is learnt."""
    return isinstance(verified(original, rewrite, prototype).verdict, Proved | Bounded)


THROUGH = "    movq %rdi, %rax\n    movq %rsi, %rdi\n    jmp *8(%rax)\n"
"""``long f(struct s *s, void *p) { return s->call(p); }``"""
OTHER_THIRD = "    movq %rdi, %rdx\n    movq %rsi, %rdi\n    jmp *8(%rdx)\n"
TWO = "long f(void *, void *)"


def test_a_register_without_an_argument_of_its_own_passes_nothing_on() -> None:
    assert is_proved(THROUGH, OTHER_THIRD, TWO)


@pytest.mark.parametrize(
    "prototype",
    [
        None,
        "long f(void *, void *, void *)",
        "long f(void *, void *, ...)",
        "long f(void *, __int128)",
    ],
)
def test_an_argument_that_is_passed_on_untouched_is_one(prototype: str | None) -> None:
    assert not is_proved(THROUGH, OTHER_THIRD, prototype)


DIFFERENT = {
    "the second argument": ("    movl $1, %esi\n", "    movl $2, %esi\n"),
    "the third after one that nobody has set": ("    movl $1, %edx\n", "    movl $2, %edx\n"),
    "the sixth": ("    movl $1, %r9d\n", "    movl $2, %r9d\n"),
    "a vector": ("    xorps %xmm0, %xmm0\n", "    movaps %xmm1, %xmm0\n"),
    "the third vector": ("    xorps %xmm2, %xmm2\n", "    pcmpeqd %xmm2, %xmm2\n"),
    "part of a register": ("    movb $1, %dl\n", "    movb $2, %dl\n"),
    "the number of vectors": ("    movl $1, %eax\n", "    xorl %eax, %eax\n"),
    "on one path": ("    testl %edi, %edi\n    je 1f\n    movl $1, %ecx\n1:\n", ""),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_is_set_is_compared(what: str) -> None:
    call = "    movq (%rdi), %rbx\n{}    call *%rbx\n    popq %rbx\n    xorl %eax, %eax\n    ret\n"
    mine, theirs = (f"    pushq %rbx\n{call.format(text)}" for text in DIFFERENT[what])
    assert not is_proved(mine, theirs, "int f(void *)")
    assert is_proved(mine, mine, "int f(void *)")


def test_the_number_of_vectors_may_depend_on_the_path() -> None:
    """A compiler may have one call for two that differ only in it."""
    code = """
    pushq %rbx
    movq (%rdi), %rbx
    testl %esi, %esi
    je 1f
    movl $1, %eax
    jmp 2f
1:  xorl %eax, %eax
2:  call *%rbx
    popq %rbx
    xorl %eax, %eax
    ret
"""
    prototype = "int f(void *, int, double)"
    assert not is_proved(code, code.replace("movl $1", "movl $0"), prototype)
    assert not is_proved(code, code.replace("xorl %eax, %eax\n2:", "movl $1, %eax\n2:"), prototype)
    assert is_proved(code, code.replace("xorl %eax, %eax\n2:", "movl $0, %eax\n2:"), prototype)


def test_what_cannot_be_a_number_of_vectors_is_none() -> None:
    call = (
        "    pushq %rbx\n    movl $128, %eax\n    call *(%rdi)\n    popq %rbx\n    xorl %eax, %eax\n    ret\n"
    )
    assert is_proved(call, call.replace("    movl $128, %eax\n", ""), "int f(void *)")
    assert not is_proved(call.replace("128", "8"), call.replace("128", "7"), "int f(void *)")


AFTER_A_CALL = """
    pushq %rbx
    movq %rdi, %rbx
    {}
    call {}
    {}
    movq %rbx, %rdi
    call *(%rbx)
    popq %rbx
    xorl %eax, %eax
    ret
"""


def test_what_a_call_leaves_is_no_argument() -> None:
    mine = AFTER_A_CALL.format("", "g@PLT", "")
    theirs = AFTER_A_CALL.format(
        "", "g@PLT", "leaq 8(%rbx), %rsi\n    leaq 8(%rbx), %r9\n    xorps %xmm3, %xmm3"
    )
    assert is_proved(mine, theirs, "int f(void *)")


@pytest.mark.parametrize("set_", ["movl $5, %edx", "xorps %xmm1, %xmm1", "xorps %xmm0, %xmm0"])
def test_the_result_of_a_call_may_be_an_argument(set_: str) -> None:
    mine, theirs = AFTER_A_CALL.format("", "g@PLT", ""), AFTER_A_CALL.format("", "g@PLT", set_)
    assert not is_proved(mine, theirs, "int f(void *)")


def test_what_a_callee_of_the_file_leaves_alone_may_be_an_argument() -> None:
    """gcc may set an argument before the call of a function that does not change the register."""
    callee = "    .size f, .-f\n    .type g, @function\ng:\n    movl $3, %eax\n    ret\n"
    mine = AFTER_A_CALL.format("movl $1, %esi", "g", "") + callee
    theirs = AFTER_A_CALL.format("movl $2, %esi", "g", "") + callee
    assert not is_proved(mine, theirs, "int f(void *)")
    assert is_proved(mine, mine, "int f(void *)")


def test_what_is_declared_to_take_nothing_may_pass_on_all() -> None:
    """A trampoline is declared as any function is, and called as what it leads to."""
    mine = "    movq table@GOTPCREL(%rip), %rax\n    jmp *8(%rax)\n"
    assert not is_proved(mine, "    movl $1, %esi\n" + mine, "void f(void)")
    assert is_proved(mine, "    movl $1, %esi\n" + mine, "void f(int)")
    assert is_proved(mine, mine, "void f(void)")


def test_code_that_looks_into_other_registers_has_another_type() -> None:
    """So has a function of another calling convention, which gcc does not describe."""
    mine = "    movl %ecx, 16(%rdx)\n    jmp *8(%rdx)\n"
    assert not is_proved(mine, "    movl $1, %r8d\n" + mine, "int f(int, int)")
    assert is_proved(mine, mine, "int f(int, int)")


IN_A_LOOP = """
    pushq %rbx
    pushq %rbp
    subq $8, %rsp
    movq %rdi, %rbx
    movl %esi, %ebp
1:  movq %rbx, %rdi
    {}
    call *(%rbx)
    {}
    subl $1, %ebp
    jne 1b
    addq $8, %rsp
    popq %rbp
    popq %rbx
    xorl %eax, %eax
    ret
"""


def test_what_nobody_sets_in_a_loop_is_no_argument() -> None:
    mine, theirs = IN_A_LOOP.format("", ""), IN_A_LOOP.format("leaq 8(%rbx), %rcx", "xorps %xmm4, %xmm4")
    assert is_proved(mine, theirs, "int f(void *, int)")


@pytest.mark.parametrize("places", [("movl $1, %ecx", ""), ("", "movl $1, %ecx"), ("", "xorps %xmm4, %xmm4")])
def test_what_is_set_in_some_round_of_a_loop_may_be_an_argument(places: tuple[str, str]) -> None:
    mine, theirs = IN_A_LOOP.format(*places), IN_A_LOOP.format(*(text.replace("$1", "$2") for text in places))
    if mine == theirs:
        theirs = IN_A_LOOP.format("", "movaps %xmm5, %xmm4")
    assert not is_proved(mine, theirs, "int f(void *, int)")


def test_a_call_in_a_callee_in_line_is_no_call_of_the_function() -> None:
    """What the callee passes on is its own argument, whatever the type of its caller says."""
    callee = "    .size f, .-f\n    .type g, @function\ng:\n    jmp *(%rdi)\n    .size g, .-g\n"
    mine = "    movl $1, %esi\n    jmp g\n" + callee
    for theirs in ("    movl $2, %esi\n    jmp *(%rdi)\n", "    movl $2, %esi\n    jmp g\n" + callee):
        assert not is_proved(mine, theirs, "int f(void *)")
    assert is_proved(mine, "    movl $1, %esi\n    jmp *(%rdi)\n", "int f(void *)")


SOURCE = """
struct s { long (*call)(void *, int, int); int kept; };
long f(struct s *s, int a, int b) { if (!s->kept) return b; s->kept = a; return s->call(s, 5, b) + 1; }
"""


@needs_gcc
def test_arguments_by_debug_information(tmp_path: Path) -> None:
    path, wrong = tmp_path / "f.c", tmp_path / "wrong.c"
    path.write_text(SOURCE)
    for change in (("5, b", "6, b"), ("5, b", "5, a"), ("5, b)", "5, b + 1)")):
        wrong.write_text(SOURCE.replace(*change))
        done = burnish.verify(path, wrong, function="f", cflags=["-O1"], rewrite_cflags=["-O2"], cache=False)
        assert not isinstance(done.verdict, Proved), change
    more = tmp_path / "more.s"
    more.write_text(
        "f:\n    cmpl $0, 8(%rdi)\n    je 1f\n    subq $8, %rsp\n    movl %esi, 8(%rdi)\n    movl $5, %esi\n"
        "    leaq 4(%rdi), %rcx\n    xorl %r9d, %r9d\n    call *(%rdi)\n    addq $1, %rax\n    addq $8, %rsp\n    ret\n"
        "1:  movslq %edx, %rax\n    ret\n    .globl f\n    .size f, .-f\n"
    )
    done = burnish.verify(path, more, function="f", cflags=["-O1"], cache=False)
    assert isinstance(done.verdict, Proved), done.functions


@needs_gcc
def test_functions_with_variable_arguments_have_any(tmp_path: Path) -> None:
    path, other = tmp_path / "f.c", tmp_path / "g.s"
    path.write_text("long f(long (**call)(void *, ...), ...) { return (*call)(call, 1L); }\n")
    other.write_text(
        ".globl f\nf:\n    movl $1, %esi\n    movl $2, %edx\n    xorl %eax, %eax\n    jmp *(%rdi)\n    .size f, .-f\n"
    )
    done = burnish.verify(path, other, function="f", cflags=["-O2"], cache=False)
    assert not isinstance(done.verdict, Proved)


@needs_gcc
def test_what_has_two_names_may_have_two_types(tmp_path: Path) -> None:
    path, other = tmp_path / "f.c", tmp_path / "g.s"
    source = "extern long (*call)(int); long f(int a) { return call(a); }\n"
    alias = 'long g(int, int) __attribute__((alias("f")));\n'
    other.write_text(".globl f\nf:\n    movl $1, %esi\n    jmp *call(%rip)\n    .size f, .-f\n")
    for text, expected in ((source, True), (source + alias, False)):
        path.write_text(text)
        done = burnish.verify(path, other, function="f", cflags=["-O2", "-w"], cache=False, tests=0)
        silently = isinstance(done.verdict, Proved) and not done.functions[0].provisos
        assert silently is expected, done.functions


VARIADIC = """
int show(const char *, ...);
double value(int);
int f(int x) { double d = value(x); HERE return show("a", WHAT); }
"""
CLEAR = '__asm__ volatile("pxor %%xmm0, %%xmm0" ::: "xmm0");'
CLEAR_UPPER = '__asm__ volatile("movq %0, %0" : "+x"(d));'


@needs_gcc
@pytest.mark.parametrize(
    ("mine", "theirs", "proved"),
    [
        (("", "x"), (CLEAR, "x"), True),
        (("", "d"), (CLEAR_UPPER, "d"), True),
        (("", "d"), ("", "-d"), False),
        (("", "x, d"), ("", "x, d + 1"), False),
        (("", "x"), ("", "x, d"), False),
        (("", "x, d"), ("", "x"), False),
        (("", "x, d, d"), (CLEAR_UPPER, "x, d, -d"), False),
    ],
)
def test_al_says_how_many_vectors_a_variadic_function_is_given(
    tmp_path: Path, mine: tuple[str, str], theirs: tuple[str, str], proved: bool
) -> None:
    paths = tmp_path / "a.c", tmp_path / "b.c"
    for path, (here, what) in zip(paths, (mine, theirs), strict=True):
        path.write_text(VARIADIC.replace("HERE", here).replace("WHAT", what))
    found = burnish.verify(*paths, function="f", cflags=("-O2",), cache=False, tests=0, timeout_s=5.0)
    assert isinstance(found.verdict, Proved) is proved


@needs_gcc
@pytest.mark.parametrize(
    ("declared", "holds"), [("long (*other)()", True), ("long (*other)(), long more", False)]
)
def test_at_a_call_of_code_in_line_what_counts_are_its_own_arguments(
    tmp_path: Path, declared: str, holds: bool
) -> None:
    """What its caller has in other registers is nothing that the code in line passes on."""
    source = f"""
static __attribute__((noinline)) long g({declared}) {{ return other() + 1; }}
long f(long (*other)(), long a) {{
    __asm__ volatile("mov $5, %%edx" ::: "rdx");
    return g(other{", a" if "more" in declared else ""}) + 1;
}}
"""
    other = source.replace("__attribute__((noinline))", "inline").replace("mov $5, %%edx", "mov $6, %%esi")
    made: list[str] = []
    for number, text in enumerate((source, other.replace('"rdx"', '"rsi"'))):
        path = tmp_path / f"side{number}.c"
        path.write_text(text)
        made.append(str(path.with_suffix(".o")))
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-g", "-c", path, "-o", made[-1]], check=True)
    found = burnish.verify(*made, function="f", cache=False, tests=0, timeout_s=10.0)
    assert isinstance(found.verdict, Proved) == holds
