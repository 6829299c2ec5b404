"""Callees that only one side calls, with loops of their own: a compiler made two of one, or one of two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from burnish.core.verdict import Bounded, Proved
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines

from .texts import pair_of_texts

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    with StandardEngines(tests=128) as made:
        yield made


CALLS = (
    "push rbx\nmov ebx, edx\ncall {0}\nadd eax, ebx\npop rbx\nret\n.size f, .-f\n.type {0}, @function\n{0}:\n"
)
SUM = "xor eax, eax\n1: test rsi, rsi\nje 2f\nadd eax, dword ptr [rdi]\nadd rdi, 4\ndec rsi\njmp 1b\n2: ret\n"
# The first test is made by the caller.
PART = (
    "xor eax, eax\ntest rsi, rsi\nje 3f\ncall part\n3: add eax, edx\nret\n.size f, .-f\n.type part, @function\npart:\n"
    "xor eax, eax\n1: add eax, dword ptr [rdi]\nlea rdi, [rdi + 4]\nsub rsi, 1\njne 1b\nret\n"
)


def _whole(text: str, name: str) -> str:
    return f"{text}.size {name}, .-{name}"


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        (_whole(CALLS.format("g") + SUM, "g"), _whole(CALLS.format("h") + SUM, "h")),
        (_whole(CALLS.format("g") + SUM, "g"), _whole(PART, "part")),
    ],
)
def test_the_same_loop_in_another_callee(original: str, rewrite: str, engines: StandardEngines) -> None:
    decision = decide(pair_of_texts(original, rewrite, "eax"), engines, LIMIT_S)
    assert isinstance(decision.verdict, Proved), decision.reason


def test_another_loop_is_another(engines: StandardEngines) -> None:
    original = _whole(CALLS.format("g") + SUM, "g")
    other = _whole(CALLS.format("h") + SUM.replace("add eax, dword", "sub eax, dword"), "h")
    decision = decide(pair_of_texts(original, other, "eax"), engines, LIMIT_S)
    assert not isinstance(decision.verdict, Proved | Bounded)
