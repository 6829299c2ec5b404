"""Inputs that are looked for where none has led yet, and what is said of what they reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.verify.pair import Pair
from burnish.verify.trials import Bench, GivenInput, PreparedOriginal, Reach, Reaches, run_trials
from burnish.verify.trials.draw import draw
from burnish.verify.trials.growth import fitted, lengthened
from burnish.verify.trials.shape import Area, Shape, area_end

EAX = Specification((LiveOut("rax", 4),), source="prototype")

# Three numbers in a row, none of which draws find together with another.
NEST = """
mov eax, 1
cmp edi, 0x5a17c3
jne 9f
mov eax, 2
cmp esi, 0x77310b
jne 9f
mov eax, 3
cmp edx, 0x1234fe
jne 9f
mov eax, {}
9: ret
"""
# A structure behind a pointer in another, and a number in each: behind what memory there is at first.
BEHIND = """
mov eax, 1
cmp dword ptr [rdi + 8], 0x79b1
jne 9f
mov rcx, [rdi + 0x90]
mov eax, 2
cmp dword ptr [rcx + 0x10], 0x1c5d
jne 9f
mov rdx, [rcx + 0x40]
mov eax, [rdx]
{}
9: ret
"""


def test_conditions_are_met_one_after_the_other(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled(NEST.format(4), NEST.format(4), EAX)
    drawn = PreparedOriginal.prepare(pair.original, EAX, bench)
    reach = Reach.of(pair.original)
    guided = PreparedOriginal.prepare(pair.original, EAX, bench, reach=reach, seconds=10)
    assert reach.counts == (5, 5) and not reach.missing
    # What was reached is reached by tests: what is wrong there is found, and by draws alone it is not.
    wrong = assembled(NEST.format(4), NEST.format(5), EAX).rewrite
    assert drawn.test(wrong, bench).counterexample is None
    found = guided.test(wrong, bench).counterexample
    assert found is not None and found.registers["rdi"] & 0xFFFFFFFF == 0x5A17C3


def test_memory_is_found_where_an_input_first_leads(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled(BEHIND.format(""), BEHIND.format("not eax"), EAX)
    assert run_trials(pair, bench).counterexample is None
    reaches = Reaches.of(pair)
    # By that seed: no seed finds all, and what leads to the code of the function itself does not count.
    trials = run_trials(pair, bench, seconds=20, seed=4, reaches=reaches)
    assert reaches.original.counts == (4, 4)
    assert trials.counterexample is not None


def test_a_rewrite_is_looked_into_too(assembled: Callable[..., Pair], bench: Bench) -> None:
    odd = (
        NEST.format(4).replace("mov eax, 4", "mov eax, 1").replace("mov eax, 2", "").replace("mov eax, 3", "")
    )
    pair = assembled("mov eax, 1\nret", odd, EAX)
    reaches = Reaches.of(pair)
    assert run_trials(pair, bench, seconds=10, reaches=reaches).counterexample is None
    assert reaches.counts == ((1, 1), (5, 5))
    wrong = assembled("mov eax, 1\nret", odd.replace("mov eax, 1\n9:", "mov eax, 7\n9:"), EAX)
    assert run_trials(wrong, bench, seconds=10, reaches=Reaches.of(wrong)).counterexample is not None


def test_what_no_input_reaches_is_not_counted(assembled: Callable[..., Pair], bench: Bench) -> None:
    odd_square = "mov eax, edi\nimul eax, edi\nand eax, 3\ncmp eax, 2\njne 9f\nud2\n9: ret"
    pair = assembled(odd_square, odd_square, EAX)
    reach = Reach.of(pair.original)
    prepared = PreparedOriginal.prepare(pair.original, EAX, bench, reach=reach, seconds=2)
    found, every = reach.counts
    assert found == every - 1 and prepared.tests > 100


@pytest.mark.parametrize("value", [0, 1])
def test_given_inputs_count(assembled: Callable[..., Pair], bench: Bench, value: int) -> None:
    text = "test edi, edi\nje 1f\nmov eax, 1\nret\n1: mov eax, 2\nret"
    pair = assembled(text, "xor eax, eax\ntest edi, edi\nsete al\ninc eax\nret", EAX)
    reaches = Reaches.of(pair)
    given = GivenInput({"rdi": value, "rsp": 0x7FFC_0000_1008})
    assert run_trials(pair, bench, count=0, inputs=[given], reaches=reaches).tested == 1
    assert reaches.counts == ((2, 3), (1, 1))
    first, second = sorted(pair.original.function.blocks, key=lambda block: block.label)[1:]
    assert reaches.original.missing == {(second if value else first).label.address}


def test_pointers_follow_an_area_that_grows() -> None:
    shape = Shape((Area(area_end(0), 64, slots={8: 1}), Area(area_end(1), 64, lead=16)), {7: 0, 6: 1})
    source = np.random.default_rng(1)
    states = draw(shape, 50, source, np.arange(9, dtype=np.uint64))
    wider = lengthened(shape, shape.areas[1].end + 20)
    assert wider is not None and wider.areas[1].size == 112
    moved = fitted(states, shape, wider, source, np.arange(9, dtype=np.uint64))
    distance = shape.areas[1].start - wider.areas[1].start
    old, new = states.gpr[:, 6], moved.gpr[:, 6]
    inside = (old >= shape.areas[1].start) & (old <= shape.areas[1].end)
    assert inside.sum() > 20 and (new[inside] == old[inside] - np.uint64(distance)).all()
    assert (new[~inside] == old[~inside]).all()
    held = moved.windows[2].contents[:, 8:16].copy().view(np.uint64)
    assert (held == wider.areas[1].pointer).any()
    # What lay in the area lies at the same distance from the pointer.
    assert (moved.windows[3].contents[:, :64] == states.windows[3].contents).mean() > 0.9
