"""Loop heads of real and of irreducible code."""

from __future__ import annotations

from burnish.verify.loops.heads import Irreducible, natural_loops

from .conftest import assembled, function_of


def test_nested_loops_outer_first() -> None:
    source = "int f(int n){int s=0;for(int i=0;i<n;i++)for(int j=0;j<i;j++)s+=i^j;return s;}"
    loops = natural_loops(function_of(source, "-O0").function)
    assert not isinstance(loops, Irreducible)
    assert [loop.depth for loop in loops] == [1, 2]
    assert loops[1].body < loops[0].body
    assert all(loop.head in loop.body for loop in loops)


def test_straight_code_has_none() -> None:
    assert natural_loops(assembled("cmp edi, 3\nja 1f\nmov eax, 1\nret\n1: xor eax, eax\nret").function) == ()


def test_two_entries_are_irreducible() -> None:
    side = assembled("test edi, edi\nje 2f\n1: dec esi\njs 3f\n2: dec edx\njns 1b\n3: mov eax, esi\nret")
    found = natural_loops(side.function)
    assert isinstance(found, Irreducible)
    assert "more than one place" in str(found)


def test_a_loop_at_the_entry() -> None:
    (loop,) = natural_loops(assembled("sub edi, 1\njne f\nmov eax, edi\nret").function)
    assert loop.head.address == min(label.address for label in loop.body)
