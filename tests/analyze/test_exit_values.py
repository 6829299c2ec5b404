"""What is known of values behind loops: of assembled ones. ``test_execution`` has a compiled product of matrices, where
the next bound of the innermost loop may come from where it stopped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.analyze.exit_values import put_exit_values
from burnish.analyze.loop_forest import loop_forest
from burnish.analyze.ssa import Values, values_of
from burnish.analyze.values import Kind, Node, closure
from burnish.core.code import Branch, Refused
from burnish.core.pcode import OpCode
from burnish.images import load
from burnish.recompile.plan import Summaries

LOOP = "f: 1: add $8, %rdi; {}; lea 5(%rdi), %rax; ret"


def followed(text: str, folder: Path) -> Values:
    """The values of an assembled function, exit values put in."""
    if shutil.which("as") is None:
        pytest.skip("needs as, the assembler")
    file = folder / "f.o"
    text = f".type f, @function\n{text}\n.size f, . - f\n"
    subprocess.run(["as", "-o", file], input=text.encode(), check=True)
    image = load(file)
    plan = Summaries(image).plan(next(one for one in image.functions if one.name == "f"))
    assert not isinstance(plan, Refused)
    values = values_of(plan)
    numbers = {label: k for k, label in enumerate(values.following)}
    labels = list(numbers)
    following = {k: [numbers[to] for to in values.following[label]] for label, k in numbers.items()}
    loops = [frozenset(labels[k] for k in loop.blocks) for loop in loop_forest(0, following)]
    ends = {block.label: block.terminator for block in plan.function.blocks}
    put_exit_values(values, {at: end for at, end in ends.items() if isinstance(end, Branch)}, loops)
    return values


def result_needs(values: Values) -> set[str]:
    """The registers as they were at entry that the result in RAX is computed from."""
    made = [node for node in closure(values.returned) if node.kind is Kind.ENTRY and node.place]
    return {node.place[0].name for node in made if node.place is not None}


@pytest.mark.parametrize(
    ("ends", "needs"),
    [
        ("cmp %rsi, %rdi; jne 1b", {"rsi"}),
        ("cmp %rdi, %rsi; jne 1b", {"rsi"}),
        ("mov %rsi, %rcx; xor %rdi, %rcx; jne 1b", {"rsi"}),
        ("test %rdi, %rdi; jne 1b", set[str]()),
        ("cmp %rsi, %rdi; je 2f; jmp 1b; 2:", {"rsi"}),
        ("cmp %rsi, %rdi; je 1b", {"rdi"}),
        ("cmp %rsi, %rdi; jb 1b", {"rdi"}),
        ("cmp %esi, %edi; jne 1b", {"rdi"}),
        ("cmp %rdx, %rdi; je 2f; cmp %rsi, %rdi; jne 1b; 2:", {"rdi"}),
        ("add $4, %rsi; cmp %rsi, %rdi; jne 1b", {"rdi"}),
    ],
)
def test_a_value_behind_a_loop(ends: str, needs: set[str], tmp_path: Path) -> None:
    """RDI grows in the loop: its last value is that of RSI where nothing else ends the loop, and RSI stays."""
    values = followed(LOOP.format(ends), tmp_path)
    found = result_needs(values)
    assert found == needs or (needs == {"rdi"} and "rdi" in found)


def test_the_bound_of_an_inner_loop_grows_by_a_constant(tmp_path: Path) -> None:
    text = """f: mov %rdi, %rax
    1: mov %rdi, %rcx
    2: add $192, %rcx; cmp %rax, %rcx; jne 2b
    lea 8(%rcx), %rax; add $8, %rdi; cmp %rdx, %rdi; jne 1b; ret"""
    values = followed(text, tmp_path)
    bounds = [
        node
        for node in values.nodes
        if node.kind is Kind.PHI and node.place is not None and node.place[0].name == "rax"
    ]
    assert any(grows(phi) for phi in bounds)


def grows(phi: Node) -> bool:
    """Whether a round adds 8 to it, and nothing else."""
    return any(
        node.opcode is OpCode.INT_ADD and node.arguments[0] is phi and node.arguments[1].value == 8
        for node in phi.arguments
    )
