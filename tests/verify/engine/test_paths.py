"""Paths are counted, and callees found that one side alone has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from burnish.core.code import Function
from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved
from burnish.images import control_flow
from burnish.verify.engine.execute import Names
from burnish.verify.engine.paths import MANY, Paths, alone
from burnish.verify.engine.region import Executor
from burnish.verify.engine.state import entry_state
from burnish.verify.pair import Callee, Pair, Side
from burnish.verify.prove import prove
from burnish.verify.solve import Solver

EAX = Specification((LiveOut("rax", 4),), source="option")
_CHOICE = "test {0}, {0}\nje 1f\nadd eax, {1}\n1:\n"
_THREE = "mov eax, 1\n" + "".join(map(_CHOICE.format, ("edi", "esi", "ecx"), (1, 2, 3))) + "ret"
_CALLEE = (
    "\n.globl g\ng:\ntest edi, edi\nje 2f\nlea eax, [rdi+1]\nret\n"
    "2:\ncmp esi, 4\nja 3f\nmov eax, 3\nret\n3:\nmov eax, 7\nret"
)
_TWICE = "sub rsp, 8\ncall g\nmov edi, eax\ncall g\nadd rsp, 8\nret" + _CALLEE
_ONCE = "test edi, edi\nlea eax, [rdi+1]\njne 1f\nmov ecx, 7\nmov eax, 3\ncmp esi, 4\ncmova eax, ecx\n1:\nret"
_TAIL = "jmp g" + _CALLEE


def _with_bodies(side: Side) -> Side:
    found: dict[int, Function] = {}
    for bounds in side.image.functions:
        body = control_flow(side.image, bounds)
        if isinstance(body, Function) and bounds.name != "f":
            found[bounds.address] = body
    called = {address: Callee(body.name) for address, body in found.items()}
    return replace(side, bodies=found, callees={**called, **side.callees})


def _pair(make_pair: Callable[..., Pair], original: str, rewrite: str) -> Pair:
    made = make_pair(original, rewrite, EAX, None)
    return replace(made, original=_with_bodies(made.original), rewrite=_with_bodies(made.rewrite))


@pytest.mark.parametrize(
    ("text", "inline", "count"),
    [(_THREE, "", 8), (_TWICE, "", 1), (_TWICE, "g", 9), (_TAIL, "g", 3), (_ONCE, "", 2), ("ret", "", 1)],
)
def test_paths_are_as_many_as_are_walked(
    text: str, inline: str, count: int, make_pair: Callable[..., Pair]
) -> None:
    side = _pair(make_pair, text, "ret").original
    names = frozenset({inline} - {""})
    assert Paths(side, names).count == count
    walker = Executor(side, Names("a"), joining=False, inline=names)
    exits = walker.run(entry_state("a", 0), walker.entry).exits
    assert len(exits) <= count  # what can be seen not to be possible is not walked
    assert len(exits) == count or inline


@pytest.mark.parametrize(
    "text", ["1:\ndec edi\njne 1b\nret", "call g\nret\n.globl g\ng:\n1:\ndec edi\njne 1b\nret"]
)
def test_loops_have_many(text: str, make_pair: Callable[..., Pair]) -> None:
    side = _pair(make_pair, text, "ret").original
    assert Paths(side, frozenset({"g"})).count == MANY


def test_callees_of_one_side_are_found(make_pair: Callable[..., Pair]) -> None:
    known = ".globl g\n.globl h\n.globl k\n.globl l\n"
    loop = "\nl:\n1:\ndec edi\njne 1b\nret"
    text = (
        "call g\ncall l\ncall elsewhere\nret\ng:\ncall h\ncall k\nret\nh:\nret\nk:\nret" + loop + "\n" + known
    )
    pair = _pair(make_pair, text, "call k\ncall m\nret\n.globl k\nk:\nret\n.globl m\nm:\nret")
    assert alone(pair) == ({"g", "h"}, {"m"})


WRONG = {
    "the number": ("lea eax, [rdi+1]", "lea eax, [rdi+2]"),
    "the limit": ("cmp esi, 4", "cmp esi, 3"),
    "the signs": ("cmova", "cmovg"),
    "the choice": ("jne", "je"),
    "a result": ("mov ecx, 7", "mov ecx, 8"),
}


@pytest.mark.parametrize("wrong", ["", *WRONG])
@pytest.mark.parametrize("turned", [False, True])
def test_what_one_side_calls_is_compared(
    wrong: str, turned: bool, make_pair: Callable[..., Pair], solver: Solver
) -> None:
    text = _ONCE.replace(*WRONG[wrong]) if wrong else _ONCE
    sides = (text, _TAIL) if turned else (_TAIL, text)
    proof = prove(_pair(make_pair, *sides), solver, timeout_s=20.0)
    assert isinstance(proof.verdict, Proved) is not bool(wrong), proof.verdict
    if wrong:
        assert proof.model is not None


@pytest.mark.parametrize("places", [(0, 0, 0), (1, 0, 1)])
def test_each_of_many_choices_counts(
    places: tuple[int, int, int], make_pair: Callable[..., Pair], solver: Solver
) -> None:
    """Both have eight paths: that one of the pairs that belong together is wrong is seen."""
    chosen = zip(("edi", "esi", "ecx"), places, strict=True)
    skip = "".join(
        f"test {register}, {register}\nj{'z' if place else 'nz'} 9f\n" for register, place in chosen
    )
    text = _THREE.replace("ret", f"{skip}add eax, 1\n9:\nret")
    proof = prove(_pair(make_pair, _THREE, text), solver, timeout_s=20.0)
    assert not isinstance(proof.verdict, Proved)
