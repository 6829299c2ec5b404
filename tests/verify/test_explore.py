"""Inputs that solvers make for the paths of both sides: they go where they were made for when they run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from burnish.verify.decide import Reached, TestResult
from burnish.verify.engines import StandardEngines

from .texts import pair_of_texts

SECONDS = 20.0


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    # One drawn input: what is reached is reached by what the solvers make.
    with StandardEngines(tests=1) as made:
        yield made


def _explored(original: str, rewrite: str, engines: StandardEngines) -> tuple[TestResult, Reached]:
    pair = pair_of_texts(original, rewrite, "eax")
    engines.test(pair, 0.0)
    return engines.explore(pair, SECONDS), engines.reached


HASHED = """
mov eax, edi
imul eax, eax, 0x9e3779b1
xor eax, esi
cmp eax, 0x1badb002
jne 1f
mov eax, 1
lea ecx, [rsi + 8*rdi]
cmp ecx, 0x31337
jne 1f
mov eax, {}
ret
1: xor eax, eax
ret
"""
# The sum of bytes up to a zero byte; a third branch for one word of four letters.
WORDS = """
xor eax, eax
1: movzx ecx, byte ptr [rdi]
test ecx, ecx
je 2f
rol eax, 7
add eax, ecx
inc rdi
jmp 1b
2: cmp eax, 0x{:x}
jne 3f
mov eax, {}
3: ret
"""
NAMED = "push rbx\nmov ebx, edi\ncall rand\ncmp eax, 0x1234567\njne 1f\nlea eax, [rbx + {}]\n1: pop rbx\nret"


def _rolled(word: bytes) -> int:
    total = 0
    for letter in word:
        total = ((total << 7 | total >> 25) & 0xFFFFFFFF) + letter & 0xFFFFFFFF
    return total


SUM = _rolled(b"xyzw")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (HASHED.format(7), HASHED.format(8)),
        (WORDS.format(SUM, 1), WORDS.format(SUM, 2)),
        (NAMED.format(1), NAMED.format(2)),
    ],
)
def test_all_that_can_be_reached_is(text: str, wrong: str, engines: StandardEngines) -> None:
    result, reached = _explored(text, text, engines)
    assert result.counterexample is None and result.tested >= 2
    assert reached[0][0] == reached[0][1] == reached[1][0] == reached[1][1]
    result, _ = _explored(text, wrong, engines)
    assert result.counterexample is not None


def test_the_paths_of_the_rewrite_count_too(engines: StandardEngines) -> None:
    plain = "xor eax, eax\nret"
    result, reached = _explored(plain, HASHED.format(0).replace("mov eax, 1\n", ""), engines)
    assert result.counterexample is None and reached == ((1, 1), (4, 4))
    result, _ = _explored(plain, HASHED.format(5), engines)
    assert result.counterexample is not None


def test_the_time_is_kept(engines: StandardEngines) -> None:
    pair = pair_of_texts(WORDS.format(SUM, 1), WORDS.format(SUM, 1), "eax")
    engines.test(pair, 0.0)
    start = time.monotonic()
    engines.explore(pair, 0.3)
    assert time.monotonic() - start < 2
