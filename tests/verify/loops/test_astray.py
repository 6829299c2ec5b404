"""Callees in line go back where they were called from, or what comes of it is not said."""

from __future__ import annotations

import time

import pytest

from burnish.core.verdict import Proved, Unknown
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair

LIMIT_S = 20.0


def _read(original: str, rewrite: str) -> Pair:
    one, two = (
        read_input(f".globl f\n.type f, @function\nf:\n{text}\n", syntax="intel")
        for text in (original, rewrite)
    )
    found = read_pair(one, two, choose_functions(one, two, "f")[0], Overrides(("rax",)))
    assert not isinstance(found, Unknown), found
    return found.pair


SMASHED = (
    "push rbx\nmov ebx, edi\n1:\ncall g\ndec ebx\njne 1b\nmov eax, esi\npop rbx\nret\n.size f, .-f\n"
    ".type g, @function\ng:\n{}ret\n.size g, .-g"
)
IN_LINE = "push rbx\nmov ebx, edi\n1:\ndec ebx\njne 1b\nmov eax, esi\npop rbx\nret\n.size f, .-f"


@pytest.mark.parametrize(
    ("body", "holds"),
    [("nop\n", True), ("mov [rsp], rsi\n", False), ("mov [rsp + 8*rdx], rsi\n", False)],
)
def test_a_callee_that_returns_elsewhere_is_not_put_in_line(body: str, holds: bool, solver: Solver) -> None:
    pair = _read(SMASHED.format(body), IN_LINE)
    proof = prove_loops(pair, solver, time.monotonic() + LIMIT_S, ())
    assert isinstance(proof.verdict, Proved) == holds, proof.verdict
    if body.startswith("mov [rsp],"):
        assert "returns to another address" in str(proof.verdict)
