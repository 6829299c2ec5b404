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
 xor eax, eax
 test esi, esi
 je 2f
1: mov ecx, dword ptr [rdi]
 add ecx, esi
 mov dword ptr [rdi], ecx
 FIRST
 lea eax, [rax+2*rcx]
 dec esi
 jne 1b
2: ret
"""
KEEPS = """
 xor eax, eax
 test esi, esi
 je 2f
 mov ecx, dword ptr [rdi]
1: add ecx, esi
 mov dword ptr [rdi], ecx
 SECOND
 lea eax, [rax+2*rcx]
 dec esi
 jne 1b
2: ret
"""
ALIKE = {
    "nothing else": ("", ""),
    "read elsewhere": ("movzx r8d, byte ptr [rdx]", "movzx r8d, byte ptr [rdx]"),
}
WRONG = {
    "a store to what may be the same word": ("mov dword ptr [rdx], eax", "mov dword ptr [rdx], eax"),
    "a store to a part of the word": ("mov byte ptr [rdi+3], al", "mov byte ptr [rdi+3], al"),
    "a store of a byte before": ("mov dword ptr [rdi-1], eax", "mov dword ptr [rdi-1], eax"),
    "the pointer moves": ("add rdi, 4", "add rdi, 4"),
    "another register is changed": ("", "add ecx, 1"),
    "changed in one round of many": ("", "cmp esi, 77777\n jne 3f\n xor ecx, ecx\n3:"),
}


def both(change: tuple[str, str]) -> Pair:
    """Two loops of which one loads in each round, with more in their rounds."""
    first, second = change
    return Pair(
        assembled(RELOADS.replace("FIRST", first)), assembled(KEEPS.replace("SECOND", second)), RESULT
    )


@pytest.mark.parametrize("change", ALIKE.values(), ids=ALIKE)
def test_a_word_that_one_side_keeps_in_a_register(solver: Solver, change: tuple[str, str]) -> None:
    pair = both(change)
    proof = prove_loops(pair, solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict
    stored = from_json(json.loads(json.dumps(proof.invariants)))
    assert any(isinstance(r, Held) for pairing in stored.pairings for r in pairing.relations)
    assert isinstance(check(pair, solver, time.monotonic() + PATIENCE_S, stored).verdict, Proved)
    for wrong in WRONG.values():
        assert isinstance(check(both(wrong), solver, time.monotonic() + WRONG_S, stored).verdict, Unknown)


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_word_that_is_another_in_memory(solver: Solver, change: tuple[str, str]) -> None:
    proof = prove_loops(both(change), solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Unknown)


LOADS = """
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
