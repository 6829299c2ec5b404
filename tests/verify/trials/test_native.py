"""Code that is moved apart, or far from what it calls, does what it did."""

from __future__ import annotations

from collections.abc import Callable

from burnish.core.specification import LiveOut, Specification
from burnish.core.state import MemoryRegion
from burnish.verify.pair import Pair
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair
from burnish.verify.subject.pairs import Reading
from burnish.verify.trials import Bench, GivenInput, run_pair, run_trials

EAX = Specification((LiveOut("rax", 4),), source="prototype")
STACK = 0x7FFC_0000_1008

# A short jump of the callee, which lies before the function, leads to the function's first instruction.
BEFORE = (
    ".text\n.type g, @function\ng:\ntest edi, edi\njne own\nmov eax, 7\nret\n.size g, .-g\n"
    ".globl f\n.type f, @function\nf:\nown:\nsub rsp, 8\nand edi, 1\nsub edi, 1\ncall g\n"
    "inc eax\nadd rsp, 8\nret\n.size f, .-f\n"
)


def _against(body: str) -> Pair:
    one = read_input(BEFORE, syntax="intel")
    two = read_input(f".globl f\n.type f, @function\nf:\n{body}\nret\n.size f, .-f\n", syntax="intel")
    reading = read_pair(one, two, choose_functions(one, two, "f")[0], Overrides(("rax",)))
    assert isinstance(reading, Reading), reading
    return reading.pair


def test_a_short_jump_to_the_entry_from_before_it(bench: Bench) -> None:
    # With an even number the callee jumps back to the function, once.
    right = "and edi, 1\nmov eax, 9\nsub eax, edi"
    trials = run_trials(_against(right), bench, count=64)
    assert trials.counterexample is None
    assert trials.tested >= 64
    assert run_trials(_against(right + "\ninc eax"), bench, count=64).counterexample is not None


CALLS = "sub rsp, 8\nmov edi, dword ptr [rip + thing]\n{}\ncall putchar\nadd rsp, 8\nret"


def test_a_call_from_beside_objects_that_are_far_away(assembled: Callable[..., Pair], bench: Bench) -> None:
    place = 0x5000_0000_0000
    memory = (MemoryRegion(place, bytes(range(1, 17))),)
    given = GivenInput({"rsp": STACK}, memory, {"thing": place})
    same = run_pair(assembled(CALLS.format("inc edi"), CALLS.format("add edi, 1"), EAX), given, bench)
    assert not same.void
    assert not same.difference
    wrong = run_pair(assembled(CALLS.format("inc edi"), CALLS.format("add edi, 2"), EAX), given, bench)
    assert wrong.difference
