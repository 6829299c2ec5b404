"""Loop heads of real and of irreducible code."""

from __future__ import annotations

from burnish.verify.loops.heads import loops_of

from .conftest import assembled, function_of


def test_nested_loops_outer_first() -> None:
    source = "int f(int n){int s=0;for(int i=0;i<n;i++)for(int j=0;j<i;j++)s+=i^j;return s;}"
    loops = loops_of(function_of(source, "-O0").function)
    assert [loop.depth for loop in loops] == [1, 2]
    assert loops[1].body < loops[0].body
    assert all(loop.head in loop.body for loop in loops)


def test_straight_code_has_none() -> None:
    assert loops_of(assembled("cmp edi, 3\nja 1f\nmov eax, 1\nret\n1: xor eax, eax\nret").function) == ()


def test_a_cycle_with_two_entries_has_a_head() -> None:
    side = assembled("test edi, edi\nje 2f\n1: dec esi\njs 3f\n2: dec edx\njns 1b\n3: mov eax, esi\nret")
    heads = {loop.head for loop in loops_of(side.function)}
    assert heads
    assert heads <= {block.label for block in side.function.blocks[1:]}


def test_a_loop_at_the_entry() -> None:
    (loop,) = loops_of(assembled("sub edi, 1\njne f\nmov eax, edi\nret").function)
    assert loop.head.address == min(label.address for label in loop.body)
