"""Calls of the C library's memory and string functions against code in line that does the same, and that does not."""

from __future__ import annotations

import pytest

from burnish.core.verdict import Proved, Refuted, Unknown
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

from ..texts import LIMIT_S, pair_of_texts, proved

CALL = "sub rsp, 8\n{}\ncall {}\nadd rsp, 8\nret"
TEXT = '.section .rodata\nsaid: .asciz "off"\n'


def calls(name: str, before: str = "", data: str = "") -> str:
    """A function that prepares arguments and calls another."""
    return f"{CALL.format(before, name)}\n{data}"


COPY_8 = calls("memcpy", "mov edx, 8")
COPY_24 = calls("memcpy", "mov edx, 24")
COPIED_8 = "mov rax, [rsi]\nmov [rdi], rax\nmov rax, rdi\nret"
COPIED_24 = (
    "movups xmm0, [rsi]\nmovups [rdi], xmm0\nmov rax, [rsi + 16]\nmov [rdi + 16], rax\nmov rax, rdi\nret"
)
MOVED_24 = (
    "movups xmm0, [rsi]\nmov rax, [rsi + 16]\nmovups [rdi], xmm0\nmov [rdi + 16], rax\nmov rax, rdi\nret"
)
SET_6 = calls("memset", "mov esi, 7\nmov edx, 6")
IS_SET_6 = "mov dword ptr [rdi], 0x07070707\nmov word ptr [rdi + 4], 0x0707\nmov rax, rdi\nret"
SAME_8 = "sub rsp, 8\nmov edx, 8\ncall memcmp\ntest eax, eax\nsete al\nmovzx eax, al\nadd rsp, 8\nret"
IS_SAME_8 = "mov rax, [rsi]\ncmp rax, [rdi]\nsete al\nmovzx eax, al\nret"
BEFORE_4 = "sub rsp, 8\nmov edx, 4\ncall memcmp\nshr eax, 31\nadd rsp, 8\nret"
IS_BEFORE_4 = (
    "mov eax, [rdi]\nmov ecx, [rsi]\nbswap eax\nbswap ecx\ncmp eax, ecx\nsetb al\nmovzx eax, al\nret"
)
OFF = f"sub rsp, 8\nlea rsi, said[rip]\ncall strcmp\ntest eax, eax\nsete al\nmovzx eax, al\nadd rsp, 8\nret\n{TEXT}"
IS_OFF = (
    "xor eax, eax\ncmp byte ptr [rdi], 'o'\njne 1f\ncmp byte ptr [rdi + 1], 'f'\njne 1f\n"
    "cmp byte ptr [rdi + 2], 'f'\njne 1f\ncmp byte ptr [rdi + 3], 0\njne 1f\nmov eax, 1\n1:\nret"
)
BEGINS = OFF.replace("call strcmp", "mov edx, 2\ncall strncmp")
DOES_BEGIN = "xor eax, eax\ncmp byte ptr [rdi], 'o'\njne 1f\ncmp byte ptr [rdi + 1], 'f'\nsete al\n1:\nret"
PUT = f"sub rsp, 8\nlea rsi, said[rip]\ncall strcpy\nadd rsp, 8\nret\n{TEXT}"
IS_PUT = "mov dword ptr [rdi], 0x0066666f\nmov rax, rdi\nret"
LONG = f"sub rsp, 8\nlea rdi, said[rip]\ncall strlen\nadd rsp, 8\nret\n{TEXT}"
SWAP = (
    "sub rsp, 24\nmov [rsp], rdi\nmov [rsp + 8], rsi\nlea rdi, [rsp + 8]\nmov rsi, rsp\nmov edx, 8\ncall memcpy\n"
    "mov rax, [rsp + 8]\nadd rsp, 24\nret"
)

ALIKE = {
    "set": (SET_6, IS_SET_6),
    "same": (SAME_8, IS_SAME_8),
    "before": (BEFORE_4, IS_BEFORE_4),
    "text": (OFF, IS_OFF),
    "beginning": (BEGINS, DOES_BEGIN),
    "text put": (PUT, IS_PUT),
    "length": (LONG, "mov eax, 3\nret"),
    "moved": (calls("memmove", "mov edx, 24"), MOVED_24),
    "none": (calls("memcpy", "xor edx, edx"), "mov rax, rdi\nret"),
    "of the frame": (SWAP, "mov rax, rdi\nret"),
    "jump": ("mov edx, 6\nmov esi, 7\njmp memset", IS_SET_6),
}


@pytest.mark.parametrize("what", ALIKE)
def test_a_call_is_what_the_standard_says(what: str, solver: Solver) -> None:
    one, other = ALIKE[what]
    assert proved(one, other, solver)
    assert proved(other, one, solver)


OTHERS = {
    "another byte": (SET_6, IS_SET_6.replace("0x0707\n", "0x0708\n")),
    "one byte less": (SET_6, IS_SET_6.replace("word ptr [rdi + 4], 0x0707", "byte ptr [rdi + 4], 7")),
    "fewer bytes": (SAME_8, IS_SAME_8.replace("rax", "eax").replace("mov eax, [rsi]", "mov eax, [rsi]")),
    "from the other end": (BEFORE_4, IS_BEFORE_4.replace("bswap eax\nbswap ecx\n", "")),
    "signed bytes": (BEFORE_4, IS_BEFORE_4.replace("setb", "setl")),
    "without its end": (OFF, IS_OFF.replace("cmp byte ptr [rdi + 3], 0\njne 1f\n", "")),
    "one byte more": (BEGINS, IS_OFF),
    "its end left out": (
        PUT,
        IS_PUT.replace("mov dword ptr [rdi], 0x0066666f", "mov word ptr [rdi], 0x666f"),
    ),
    "counted with its end": (LONG, "mov eax, 4\nret"),
    "stored too early": (calls("memmove", "mov edx, 24"), COPIED_24),
    "another size": (COPY_24, COPIED_8),
    "the result": (COPY_8, COPIED_8.replace("mov rax, rdi\n", "mov rax, rsi\n")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_does_something_else_is_refuted(what: str) -> None:
    pair = pair_of_texts(*OTHERS[what])
    with StandardEngines(tests=256) as engines:
        assert isinstance(decide(pair, engines, LIMIT_S).verdict, Refuted)


def test_the_value_of_a_comparison_is_not_said(solver: Solver) -> None:
    """Only its sign is: libraries return differences of bytes, or 1."""
    whole = calls("memcmp", "mov edx, 1")
    assert proved(whole, whole, solver, "eax")
    assert not proved(
        whole, "movzx eax, byte ptr [rdi]\nmovzx ecx, byte ptr [rsi]\nsub eax, ecx\nret", solver, "eax"
    )
    odd = "sub rsp, 8\nmov edx, 1\ncall memcmp\nand eax, 1\nadd rsp, 8\nret"
    assert not proved(
        odd,
        "movzx eax, byte ptr [rdi]\nmovzx ecx, byte ptr [rsi]\ncmp eax, ecx\nseta al\nand eax, 1\nret",
        solver,
        "eax",
    )


def test_a_text_is_read_no_further_than_to_the_first_difference(solver: Solver) -> None:
    at_once = "xor eax, eax\ncmp dword ptr [rdi], 0x0066666f\nsete al\nret"
    assert proved(IS_OFF, OFF, solver)
    # The dword may lie in two pages, of which the second need not be there.
    assert not proved(OFF, at_once, solver)


@pytest.mark.parametrize(("call", "in_line"), [(COPY_8, COPIED_8), (COPY_24, COPIED_24)])
def test_what_a_copy_takes_for_granted_is_said(call: str, in_line: str, solver: Solver) -> None:
    found = prove(pair_of_texts(call, in_line), solver, timeout_s=LIMIT_S)
    assert isinstance(found.verdict, Proved)
    assert found.provisos == ("no objects overlap that the original copies with memcpy",)
    # Where the code in line says what happens then, the call does not.
    assert not proved(in_line, call, solver)


def test_copies_of_what_cannot_overlap_need_no_proviso(solver: Solver) -> None:
    found = prove(pair_of_texts(SWAP, "mov rax, rdi\nret"), solver, timeout_s=LIMIT_S)
    assert isinstance(found.verdict, Proved)
    assert not found.provisos


def test_an_input_on_which_a_copy_overlaps_refutes_nothing() -> None:
    """Of 24 bytes that begin 8 bytes on the copy in line makes something else than ``memmove`` does."""
    near = "lea rdi, [rsi + 8]\n"
    pair = pair_of_texts(f"{near}{COPY_24}", f"{near}{COPIED_24}")
    with StandardEngines(tests=256) as engines:
        found = decide(pair, engines, 4.0)
    assert isinstance(found.verdict, Unknown)


def test_sizes_that_are_not_known_are_calls_as_any_other(solver: Solver) -> None:
    copy = calls("memcpy")
    assert proved(copy, "sub rsp, 8\nnop\ncall memcpy\nadd rsp, 8\nret", solver)
    assert not proved(copy, "mov rax, rdi\nret", solver)


def test_a_function_of_the_file_is_not_the_librarys(solver: Solver) -> None:
    own = (
        ".size f, .-f\n.globl memset\n.type memset, @function\nmemset:\nlea rax, [rdi + 1]\nret\n"
        ".size memset, .-memset"
    )
    assert not proved(f"{SET_6}\n{own}", IS_SET_6, solver)
    assert proved(f"{SET_6}\n{own}", "lea rax, [rdi + 1]\nret", solver)


def test_bcmp_says_no_more_than_that_bytes_differ(solver: Solver) -> None:
    same = SAME_8.replace("memcmp", "bcmp")
    assert proved(same, IS_SAME_8, solver)
    assert proved(IS_SAME_8, same, solver)
    assert not proved(BEFORE_4.replace("memcmp", "bcmp"), IS_BEFORE_4, solver)


BELOW = {
    "read": (
        "mov [rsp - 16], rsi\nlea rsi, [rsp - 16]\nsub rsp, 8\nmov edx, 8\ncall memcpy\nadd rsp, 8\nret",
        "mov [rdi], rsi\nmov rax, rdi\nret",
    ),
    "read by what is jumped to": (
        "mov [rsp - 16], rsi\nlea rsi, [rsp - 16]\nmov edx, 8\njmp memcpy",
        "mov [rdi], rsi\nmov rax, rdi\nret",
    ),
    "its return address": (
        "sub rsp, 8\nlea rdi, [rsp - 8]\nxor esi, esi\nmov edx, 8\ncall memset\nadd rsp, 8\nmov eax, 1\nret",
        "mov eax, 1\nret",
    ),
    "compared": (
        "mov [rsp - 16], rsi\nlea rsi, [rsp - 16]\nsub rsp, 8\nmov edx, 8\ncall memcmp\nadd rsp, 8\n"
        "test eax, eax\nsete al\nmovzx eax, al\nret",
        "xor eax, eax\ncmp [rdi], rsi\nsete al\nret",
    ),
    "at an index": (
        "and edx, 8\nmov [rsp - 24], rsi\nmov [rsp - 16], rsi\nlea rsi, [rsp + rdx - 24]\nsub rsp, 8\n"
        "mov edx, 8\ncall memcpy\nadd rsp, 8\nret",
        "mov [rdi], rsi\nmov rax, rdi\nret",
    ),
}


@pytest.mark.parametrize("what", BELOW)
def test_what_lies_below_the_stack_pointer_is_the_callees(what: str, solver: Solver) -> None:
    """Its return address and its own frame."""
    one, other = BELOW[what]
    assert not proved(one, other, solver)
    assert not proved(other, one, solver)


GIVEN = (
    "push rbx\nsub rsp, 16\nmov rdi, rsp\ncall sink\ncall got\nmov rsi, rax\nmov rdi, rsp\nmov edx, 16\ncall {}\n"
    "mov rdi, rsp\ncall sink\nmovsx eax, byte ptr [rsp + 3]\nadd rsp, 16\npop rbx\nret"
)
NOT_GIVEN = (
    "push rbx\nsub rsp, 16\nmov rsi, rdi\nmov rdi, rsp\nmov edx, 16\ncall {}\nmov rdi, rsp\ncall sink\n"
    "movsx eax, byte ptr [rsp + 3]\nadd rsp, 16\npop rbx\nret"
)


def test_locals_that_others_know_may_be_what_they_point_to(solver: Solver) -> None:
    for one, other in (("memmove", "memcpy"), ("memcpy", "memmove")):
        assert proved(NOT_GIVEN.format(one), NOT_GIVEN.format(other), solver, "eax")
    assert proved(GIVEN.format("memcpy"), GIVEN.format("memmove"), solver, "eax")
    assert not proved(GIVEN.format("memmove"), GIVEN.format("memcpy"), solver, "eax")


def test_a_copy_in_the_rewrite_that_may_overlap_refutes_nothing() -> None:
    """Nobody says what the library does then: mostly what the code in line does."""
    in_line = "movups xmm0, [rsi]\nmovups [rdi], xmm0\nmov rax, rdi\nret"
    near = f"lea rdi, [rsi + 8]\n{in_line}", f"lea rdi, [rsi + 8]\n{calls('memcpy', 'mov edx, 16')}"
    with StandardEngines(tests=256) as engines:
        assert isinstance(decide(pair_of_texts(*near), engines, 4.0).verdict, Unknown)
        wrong = near[1].replace("[rsi + 8]", "[rsi + 32]")
        assert isinstance(decide(pair_of_texts(near[0], wrong), engines, 4.0).verdict, Refuted)
