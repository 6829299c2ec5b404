"""Registers that a callee leaves alone may hold values over its call, and only those."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved
from burnish.pipeline.verifying import Verification

BY_THE_ABI = """
f:
    pushq %rbx
    movq %rdi, %rbx
    call g
    addq (%rbx), %rax
    popq %rbx
    ret
"""
KEEPING = """
f:
    subq $8, %rsp
    call g
    addq (%rdi), %rax
    addq $8, %rsp
    ret
"""
LEAVES_IT = "\ng:\n    leaq (%rsi,%rsi,2), %rax\n    movl $5, %edx\n    ret\n"
WRITES = {
    "all of it": "\ng:\n    leaq (%rsi,%rsi,2), %rax\n    movq %rsi, %rdi\n    ret\n",
    "a byte of it": "\ng:\n    leaq (%rsi,%rsi,2), %rax\n    movb $0, %dil\n    ret\n",
    "on one path": "\ng:\n    movq %rsi, %rax\n    testl %esi, %esi\n    je 1f\n    addl $1, %edi\n1:  ret\n",
    "in what it calls": "\ng:\n    call h\n    ret\nh:\n    movl $7, %edi\n    movq %rsi, %rax\n    ret\n",
    "in what it jumps to": "\ng:\n    jmp h\nh:\n    movl $7, %edi\n    movq %rsi, %rax\n    ret\n",
    "perhaps, elsewhere": "\ng:\n    subq $8, %rsp\n    call elsewhere@PLT\n    addq $8, %rsp\n    ret\n",
    "perhaps, by its address": "\ng:\n    subq $8, %rsp\n    call *%rsi\n    addq $8, %rsp\n    ret\n",
    "as a string instruction does": "\ng:\n    movl $1, %ecx\n    movq %rsi, %rax\n    rep stosq\n    ret\n",
}


def verified(original: str, rewrite: str) -> Verification:
    return burnish.verify(
        original, rewrite, function="f", live_out=["rax"], cache=False, tests=0, timeout_s=20.0
    )


def test_what_a_callee_leaves_alone_is_kept() -> None:
    done = verified(BY_THE_ABI + LEAVES_IT, KEEPING + LEAVES_IT)
    assert isinstance(done.verdict, Proved), done.functions


@pytest.mark.parametrize("callee", WRITES)
def test_what_a_callee_may_write_is_not(callee: str) -> None:
    done = verified(BY_THE_ABI + WRITES[callee], KEEPING + WRITES[callee])
    assert not isinstance(done.verdict, Proved), callee


IN_A_VECTOR = """
f:
    subq $8, %rsp
    movq %rdi, %xmm9
    call g
    movq %xmm9, %rdi
    addq (%rdi), %rax
    addq $8, %rsp
    ret
"""
WRITES_A_VECTOR = {
    "all of it": "xorps %xmm9, %xmm9",
    "a part of it": "movss (%rsp), %xmm9",
    "on one path": "testl %esi, %esi\n je 1f\n movaps %xmm1, %xmm9\n1:",
    "in what it calls": "call h",
}


def test_vector_registers_are_kept_as_well() -> None:
    done = verified(BY_THE_ABI + LEAVES_IT, IN_A_VECTOR + LEAVES_IT)
    assert isinstance(done.verdict, Proved), done.functions


@pytest.mark.parametrize("callee", WRITES_A_VECTOR)
def test_vector_registers_that_are_written_are_not(callee: str) -> None:
    code = f"\ng:\n    movq %rsi, %rax\n {WRITES_A_VECTOR[callee]}\n    ret\nh:\n    xorps %xmm9, %xmm9\n    ret\n"
    done = verified(BY_THE_ABI + code, IN_A_VECTOR + code)
    assert not isinstance(done.verdict, Proved), callee


def test_a_callee_of_another_file_keeps_nothing() -> None:
    done = verified(BY_THE_ABI.replace("call g", "call g@PLT"), KEEPING.replace("call g", "call g@PLT"))
    assert not isinstance(done.verdict, Proved)


SOURCE = """
static __attribute__((noinline)) int bad(const long *p) { return !p || p[1] != 7; }
long f(long *p, long *q) { if (bad(p)) return -1; p[0] = q[2]; return p[2]; }
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_what_gcc_makes_of_it_is_proved(tmp_path: Path) -> None:
    path = tmp_path / "f.c"
    path.write_text(SOURCE)
    done = burnish.verify(path, path, function="f", cflags=["-O1"], rewrite_cflags=["-O2"], cache=False)
    assert isinstance(done.verdict, Proved), done.functions
    wrong = tmp_path / "wrong.c"
    wrong.write_text(SOURCE.replace("q[2]", "q[3]"))
    done = burnish.verify(path, wrong, function="f", cflags=["-O1"], rewrite_cflags=["-O2"], cache=False)
    assert not isinstance(done.verdict, Proved)


def test_what_may_be_replaced_when_it_is_linked_leaves_nothing_alone() -> None:
    """gcc keeps nothing over the call of a weak function: another file's may be called."""
    weak = "\n.globl f\n.weak g" + LEAVES_IT
    done = verified(BY_THE_ABI + weak, KEEPING + weak)
    assert not isinstance(done.verdict, Proved), done.functions
