"""Wrong rewrites differ on an input that can be replayed, of which a reader sees little but what matters."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Counterexample
from burnish.verify.pair import Pair
from burnish.verify.trials import Bench, PreparedOriginal, minimised, replay

EAX = Specification((LiveOut("rax", 4),), source="prototype")
RAX = Specification((LiveOut("rax", 8),), source="prototype")
NOTHING = Specification((), source="prototype")

WRONG = {
    "another operation": ("mov eax, edi; add eax, esi; ret", "mov eax, edi; sub eax, esi; ret", EAX),
    "a constant off by one": ("lea eax, [rdi + 1000]; ret", "lea eax, [rdi + 1001]; ret", EAX),
    "a bit of 32": ("bswap edi; mov eax, edi; ret", "bswap edi; mov eax, edi; and eax, 0x7fffffff; ret", EAX),
    "sign instead of zero": ("mov eax, edi; ret", "movsxd rax, edi; ret", RAX),
    "a load beside": ("mov eax, [rdi]; ret", "mov eax, [rdi + 4]; ret", EAX),
    "a narrower store": ("mov [rdi], esi; ret", "mov [rdi], si; ret", NOTHING),
    "a wider store": ("mov [rdi], esi; ret", "mov [rdi], rsi; ret", NOTHING),
    "no store": ("mov [rdi], esi; mov eax, esi; ret", "mov eax, esi; ret", EAX),
    "a store to the caller's frame": ("ret", "mov qword ptr [rsp + 16], 0; ret", NOTHING),
    "a kept register": ("mov eax, edi; ret", "mov ebx, edi; mov eax, ebx; ret", EAX),
    "half of a kept register": ("mov eax, edi; ret", "mov r12d, r12d; mov eax, edi; ret", EAX),
    "an access beyond": ("mov eax, edi; ret", "mov eax, edi; mov rcx, [rdi]; ret", EAX),
    "a division": ("xor eax, eax; ret", "mov eax, edi; cdq; idiv esi; xor eax, eax; ret", EAX),
    "an endless loop": ("mov eax, edi; ret", "mov eax, edi; 1: jmp 1b", EAX),
    "an uninitialised register": ("xor eax, eax; ret", "mov eax, r11d; ret", EAX),
    "an uninitialised word": ("xor eax, eax; ret", "mov eax, [rsp - 8]; ret", EAX),
    "a flag at entry": ("xor eax, eax; ret", "mov eax, 0; setc al; ret", EAX),
    "a deleted branch": (
        "xor eax, eax; cmp byte ptr [rdi], 0x2e; je 1f; ret; 1: movzx eax, byte ptr [rdi + 1]; ret",
        "xor eax, eax; cmp byte ptr [rdi], 0x2e; je 1f; 1: ret",
        EAX,
    ),
    "a rare constant": (
        "xor eax, eax; cmp edi, 0x12345678; sete al; ret",
        "xor eax, eax; ret",
        EAX,
    ),
    "right for eight steps": (
        "popcnt eax, edi; ret",
        "xor eax, eax; mov ecx, 8; 1: mov edx, edi; and edx, 1; add eax, edx; shr edi; dec ecx; jnz 1b; ret",
        EAX,
    ),
    "overlapping memory": (
        "mov eax, [rsi]; mov [rdi], eax; mov eax, [rsi + 4]; mov [rdi + 4], eax; ret",
        "mov rax, [rsi]; mov [rdi], rax; ret",
        NOTHING,
    ),
    "an undefined count of zeros": ("tzcnt eax, edi; ret", "bsf eax, edi; ret", EAX),
    "signed for unsigned": (
        "xor eax, eax; cmp edi, esi; setb al; ret", "xor eax, eax; cmp edi, esi; setl al; ret", EAX,
    ),
    "swapped arguments": ("mov eax, edi; sub eax, esi; ret", "mov eax, esi; sub eax, edi; ret", EAX),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rewrite_has_a_counterexample(
    assembled: Callable[..., Pair], bench: Bench, name: str
) -> None:
    first, second, specification = WRONG[name]
    pair = assembled(first.replace("; ", "\n"), second.replace("; ", "\n"), specification)
    original = PreparedOriginal.prepare(
        pair.original, specification, bench, count=300, rewrites=[pair.rewrite]
    )
    found = original.test(pair.rewrite, bench).counterexample
    assert found is not None
    again = Counterexample.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert replay(pair, again, bench)
    assert not replay(Pair(pair.original, pair.original, specification), again, bench)


def test_a_counterexample_is_made_simple(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("mov eax, [rdi]\nadd eax, esi\nret", "mov eax, [rdi]\nsub eax, esi\nret", EAX)
    found = PreparedOriginal.prepare(pair.original, EAX, bench).test(pair.rewrite, bench).counterexample
    assert found is not None
    simple = minimised(pair, found, bench, seconds=10)
    shown = {name for name, value in simple.registers.items() if value}
    assert shown == {"rdi", "rsi", "rsp", "mxcsr"}
    assert not any(any(region.data) for region in simple.memory)
    assert replay(pair, simple, bench)


def test_an_input_on_which_both_stop_is_no_evidence(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("ud2", "ud2", EAX)
    trials = PreparedOriginal.prepare(pair.original, EAX, bench).test(pair.rewrite, bench)
    assert trials.tested == 0
    assert trials.void > 0
    assert "does not return" in trials.reason


def test_results_that_depend_on_what_was_left_are_no_evidence(
    assembled: Callable[..., Pair], bench: Bench
) -> None:
    pair = assembled("mov eax, r11d\nret", "mov eax, r10d\nret", EAX)
    trials = PreparedOriginal.prepare(pair.original, EAX, bench).test(pair.rewrite, bench)
    assert trials.tested == 0
    assert trials.counterexample is None


def test_memory_is_not_compared_if_it_is_not_wanted(assembled: Callable[..., Pair], bench: Bench) -> None:
    specification = Specification(EAX.live_outs, memory=False)
    pair = assembled("mov [rdi], esi\nmov eax, esi\nret", "mov eax, esi\nret", specification)
    trials = PreparedOriginal.prepare(pair.original, specification, bench).test(pair.rewrite, bench)
    assert trials.counterexample is None
    assert trials.tested > 100
