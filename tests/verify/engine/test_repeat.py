"""The count of a string instruction: what is found is what evaluation finds, whatever the address is."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import burnish
from burnish.core.verdict import Proved, Refuted
from burnish.domains.smt.build import add, and_, const, extract, lshr, sub, var, zext
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.engine.repeat import fixed_count
from burnish.verify.solve import Model

P = var("p", 64)


def _narrow(size: int, step: int) -> Term:
    """As gcc counts: in 32 bits, from the first aligned address behind the first word."""
    start = and_(add(P, const(step, 64)), const(-step, 64))
    left = add(extract(sub(P, start), 0, 32), const(size, 32))
    return zext(lshr(left, const(step.bit_length() - 1, 32)), 64)


def _wide(size: int, step: int) -> Term:
    start = and_(add(P, const(step, 64)), const(-step, 64))
    left = add(sub(P, start), const(size, 64))
    return lshr(left, const(step.bit_length() - 1, 64))


@pytest.mark.parametrize("count", [_narrow, _wide])
@pytest.mark.parametrize("size", [16, 24, 0x60, 200])
@pytest.mark.parametrize("step", [4, 8])
def test_the_count_is_the_one_that_evaluation_finds(
    count: Callable[[int, int], Term], size: int, step: int
) -> None:
    term = count(size, step)
    chance = random.Random(size)
    found = {evaluate([term], Model({"p": chance.getrandbits(64)}))[0] for _ in range(200)}
    assert {fixed_count(term)} == found


@pytest.mark.parametrize(
    "term", [P, _narrow(0x61, 8), _wide(0x63, 4), lshr(P, const(3, 64)), zext(extract(P, 0, 3), 64)]
)
def test_a_count_that_depends_on_the_input_is_none(term: Term) -> None:
    assert fixed_count(term) is None


# What gcc 13 makes of memset(p, 0, 0x60) at -O1 and at -O2.
FIRST = """
f:
    movq $0, (%rdi)
    movq $0, 0x58(%rdi)
    movq %rdi, %rdx
    leaq 8(%rdi), %rdi
    andq $-8, %rdi
    movq %rdx, %rcx
    subq %rdi, %rcx
    addl $0x60, %ecx
    shrl $3, %ecx
    movl %ecx, %ecx
    movl $0, %eax
    rep stosq
    ret
"""
SECOND = """
f:
    movq %rdi, %rcx
    movq $0, (%rdi)
    leaq 8(%rcx), %rdi
    movq $0, 0x58(%rcx)
    andq $-8, %rdi
    xorl %eax, %eax
    subq %rdi, %rcx
    addl $0x60, %ecx
    shrl $3, %ecx
    rep stosq
    ret
"""


def test_a_structure_is_cleared() -> None:
    done = burnish.verify(FIRST, SECOND, live_out=[], cache=False)
    assert isinstance(done.verdict, Proved), done.functions


@pytest.mark.parametrize(
    "change",
    [
        ("addl $0x60", "addl $0x58"),
        ("addl $0x60", "addl $0x68"),
        ("xorl %eax, %eax", "movl $1, %eax"),
        ("$0, 0x58(%rcx)", "$0, 0x57(%rcx)"),
        ("leaq 8(%rcx)", "leaq 16(%rcx)"),
    ],
)
def test_a_structure_that_is_cleared_otherwise_is_not(change: tuple[str, str]) -> None:
    done = burnish.verify(FIRST, SECOND.replace(*change), live_out=[], cache=False)
    assert isinstance(done.verdict, Refuted), done.functions
