"""Calls of functions of their arguments alone are computations: they may move, be made once for twice, or left out. All
that such a call destroys is destroyed all the same."""

from __future__ import annotations

import pytest

from burnish.verify.solve import Solver

from ..texts import proved

ONCE = "push rbx\ncall labs\nmov rbx, rax\ncall rand\nlea rax, [rbx + rbx]\npop rbx\nret"
TWICE = (
    "push rbp\npush rbx\nsub rsp, 8\nmov rbp, rdi\ncall labs\nmov rbx, rax\ncall rand\nmov rdi, rbp\n"
    "call labs\nadd rax, rbx\nadd rsp, 8\npop rbx\npop rbp\nret"
)
LATER = "push rbx\nmov rbx, rdi\ncall rand\nmov rdi, rbx\ncall labs\nadd rax, rax\npop rbx\nret"
UNUSED = "push rbx\nmov rbx, rdi\nmov edi, 5\ncall abs\nmov rdi, rbx\ncall labs\nadd rax, rax\npop rbx\nret"
ALONE = "sub rsp, 8\ncall labs\nadd rax, rax\nadd rsp, 8\nret"
TAIL = "neg rdi\njmp labs"
NO_TAIL = "sub rsp, 8\nneg rdi\ncall labs\nadd rsp, 8\nret"
CHOSEN = "test esi, esi\nje 1f\nsub rsp, 8\ncall labs\nadd rsp, 8\nret\n1:\nmov rax, rsi\nret"
BEFORE = "push rbx\nmov rbx, rsi\ncall labs\ntest ebx, ebx\ncmove rax, rbx\npop rbx\nret"


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        (ONCE, TWICE),
        (TWICE, LATER),
        (LATER, ONCE),
        (UNUSED, ALONE),
        (ALONE, UNUSED),
        (TAIL, NO_TAIL),
        (NO_TAIL, TAIL),
        (CHOSEN, BEFORE),
        (BEFORE, CHOSEN),
    ],
)
def test_pure_calls_need_not_be_made_in_step(original: str, rewrite: str, solver: Solver) -> None:
    assert proved(original, rewrite, solver)


FRAME = "sub rsp, 8\ncall {}\nadd rsp, 8\nret"
KEPT = "push rbx\nmov rbx, rdx\ncall labs\nadd rax, rbx\npop rbx\nret"
BELOW = "mov [rsp - 24], rdx\nsub rsp, 8\ncall labs\nadd rsp, 8\nadd rax, [rsp - 24]\nret"


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        # Another argument, another function, other bits of the result.
        (FRAME.format("labs"), "sub rsp, 8\ninc rdi\ncall labs\nadd rsp, 8\nret"),
        (FRAME.format("labs"), FRAME.format("llabs")),
        ("sub rsp, 8\ncall abs\ncdqe\nadd rsp, 8\nret", FRAME.format("abs")),
        # What a call destroys: a register, what lies below the stack pointer.
        (KEPT, "sub rsp, 8\ncall labs\nadd rax, rdx\nadd rsp, 8\nret"),
        (KEPT, BELOW),
        (BELOW, KEPT),
        # A stack that is not aligned, on which the callee may fault.
        (FRAME.format("labs"), "call labs\nret"),
        (TAIL, "push rdi\nneg rdi\nadd rsp, 8\nsub rsp, 8\njmp labs"),
        # Calls that may do something.
        (ALONE, "push rbx\ncall labs\nlea rbx, [rax + rax]\ncall rand\nmov rax, rbx\npop rbx\nret"),
        (FRAME.format("strlen"), "mov rax, 0\nret"),
        (FRAME.format("rand"), "push rbx\ncall rand\nmov ebx, eax\ncall rand\npop rbx\nret"),
    ],
)
def test_what_differs_is_notproved(original: str, rewrite: str, solver: Solver) -> None:
    assert not proved(original, rewrite, solver)


def test_where_errno_lies_is_asked_for_at_any_time(solver: Solver) -> None:
    early = "push rbx\ncall __errno_location\nmov rbx, rax\ncall rand\nmov [rbx], eax\npop rbx\nret"
    late = (
        "push rbx\ncall rand\nmov ebx, eax\ncall __errno_location\nmov [rax], ebx\nmov eax, ebx\npop rbx\nret"
    )
    assert proved(early, late, solver, "rbx")
    assert not proved(early, late.replace("mov [rax], ebx", "mov [rax + 4], ebx"), solver, "rbx")
