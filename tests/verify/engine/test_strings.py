"""String instructions that repeat, as nobody knows how often: both sides make one in step, with the same operands."""

from __future__ import annotations

import pytest

from burnish.verify.solve import Solver

from ..texts import proved

FILL = "mov rcx, rsi\nxor eax, eax\nrep stosq\nmov rax, rdi\nret"
FILL_AGAIN = "mov rcx, rsi\nlea rdx, [rdi + 8*rsi]\nxor eax, eax\nrep stosq\nmov rax, rdx\nret"
COPY = "mov rcx, rdx\nrep movsb\nmov rax, rsi\nsub rax, rdi\nret"
COPY_AGAIN = "mov rax, rsi\nsub rax, rdi\nmov rcx, rdx\nrep movsb\nret"
ODD = "mov eax, dword ptr [rdi]\nmov ecx, esi\nrep stosd\nmov eax, dword ptr [rdi]\nadd eax, ecx\nret"
ODD_AGAIN = "mov ecx, esi\nmov eax, dword ptr [rdi]\nrep stosd\nmov eax, dword ptr [rdi]\nret"
STACKED = "push rbx\nmov rbx, rdx\nmov rcx, rsi\nxor eax, eax\nrep stosq\nmov rax, rbx\npop rbx\nret"
UNSTACKED = "mov rcx, rsi\nxor eax, eax\nrep stosq\nmov rax, rdx\nret"
BIG = "mov ecx, 0x400\nrep movsq\nmov rax, rdi\nret"
BIG_AGAIN = "lea rax, [rdi + 0x2000]\nmov ecx, 0x400\nrep movsq\nret"


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        (FILL, FILL_AGAIN),
        (FILL_AGAIN, FILL),
        (COPY, COPY_AGAIN),
        (ODD, ODD_AGAIN),
        (BIG, BIG_AGAIN),
        (STACKED, STACKED.replace("push rbx", "push rbx\nlea rax, [rdi]")),
        (UNSTACKED, UNSTACKED.replace("xor eax, eax", "mov eax, 0")),
    ],
)
def test_the_same_operands_leave_the_same_memory(original: str, rewrite: str, solver: Solver) -> None:
    assert proved(original, rewrite, solver)


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        # Another count, value, place, source, size of elements, kind.
        (FILL, FILL.replace("mov rcx, rsi", "lea rcx, [rsi + 1]")),
        (FILL, FILL.replace("mov rcx, rsi", "mov ecx, esi")),
        (FILL, FILL.replace("xor eax, eax", "mov eax, 1")),
        (FILL, FILL.replace("xor eax, eax", "xor eax, eax\nadd rdi, 8")),
        (COPY, COPY.replace("rep movsb", "inc rsi\nrep movsb")),
        (COPY, COPY.replace("movsb", "movsw")),
        (COPY, COPY.replace("movsb", "stosb")),
        # Not made, or made where the other does not, or twice.
        (FILL, "mov rax, rdi\nlea rax, [rax + 8*rsi]\nret"),
        ("lea rax, [rdi + 8*rsi]\nret", FILL),
        (FILL, FILL.replace("mov rax, rdi", "mov rcx, rsi\nrep stosq\nmov rax, rdi")),
        # Other memory before, or behind.
        (FILL, "mov dword ptr [rdx], 1\n" + FILL),
        (FILL, FILL.replace("ret", "mov dword ptr [rdx], 1\nret")),
        ("mov dword ptr [rdx], 1\n" + FILL, FILL.replace("ret", "mov dword ptr [rdx], 1\nret")),
        # What was loaded before it is not what is there behind it.
        (
            ODD,
            "mov edx, dword ptr [rdi + 4]\nmov ecx, esi\nmov eax, dword ptr [rdi]\nrep stosd\nmov eax, edx\nret",
        ),
        # Registers behind it.
        (FILL, FILL.replace("mov rax, rdi", "lea rax, [rdi + rcx + 1]")),
        (COPY, COPY.replace("sub rax, rdi", "sub rax, rdi\nadd rax, rdx")),
    ],
)
def test_what_differs_is_notproved(original: str, rewrite: str, solver: Solver) -> None:
    assert not proved(original, rewrite, solver)


def test_in_the_frame_it_has_no_meaning(solver: Solver) -> None:
    text = "sub rsp, 72\nmov rdi, rsp\nmov rcx, rsi\nxor eax, eax\nrep stosb\nmov rax, [rsp + 8]\nadd rsp, 72\nret"
    other = text.replace("72", "88")
    assert not proved(text, other, solver)
    assert not proved(text, text, solver)


def test_memory_counts_though_it_is_not_compared_at_the_end(solver: Solver) -> None:
    """What is copied is looked at afterwards."""
    body = "mov rcx, rdx\nrep movsb\nmov rax, [r8]\nret"
    first, second = (f"mov byte ptr [rsi], {number}\n{body}" for number in (1, 2))
    assert not proved(first, second, solver, memory=False)
    assert not proved(first, body, solver, memory=False)
