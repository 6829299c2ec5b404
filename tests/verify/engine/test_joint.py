"""Proofs of functions without loops: what is equal is proved, what is not is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.build import FALSE, const, extract, ne, var
from burnish.domains.smt.terms import Term
from burnish.verify.engine.joint import Proof, Prover
from burnish.verify.pair import Callee, Pair
from burnish.verify.prove import prove as prove_pair
from burnish.verify.solve import Solver

EAX = Specification((LiveOut("rax", 4),), source="option")
XMM0 = Specification((LiveOut("xmm0", 8),), source="option")
NOTHING = Specification((), source="option")
TWO = {"g": Callee("g", (("rdi", 4), ("rsi", 4)), (("rax", 4),), stack_bytes=0)}


@dataclass(frozen=True)
class Proving:
    """Proves texts."""

    make_pair: Callable[..., Pair]
    solver: Solver

    def __call__(
        self,
        original: str,
        rewrite: str,
        specification: Specification = EAX,
        callees: dict[str, Callee] | None = None,
        *,
        assumed: Sequence[Term] = (),
        joining: bool = True,
    ) -> Proof:
        subject = self.make_pair(original, rewrite, specification, callees)
        return Prover(subject, self.solver, time.monotonic() + 20, assumed, joining).prove()


@pytest.fixture
def prove(make_pair: Callable[..., Pair], solver: Solver) -> Proving:
    return Proving(make_pair, solver)


EQUAL = {
    "add and lea": ("mov eax, edi\nadd eax, esi\nret", "lea eax, [rdi+rsi]\nret", EAX),
    "through the frame": (
        "push rbp\nmov rbp, rsp\nmov [rbp-4], edi\nmov eax, [rbp-4]\nimul eax, eax, 5\npop rbp\nret",
        "lea eax, [rdi+rdi*4]\nret",
        EAX,
    ),
    "an aligned frame": (
        "push rbp\nmov rbp, rsp\nsub rsp, 40\nand rsp, -16\nmov [rsp], edi\nmov eax, [rsp]\nleave\nret",
        "mov eax, edi\nret",
        EAX,
    ),
    "branch and cmov": (
        "cmp edi, esi\njl 1f\nmov eax, edi\nret\n1: mov eax, esi\nret",
        "cmp edi, esi\nmov eax, esi\ncmovge eax, edi\nret",
        EAX,
    ),
    "a result that is defined there": (
        "mov eax, 32\ntest edi, edi\nje 1f\nbsf eax, edi\n1: ret",
        "bsf ecx, edi\nmov eax, 32\ncmovnz eax, ecx\nret",
        EAX,
    ),
    "callee-saved": ("push rbx\nmov ebx, edi\nlea eax, [rbx+1]\npop rbx\nret", "lea eax, [rdi+1]\nret", EAX),
    "stores in either order, apart": (
        "mov dword ptr [rdi], 1\nmov dword ptr [rdi+4], 2\nret",
        "mov dword ptr [rdi+4], 2\nmov dword ptr [rdi], 1\nret",
        NOTHING,
    ),
    "reload after a store that may alias": (
        "mov dword ptr [rdi], 3\nmov dword ptr [rsi], 4\nmov eax, [rdi]\nret",
        "mov dword ptr [rdi], 3\nmov dword ptr [rsi], 4\nmov eax, 3\nmov ecx, 4\ncmp rdi, rsi\n"
        "cmove eax, ecx\nmov eax, [rdi]\nret",
        EAX,
    ),
    "bytes of one word": (
        "movzx eax, word ptr [rdi]\nret",
        "movzx eax, byte ptr [rdi]\nmovzx ecx, byte ptr [rdi+1]\nshl ecx, 8\nor eax, ecx\nret",
        EAX,
    ),
    "division": ("mov eax, edi\ncdq\nidiv esi\nret", "mov eax, edi\ncdq\nidiv esi\nmov ecx, eax\nret", EAX),
    "a product with a number, in either order": (
        "mov eax, 0x3fe00000\nshl rax, 32\nmovq xmm1, rax\nmulsd xmm0, xmm1\nret",
        "mov eax, 0x3fe00000\nshl rax, 32\nmovq xmm1, rax\nmulsd xmm1, xmm0\nmovaps xmm0, xmm1\nret",
        XMM0,
    ),
    "a sum with an integer, in either order": (
        "cvtsi2sd xmm1, edi\naddsd xmm0, xmm1\nret",
        "cvtsi2sd xmm1, edi\naddsd xmm1, xmm0\nmovaps xmm0, xmm1\nret",
        XMM0,
    ),
    "an argument on the stack": (
        "mov eax, [rsp+8]\nadd eax, eax\nret",
        "mov eax, [rsp+8]\nshl eax, 1\nret",
        Specification((LiveOut("rax", 4),), stack_bytes=8),
    ),
    "reads beside, in the same page": (
        "movzx eax, byte ptr [rdi]\nret",
        "mov rax, rdi\nand rax, -8\n"
        "mov rax, [rax]\nmov ecx, edi\nand ecx, 7\nshl ecx, 3\nshr rax, cl\nmovzx eax, al\nret",
        EAX,
    ),
}

DIFFERENT = {
    "a product of what may be two NaNs, in another order": (
        "mulsd xmm0, xmm1\nret",
        "mulsd xmm1, xmm0\nmovaps xmm0, xmm1\nret",
        XMM0,
    ),
    "a product with a NaN, in another order": (
        "mov eax, 0x7ff80001\nshl rax, 32\nmovq xmm1, rax\nmulsd xmm0, xmm1\nret",
        "mov eax, 0x7ff80001\nshl rax, 32\nmovq xmm1, rax\nmulsd xmm1, xmm0\nmovaps xmm0, xmm1\nret",
        XMM0,
    ),
    "a difference in another order": (
        "cvtsi2sd xmm1, edi\nsubsd xmm0, xmm1\nret",
        "cvtsi2sd xmm1, edi\nsubsd xmm1, xmm0\nmovaps xmm0, xmm1\nret",
        XMM0,
    ),
    "where the stack lies high": (
        "mov eax, [rdi]\nret",
        "movabs rcx, 0x7fffffe00100\nmov eax, [rdi]\ncmp rsp, rcx\njb 1f\ninc eax\n1: ret",
        EAX,
    ),
    "another constant": ("lea eax, [rdi+1]\nret", "lea eax, [rdi+2]\nret", EAX),
    "only for one input": (
        "mov eax, edi\nret",
        "mov eax, edi\ncmp edi, 0x12345678\njne 1f\ninc eax\n1: ret",
        EAX,
    ),
    "upper half": (
        "mov eax, edi\nret",
        "mov rax, rdi\nret",
        Specification((LiveOut("rax", 8),)),
    ),
    "a clobbered callee-saved register": (
        "lea eax, [rdi+1]\nret",
        "lea ebx, [rdi+1]\nmov eax, ebx\nret",
        EAX,
    ),
    "on one path only": (
        "mov eax, edi\nret",
        "mov eax, edi\ncmp edi, 7\njne 1f\nxor ebp, ebp\n1: ret",
        EAX,
    ),
    "stack pointer": (
        "mov eax, edi\nret",
        "mov eax, edi\nmov rcx, [rsp]\nsub rsp, 8\nmov [rsp], rcx\nret",
        EAX,
    ),
    "return address": ("mov eax, edi\nret", "mov eax, edi\nmov [rsp], rdi\nret", EAX),
    "a missing store": ("mov dword ptr [rdi], 1\nret", "ret", NOTHING),
    "an additional store": ("ret", "mov byte ptr [rdi], 0\nret", NOTHING),
    "an additional store of what is there": ("ret", "mov al, [rdi]\nmov [rdi], al\nret", NOTHING),
    "an additional load": ("mov eax, 1\nret", "mov eax, [rdi]\nmov eax, 1\nret", EAX),
    "a load from the next page perhaps": (
        "movzx eax, byte ptr [rdi]\nret",
        "mov eax, [rdi]\nmovzx eax, al\nret",
        EAX,
    ),
    "a division that may fault": (
        "mov eax, 1\nret",
        "xor edx, edx\nmov eax, 1\ndiv edi\nmov eax, 1\nret",
        EAX,
    ),
    "stores in another order that may alias": (
        "mov dword ptr [rdi], 1\nmov dword ptr [rsi], 2\nret",
        "mov dword ptr [rsi], 2\nmov dword ptr [rdi], 1\nret",
        NOTHING,
    ),
    "an aligned access": (
        "movups xmm0, [rdi]\nmovups [rsi], xmm0\nret",
        "movaps xmm0, [rdi]\nmovups [rsi], xmm0\nret",
        NOTHING,
    ),
    "undefined flags": (
        "mov eax, edi\nimul eax, esi\nsetz al\nmovzx eax, al\nret",
        "mov eax, edi\nimul eax, esi\nsetz al\nmovzx eax, al\nret",
        EAX,
    ),
    "an undefined result": ("mov eax, esi\nbsf eax, edi\nret", "mov eax, esi\nbsf eax, edi\nret", EAX),
    "an undefined result that is taken to be kept": (
        "mov eax, 32\ntest edi, edi\nje 1f\nbsf eax, edi\n1: ret",
        "mov eax, 32\nbsf eax, edi\nret",
        EAX,
    ),
    "uninitialised stack": ("xor eax, eax\nret", "mov eax, [rsp-8]\nand eax, 0\nor eax, [rsp-16]\nret", EAX),
    "below the red zone": (
        "mov eax, edi\nret",
        "mov [rsp-200], edi\nmov eax, [rsp-200]\nret",
        EAX,
    ),
    "the original always faults": ("ud2", "mov eax, 1\nret", EAX),
}

CALLS_EQUAL = {
    "call and return, jump": ("sub rsp, 8\ncall g@PLT\nadd rsp, 8\nret", "jmp g@PLT"),
    "arguments by another way": (
        "sub rsp, 8\nmov eax, edi\nmov edi, esi\nmov esi, eax\ncall g@PLT\nadd rsp, 8\ninc eax\nret",
        "sub rsp, 24\nxchg edi, esi\ncall g@PLT\nadd eax, 1\nadd rsp, 24\nret",
    ),
    "kept over a call": (
        "push rbx\nmov ebx, edi\ncall g@PLT\nadd eax, ebx\npop rbx\nret",
        "sub rsp, 24\nmov [rsp+12], edi\ncall g@PLT\nadd eax, [rsp+12]\nadd rsp, 24\nret",
    ),
}

CALLS_DIFFERENT = {
    "deleted": ("sub rsp, 8\ncall g@PLT\nadd rsp, 8\nxor eax, eax\nret", "xor eax, eax\nret"),
    "swapped arguments": ("jmp g@PLT", "xchg edi, esi\njmp g@PLT"),
    "another function": ("jmp g@PLT", "jmp h@PLT"),
    "stack not aligned": ("sub rsp, 8\ncall g@PLT\nadd rsp, 8\nret", "call g@PLT\nret"),
    "kept where the callee may write": (
        "push rbx\nmov ebx, edi\ncall g@PLT\nadd eax, ebx\npop rbx\nret",
        "sub rsp, 8\nmov [rsp-16], edi\ncall g@PLT\nadd eax, [rsp-16]\nadd rsp, 8\nret",
    ),
    "kept in a register that it may change": (
        "push rbx\nmov ebx, edi\ncall g@PLT\nadd eax, ebx\npop rbx\nret",
        "sub rsp, 8\nmov r10d, edi\ncall g@PLT\nadd eax, r10d\nadd rsp, 8\nret",
    ),
    "twice": (
        "sub rsp, 8\ncall g@PLT\nadd rsp, 8\nret",
        "push rbx\npush r12\npush r13\nmov ebx, edi\nmov r12d, esi\ncall g@PLT\nmov edi, ebx\nmov esi, r12d\n"
        "call g@PLT\npop r13\npop r12\npop rbx\nret",
    ),
}


@pytest.mark.parametrize("joining", [True, False])
@pytest.mark.parametrize("name", EQUAL)
def test_equal_functions_are_proved(prove: Proving, name: str, joining: bool) -> None:
    assert prove(*EQUAL[name], joining=joining).verdict == Proved()


@pytest.mark.parametrize("joining", [True, False])
@pytest.mark.parametrize("name", DIFFERENT)
def test_different_functions_are_not_proved(prove: Proving, name: str, joining: bool) -> None:
    assert isinstance(prove(*DIFFERENT[name], joining=joining).verdict, Unknown)


@pytest.mark.parametrize("name", CALLS_EQUAL)
def test_equal_calls_are_proved(prove: Proving, name: str) -> None:
    assert prove(*CALLS_EQUAL[name], EAX, TWO).verdict == Proved()


@pytest.mark.parametrize("name", CALLS_DIFFERENT)
def test_different_calls_are_not_proved(prove: Proving, name: str) -> None:
    assert isinstance(prove(*CALLS_DIFFERENT[name], EAX, TWO).verdict, Unknown)


def test_a_model_says_on_which_input_they_differ(prove: Proving) -> None:
    proof = prove(*DIFFERENT["only for one input"])
    assert proof.model is not None
    assert proof.model.variables["rdi"] & 0xFFFFFFFF == 0x12345678


def test_an_assumption_can_make_them_equal(prove: Proving) -> None:
    assumed = ne(extract(var("rdi", 64), 0, 32), const(0x12345678, 32))
    assert prove(*DIFFERENT["only for one input"], assumed=(assumed,)).verdict == Proved()


def test_an_assumption_that_never_holds_proves_nothing(prove: Proving) -> None:
    assert isinstance(prove(*EQUAL["add and lea"], assumed=(FALSE,)).verdict, Unknown)


_INDEXED = (
    "sub rsp, 72\nmov [rsp], rdi\nmov [rsp+8], rdi\nmov [rsp+16], rdi\nmov [rsp+24], rdi\nand esi, {}\n"
    "{} xmm0, [rsp+4*rsi]\nmovd eax, xmm0\nadd rsp, 72\nret"
)


@pytest.mark.parametrize(("mask", "verdict"), [(4, Proved), (5, Unknown), (1, Unknown)])
def test_what_has_to_be_aligned_in_the_frame_is(
    mask: int, verdict: type, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """At an index the rewrite faults unless it is a multiple of four words."""
    original, rewrite = (_INDEXED.format(mask, name) for name in ("movups", "movaps"))
    pair = make_pair(original, rewrite, Specification((LiveOut("rax", 4),), source="option"), {})
    assert isinstance(prove_pair(pair, solver, timeout_s=20).verdict, verdict)
