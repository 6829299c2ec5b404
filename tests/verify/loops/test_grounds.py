"""What makes rounds of two programs the same where neither says so: ranges of counters, pointers that were looked
behind, and places that nobody gets to. Each with a pair that looks the same and is not."""

from __future__ import annotations

import time

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver

from .conftest import assembled, states

LIMIT_S = 60.0


def is_proved(solver: Solver, original: str, rewrite: str, kinds: str) -> bool:
    pair = Pair(
        assembled(original), assembled(rewrite), Specification((LiveOut("rax", 4),), source="prototype")
    )
    proof = prove_loops(pair, solver, time.monotonic() + LIMIT_S, states(kinds, counts=(1, 2, 3, 5, 9, 17)))
    return isinstance(proof.verdict, Proved)


FIND = (
    "mov rax, rdi\n1:\ntest rax, rax\nje 2f\ncmp [rax], rsi\nje 2f\nmov rax, [rax + 8]\njmp 1b\n"
    "2:\n{}\nmov eax, 0\nret"
)
FOUND = (
    "mov rax, rdi\ntest rax, rax\nje 3f\n1:\ncmp [rax], rsi\nje 2f\nmov rax, [rax + 8]\ntest rax, rax\njne 1b\n"
    "3:\nud2\n2:\nadd dword ptr [rax], 1\nmov eax, 0\nret"
)


@pytest.mark.parametrize(
    ("last", "holds"),
    [("add dword ptr [rax], 1", True), ("test rax, rax\nje 4f\nadd dword ptr [rax], 1\n4:", False)],
)
def test_a_rewrite_may_trap_where_the_original_comes_to_a_null_pointer(
    solver: Solver, last: str, holds: bool
) -> None:
    """It does so in the middle of the loop, where the original has still to leave it."""
    assert is_proved(solver, FIND.format(last), FOUND, "pn") is holds


INDEX = (
    "{}\nsub edx, 1\nmovsxd rdx, edx\n1:\nmov byte ptr [rdi + rdx + 1], 0\ntest edx, edx\njs 2f\nsub rdx, 1\n"
    "cmp byte ptr [rdi + rdx + 1], 65\njle 1b\n2:\nmov eax, 0\nret"
)
POINTER = (
    "{}\nmovsxd rdx, edx\nadd rdx, rdi\njmp 2f\n1:\nsub rdx, 1\ncmp byte ptr [rdx], 65\njg 3f\n"
    "2:\nmov byte ptr [rdx], 0\ncmp rdi, rdx\njne 1b\n3:\nmov eax, 0\nret"
)


@pytest.mark.parametrize(("count", "holds"), [("movzx edx, si", True), ("mov edx, esi", False)])
def test_an_index_that_ends_below_zero_goes_with_a_pointer(solver: Solver, count: str, holds: bool) -> None:
    """Where the count is negative the first stores once, and the second goes on."""
    assert is_proved(solver, INDEX.format(count), POINTER.format(count), "pi") is holds


UP = (
    "mov eax, 0\nmov ecx, 0\n1:\nmovsx edx, word ptr [rdi]\ncmp edx, ecx\njle 2f\nmovsxd r8, ecx\n"
    "add eax, dword ptr [rsi + 4*r8]\nadd ecx, 1\njmp 1b\n2:\nret"
)
UP_WIDE = (
    "mov eax, 0\nmov r8d, 0\n1:\nmovsx edx, word ptr [rdi]\ncmp edx, r8d\njle 2f\n"
    "add eax, dword ptr [rsi + 4*r8]\nadd r8, 1\njmp 1b\n2:\nret"
)


def test_a_count_up_to_a_number_of_16_bits_stays_small(solver: Solver) -> None:
    """One counts in 32 bits what the other counts in 64: the type of the limit says that there is no difference."""
    assert is_proved(solver, UP, UP_WIDE, "pp")
