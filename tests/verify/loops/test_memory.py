"""Loops of which one side keeps in a register what the other loads in each round, and pairs like them that differ."""

from __future__ import annotations

import json
import time

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Unknown
from burnish.verify.loops.invariants import check, from_json
from burnish.verify.loops.prove import prove_loops
from burnish.verify.loops.relations import Held
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver

from .conftest import MakePair, assembled

PATIENCE_S = 90.0
WRONG_S = 8.0
"""A proof of something wrong, if there were one, would be found by then."""
RESULT = Specification((LiveOut("rax", 4),), source="option")

RELOADS = """
 push rbx
 mov rbx, rdi
 mov edi, esi
 xor eax, eax
 BEFORE
1: FIRST
 add eax, dword ptr [rbx]
 dec edi
 jne 1b
4: pop rbx
 ret
"""


def early(before: str, first: str = "") -> Pair:
    """A loop that begins with ``first``, and the same with ``before`` in front of it."""
    text = LOADS.replace("FIRST", first)
    sides = [assembled(text.replace("BEFORE", code)) for code in ("", before)]
    return Pair(sides[0], sides[1], RESULT)


def test_what_is_read_next_may_be_read_before(solver: Solver) -> None:
    proof = prove_loops(early("mov r8d, dword ptr [rbx]"), solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict


EARLY = {
    "where the original reads on one way": (
        "mov r8d, dword ptr [rdx]",
        "test edi, 1\n je 3f\n add eax, dword ptr [rdx]\n3:",
    ),
    "where the original reads elsewhere": ("mov r8d, dword ptr [rbx+8192]", ""),
    "what the original reads, but after its loop": ("mov r8d, dword ptr [rdx]", ""),
    "where the original only reads": ("mov r8d, dword ptr [rbx]\n mov dword ptr [rbx], r8d", ""),
    "where the original leaves before it reads": (
        "mov r8d, dword ptr [rbx]",
        "cmp edx, 9\n je 4f",
    ),
}


@pytest.mark.parametrize("change", EARLY.values(), ids=EARLY)
def test_what_may_not_be_read_at_all_is_not_read_before(solver: Solver, change: tuple[str, str]) -> None:
    proof = prove_loops(early(*change), solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Unknown)


BITS = (
    "long f(const unsigned long*p){const unsigned long*s=p;"
    "while(!((*p-0x0101010101010101ul)&~*p&0x8080808080808080ul))p++;return p-s;}"
)


@pytest.mark.parametrize("number", ["0x0101010101010101", "0x0101010101010111", "0x0101010101010102"])
def test_constants_of_64_bits_stay_in_registers(make_pair: MakePair, solver: Solver, number: str) -> None:
    other = BITS.replace("0x0101010101010101", number)
    pair = make_pair(BITS, "-O1", "-O2", 8, other=other)
    proof = prove_loops(pair, solver, time.monotonic() + (PATIENCE_S if other == BITS else WRONG_S), ())
    assert isinstance(proof.verdict, Proved) is (other == BITS), proof.verdict
