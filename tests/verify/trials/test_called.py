"""What a solver says of calls comes true when its input is run."""

from __future__ import annotations

import pytest

import burnish
from burnish.core.verdict import Proved, Refuted

ALIASED = """
f:
    pushq %rbx
    movq %rdi, %rbx
    call g@PLT
    movq $5, (%rbx)
    movq $7, (%rax)
    movq (%rbx), %rax
    popq %rbx
    ret
"""
RETURNED = """
f:
    subq $8, %rsp
    call g@PLT
    movl $1, %ecx
    cmpq $0x12345678, %rax
    movl $0, %eax
    cmove %ecx, %eax
    addq $8, %rsp
    ret
"""
READ_AFTER = """
f:
    pushq %rbx
    movq %rdi, %rbx
    call g@PLT
    movq (%rbx), %rcx
    movl (%rcx), %eax
    popq %rbx
    ret
"""
WRONG = {
    "a result that leads to other memory": (ALIASED, "movq (%rbx), %rax", "movl $5, %eax"),
    "one number among all": (RETURNED, "movl $1, %ecx", "movl $2, %ecx"),
    "memory that is reached through what was there": (READ_AFTER, "movl (%rcx), %eax", "movzwl (%rcx), %eax"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_difference_behind_a_call_is_shown(name: str) -> None:
    original, old, new = WRONG[name]
    done = burnish.verify(
        original, original.replace(old, new), live_out=["eax"], cache=False, tests=0, timeout_s=30.0
    )
    assert isinstance(done.verdict, Refuted), done.functions


@pytest.mark.parametrize("original", [ALIASED, RETURNED, READ_AFTER])
def test_the_same_is_proved(original: str) -> None:
    rewrite = original.replace("movq %rdi, %rbx", "movq %rdi, %r11\n    movq %r11, %rbx")
    done = burnish.verify(original, rewrite, live_out=["eax"], cache=False, tests=0, timeout_s=30.0)
    assert isinstance(done.verdict, Proved), done.functions
