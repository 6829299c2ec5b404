"""Wrong rewrites that look right to a proof that takes addresses of locals for more, or for less, than they are.

In each the processor shows a difference: where a local lies in the frame decides what the function returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Unknown
from burnish.verify.pair import Callee, Local, Pair
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

EAX = Specification((LiveOut("rax", 4),), source="option")
CALLEES = {
    "k": Callee("k", (("rdi", 8), ("rsi", 8), ("rdx", 8)), (("rax", 8),), stack_bytes=0),
    "m": Callee("m", (("rdi", 8),), (("rax", 8),), stack_bytes=0, returned="rdi"),
    "s": Callee("s", (("rdi", 8),), (("rax", 4),), stack_bytes=0),
}
LOCALS = (Local(-20, 4, 4), Local(-44, 4, 4, 3), Local(-40, 4, 4))
"""A, B and C: B and C lie beside each other in the original, B and A in the rewrite. That B has padding lets C be none
of its end."""


def _frame(a: int, b: int, c: int, rest: str) -> str:
    """Three locals at these offsets from the stack pointer, all given to ``k``."""
    return (
        "push rbx\nsub rsp, 48\nmov rbx, rdi\n"
        f"mov dword ptr [rsp+{a}], 1\nmov dword ptr [rsp+{b}], 2\nmov dword ptr [rsp+{c}], 3\n"
        f"lea rdi, [rsp+{a}]\nlea rsi, [rsp+{b}]\nlea rdx, [rsp+{c}]\ncall k\n{rest}\nadd rsp, 48\npop rbx\nret"
    )


def _original(rest: str) -> str:
    return _frame(36, 12, 16, rest)


def _rewrite(rest: str) -> str:
    return _frame(16, 12, 36, rest)


_STORE_B = "lea rcx, [rsp+12]\nmov [rbx], rcx\n"
_CLEAR = "mov qword ptr [rbx], 0\nmov qword ptr [rbx+8], 0"
_BY_SIZE = (
    "lea rax, [rsp+{a}]\n"
    + _STORE_B
    + "mov [rbx+8], rax\nmov rax, [rbx+8]\nsub rax, [rbx]\nsar rax, 4\n"
    + _CLEAR
)
_PRIVATE = (
    "mov dword ptr [rsp+24], 1\nlea rcx, [rsp+24]\nmov [rbx], rcx\nmov rdx, [rax]\nmov dword ptr [rdx], 5\n"
)
_CHOSEN = (
    "lea rcx, [rsp+12]\nlea rdx, [rsp+{}]\ntest ebx, ebx\ncmove rcx, rdx\nadd rcx, 4\ncmp rax, rcx\n"
    "sete al\nmovzx eax, al"
)
_INDEXED = "lea rcx, [rsp+12+rbx]\ncmp rax, rcx\nsete al\nmovzx eax, al"
_AGAIN = "mov rbx, rax\nlea rdi, [rsp+12]\nmov rsi, rdi\nmov rdx, rdi\ncall k\ncmp rbx, rax\nsetb al\nmovzx eax, al"

ATTACKS = {
    "an address that was loaded, plus a number, read": (
        _original(_STORE_B + "mov eax, [rsp+16]\n" + _CLEAR),
        _rewrite(_STORE_B + "mov rcx, [rbx]\nmov eax, [rcx+4]\n" + _CLEAR),
    ),
    "an address that was loaded, plus a number, passed": (
        _original(_STORE_B + "lea rdi, [rsp+16]\n" + _CLEAR + "\ncall s"),
        _rewrite(_STORE_B + "mov rdi, [rbx]\nadd rdi, 4\n" + _CLEAR + "\ncall s"),
    ),
    "an address that a callee returned, plus a number, passed": (
        _original("lea rcx, [rsp+12]\nlea rdi, [rax+4]\ncmp rax, rcx\njne 1f\nlea rdi, [rsp+16]\n1: call s"),
        _rewrite("lea rdi, [rax+4]\ncall s"),
    ),
    "an address that a callee returned, plus a number, read": (
        _original(
            "lea rcx, [rsp+12]\nxor edx, edx\ncmp rax, rcx\njne 1f\nmov edx, [rax]\nadd edx, [rsp+16]\n1: mov eax, edx"
        ),
        _rewrite(
            "lea rcx, [rsp+12]\nxor edx, edx\ncmp rax, rcx\njne 1f\nmov edx, [rax]\nadd edx, [rax+4]\n1: mov eax, edx"
        ),
    ),
    "compared with a place by an index": (_original(_INDEXED), _rewrite(_INDEXED)),
    "the distance of two that were loaded": (
        _original(_BY_SIZE.format(a=36)),
        _rewrite(_BY_SIZE.format(a=16)),
    ),
    "two that callees returned, by their order": (_original(_AGAIN), _rewrite(_AGAIN)),
    "one of two addresses, plus a number": (
        _original("mov eax, [rsp+16]"),
        _rewrite("lea rcx, [rsp+12]\nlea rdx, [rsp+32]\ntest ebx, ebx\ncmove rcx, rdx\nmov eax, [rcx+4]"),
    ),
    "another than the one that a callee returns": (
        _original("lea rdi, [rsp+36]\ncall m\nmov eax, [rsp+16]"),
        _rewrite("lea rdi, [rsp+16]\ncall m\nmov eax, [rax]"),
    ),
    "an address that a callee returned has to be aligned": (
        _original("movaps xmm0, [rax]\nmovd eax, xmm0"),
        _rewrite("movaps xmm0, [rax]\nmovd eax, xmm0"),
    ),
    "a store to what is not shared, by an address that was stored and loaded": (
        _original(_PRIVATE + "mov eax, [rsp+24]\n" + _CLEAR),
        _rewrite(_PRIVATE + "mov eax, 1\n" + _CLEAR),
    ),
    "a store to a local, by an address that was stored and loaded": (
        _original(_STORE_B + "mov rdx, [rax]\nmov dword ptr [rdx], 5\nmov eax, [rsp+12]\n" + _CLEAR),
        _rewrite(
            _STORE_B + "mov rdx, [rax]\nmov ecx, [rsp+12]\nmov dword ptr [rdx], 5\nmov eax, ecx\n" + _CLEAR
        ),
    ),
    "a distance that is chosen": (
        _original(_CHOSEN.format(36)),
        _rewrite(_CHOSEN.format(16)),
    ),
    "half of an address that was loaded": (
        _original(_STORE_B + "mov eax, [rbx]\n" + _CLEAR),
        _rewrite(_STORE_B + "mov eax, [rbx]\n" + _CLEAR),
    ),
}


def _verdict(
    make_pair: Callable[..., Pair], solver: Solver, original: str, rewrite: str, locals_: tuple[Local, ...]
) -> object:
    pair = make_pair(original, rewrite, EAX, CALLEES)
    pair = replace(pair, original=replace(pair.original, locals=locals_))
    return prove(pair, solver, timeout_s=20).verdict


@pytest.mark.parametrize("name", ATTACKS)
def test_what_depends_on_the_frame_is_not_proved(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    assert isinstance(_verdict(make_pair, solver, *ATTACKS[name], LOCALS), Unknown)


_SUBTRACTED = _AGAIN.replace("cmp rbx, rax\nsetb al\nmovzx eax, al", "{0}")
_DIFFERENCES = {
    "subtracted": "sub rax, rbx",
    "subtracted in half": "sub eax, ebx",
    "subtracted, less one": "not rbx\nadd rax, rbx",
    "ordered as signed numbers": "cmp rbx, rax\nsetl al\nmovzx eax, al",
    "a number apart": "add rbx, 4\ncmp rbx, rax\nsete al\nmovzx eax, al",
    "not ordered, branch": "cmp rbx, rax\nmov eax, 1\nja 1f\nxor eax, eax\n1:",
}


@pytest.mark.parametrize("name", _DIFFERENCES)
def test_two_that_callees_returned_are_not_related(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    rest = _SUBTRACTED.format(_DIFFERENCES[name])
    assert isinstance(_verdict(make_pair, solver, _original(rest), _rewrite(rest), LOCALS), Unknown)


_ONE_FOR_ANOTHER = {
    "stored in another": (
        "mov dword ptr [rsp+12], 7\nmov eax, [rsp+16]",
        "mov dword ptr [rsp+36], 7\nmov eax, [rsp+36]",
    ),
    "loaded from another": ("mov eax, [rsp+12]", "mov eax, [rsp+16]"),
    "another is passed": ("lea rdi, [rsp+12]\ncall s", "lea rdi, [rsp+16]\ncall s"),
    "the place that another has in the original": ("mov eax, [rsp+36]", "mov eax, [rsp+36]"),
    "two of them at once": ("mov rax, [rsp+12]", "mov rax, [rsp+12]"),
    "the order of two": (
        "lea rcx, [rsp+12]\nlea rdx, [rsp+36]\nmov [rbx], rcx\nmov [rbx+8], rdx\nmov rcx, [rbx]\n"
        "cmp rcx, [rbx+8]\nsetb al\nmovzx eax, al\n" + _CLEAR,
        "lea rcx, [rsp+12]\nlea rdx, [rsp+16]\nmov [rbx], rcx\nmov [rbx+8], rdx\nmov rcx, [rbx]\n"
        "cmp rcx, [rbx+8]\nsetb al\nmovzx eax, al\n" + _CLEAR,
    ),
}


@pytest.mark.parametrize("name", _ONE_FOR_ANOTHER)
def test_one_local_is_not_another(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    original, rewrite = _ONE_FOR_ANOTHER[name]
    assert isinstance(_verdict(make_pair, solver, _original(original), _rewrite(rewrite), LOCALS), Unknown)


_ONE = (
    "push rbx\nsub rsp, {size}\nmov rbx, rdi\nmov dword ptr [rsp+12], 1\nlea rdi, [rsp+12]\n"
    "mov rsi, rdi\nmov rdx, rdi\ncall k\nlea rcx, [rsp+12+rbx]\ncmp rax, rcx\n"
    "sete al\nmovzx eax, al\nadd rsp, {size}\npop rbx\nret"
)


def test_an_equation_with_an_index_asks_for_a_distance(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """How far what a callee returns lies from a local is another number in another frame."""
    original, rewrite = _ONE.format(size=16), _ONE.format(size=32)
    assert isinstance(_verdict(make_pair, solver, original, rewrite, (Local(-12, 4, 4),)), Unknown)


def test_a_local_below_the_stack_pointer_is_given_to_no_callee(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """At -120 it survives what a small callee pushes; at -8 it does not."""
    original, rewrite = (f"mov [rsp-{at}], edi\nlea rdi, [rsp-{at}]\njmp s" for at in (120, 8))
    assert isinstance(_verdict(make_pair, solver, original, rewrite, (Local(-120, 4, 4),)), Unknown)


_INDEXED_LOCAL = (
    "push rbx\nsub rsp, 208\nmov ebx, esi\nmov rdi, rsp\nmov rsi, rdi\nmov rdx, rdi\n"
    "call k\nand ebx, 7\n{}\nret"
)
_ALONE = {
    "a local that nobody has written": (
        "push rbx\nsub rsp, {0}\nmov ebx, [rsp+12]\nmov [rsp+12], edi\nlea rdi, [rsp+12]\ncall s\nmov eax, ebx\n"
        "add rsp, {0}\npop rbx\nret",
        "16",
        "32",
        Local(-12, 4, 4),
    ),
    "a local that is written on one way alone": (
        "push rbx\nsub rsp, {0}\ntest edi, edi\nje 1f\nmov [rsp+12], edi\n1: mov ebx, [rsp+12]\nmov [rsp+12], edi\n"
        "lea rdi, [rsp+12]\ncall s\nmov eax, ebx\nadd rsp, {0}\npop rbx\nret",
        "16",
        "32",
        Local(-12, 4, 4),
    ),
    "an element below the red zone": (
        _INDEXED_LOCAL,
        "mov eax, [rsp+4*rbx]\nadd rsp, 208\npop rbx",
        "mov rcx, rbx\nadd rsp, 208\npop rbx\nmov eax, [rsp+4*rcx-216]",
        Local(-216, 32, 4),
    ),
}


@pytest.mark.parametrize("name", _ALONE)
def test_a_frame_holds_what_its_function_stored(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """What a frame holds at first is nobody's, and a signal may overwrite what lies far below it."""
    text, one, other, local = _ALONE[name]
    assert isinstance(_verdict(make_pair, solver, text.format(one), text.format(other), (local,)), Unknown)
