"""What stays as it is over a loop, and what is only ever true or false."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import burnish
from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Refuted
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver

from .conftest import assembled, states

LIMIT_S = 60.0
FLAG = """
    xor r8d, r8d
again:
    test rsi, rsi
    je done
    dec rsi
    movzx eax, byte ptr [rdi + rsi]
    cmp eax, 5
    jne again
    mov r8d, 1
    jmp again
done:
"""
AS_MASK = "neg r8d\nmov eax, r8d\nand eax, 5\nret"
AS_BORROW = "xor r8d, 1\ncmp r8b, 1\nsbb eax, eax\nand eax, 5\nret"


@pytest.mark.parametrize(
    ("end", "proved"), [(AS_BORROW, True), (AS_BORROW.replace("r8d, 1", "r8d, 3"), False)]
)
def test_a_flag_is_one_or_nothing(solver: Solver, end: str, proved: bool) -> None:
    specification = Specification((LiveOut("rax", 4),))
    pair = Pair(assembled(FLAG + AS_MASK), assembled(FLAG + end), specification)
    proof = prove_loops(pair, solver, time.monotonic() + LIMIT_S, states("pn"))
    assert isinstance(proof.verdict, Proved) is proved


AFTER = """
long g(void *, long);
long f(void *what, const long *at, long n)
{{
    for (; n > 0; n--)
        if (at[n] == {number}) return g(what, n);
    return {last};
}}
"""


def test_an_argument_is_passed_on_behind_a_loop(tmp_path: Path) -> None:
    """Nothing writes its register before the call."""
    first, second = tmp_path / "first.c", tmp_path / "second.c"
    first.write_text(AFTER.format(number=7, last="g(what, 0)"))
    second.write_text(AFTER.format(number=7, last="g(what, 0)"))
    (row,) = burnish.verify(first, second, cflags=("-O1",), rewrite_cflags=("-O2",), cache=False).functions
    assert isinstance(row.verdict, Proved)
    second.write_text(AFTER.format(number=7, last="g(0, 0)"))
    (row,) = burnish.verify(first, second, cflags=("-O1",), rewrite_cflags=("-O2",), cache=False).functions
    assert isinstance(row.verdict, Refuted)
