"""Proofs without a bound of real compilers' code, and none of what is wrong."""

from __future__ import annotations

import json
import time

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Bounded, Proved, Unknown
from burnish.verify.engine.joint import Proof
from burnish.verify.loops.invariants import Invariants, check, from_json, to_json
from burnish.verify.loops.prove import prove_loops
from burnish.verify.loops.unroll import prove_unrolled
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver

from .conftest import MakePair, assembled, states

PATIENCE_S = 240.0

SUM = "int f(const int*a,int n){int s=0;for(int i=0;i<n;i++)s+=a[i];return s;}"
LENGTH = "unsigned long f(const char*s){unsigned long n=0;while(s[n])n++;return n;}"
FIND = (
    "const void*f(const unsigned char*s,int c,unsigned long n)"
    "{for(;n;s++,n--)if(*s==(unsigned char)c)return s;return 0;}"
)
BUBBLE = (
    "int f(int*a,int n){int m=0;for(int i=0;i+1<n;i++)"
    "if(a[i]>a[i+1]){int t=a[i];a[i]=a[i+1];a[i+1]=t;m=1;}return m;}"
)
COUNT = "unsigned f(unsigned n){unsigned s=0;for(unsigned i=0;i<n;i++)s+=3;return s;}"


def prove(pair: Pair, solver: Solver, kinds: str, bound: int = 0) -> Proof:
    return prove_loops(pair, solver, time.monotonic() + PATIENCE_S, states(kinds), bound=bound)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "first", "second", "kinds", "size"),
    [
        (SUM, "-O0", "-O1", "pi", 4),
        (SUM, "-O0", "-O3", "pi", 4),
        (LENGTH, "-O0", "-O2", "z", 8),
        (FIND, "-O0", "-O2", "pcn", 8),
        (BUBBLE, "-O0", "-O2", "pi", 4),
        (COUNT, "-O0", "-O2", "i", 4),
    ],
    ids=["sum", "vectorised", "strlen", "memchr", "bubble", "closed form"],
)
def test_proved(
    make_pair: MakePair, solver: Solver, source: str, first: str, second: str, kinds: str, size: int
) -> None:
    pair = make_pair(source, first, second, size)
    proof = prove(pair, solver, kinds)
    assert isinstance(proof.verdict, Proved), proof.verdict
    stored = from_json(json.loads(json.dumps(proof.invariants)))
    assert to_json(stored) == proof.invariants
    again = check(pair, solver, time.monotonic() + PATIENCE_S, stored)
    assert isinstance(again.verdict, Proved), again.verdict
    # Without what relates both sides the rest is no proof.
    bare = Invariants(tuple(type(p)(p.node, (), p.slots) for p in stored.pairings), stored.steps)
    assert isinstance(check(pair, solver, time.monotonic() + PATIENCE_S, bare).verdict, Unknown)


FOLD = "unsigned f(const unsigned*a,unsigned n){unsigned s=0,i;for(i=0;i<n;i++)s^=a[i];return s;}"
BY_FOUR = (
    "unsigned f(const unsigned*a,unsigned n){unsigned s=0,i=0;"
    "for(;n-i>=4;i+=4)s^=a[i]^a[i+1]^a[i+2]^a[i+3];for(;i<n;i++)s^=a[i];return s;}"
)


@pytest.mark.slow
@pytest.mark.parametrize("right", [True, False])
def test_unrolled_by_hand(make_pair: MakePair, solver: Solver, right: bool) -> None:
    """The counter of the rewrite is a multiple of 4: without that it may run past its end."""
    other = BY_FOUR if right else BY_FOUR.replace("a[i+3]", "a[i+2+(i!=400)]")
    pair = make_pair(FOLD, "-O1", "-O1", other=other)
    proof = prove_loops(pair, solver, time.monotonic() + (PATIENCE_S if right else 10), states("pi"))
    assert isinstance(proof.verdict, Proved) is right, proof.verdict


WRONG = {
    "another start": ("int i=0;i<n", "int i=1;i<n"),
    "one round less": ("i<n", "i<n-1"),
    "another step": ("s+=a[i]", "s+=a[i]+(i==1000)"),
    "reads on": ("s+=a[i]", "s+=a[i]+0*((volatile const int*)a)[i+5000]"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_loops_are_not_proved(make_pair: MakePair, solver: Solver, change: tuple[str, str]) -> None:
    pair = make_pair(SUM, "-O0", "-O1", other=SUM.replace(*change))
    proof = prove_loops(pair, solver, time.monotonic() + 60, states("pi"))
    assert isinstance(proof.verdict, Unknown)


RESULT = Specification((LiveOut("rax", 4),), source="option")
_ROUNDS = "lea ecx, [rdi-1]\nand edi, ecx\ninc eax\njmp 1b\n2: ret"
BITS = f"xor eax, eax\n1: test edi, edi\nje 2f\n{_ROUNDS}"
BITS_OF_FOUR = f"and edi, 15\nxor eax, eax\n1: test edi, edi\nje 2f\n{_ROUNDS}"
EIGHT_BITS = f"xor eax, eax\n1: test edi, edi\nje 2f\ncmp eax, 8\njae 2f\n{_ROUNDS}"


def test_a_population_count_that_is_right_for_eight_rounds_is_bounded_at_most(solver: Solver) -> None:
    pair = Pair(assembled(BITS), assembled(EIGHT_BITS), RESULT)
    assert prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 5).verdict == Bounded(5)
    assert isinstance(prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 9).verdict, Unknown)
    assert not isinstance(prove(pair, solver, "c", 5).verdict, Proved)


def test_unrolling_to_the_end_is_a_proof(solver: Solver) -> None:
    pair = Pair(assembled(BITS_OF_FOUR), assembled("and edi, 15\npopcnt eax, edi\nret"), RESULT)
    proof = prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 4)
    assert isinstance(proof.verdict, Proved), proof.verdict
    assert prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 3).verdict == Bounded(3)


def test_a_loop_of_the_rewrite_alone_that_never_ends(solver: Solver) -> None:
    pair = Pair(assembled("xor eax, eax\nret"), assembled("xor eax, eax\n1: cmp edi, 7\nje 1b\nret"), RESULT)
    assert isinstance(prove(pair, solver, "c").verdict, Unknown)
    proof = prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 3)
    assert proof.verdict == Unknown("the rewrite still loops where the original does not")


def test_a_rewrite_that_never_ends_where_the_original_does_is_not_bounded(solver: Solver) -> None:
    length = "xor eax, eax\n1: cmp byte ptr [rdi+rax], 0\nje 2f\n{}\njmp 1b\n2: ret"
    pair = Pair(assembled(length.format("inc rax")), assembled(length.format("nop")), RESULT)
    proof = prove_unrolled(pair, solver, time.monotonic() + PATIENCE_S, 2)
    assert isinstance(proof.verdict, Unknown), proof.verdict


IRREDUCIBLE = "test edi, edi\nje 2f\n1: dec esi\njs 3f\n2: dec edx\njns 1b\n3: mov eax, esi\nret"


def test_a_loop_that_is_entered_in_two_places(solver: Solver) -> None:
    other = IRREDUCIBLE.replace("dec edx\njns", "sub edx, 1\njns")
    assert isinstance(
        prove(Pair(assembled(IRREDUCIBLE), assembled(other), RESULT), solver, "c").verdict, Proved
    )


@pytest.mark.parametrize(
    "change", [("mov eax, esi", "lea eax, [rsi+1]"), ("dec edx", "sub edx, 2"), ("je", "jne")]
)
def test_a_wrong_loop_that_is_entered_in_two_places(solver: Solver, change: tuple[str, str]) -> None:
    pair = Pair(assembled(IRREDUCIBLE), assembled(IRREDUCIBLE.replace(*change)), RESULT)
    proof = prove_loops(pair, solver, time.monotonic() + 10, states("c"))
    assert isinstance(proof.verdict, Unknown)


GATED = (
    "struct s{int magic;unsigned n;const int*a;};"
    "int f(const struct s*p){if(p->magic!=0x5A17)return -1;int t=0;for(unsigned i=0;i<p->n;i++)t+=p->a[i];return t;}"
)
WRONG_GATED = {
    "another gate": ("0x5A17", "0x5A16"),
    "one magic number more": ("p->magic!=0x5A17", "p->magic!=0x5A17&&p->magic!=0x7171"),
    "another sum behind the gate": ("t+=p->a[i]", "t+=p->a[i]+(p->magic==0x5A17)"),
    "one round more": ("i<p->n", "i<=p->n"),
    "differs in one case only": ("i<p->n", "i<p->n-(p->n==77)"),
}


def test_a_loop_that_no_run_reaches_is_proved(make_pair: MakePair, solver: Solver) -> None:
    """The memory that opens the way is a solver's; what holds behind it is found near that."""
    proof = prove_loops(make_pair(GATED, "-O1", "-O2"), solver, time.monotonic() + 60, ())
    assert isinstance(proof.verdict, Proved), proof.verdict


@pytest.mark.parametrize("change", WRONG_GATED.values(), ids=WRONG_GATED)
def test_wrong_loops_that_no_run_reaches_are_not_proved(
    make_pair: MakePair, solver: Solver, change: tuple[str, str]
) -> None:
    pair = make_pair(GATED, "-O1", "-O2", other=GATED.replace(*change))
    proof = prove_loops(pair, solver, time.monotonic() + 5, ())
    assert isinstance(proof.verdict, Unknown)
