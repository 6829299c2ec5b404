"""Functions that compute with floating-point numbers: what compilers make of them is proved, what only looks alike is
refuted with an input on which the processor differs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from burnish.core.verdict import Proved, Refuted, Unknown
from burnish.verify.decide import Decision, decide
from burnish.verify.engines import StandardEngines

from .texts import pair_of_texts

LIMIT_S = 60.0
DATA = """
.section .rodata
.p2align 4
sign: .quad 0x8000000000000000, 0
two: .double 2.0
half: .double 0.5
halff: .float 0.5
twof: .float 2.0
eighth: .float 0.125
four: .float 4.0
zero: .double 0.0
"""


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    with StandardEngines(tests=128) as made:
        yield made


def _decided(original: str, rewrite: str, engines: StandardEngines, *live_out: str) -> Decision:
    return decide(pair_of_texts(original + DATA, rewrite + DATA, *live_out), engines, LIMIT_S)


@pytest.mark.parametrize(
    ("original", "rewrite", "live_out"),
    [
        ("addsd xmm0, xmm0\nret", "mulsd xmm0, qword ptr [rip + two]\nret", "xmm0"),
        ("divss xmm0, dword ptr [rip + twof]\nret", "mulss xmm0, dword ptr [rip + halff]\nret", "xmm0"),
        ("cvtsi2sd xmm0, edi\ncvttsd2si eax, xmm0\nret", "mov eax, edi\nret", "eax"),
        # A condition on a computed number, and the same in memory.
        (
            "xor eax, eax\naddss xmm0, xmm0\ncomiss xmm0, xmm1\nja 1f\nret\n1: inc eax\nret",
            "xor eax, eax\nmulss xmm0, dword ptr [rip + twof]\nucomiss xmm0, xmm1\nseta al\nret",
            "eax",
        ),
        (
            "movss xmm1, dword ptr [rdi]\nmulss xmm1, dword ptr [rip + four]\nmovss [rsi], xmm1\n"
            "divss xmm1, dword ptr [rip + twof]\nmovss [rdi + 4], xmm1\nret",
            "movss xmm1, dword ptr [rdi]\nmulss xmm1, dword ptr [rip + four]\nmovss [rsi], xmm1\n"
            "mulss xmm1, dword ptr [rip + halff]\nmovss [rdi + 4], xmm1\nret",
            "rsp",
        ),
    ],
)
def test_the_same_numbers_are_proved(
    original: str, rewrite: str, live_out: str, engines: StandardEngines
) -> None:
    decision = _decided(original, rewrite, engines, live_out)
    assert isinstance(decision.verdict, Proved) and not decision.provisos, decision.reason


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        # Only for -0.0; only for both zero; only for an odd denormal number; only where it overflows.
        ("addsd xmm0, qword ptr [rip + zero]\nret", "ret"),
        (
            "subsd xmm0, xmm1\nxorpd xmm0, xmmword ptr [rip + sign]\nret",
            "xorpd xmm0, xmmword ptr [rip + sign]\naddsd xmm0, xmm1\nret",
        ),
        (
            "mulss xmm0, dword ptr [rip + halff]\nmulss xmm0, dword ptr [rip + twof]\nret",
            "addss xmm0, dword ptr [rip + zero]\nret",
        ),
        (
            "mulss xmm0, dword ptr [rip + four]\nmulss xmm0, dword ptr [rip + eighth]\nret",
            "mulss xmm0, dword ptr [rip + halff]\nret",
        ),
    ],
)
def test_what_only_looks_alike_is_refuted(original: str, rewrite: str, engines: StandardEngines) -> None:
    decision = _decided(original, rewrite, engines, "xmm0:8")
    assert isinstance(decision.verdict, Refuted), decision.reason


TURNED = "{0}sd xmm1, xmm0\nmovapd xmm0, xmm1\nret"


def test_which_of_two_nans_comes_out_is_seen(engines: StandardEngines) -> None:
    # Tests take any NaN for another, so that nothing is refuted either.
    decision = _decided("mulsd xmm0, xmm1\nret", TURNED.format("mul"), engines, "xmm0:8")
    assert isinstance(decision.verdict, Unknown)
    decision = _decided("divsd xmm0, xmm1\nret", TURNED.format("div"), engines, "xmm0:8")
    assert isinstance(decision.verdict, Refuted)
    # What comes from an integer is no NaN.
    integer = "cvtsi2sd xmm1, edi\n"
    decision = _decided(f"{integer}mulsd xmm0, xmm1\nret", integer + TURNED.format("mul"), engines, "xmm0:8")
    assert isinstance(decision.verdict, Proved)


def test_a_sum_that_only_the_rewrite_makes_counts(engines: StandardEngines) -> None:
    # It gives another result where both arguments are NaNs, and no two are the same.
    rewrite = (
        "movd esi, xmm0\nmovd edi, xmm1\nmovaps xmm2, xmm1\naddss xmm2, xmm0\nmovd eax, xmm2\nand eax, 0x7fffffff\n"
        "cmp eax, 0x7f800000\njbe 1f\nucomiss xmm0, xmm0\njnp 1f\nucomiss xmm1, xmm1\njnp 1f\ncmp esi, edi\nje 1f\n"
        "xorps xmm0, xmm0\nret\n1: movaps xmm0, xmm1\nret"
    )
    decision = _decided("movaps xmm0, xmm1\nret", rewrite, engines, "xmm0:4")
    assert isinstance(decision.verdict, Refuted)
