"""What a failed proof suspects is followed to the end of the original, so that it comes true when it is run."""

from __future__ import annotations

import pytest

import burnish
from burnish.core.verdict import Proved, Refuted, Verdict

STORE_AND_LOAD = """f:
    pushq %rbx
    movq %rdi, %rbx
    movl $1, (%rsi)
    movl (%rbx), %eax
"""
LOOPING = f"""
{STORE_AND_LOAD}    movl %eax, 32(%rbx)
    call g@PLT
1:  cmpl $5, 8(%rbx)
    jne 1b
    xorl %eax, %eax
    popq %rbx
    ret
"""
"""Returns only where memory holds a number of which the difference says nothing."""
BRANCHING = f"""
{STORE_AND_LOAD}    movl %eax, 32(%rbx)
    call g@PLT
    movl 16(%rbx), %ecx
    imull $0x1234567, %ecx, %ecx
    cmpl $0x7654321, %ecx
    je 1f
    xorl %ecx, %ecx
    divl %ecx
1:  xorl %eax, %eax
    popq %rbx
    ret
"""
"""Faults by division on most inputs."""
BY_ADDRESS = f"""
{STORE_AND_LOAD}    movl %eax, 16(%rbx)
    call *24(%rbx)
    xorl %eax, %eax
    popq %rbx
    ret
"""
EARLIER = {
    "memory that ends a loop": (LOOPING, "movl $1, (%rsi)", "movl (%rbx), %eax"),
    "memory that lets it return": (BRANCHING, "movl $1, (%rsi)", "movl (%rbx), %eax"),
    "a function by its address": (BY_ADDRESS, "movl $1, (%rsi)", "movl (%rbx), %eax"),
}
"""Functions with a store and a load after it, which a compiler may swap that knows them to be of other types."""


def _verdict(original: str, rewrite: str) -> Verdict:
    return burnish.verify(original, rewrite, live_out=["eax"], cache=False, tests=0, timeout_s=30.0).verdict


@pytest.mark.parametrize("name", EARLIER)
def test_a_load_before_a_store_is_shown(name: str) -> None:
    original, store, load = EARLIER[name]
    swapped = f"{load.replace('%eax', '%r11d')}\n    {store}\n    movl %r11d, "
    swapped += "%eax"
    rewrite = original.replace(f"{store}\n    {load}", swapped)
    assert rewrite != original
    assert isinstance(_verdict(original, rewrite), Refuted)


@pytest.mark.parametrize("name", EARLIER)
def test_the_same_is_proved(name: str) -> None:
    original = EARLIER[name][0]
    rewrite = original.replace("xorl %eax, %eax", "movl $0, %eax").replace("movl $1, (", "movl $0x1, (")
    if name == "memory that ends a loop":
        rewrite = original.replace("xorl %eax, %eax", "movl $0, %eax")
    assert isinstance(_verdict(original, rewrite), Proved)


SELDOM_READ = """
f:
    cmpl $0, 28(%rdi)
    jne 1f
    xorl %eax, %eax
    ret
1:  movl 40(%rdi), %eax
    ret
"""
ALWAYS_READ = """
f:
    movl 40(%rdi), %ecx
    xorl %eax, %eax
    cmpl $0, 28(%rdi)
    cmovne %ecx, %eax
    ret
"""


def test_memory_that_only_the_rewrite_reads_is_shown() -> None:
    verdict = _verdict(SELDOM_READ, ALWAYS_READ)
    assert isinstance(verdict, Refuted)
    assert "invalid access" in verdict.counterexample.differing[0]
    assert isinstance(_verdict(ALWAYS_READ, SELDOM_READ), Proved)


ERROR_NUMBER = """
f:
    pushq %rbx
    movq %rdi, %rbx
    call __errno_location@PLT
    movl $0, (%rax)
    movl (%rbx), %eax
    popq %rbx
    ret
"""


def test_results_that_depend_on_arguments_alone_come_true() -> None:
    rewrite = ERROR_NUMBER.replace(
        "movl $0, (%rax)\n    movl (%rbx), %eax",
        "movl (%rbx), %ecx\n    movl $0, (%rax)\n    movl %ecx, %eax",
    )
    assert rewrite != ERROR_NUMBER
    assert isinstance(_verdict(ERROR_NUMBER, rewrite), Refuted)
