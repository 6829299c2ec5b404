"""Functions that are compared by their address, and called by it."""

from __future__ import annotations

import pytest

from burnish.core.verdict import Refuted
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines

from ..texts import pair_of_texts

OWN = ".size f, .-f\n.type own, @function\nown:\nlea rax, [rdi + 2 * rdi]\nret\n.size own, .-own"


@pytest.mark.parametrize(("called", "code"), [("other", ""), ("labs", ""), ("own", OWN)])
def test_no_input_refutes_that_a_function_is_called_by_its_address(called: str, code: str) -> None:
    guarded = f"mov rax, rdi\nmov rdi, rsi\nlea rcx, {called}[rip]\ncmp rax, rcx\njne 1f\njmp {called}\n1: jmp rax\n"
    plain = f"mov rax, rdi\nmov rdi, rsi\nlea rcx, {called}[rip]\njmp rax\n"
    with StandardEngines(tests=64) as engines:
        found = decide(pair_of_texts(guarded + code, plain + code), engines, 4.0)
    assert not isinstance(found.verdict, Refuted)
