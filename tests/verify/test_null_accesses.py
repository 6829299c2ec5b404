"""Accesses where nothing is ever mapped, as compilers make them of null pointers: they fault, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from burnish.core.verdict import Bounded, Proved, Verdict
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines

from .texts import pair_of_texts, pair_or_reason

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    with StandardEngines(tests=128) as made:
        yield made


def _verdict(original: str, rewrite: str, engines: StandardEngines) -> Verdict:
    return decide(pair_of_texts(original, rewrite), engines, LIMIT_S).verdict


CHECKED = "mov eax, edi\ntest edi, edi\njs 1f\nret\n1:\nmov qword ptr [0x8], rsi\nud2"
BY_POINTER = "mov eax, edi\ntest edi, edi\njs 1f\nret\n1:\nxor edx, edx\nmov qword ptr [rdx + 8], rsi\nud2"
READ = "mov eax, edi\ntest edi, edi\njns 1f\nmov rax, qword ptr [0x10]\n1:\nret"
PLAIN = "mov eax, edi\nret"


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [(CHECKED, CHECKED), (CHECKED, BY_POINTER), (BY_POINTER, CHECKED), (CHECKED, PLAIN), (READ, PLAIN)],
)
def test_where_the_original_faults_the_rewrite_may_do_anything(
    original: str, rewrite: str, engines: StandardEngines
) -> None:
    assert isinstance(_verdict(original, rewrite, engines), Proved)


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        (PLAIN, CHECKED),
        (PLAIN, READ),
        (CHECKED, "mov eax, edi\ntest edi, edi\njns 1f\nret\n1:\nmov qword ptr [0x8], rsi\nud2"),
        (READ, "mov eax, edi\nmov rdx, qword ptr [0x10]\nret"),
        (CHECKED, "lea eax, [rdi + 1]\nret"),
    ],
)
def test_a_rewrite_faults_only_where_the_original_does(
    original: str, rewrite: str, engines: StandardEngines
) -> None:
    assert not isinstance(_verdict(original, rewrite, engines), Proved | Bounded)


def test_addresses_at_which_something_may_be_are_refused() -> None:
    found = pair_or_reason("mov rax, qword ptr [0x1000]\nret", "mov rax, qword ptr [0x1000]\nret")
    assert isinstance(found, str) and "0x1000 as an address" in found


def test_a_number_that_the_linker_changes_is_no_null_pointer() -> None:
    text = "mov rax, qword ptr [thing]\nret\n.section .data\nthing: .quad 1"
    found = pair_or_reason(text, text)
    assert isinstance(found, str) and "absolute address" in found
