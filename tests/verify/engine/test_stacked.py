"""Objects in a frame of which the file does not tell, and frames of callees in line: all of them is shared, or nothing.

In each wrong pair the processor shows a difference with some callee.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from burnish.core.code import Function
from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Unknown
from burnish.images import assemble, control_flow
from burnish.verify.pair import Callee, Local, Pair, Side
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

RAX = Specification((LiveOut("rax", 8),), source="option")
ON_STACK = Specification((LiveOut("rax", 8),), stack_bytes=16, source="option")
CALLEES = {
    "h": Callee("h", (("rdi", 8), ("rsi", 8)), (("rax", 8),), stack_bytes=0),
    "p": Callee("p", (("rdi", 8),), (("rax", 8),), pure=True, stack_bytes=0),
    "r": Callee("r", (("rdi", 8),), (("rax", 8),), reads_only=True, stack_bytes=0),
    "s": Callee("s", (("rdi", 8),), (("rax", 8),), stack_bytes=0),
    "t": Callee("t", (("rdi", 8),), (("rax", 8),), stack_bytes=8),
    "u": Callee("u"),
}


def _verdict(
    make_pair: Callable[..., Pair],
    solver: Solver,
    texts: tuple[str, str],
    ceiling: int | None = 0,
    locals_: tuple[Local, ...] = (),
    specification: Specification = RAX,
) -> Proved | Unknown:
    pair = make_pair(*texts, specification, CALLEES)
    pair = replace(pair, original=replace(pair.original, locals=locals_, ceiling=ceiling))
    proof = prove(pair, solver, timeout_s=20)
    assert isinstance(proof.verdict, Proved | Unknown)
    return proof.verdict if not proof.provisos else Unknown(proof.provisos[0])


PARAMETER = "sub rsp, 24\nmov [rsp+8], rdi\nlea rdi, [rsp+8]\ncall s\nmov rax, [rsp+8]\nadd rsp, 24\nret"
STRUCTURE = (
    "sub rsp, 40\nmov [rsp+8], rdi\nmov [rsp+16], rsi\nlea rdi, [rsp+16]\ncall s\nmov rax, [rsp+8]\n"
    "add rsp, 40\nret"
)
_TWICE = (
    "push rbx\nsub rsp, 16\nmov [rsp], rdi\nmov rdi, rsp\ncall s\n{}\nxor edi, edi\ncall s\n{}\n"
    "add rsp, 16\npop rbx\nret"
)
_TAKES = (
    "sub rsp, {0}\nmov [rsp+{1}], rsi\nmov [rsp+{2}], rdi\nlea rdi, [rsp+{2}]\ncall {3}\nmov rax, [rsp+{2}]\n"
    "add rsp, {0}\nret"
)
SAME = {
    "as it is": (PARAMETER, PARAMETER),
    "in a larger frame": (
        PARAMETER,
        "sub rsp, 56\nmov [rsp+24], rdi\nlea rdi, [rsp+24]\ncall s\nmov rax, [rsp+24]\nadd rsp, 56\nret",
    ),
    "a callee of which it is not known what it takes": (
        PARAMETER.replace("call s", "call u"),
        PARAMETER.replace("call s", "call u").replace("rax, [rsp+8]", "rcx, [rsp+8]\nmov rax, rcx"),
    ),
}
OTHER = {
    "kept in a register": (
        PARAMETER,
        "push rbx\nsub rsp, 16\nmov rbx, rdi\nmov [rsp], rdi\nmov rdi, rsp\ncall s\nmov rax, rbx\nadd rsp, 16\n"
        "pop rbx\nret",
    ),
    "the word below it": (
        STRUCTURE,
        "push rbx\nsub rsp, 32\nmov rbx, rdi\nmov [rsp+8], rdi\nmov [rsp+16], rsi\nlea rdi, [rsp+16]\ncall s\n"
        "mov rax, rbx\nadd rsp, 32\npop rbx\nret",
    ),
    "the word below it, not stored": (STRUCTURE, STRUCTURE.replace("mov [rsp+8], rdi\n", "")),
    "the word below it, of a frame without room for it": (
        STRUCTURE,
        "push rbx\nsub rsp, 16\nmov rbx, rdi\nmov [rsp], rsi\nmov rdi, rsp\ncall s\nmov rax, rbx\nadd rsp, 16\n"
        "pop rbx\nret",
    ),
    "what a callee changed before": (
        _TWICE.format("nop", "mov rax, [rsp]"),
        _TWICE.format("mov rbx, [rsp]", "mov rax, rbx"),
    ),
    "moved by what is no multiple of 16": (
        PARAMETER,
        "sub rsp, 24\nmov [rsp], rdi\nmov rdi, rsp\ncall s\nmov rax, [rsp]\nadd rsp, 24\nret",
    ),
    "what lies where an argument on the stack may be": (
        _TAKES.format(24, 0, 8, "u"),
        _TAKES.format(40, 16, 24, "u"),
    ),
    "an argument on the stack": (
        _TAKES.format(24, 0, 8, "t"),
        _TAKES.format(24, 0, 8, "t").replace("rsi", "rdi"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_an_object_that_the_file_does_not_tell_of(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    assert isinstance(_verdict(make_pair, solver, SAME[name]), Proved)


@pytest.mark.parametrize("name", SAME)
def test_without_an_end_there_is_no_object(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    verdict = _verdict(make_pair, solver, SAME[name], None)
    assert isinstance(verdict, Unknown)
    assert "the file does not say what is there" in verdict.reason


@pytest.mark.parametrize("name", OTHER)
def test_all_that_it_may_reach_is_the_callee_s(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    assert isinstance(_verdict(make_pair, solver, OTHER[name]), Unknown)


_BESIDE = (
    "sub rsp, 40\nmov [rsp+8], rdi\nmov qword ptr [rsp+24], 1\nlea rdi, [rsp+8]\nlea rsi, [rsp+24]\ncall h\n"
    "mov rax, [rsp+8]\nadd rsp, 40\nret"
)


def test_what_may_end_at_a_variable_stays_below_it(make_pair: Callable[..., Pair], solver: Solver) -> None:
    """The callee may be given the beginning and the end of what has no name."""
    turned = _BESIDE.replace("rsp+24", "rsp+0").replace("rsp+8", "rsp+24")
    known = (Local(-16, 16, 8),)
    assert isinstance(_verdict(make_pair, solver, (_BESIDE, _BESIDE), -16, known), Proved)
    assert isinstance(_verdict(make_pair, solver, (_BESIDE, turned), -16, known), Unknown)


def test_a_later_call_may_show_that_it_reaches_deeper(make_pair: Callable[..., Pair], solver: Solver) -> None:
    """The frame is larger where the address is given away again: what lies below it then is the callee's as well."""
    text = (
        "push rbx\nmov rbx, rdi\nsub rsp, 16\nmov [rsp+8], rdi\nlea rdi, [rsp+8]\ncall s\nsub rsp, 32\n"
        "mov [rsp+8], rbx\nlea rdi, [rsp+24]\ncall s\n{}\nadd rsp, 48\npop rbx\nret"
    )
    right, wrong = text.format("mov rax, [rsp+8]"), text.format("mov rax, rbx")
    assert isinstance(_verdict(make_pair, solver, (right, wrong), -8), Unknown)


_BELOW = (
    "sub rsp, 24\nlea rdi, [rsp+8]\ncall s\nadd rsp, 24\nmov qword ptr [rsp-16], 5\nsub rsp, 8\nxor edi, edi\n"
    "call {}\nadd rsp, 8\n{}\nret"
)


@pytest.mark.parametrize("callee", ["p", "r", "s"])
def test_a_callee_that_changes_nothing_has_a_frame(
    callee: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """What lies below the stack pointer is overwritten by its return address."""
    texts = _BELOW.format(callee, "mov eax, 5"), _BELOW.format(callee, "mov rax, [rsp-16]")
    assert isinstance(_verdict(make_pair, solver, texts, None, (Local(-16, 16, 8),)), Unknown)


_VARIADIC = (
    "sub rsp, 40\nmov [rsp+8], rdi\nlea rax, [rsp+48]\nmov [rsp+16], rax\nlea rdi, [rsp+8]\ncall s\n"
    "add rsp, 40\nret"
)
_MOVED = _VARIADIC.replace("40", "72").replace("rsp+48", "rsp+80")
_LIST = (Local(-32, 32, 8),)
CALLER_S = {
    "another of its arguments": _MOVED.replace("rsp+80", "rsp+88"),
    "its own return address": _MOVED.replace("rsp+80", "rsp+72"),
    "a number": _MOVED.replace("lea rax, [rsp+80]", "xor eax, eax"),
    "an argument that was changed": _MOVED.replace("sub rsp, 72", "sub rsp, 72\nmov dword ptr [rsp+80], 1"),
    "the lower half": _MOVED.replace("mov [rsp+16], rax", "mov [rsp+16], eax\nmov dword ptr [rsp+20], 0"),
}


def test_arguments_on_the_stack_lie_in_one_place(make_pair: Callable[..., Pair], solver: Solver) -> None:
    assert isinstance(_verdict(make_pair, solver, (_VARIADIC, _MOVED), None, _LIST), Proved)


@pytest.mark.parametrize("name", CALLER_S)
def test_what_its_caller_put_there_stays(name: str, make_pair: Callable[..., Pair], solver: Solver) -> None:
    assert isinstance(_verdict(make_pair, solver, (_VARIADIC, CALLER_S[name]), None, _LIST), Unknown)


def test_arguments_that_are_its_own_are_not_its_caller_s(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """What a function writes into arguments of its own type is not compared, so nobody may be given their address."""
    wrong = _MOVED.replace("sub rsp, 72", "sub rsp, 72\nmov dword ptr [rsp+80], 1")
    for other in (_MOVED, wrong):
        verdict = _verdict(make_pair, solver, (_VARIADIC, other), None, _LIST, ON_STACK)
        assert isinstance(verdict, Unknown)


_ELSEWHERE = """
.globl f
.globl g
.globl s
f:
test edi, edi
je 1f
sub rsp, 24
mov qword ptr [rsp], 1
mov qword ptr [rsp+8], 2
mov qword ptr [rsp+16], 3
mov rdi, rsp
call s
{1}
add rsp, 24
ret
1: {0}
g:
sub rsp, 24
mov qword ptr [rsp], 1
mov qword ptr [rsp+8], 2
mov qword ptr [rsp+16], 3
mov rdi, rsp
call s
{2}
add rsp, 24
ret
s: ret
"""
_WAYS = {"jump": "jmp g", "call": "sub rsp, 8\ncall g\nadd rsp, 8\nret"}
_WORDS = (Local(-24, 8, 8), Local(-16, 8, 8), Local(-8, 8, 8))
_LAST, _AGAIN, _KEPT = "mov rax, [rsp+16]", "mov rcx, [rsp+16]\nmov rax, rcx", "mov eax, 3"
_Frames = tuple[tuple[Local, ...], tuple[Local, ...]]


def _side(text: str, name: str, frames: _Frames) -> Side:
    image = assemble(text, "intel")
    places = {one.name: one for one in image.functions}
    f, g = (control_flow(image, places[which]) for which in ("f", "g"))
    assert isinstance(f, Function) and isinstance(g, Function)
    inner = Callee(name, (("rdi", 8),), (("rax", 8),), stack_bytes=0)
    callees = {places["s"].address: CALLEES["s"], g.address: inner}
    ends = [min((one.offset for one in locals_), default=0) for locals_ in frames]
    bodies, others = {g.address: g}, {g.address: frames[1]}
    return Side("f", image, f, {}, callees, {}, bodies, frames[0], others, ends[0], {g.address: ends[1]})


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("whole", [(Local(-24, 24, 8),), ()])
@pytest.mark.parametrize("inner", [True, False])
def test_what_lies_at_a_place_depends_on_whose_frame_it_is(
    way: str, whole: tuple[Local, ...], inner: bool, solver: Solver
) -> None:
    """One of a function and its callee in line has an object of three words where the other has three of one."""
    frames = (_WORDS, whole) if inner else (whole, _WORDS)

    def verdict(last: str) -> Proved | Unknown:
        ends = [("mov eax, 7", end) if inner else (end, "mov eax, 7") for end in (_LAST, last)]
        sides = [
            _side(_ELSEWHERE.format(_WAYS[way], *end), name, frames)
            for name, end in zip(("g of the original", "g of the rewrite"), ends, strict=True)
        ]
        found = prove(Pair(sides[0], sides[1], RAX), solver, timeout_s=20).verdict
        assert isinstance(found, Proved | Unknown)
        return found

    assert isinstance(verdict(_KEPT), Unknown)
    # What is called leaves its return address where the function has objects: too little is known to go on.
    assert isinstance(verdict(_AGAIN), Proved if way == "jump" else Unknown)


_GIVEN_ON = """
.globl f
.globl g
.globl s
f:
test edi, edi
je 1f
sub rsp, 40
mov qword ptr [rsp+16], 1
mov qword ptr [rsp+24], 2
mov qword ptr [rsp+32], 3
lea rdi, [rsp+16]
call g
{0}
add rsp, 40
ret
1: sub rsp, 8
xor edi, edi
call g
add rsp, 8
ret
g:
sub rsp, 8
test rdi, rdi
jne 1f
mov rdi, rsp
mov qword ptr [rsp], 1
1: call s
add rsp, 8
mov eax, 7
ret
s: ret
"""


def test_what_a_callee_in_line_gives_on_is_its_caller_s(solver: Solver) -> None:
    """Where the callee has a local of one word at one time, the function has one of three at another."""
    frames = (), (Local(-8, 8, 8),)
    text = _GIVEN_ON.replace("sub rsp, 8\ntest", "sub rsp, 8\nnop\ntest")
    sides = [
        _side(text.format(last), name, frames)
        for last, name in ((_LAST.replace("16", "32"), "g of the original"), (_KEPT, "g of the rewrite"))
    ]
    assert isinstance(prove(Pair(sides[0], sides[1], RAX), solver, timeout_s=20).verdict, Unknown)


_ENDS = (
    "push rbx\nmov rbx, rdi\nsub rsp, 16\n{0}\nmov rdi, rbx\ncall s\nadd rsp, 16\npop rbx\nret\n"
    "1: mov rdi, rsp\ncall s\nmov rax, [rsp]\nadd rsp, 16\npop rbx\nret"
)
_JUMPS = (
    "push rbx\nmov rbx, rdi\nsub rsp, 16\n{0}\nmov rdi, rbx\nadd rsp, 16\npop rbx\njmp s\n"
    "1: mov rdi, rsp\ncall s\nmov rax, [rsp]\nadd rsp, 16\npop rbx\nret"
)
_CHOICE = "test rsi, rsi\nje 1f"
_BEFORE = {
    "passed": "mov rdi, rsp\ncall s",
    "passed to a callee that changes nothing, which returns it": "mov rdi, rsp\ncall r\nmov [rbx], rax",
    "passed on the stack": "mov rax, rsp\nsub rsp, 8\npush rax\ncall t\nadd rsp, 16",
    "stored": "mov [rbx], rsp\nxor edi, edi\ncall s",
    "stored and never passed": "mov [rbx], rsp",
    "stored in another that is passed": "mov [rsp+8], rsp\nlea rdi, [rsp+8]\ncall s",
}


def test_a_local_that_nobody_knows_may_be_gone_at_the_end(
    make_pair: Callable[..., Pair], solver: Solver
) -> None:
    texts = _ENDS.format(_CHOICE), _JUMPS.format(_CHOICE)
    known = (Local(-24, 8, 8), Local(-16, 8, 8))
    assert isinstance(_verdict(make_pair, solver, texts, None, known), Proved)
    called = "xor edi, edi\ncall s\n" + _CHOICE.replace("rsi, rsi", "rax, rax")
    texts = _ENDS.format(called), _JUMPS.format(called)
    assert isinstance(_verdict(make_pair, solver, texts, None, known), Proved)


@pytest.mark.parametrize("name", _BEFORE)
def test_a_local_that_a_callee_knows_is_there(
    name: str, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """The second callee may read it, and return what it read."""
    before = f"test rsi, rsi\nje 1f\n{_BEFORE[name]}"
    texts = _ENDS.format(before), _JUMPS.format(before)
    known = (Local(-24, 8, 8), Local(-16, 8, 8))
    assert isinstance(_verdict(make_pair, solver, texts, None, known), Unknown)
