"""Locals whose addresses are given to callees: the same wherever they lie in the two frames, and never less."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Unknown
from burnish.verify.engine.joint import Proof
from burnish.verify.pair import Callee, Local, Pair
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

EAX = Specification((LiveOut("rax", 4),), source="option")
RAX = Specification((LiveOut("rax", 8),), source="option")
CALLEES = {
    "g": Callee("g", (("rdi", 8), ("rsi", 4)), (("rax", 4),), stack_bytes=0),
    "h": Callee("h", (("rdi", 8), ("rsi", 8)), (("rax", 8),), stack_bytes=0),
    "s": Callee("s", (("rdi", 8),), (("rax", 4),), stack_bytes=0),
}

INT = Local(-12, 4, 4)
"""At [rsp+12] after sub rsp, 24."""
ORIGINAL = "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nmov eax, [rsp+12]\nadd rsp, 24\nret"

SAME = {
    "in a larger frame": (
        ORIGINAL,
        "sub rsp, 40\nmov [rsp+4], edi\nlea rdi, [rsp+4]\nmov esi, 3\ncall g\nmov eax, [rsp+4]\nadd rsp, 40\nret",
        (INT,),
        EAX,
    ),
    "with a frame pointer": (
        ORIGINAL,
        "push rbp\nmov rbp, rsp\nsub rsp, 32\nmov [rbp-20], edi\nlea rdi, [rbp-20]\nmov esi, 3\ncall g\n"
        "mov eax, [rbp-20]\nleave\nret",
        (INT,),
        EAX,
    ),
    "two, with the same distance": (
        "sub rsp, 40\nmov [rsp+12], edi\nmov qword ptr [rsp+16], 5\nlea rdi, [rsp+12]\nlea rsi, [rsp+16]\ncall h\n"
        "mov eax, [rsp+12]\nadd eax, [rsp+16]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+4], edi\nmov qword ptr [rsp+8], 5\nlea rsi, [rsp+8]\nlea rdi, [rsp+4]\ncall h\n"
        "mov eax, [rsp+8]\nadd eax, [rsp+4]\nadd rsp, 56\nret",
        (Local(-28, 4, 4), Local(-24, 8, 8)),
        EAX,
    ),
    "one that points to another": (
        "sub rsp, 40\nmov [rsp+8], edi\nlea rax, [rsp+8]\nmov [rsp+16], rax\nlea rdi, [rsp+16]\ncall s\n"
        "mov eax, [rsp+8]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+32], edi\nlea rdi, [rsp+40]\nlea rax, [rsp+32]\nmov [rdi], rax\ncall s\n"
        "mov eax, [rsp+32]\nadd rsp, 56\nret",
        (Local(-32, 4, 4), Local(-24, 8, 8)),
        EAX,
    ),
    "an element of an array": (
        "sub rsp, 40\nmov [rsp], edi\nmov [rsp+4], edi\nmov rdi, rsp\ncall g\nmov eax, [rsp+8]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+20], edi\nmov [rsp+16], edi\nlea rdi, [rsp+16]\ncall g\nmov eax, [rsp+24]\nadd rsp, 56\n"
        "ret",
        (Local(-40, 32, 4),),
        EAX,
    ),
    "an element by index": (
        "sub rsp, 40\nmov [rsp], edi\nmov rdi, rsp\ncall g\nand eax, 7\nmov eax, [rsp+4*rax]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+16], edi\nlea rdi, [rsp+16]\ncall g\nand eax, 7\nmov eax, [rsp+4*rax+16]\nadd rsp, 56\n"
        "ret",
        (Local(-40, 32, 4),),
        EAX,
    ),
    "compared with what a callee returns": (
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\nlea rcx, [rsp+12]\ncmp rax, rcx\n"
        "sete al\nmovzx eax, al\nadd rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+4], edi\nlea rdi, [rsp+4]\nxor esi, esi\ncall h\nlea rcx, [rsp+4]\nxor edx, edx\n"
        "cmp rcx, rax\nsete dl\nmov eax, edx\nadd rsp, 40\nret",
        (INT,),
        EAX,
    ),
    "stored in another order than memory of others": (
        "sub rsp, 24\nmov [rsp+12], esi\nmov dword ptr [rdi], 1\nmov dword ptr [rdi+8], 2\nlea rdi, [rsp+12]\n"
        "mov esi, 3\ncall g\nmov eax, [rsp+12]\nadd rsp, 24\nret",
        "sub rsp, 40\nmov dword ptr [rdi+8], 2\nmov eax, 1\nmov [rdi], eax\nmov [rsp+4], esi\nlea rdi, [rsp+4]\n"
        "mov esi, 3\ncall g\nmov eax, [rsp+4]\nadd rsp, 40\nret",
        (INT,),
        EAX,
    ),
    "through a pointer that a callee stored there": (
        "sub rsp, 24\nmov qword ptr [rsp+8], 0\nlea rdi, [rsp+8]\ncall s\nmov rax, [rsp+8]\nmov eax, [rax+4]\n"
        "add rsp, 24\nret",
        "sub rsp, 40\nmov qword ptr [rsp+16], 0\nlea rdi, [rsp+16]\ncall s\nmov rcx, [rsp+16]\nmov eax, [rcx+4]\n"
        "add rsp, 40\nret",
        (Local(-16, 8, 8),),
        EAX,
    ),
    "one of two that is chosen, stored and compared": (
        "push rbx\nsub rsp, 32\nmov rbx, rsi\nmov dword ptr [rsp+8], 1\nlea rax, [rsp+8]\ntest edi, edi\n"
        "cmovne rax, rsi\nmov [rsp+16], rax\nlea rdi, [rsp+16]\ncall s\nmov eax, [rsp+8]\nadd rsp, 32\npop rbx\nret",
        "push rbx\nsub rsp, 48\nmov rbx, rsi\nmov dword ptr [rsp+24], 1\nlea rax, [rsp+24]\ntest edi, edi\nje 1f\n"
        "mov rax, rbx\n1: mov [rsp+32], rax\nlea rdi, [rsp+32]\ncall s\nmov eax, [rsp+24]\nadd rsp, 48\npop rbx\nret",
        (Local(-32, 8, 8, 4), Local(-24, 8, 8)),
        EAX,
    ),
    "on one path, after a comparison": (
        "push rbx\nsub rsp, 16\nmov ebx, edi\nmov [rsp+12], esi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\n"
        "lea rcx, [rsp+12]\ncmp rax, rcx\nje 1f\nmov eax, ebx\njmp 2f\n1: mov eax, [rsp+12]\n"
        "2: add rsp, 16\npop rbx\nret",
        "push rbx\nsub rsp, 32\nmov ebx, edi\nmov [rsp+20], esi\nlea rdi, [rsp+20]\nxor esi, esi\ncall h\n"
        "lea rcx, [rsp+20]\ncmp rax, rcx\ncmove ebx, [rsp+20]\nmov eax, ebx\nadd rsp, 32\npop rbx\nret",
        (Local(-12, 4, 4),),
        EAX,
    ),
}

_MOVED = (
    "sub rsp, 40\nmov [rsp+4], edi\nlea rdi, [rsp+4]\nmov esi, 3\ncall g\nmov eax, [rsp+4]\nadd rsp, 40\nret"
)

OTHER = {
    "what was stored before the call": (
        ORIGINAL,
        _MOVED.replace("mov eax, [rsp+4]", "mov eax, 3"),
        (INT,),
        EAX,
    ),
    "not stored": (ORIGINAL, _MOVED.replace("mov [rsp+4], edi\n", ""), (INT,), EAX),
    "stored next to it": (ORIGINAL, _MOVED.replace("mov [rsp+4], edi", "mov [rsp+8], edi"), (INT,), EAX),
    "loaded next to it": (ORIGINAL, _MOVED.replace("eax, [rsp+4]", "eax, [rsp+8]"), (INT,), EAX),
    "kept in a register over the call": (
        ORIGINAL,
        "push rbx\nmov ebx, edi\nsub rsp, 32\nmov [rsp+4], edi\nlea rdi, [rsp+4]\nmov esi, 3\ncall g\nmov eax, ebx\n"
        "add rsp, 32\npop rbx\nret",
        (INT,),
        EAX,
    ),
    "another argument": (ORIGINAL, _MOVED.replace("esi, 3", "esi, 4"), (INT,), EAX),
    "where a register is saved": (
        ORIGINAL,
        "push rbx\nmov ebx, edi\nsub rsp, 16\nlea rdi, [rsp+16]\nmov esi, 3\ncall g\nmov eax, ebx\nadd rsp, 16\n"
        "pop rbx\nret",
        (INT,),
        EAX,
    ),
    "below the stack pointer": (
        ORIGINAL,
        "mov [rsp-28], edi\nlea rdi, [rsp-28]\nmov esi, 3\nsub rsp, 8\ncall g\nadd rsp, 8\nmov eax, [rsp-28]\nret",
        (INT,),
        EAX,
    ),
    "no more than half of it": (
        "sub rsp, 24\nmov qword ptr [rsp+8], 1\nlea rdi, [rsp+8]\ncall s\nmov rax, [rsp+8]\nadd rsp, 24\nret",
        "sub rsp, 40\nmov dword ptr [rsp+8], 1\nlea rdi, [rsp+8]\ncall s\nmov rax, [rsp+8]\nadd rsp, 40\nret",
        (Local(-16, 8, 8),),
        RAX,
    ),
    "not aligned": (ORIGINAL, _MOVED.replace("rsp+4]", "rsp+6]"), (INT,), EAX),
    "two that change places": (
        "sub rsp, 40\nmov [rsp+12], edi\nmov qword ptr [rsp+16], 5\nlea rdi, [rsp+12]\nlea rsi, [rsp+16]\ncall h\n"
        "mov eax, [rsp+12]\nadd rsp, 40\nret",
        "sub rsp, 40\nmov [rsp+12], edi\nmov qword ptr [rsp+16], 5\nlea rsi, [rsp+12]\nlea rdi, [rsp+16]\ncall h\n"
        "mov eax, [rsp+12]\nadd rsp, 40\nret",
        (Local(-28, 4, 4), Local(-24, 8, 8)),
        EAX,
    ),
    "two in one place": (
        "sub rsp, 40\nmov [rsp+8], rdi\nmov [rsp+16], rdi\nlea rdi, [rsp+8]\nlea rsi, [rsp+16]\ncall h\n"
        "mov eax, [rsp+8]\nadd rsp, 40\nret",
        "sub rsp, 40\nmov [rsp+8], rdi\nlea rdi, [rsp+8]\nmov rsi, rdi\ncall h\nmov eax, [rsp+8]\nadd rsp, 40\nret",
        (Local(-32, 8, 8), Local(-24, 8, 8)),
        EAX,
    ),
    "loaded before a store through what a callee returned": (
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\nmov dword ptr [rax], 5\n"
        "mov eax, [rsp+12]\nadd rsp, 24\nret",
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\nmov ecx, [rsp+12]\n"
        "mov dword ptr [rax], 5\nmov eax, ecx\nadd rsp, 24\nret",
        (INT,),
        EAX,
    ),
    "loaded before a store through what lies in memory since a call": (
        "push rbx\nmov rbx, rsi\nsub rsp, 16\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\n"
        "mov rax, [rbx]\nmov dword ptr [rax], 5\nmov eax, [rsp+12]\nadd rsp, 16\npop rbx\nret",
        "push rbx\nmov rbx, rsi\nsub rsp, 16\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nxor esi, esi\ncall h\n"
        "mov rax, [rbx]\nmov ecx, [rsp+12]\nmov dword ptr [rax], 5\nmov eax, ecx\nadd rsp, 16\npop rbx\nret",
        (Local(-12, 4, 4),),
        EAX,
    ),
    "a null pointer instead": (ORIGINAL, _MOVED.replace("lea rdi, [rsp+4]", "xor edi, edi"), (INT,), EAX),
    "its address as a number": (
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nlea rax, [rsp+12]\nadd rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+4], edi\nlea rdi, [rsp+4]\nmov esi, 3\ncall g\nlea rax, [rsp+4]\nadd rsp, 40\nret",
        (INT,),
        RAX,
    ),
    "a bit of its address": (
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nlea eax, [rsp+12]\nshr eax, 4\n"
        "and eax, 1\nadd rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nlea eax, [rsp+12]\nshr eax, 4\n"
        "and eax, 1\nadd rsp, 40\nret",
        (INT,),
        EAX,
    ),
    "a branch on a bit of its address": (
        "sub rsp, 24\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nlea ecx, [rsp+12]\nxor eax, eax\n"
        "test ecx, 16\nje 1f\ninc eax\n1: add rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+12], edi\nlea rdi, [rsp+12]\nmov esi, 3\ncall g\nlea ecx, [rsp+12]\nxor eax, eax\n"
        "test ecx, 16\nje 1f\ninc eax\n1: add rsp, 40\nret",
        (INT,),
        EAX,
    ),
    "the low half of its address": (
        "sub rsp, 24\nmov [rsp+8], rdi\nlea rdi, [rsp+8]\nmov [rdi], edi\ncall s\nmov eax, [rsp+8]\nadd rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+8], rdi\nlea rdi, [rsp+8]\nmov [rdi], edi\ncall s\nmov eax, [rsp+8]\nadd rsp, 40\nret",
        (Local(-16, 8, 8),),
        EAX,
    ),
    "a distance to what is no local": (
        "sub rsp, 24\nmov [rsp+8], edi\nlea rdi, [rsp+8]\nlea rsi, [rsp+24]\nsub rsi, rdi\ncall g\nmov eax, [rsp+8]\n"
        "add rsp, 24\nret",
        "sub rsp, 40\nmov [rsp+8], edi\nlea rdi, [rsp+8]\nlea rsi, [rsp+40]\nsub rsi, rdi\ncall g\nmov eax, [rsp+8]\n"
        "add rsp, 40\nret",
        (Local(-16, 4, 4),),
        EAX,
    ),
    "a dangling address in memory": (
        "push rbx\nmov rbx, rdi\nsub rsp, 16\nmov dword ptr [rsp+8], 1\nlea rdi, [rsp+8]\nmov esi, 3\ncall g\n"
        "lea rax, [rsp+8]\nmov [rbx], rax\nadd rsp, 16\npop rbx\nret",
        "push rbx\nmov rbx, rdi\nsub rsp, 32\nmov dword ptr [rsp+8], 1\nlea rdi, [rsp+8]\nmov esi, 3\ncall g\n"
        "lea rax, [rsp+8]\nmov [rbx], rax\nadd rsp, 32\npop rbx\nret",
        (Local(-16, 4, 4),),
        Specification((), source="option"),
    ),
    "an index that leaves it": (
        "sub rsp, 40\nmov [rsp], edi\nmov rdi, rsp\ncall g\nand eax, 7\nmov eax, [rsp+4*rax]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+16], edi\nlea rdi, [rsp+16]\ncall g\nand eax, 8\nmov eax, [rsp+4*rax+16]\nadd rsp, 56\n"
        "ret",
        (Local(-40, 32, 4),),
        EAX,
    ),
    "an index below it": (
        "sub rsp, 40\nmov [rsp], edi\nmov rdi, rsp\ncall g\nand eax, 1\nmov eax, [rsp+4*rax]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+16], edi\nlea rdi, [rsp+16]\ncall g\nand eax, 1\nneg rax\nmov eax, [rsp+4*rax+16]\n"
        "add rsp, 56\nret",
        (Local(-40, 32, 4),),
        EAX,
    ),
    "an index from a neighbour": (
        "sub rsp, 40\nmov [rsp], edi\nmov rdi, rsp\ncall g\nand eax, 1\nmov eax, [rsp+4*rax]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+16], edi\nmov qword ptr [rsp+8], 0\nlea rdi, [rsp+16]\ncall g\nand eax, 1\n"
        "mov eax, [rsp+4*rax+12]\nadd rsp, 56\nret",
        (Local(-40, 32, 4),),
        EAX,
    ),
}


REARRANGED = {
    "two, the other way round": (
        "sub rsp, 40\nmov [rsp+8], edi\nmov qword ptr [rsp+16], 5\nlea rdi, [rsp+8]\nlea rsi, [rsp+16]\ncall h\n"
        "mov eax, [rsp+8]\nadd eax, [rsp+16]\nadd rsp, 40\nret",
        "sub rsp, 40\nmov [rsp+28], edi\nmov qword ptr [rsp+8], 5\nlea rsi, [rsp+8]\nlea rdi, [rsp+28]\ncall h\n"
        "mov eax, [rsp+8]\nadd eax, [rsp+28]\nadd rsp, 40\nret",
        (Local(-32, 4, 4), Local(-24, 8, 8)),
        EAX,
    ),
    "one that points to the other": (
        "sub rsp, 40\nmov [rsp+8], edi\nlea rax, [rsp+8]\nmov [rsp+16], rax\nlea rdi, [rsp+16]\ncall s\n"
        "mov eax, [rsp+8]\nadd rsp, 40\nret",
        "sub rsp, 56\nmov [rsp+40], edi\nlea rdi, [rsp+24]\nlea rax, [rsp+40]\nmov [rdi], rax\ncall s\n"
        "mov eax, [rsp+40]\nadd rsp, 56\nret",
        (Local(-32, 4, 4), Local(-24, 8, 8)),
        EAX,
    ),
}
"""The same, with another distance between two locals."""

ORDERED = {
    "a local that may be the end of an array": (
        "sub rsp, 40\nmov qword ptr [rsp+8], 1\nmov qword ptr [rsp+16], 2\nmov qword ptr [rsp+24], 3\n"
        "lea rdi, [rsp+8]\nlea rsi, [rsp+24]\ncall h\nadd rsp, 40\nret",
        "sub rsp, 56\nmov qword ptr [rsp+24], 1\nmov qword ptr [rsp+32], 2\nmov qword ptr [rsp+8], 3\n"
        "lea rdi, [rsp+24]\nlea rsi, [rsp+8]\ncall h\nadd rsp, 56\nret",
        (Local(-32, 16, 8), Local(-16, 8, 8)),
        EAX,
    ),
    "a local that may be the end of a variable": (
        "sub rsp, 24\nmov dword ptr [rsp+8], 1\nmov dword ptr [rsp+12], 2\nlea rdi, [rsp+8]\nlea rsi, [rsp+12]\n"
        "call h\nadd rsp, 24\nret",
        "sub rsp, 24\nmov dword ptr [rsp+12], 1\nmov dword ptr [rsp+8], 2\nlea rdi, [rsp+12]\nlea rsi, [rsp+8]\n"
        "call h\nadd rsp, 24\nret",
        (Local(-16, 4, 4), Local(-12, 4, 4)),
        EAX,
    ),
    "a local that becomes the end of another": (
        "sub rsp, 40\nmov dword ptr [rsp+8], 1\nmov dword ptr [rsp+24], 2\nlea rdi, [rsp+8]\nlea rsi, [rsp+24]\n"
        "call h\nadd rsp, 40\nret",
        "sub rsp, 40\nmov dword ptr [rsp+8], 1\nmov dword ptr [rsp+12], 2\nlea rdi, [rsp+8]\nlea rsi, [rsp+12]\n"
        "call h\nadd rsp, 40\nret",
        (Local(-32, 4, 4), Local(-16, 4, 4)),
        EAX,
    ),
}


def _proof(
    make_pair: Callable[..., Pair], solver: Solver, case: tuple[str, str, tuple[Local, ...], Specification]
) -> Proof:
    original, rewrite, locals_, specification = case
    pair = make_pair(original, rewrite, specification, CALLEES)
    pair = replace(pair, original=replace(pair.original, locals=locals_))
    return prove(pair, solver, timeout_s=20)


@pytest.mark.parametrize("name", SAME)
def test_where_a_local_lies_does_not_matter(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    assert isinstance(_proof(make_pair, solver, SAME[name]).verdict, Proved)


@pytest.mark.parametrize("name", REARRANGED)
def test_locals_may_have_another_distance(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    proof = _proof(make_pair, solver, REARRANGED[name])
    assert isinstance(proof.verdict, Proved) and not proof.provisos


@pytest.mark.parametrize("name", ORDERED)
def test_what_may_be_the_end_of_another_is_taken_for_none(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    proof = _proof(make_pair, solver, ORDERED[name])
    assert isinstance(proof.verdict, Proved)
    assert proof.provisos == ("nothing takes the end of a local for the beginning of the next one",)


@pytest.mark.parametrize("name", OTHER)
def test_what_a_local_holds_does(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    started = time.monotonic()
    assert isinstance(_proof(make_pair, solver, OTHER[name]).verdict, Unknown)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("name", SAME)
def test_without_its_extent_there_is_no_proof(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    original, rewrite, _, specification = SAME[name]
    proof = _proof(make_pair, solver, (original, rewrite, (), specification))
    assert isinstance(proof.verdict, Unknown)
    assert "the file does not say what is there" in proof.verdict.reason


@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_lies_beside_a_local_is_not_the_callee_s(
    size: int, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """A local of fewer bytes than are accessed: the rest would be the function's own."""
    case = (ORIGINAL, _MOVED, (Local(-12, size, 1),), EAX)
    assert isinstance(_proof(make_pair, solver, case).verdict, Unknown)
