"""Locals whose addresses are given to callees in loops: the same wherever they lie, and never less."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Unknown
from burnish.verify.engine.joint import Proof
from burnish.verify.loops.invariants import check, from_json, to_json
from burnish.verify.pair import Callee, Local, Pair
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

_WRONG_S = 3.0
"""A proof of something wrong, if there were one, would be found by then."""
EAX = Specification((LiveOut("rax", 4),), source="option")
CALLEES = {
    "n": Callee("n", (), (("rax", 4),), stack_bytes=0),
    "s": Callee("s", (("rdi", 8),), (("rax", 4),), stack_bytes=0),
}
_STORE = "mov [rsp+{at}], esi\n"
_CALL = "lea rdi, [rsp+{at}]\ncall s\n"
_POINTER = _STORE + "lea r12, [rsp+{at}]\n"
_CALL_BY_POINTER = "mov rdi, r12\ncall s\n"
_TWO = "lea rbp, [rsp]\nlea r12, [rsp+{at}]\nmov qword ptr [rbp], 1\nmov qword ptr [r12], 2\n"
_CALL_TWO = "mov rdi, rsp\ncall s\nlea rdi, [rsp+{at}]\ncall s\n"
_SLOT = _STORE + "lea rax, [rsp+{at}]\nmov [rsp+24], rax\n"
_STASH = "mov dword ptr [rsp+{at}], 1\nlea rax, [rsp+{at}]\nmov [rsi], rax\n"


def _loop(
    frame: int, at: int, first: str = _STORE, each: str = _CALL, last: str = "mov eax, [rsp+{at}]"
) -> str:
    """Up to 15 rounds with a frame of that many bytes."""
    text = (
        f"push rbx\npush rbp\npush r12\nsub rsp, {frame}\n{first}mov ebx, edi\nand ebx, 15\n"
        f"1: test ebx, ebx\nje 2f\n{each}dec ebx\njmp 1b\n"
        f"2: {last}\nadd rsp, {frame}\npop r12\npop rbp\npop rbx\nret"
    )
    return text.replace("{at}", str(at))


INT = (Local(-28, 4, 4),)
"""At [rsp+12] in a frame of 16 bytes."""
SAME = {
    "by its place": (_loop(16, 12), _loop(32, 8)),
    "by a pointer": (_loop(16, 12), _loop(32, 8, _POINTER, _CALL_BY_POINTER)),
    "by a pointer in the frame": (_loop(16, 12), _loop(32, 8, _SLOT, "mov rdi, [rsp+24]\ncall s\n")),
}
OTHER = {
    "what lies beside it": (_loop(16, 12), _loop(32, 8, last="mov eax, [rsp+4]")),
    "what it held before": (_loop(16, 12), _loop(32, 8, _STORE + "mov ebp, esi\n", last="mov eax, ebp")),
    "another value": (_loop(16, 12), _loop(32, 8, "inc esi\n" + _STORE)),
}


def _both(frame: int, other: int, *parts: str) -> tuple[str, str]:
    return _loop(frame, 12, *parts), _loop(other, 12, *parts)


DEPENDENT = {
    "a bit of its address": _both(16, 32, _STORE + "lea ebp, [rsp+12]\nand ebp, 16\n", _CALL, "mov eax, ebp"),
    "a bit of a pointer": _both(16, 32, _POINTER, _CALL_BY_POINTER, "mov eax, r12d\nand eax, 16"),
    "half of a pointer": _both(16, 32, _POINTER, _CALL_BY_POINTER, "mov eax, r12d"),
    "a bit of a pointer that moves": _both(
        16, 32, _POINTER, _CALL_BY_POINTER + "add r12, 4\nand ebx, 1\n", "mov eax, r12d\nand eax, 16"
    ),
}
"""The same code in a larger frame: where the local lies decides what it returns."""

TWO = (Local(-56, 8, 8, 4), Local(-40, 8, 8, 4))
"""At [rsp] and [rsp+16] in a frame of 32 bytes."""
DISTANT = {
    "after": (_CALL_TWO, "sub r12, rbp\nmov eax, r12d", ""),
    "before": (_CALL_TWO, "mov eax, r12d", "sub r12, rbp\n"),
    "in a local": (_CALL_TWO, "mov rax, [rsp+{at}]", "sub r12, rbp\nmov [rsp+{at}], r12\n"),
    "of pointers that move": (
        "mov rdi, rbp\ncall s\nmov rdi, r12\ncall s\nadd r12, 4\nadd rbp, 4\nand ebx, 1\n",
        "sub r12, rbp\nmov eax, r12d",
        "",
    ),
}


def _proof(
    make_pair: Callable[..., Pair],
    solver: Solver,
    texts: tuple[str, str],
    locals_: tuple[Local, ...],
    seconds: float = 20.0,
) -> Proof:
    pair = make_pair(*texts, EAX, CALLEES)
    pair = replace(pair, original=replace(pair.original, locals=locals_))
    return prove(pair, solver, timeout_s=seconds, bound=0)


@pytest.mark.parametrize("name", SAME)
def test_where_it_lies_does_not_matter(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    assert isinstance(_proof(make_pair, solver, SAME[name], INT).verdict, Proved)


@pytest.mark.parametrize("name", OTHER)
def test_what_it_holds_does(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    assert isinstance(_proof(make_pair, solver, OTHER[name], INT, _WRONG_S).verdict, Unknown)


@pytest.mark.parametrize("name", DEPENDENT)
def test_what_depends_on_the_frame_is_seen_after_a_loop(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    assert isinstance(_proof(make_pair, solver, DEPENDENT[name], INT, _WRONG_S).verdict, Unknown)


@pytest.mark.parametrize("name", DISTANT)
def test_how_far_two_lie_apart_is_seen_after_a_loop(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    each, last, more = DISTANT[name]
    texts = _loop(32, 16, _TWO + more, each, last), _loop(48, 24, _TWO + more, each, last)
    assert isinstance(_proof(make_pair, solver, texts, TWO, _WRONG_S).verdict, Unknown)


def test_an_address_that_is_left_in_memory_before_a_loop_is_not_forgotten(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """What is called after it may change the local through that."""
    original = _loop(16, 12, _STASH, "", "call n\nmov eax, [rsp+12]")
    rewrite = _loop(16, 12, _STASH, "", "call n\nmov eax, 1")
    for locals_ in (INT, ()):
        assert isinstance(_proof(make_pair, solver, (original, rewrite), locals_, _WRONG_S).verdict, Unknown)
    assert isinstance(_proof(make_pair, solver, (original, original), INT).verdict, Proved)


def test_a_proof_is_checked_with_the_locals_of_the_original(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """A certificate may say that a local is smaller than it is."""
    texts = SAME["by its place"]
    proof = _proof(make_pair, solver, texts, INT)
    pair = make_pair(*texts, EAX, CALLEES)
    pair = replace(pair, original=replace(pair.original, locals=INT))
    known = from_json(proof.invariants)
    assert from_json(to_json(known)) == known
    assert isinstance(check(pair, solver, _soon(), known).verdict, Proved)
    (one,) = known.shared
    for wrong in (replace(one, size=2), replace(one, rewrite=one.rewrite + 4)):
        assert isinstance(check(pair, solver, _soon(), replace(known, shared=(wrong,))).verdict, Unknown)
    assert isinstance(check(pair, solver, _soon(), replace(known, shared=())).verdict, Unknown)


def _soon() -> float:
    return time.monotonic() + 20
